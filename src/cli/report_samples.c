/* Translations side by side with source and references.  Text of unknown languages: each piece finds its own direction. */
#include "dgm/report.h"
#include "dgm/word_diff.h"

#include <string.h>

static void put_term(const char *name, const char *class, dgm_mt_span text, dgm_html *page)
{
    dgm_html_putf(page, "<dt>%s</dt><dd class=\"%s\" dir=\"auto\">", name, class);
    dgm_html_line(page, text.text, text.n_bytes);
    dgm_html_put(page, "</dd>\n");
}

/* The first system that says the same, or s itself. */
static int first_like(const dgm_report_test *t, int s, int64_t line)
{
    dgm_mt_span text = t->systems[s].hyp.line[line];
    for (int other = 0; other < s; other++) {
        dgm_mt_span theirs = t->systems[other].hyp.line[line];
        if (theirs.n_bytes == text.n_bytes && memcmp(theirs.text, text.text, text.n_bytes) == 0) return other;
    }
    return s;
}

static void put_translation(const dgm_report *report, int s, int64_t line, dgm_html *page)
{
    const dgm_report_test *t = report->test;
    const dgm_report_system *system = &t->systems[s];
    int like = first_like(t, s, line);
    dgm_html_put(page, "<dt>");
    dgm_report_tag(report, system->run, page);
    if (report->n_runs == 1) dgm_html_put(page, "Translation");
    dgm_html_putf(page, " %.1f</dt>", system->sentence[line]);
    if (like != s) {
        dgm_html_put(page, "<dd class=\"empty\">the same as ");
        dgm_report_tag(report, t->systems[like].run, page);
    } else if (system->hyp.line[line].n_bytes == 0) {
        dgm_html_put(page, "<dd class=\"empty\">nothing");
    } else {
        dgm_html_put(page, "<dd dir=\"auto\">");
        dgm_word_diff_write(page, system->hyp.line[line], t->refs[0].line[line]);
    }
    dgm_html_put(page, "</dd>\n");
}

static void put_sample(const dgm_report *report, int64_t line, dgm_html *page)
{
    const dgm_report_test *t = report->test;
    dgm_html_put(page, "<article class=\"sample\"><h3>Line ");
    dgm_html_count(page, line + 1);
    dgm_html_put(page, "</h3>\n<dl>");
    put_term("Source", "src", t->src.line[line], page);
    for (int r = 0; r < t->n_refs; r++) put_term("Reference", r + 1 == t->n_refs ? "ref" : "alternative", t->refs[r].line[line], page);
    for (int s = 0; s < t->n_systems; s++) put_translation(report, s, line, page);
    dgm_html_put(page, "</dl></article>\n");
}

void dgm_report_samples(const dgm_report *report, dgm_html *page)
{
    const dgm_report_test *t = report->test;
    if (t->n_samples == 0) {
        dgm_html_put(page, "<p>No line is shown.</p>\n");
        return;
    }
    dgm_html_put(page, "<p>Lines chosen by rule, from the best translated to the worst, short and long ones in turn. Numbers are BLEU of the line by itself; "
                       "<mark>marked</mark> words are not in the ");
    dgm_html_put(page, t->n_refs > 1 ? "first reference at that place.</p>\n" : "reference at that place.</p>\n");
    for (int64_t i = 0; i < t->n_spread; i++) put_sample(report, t->sample[i], page);
    if (t->n_samples > t->n_spread) dgm_html_put(page, "<h3>Where the runs differ most</h3>\n");
    for (int64_t i = t->n_spread; i < t->n_samples; i++) put_sample(report, t->sample[i], page);
}
