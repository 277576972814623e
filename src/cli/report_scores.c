/* Scores with their intervals, and whether the runs differ by more than chance: every run against every other where there are few, else against the first. */
#include "dgm/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALL_PAIRS = 5, BOOTSTRAPS = 1000, TRIALS = 10000 };

/* ---- scores ---- */

/* From where to where the intervals of all systems by a metric go. */
static void range_of(const dgm_report_test *t, int metric, double *lo, double *hi)
{
    *lo = INFINITY, *hi = -INFINITY;
    for (int s = 0; s < t->n_systems; s++) {
        const dgm_metric_score *x = dgm_report_test_score(t, s, metric);
        *lo = fmin(*lo, fmin(x->score, x->mean - x->half_width));
        *hi = fmax(*hi, fmax(x->score, x->mean + x->half_width));
    }
    double room = fmax(0.06 * (*hi - *lo), 0.01);
    *lo -= room, *hi += room;
}

/* Places are shares of the width, so that the marks keep their size in a cell of any width. */
static void put_score(const dgm_metric_score *x, int run, double lo, double hi, dgm_html *page)
{
    double unit = 96 / (hi - lo), from = 2 + (x->mean - x->half_width - lo) * unit, to = 2 + (x->mean + x->half_width - lo) * unit;
    dgm_html_putf(page, "<td><span class=\"strong\">%.1f</span> ± %.1f", x->score, x->half_width);
    dgm_html_putf(page, "<svg class=\"range\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"><title>95 %% interval %.2f to %.2f</title>"
                        "<line class=\"axis\" x1=\"0\" x2=\"100%%\" y1=\"8\" y2=\"8\"/>", x->mean - x->half_width, x->mean + x->half_width);
    dgm_html_putf(page, "<g class=\"s%d\"><line stroke-width=\"3\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"8\" y2=\"8\"/>", run % DGM_REPORT_N_COLOURS, from, to);
    for (int end = 0; end < 2; end++)
        dgm_html_putf(page, "<line stroke-width=\"2\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"4\" y2=\"12\"/>", end == 0 ? from : to, end == 0 ? from : to);
    dgm_html_putf(page, "<circle cx=\"%.2f%%\" cy=\"8\" r=\"4\"/></g></svg></td>", 2 + (x->score - lo) * unit);
}

static void put_perplexities(const dgm_report *report, dgm_html *page)
{
    const dgm_report_test *t = report->test;
    dgm_html_putf(page, "<tr><th scope=\"row\"><span class=\"strong\">perplexity</span><br/><span class=\"small\">of the %sreference; lower is better</span></th>",
                  t->n_refs > 1 ? "first " : "");
    for (int r = 0; r < report->n_runs; r++) {
        int s = dgm_report_test_system(t, r);
        if (s < 0) {
            dgm_html_put(page, "<td>no model</td>");
            continue;
        }
        const dgm_pair_loss *loss = &t->systems[s].loss;
        dgm_html_putf(page, "<td><span class=\"strong\">%.3f</span> per token", exp(loss->nll / (double)loss->n_tokens));
        double of_word = t->n_ref_words > 0 ? exp(loss->nll / (double)t->n_ref_words) : INFINITY;
        if (of_word < 1e12) /* in text without spaces a word is a line */
            dgm_html_putf(page, of_word < 1e6 ? "<span class=\"small\">%.3f per word</span>" : "<span class=\"small\">%.3g per word</span>", of_word);
        dgm_html_put(page, "</td>");
    }
    dgm_html_put(page, "</tr>\n");
}

static void put_scores(const dgm_report *report, dgm_html *page)
{
    const dgm_report_test *t = report->test;
    dgm_report_table_begin(report, "", page);
    put_perplexities(report, page);
    for (int m = 0; m < t->scoring.choice.n_metrics; m++) {
        double lo, hi;
        const dgm_metric_score *any = dgm_report_test_score(t, 0, m);
        range_of(t, m, &lo, &hi);
        dgm_html_putf(page, "<tr><th scope=\"row\"><span class=\"strong\">%s</span><br/><span class=\"small\">%s is better</span></th>", any->name,
                      any->higher_is_better ? "higher" : "lower");
        for (int r = 0; r < report->n_runs; r++) {
            int s = dgm_report_test_system(t, r);
            if (s < 0) dgm_html_put(page, "<td>no model</td>");
            else put_score(dgm_report_test_score(t, s, m), r, lo, hi, page);
        }
        dgm_html_put(page, "</tr>\n");
    }
    dgm_report_table_end(page);
}

static void put_text(const dgm_report *report, dgm_html *page)
{
    const dgm_report_test *t = report->test;
    dgm_html_put(page, "<p>");
    if (t->is_validation) {
        dgm_html_put(page, "The validation part of the runs’ data, ");
        dgm_html_count(page, t->src.n);
        dgm_html_put(page, " sentence pairs, as the tokenizer gives them back. Training looked at these sentences to choose the best checkpoint: "
                           "for a result to be published give a test text with <code>--src</code> and <code>--ref</code>.");
    } else {
        dgm_html_count(page, t->src.n);
        dgm_html_put(page, " lines of <span class=\"code\">");
        dgm_html_text(page, t->src.name);
        dgm_html_put(page, t->n_refs == 1 ? "</span> against the reference" : "</span> against the references");
        for (int r = 0; r < t->n_refs; r++) {
            dgm_html_put(page, r > 0 ? ", <span class=\"code\">" : " <span class=\"code\">");
            dgm_html_text(page, t->refs[r].name);
            dgm_html_put(page, "</span>");
        }
        dgm_html_put(page, ".");
    }
    dgm_html_put(page, " Search: ");
    dgm_html_put(page, t->search.text);
    dgm_html_put(page, ".</p>\n");
}

static void put_signatures(const dgm_report_test *t, dgm_html *page)
{
    dgm_html_put(page, "<p class=\"small\">± is half the width of a 95 % interval from bootstrap resampling. Signatures:</p>\n<ul class=\"signatures small\">");
    for (int m = 0; m < t->scoring.choice.n_metrics; m++) {
        const dgm_metric_score *x = dgm_report_test_score(t, 0, m);
        dgm_html_putf(page, "<li><code>%s|%s</code></li>", x->name, x->signature);
    }
    dgm_html_put(page, "</ul>\n");
}

/* ---- tests ---- */

static void put_p(double p, dgm_html *page)
{
    dgm_html_putf(page, p < 0.05 ? "<td class=\"num strong\">%.4f</td>" : "<td class=\"num\">%.4f</td>", p);
}

/* Which of two is better by a metric, as far as that is shown. */
static void put_verdict(const dgm_report *report, const dgm_metric_score *a, const dgm_metric_score *b, int run_a, int run_b, double p, dgm_html *page)
{
    bool second = b->higher_is_better ? b->score > a->score : b->score < a->score;
    if (!(p < 0.05)) {
        dgm_html_put(page, "<td>none shown</td>");
        return;
    }
    dgm_html_put(page, "<td>");
    dgm_report_tag(report, second ? run_b : run_a, page);
    dgm_html_put(page, " is better</td>");
}

/* System `base` against those after it. */
static dgm_err put_tests(const dgm_report *report, int base, dgm_html *page)
{
    const dgm_report_test *t = report->test;
    const char *names[DGM_REPORT_MAX_RUNS] = {NULL};
    int n = t->n_systems - base, n_metrics = t->scoring.choice.n_metrics;
    dgm_paired_report bs = {0}, ar = {0};
    dgm_scoring plain = t->scoring; /* intervals are known already */
    plain.choice.n_resamples = 0;
    for (int s = 0; s < n; s++) names[s] = report->runs[t->systems[base + s].run].name;
    dgm_err err = dgm_paired_report_make(&plain, t->counts + base, names, n, DGM_PAIRED_BOOTSTRAP, BOOTSTRAPS, &bs);
    if (err == DGM_OK) err = dgm_paired_report_make(&plain, t->counts + base, names, n, DGM_PAIRED_RANDOMIZATION, TRIALS, &ar);
    for (int s = 1; err == DGM_OK && s < n; s++)
        for (int m = 0; m < n_metrics; m++) {
            const dgm_metric_score *a = dgm_report_test_score(t, base, m), *b = dgm_report_test_score(t, base + s, m);
            int run_a = t->systems[base].run, run_b = t->systems[base + s].run;
            dgm_html_put(page, "<tr><th scope=\"row\">");
            dgm_report_tag(report, run_a, page);
            dgm_html_put(page, " and ");
            dgm_report_tag(report, run_b, page);
            dgm_html_putf(page, "</th><td>%s</td><td class=\"num\">%s%.2f</td>", a->name, b->score < a->score ? "−" : "+", fabs(b->score - a->score));
            put_verdict(report, a, b, run_a, run_b, ar.cell[s * n_metrics + m].p, page);
            put_p(ar.cell[s * n_metrics + m].p, page);
            put_p(bs.cell[s * n_metrics + m].p, page);
            dgm_html_put(page, "</tr>\n");
        }
    dgm_paired_report_fini(&bs);
    dgm_paired_report_fini(&ar);
    return err;
}

static void put_comparison(const dgm_report *report, dgm_html *page)
{
    const dgm_report_test *t = report->test;
    int n_bases = t->n_systems <= ALL_PAIRS ? t->n_systems - 1 : 1, n_pairs = 0;
    dgm_html_put(page, "<h3>Is the difference real?</h3>\n<div class=\"wide\"><table class=\"tests\"><thead><tr><th scope=\"col\">Runs</th><th scope=\"col\">Metric</th>"
                       "<th scope=\"col\" class=\"num\">Differ&#173;ence</th><th scope=\"col\">At 5 %</th>"
                       "<th scope=\"col\" class=\"num\">p, random&#173;ization</th><th scope=\"col\" class=\"num\">p, boot&#173;strap</th></tr></thead><tbody>\n");
    for (int base = 0; base < n_bases; base++) {
        dgm_err err = put_tests(report, base, page);
        if (page->err == DGM_OK) page->err = err;
        n_pairs += t->n_systems - 1 - base;
    }
    dgm_html_put(page, "</tbody></table></div>\n<p class=\"small\">Difference: the second run’s score less the first’s. p: how likely a difference as large, in "
                       "either direction, would be if both were equally good: by approximate randomization with ");
    dgm_html_count(page, TRIALS);
    dgm_html_put(page, " trials, which decides at 5 %, and by paired bootstrap resampling with ");
    dgm_html_count(page, BOOTSTRAPS);
    dgm_html_put(page, " resamples, nearer to a one-sided test.");
    if (t->n_systems > ALL_PAIRS) dgm_html_put(page, " Runs are compared with the first.");
    if (n_pairs > 1)
        dgm_html_putf(page, " Of many comparisons some fall below 0.05 by chance: with these %d pairs, hold p against %.2g (Bonferroni).", n_pairs, 0.05 / n_pairs);
    dgm_html_put(page, "</p>\n");
}

void dgm_report_scores(const dgm_report *report, dgm_html *page)
{
    if (report->test == NULL) {
        dgm_html_put(page, "<p>Nothing was translated. ");
        dgm_html_text(page, report->no_test);
        dgm_html_put(page, "</p>\n");
        return;
    }
    put_text(report, page);
    put_scores(report, page);
    put_signatures(report->test, page);
    if (report->test->n_systems > 1) put_comparison(report, page);
}
