/* Fields and wording follow sacreBLEU's, the layout is plain text. */
#include "dgm/paired_report.h"

#include "dgm/json_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void dgm_paired_report_fini(dgm_paired_report *report)
{
    free(report->cell);
    *report = (dgm_paired_report){0};
}

static dgm_paired_cell *cell_of(const dgm_paired_report *r, int system, int metric) { return &r->cell[system * r->n_metrics + metric]; }

/* The resampled scores of all systems by one metric are compared with the first's. */
static dgm_err test_by_bootstrap(const dgm_scoring *s, const dgm_text_counts *systems, dgm_paired_report *r)
{
    int n = r->n_systems * r->n_metrics;
    int64_t n_trials = r->n_trials;
    double *scores = malloc((size_t)n * (size_t)n_trials * sizeof *scores);
    dgm_metric_sample *samples = malloc((size_t)n * sizeof *samples);
    dgm_err err = DGM_OK;
    if (scores == NULL || samples == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "%lld resamples of %d systems", (long long)n_trials, r->n_systems);
    for (int i = 0; err == DGM_OK && i < n; i++)
        samples[i] = (dgm_metric_sample){s->metric[i % r->n_metrics], &systems[i / r->n_metrics].counts[i % r->n_metrics]};
    if (err == DGM_OK) err = dgm_bootstrap_scores(samples, n, n_trials, s->choice.seed, scores);
    for (int i = r->n_metrics; err == DGM_OK && i < n; i++) { /* before the intervals, which sort */
        int metric = i % r->n_metrics;
        r->cell[i].p = dgm_paired_bootstrap(scores + metric * n_trials, scores + i * n_trials, n_trials,
                                            r->cell[i].score.score - r->cell[metric].score.score);
    }
    for (int i = 0; err == DGM_OK && i < n; i++) {
        dgm_interval interval = dgm_bootstrap_interval(scores + i * n_trials, n_trials);
        r->cell[i].score.has_interval = true;
        r->cell[i].score.mean = interval.mean;
        r->cell[i].score.half_width = interval.half_width;
    }
    free(samples);
    free(scores);
    return err;
}

static dgm_err test_by_randomization(const dgm_scoring *s, const dgm_text_counts *systems, dgm_paired_report *r)
{
    int n_others = r->n_systems - 1;
    dgm_metric_sample *samples = malloc((size_t)r->n_systems * sizeof *samples);
    double *p = malloc((size_t)r->n_systems * sizeof *p);
    dgm_err err = samples != NULL && p != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "comparing %d systems", r->n_systems);
    for (int m = 0; err == DGM_OK && m < r->n_metrics; m++) {
        for (int i = 0; i < r->n_systems; i++) samples[i] = (dgm_metric_sample){s->metric[m], &systems[i].counts[m]};
        err = dgm_paired_randomization(samples, samples + 1, n_others, r->n_trials, s->choice.seed, p);
        for (int i = 0; err == DGM_OK && i < n_others; i++) cell_of(r, i + 1, m)->p = p[i];
    }
    free(samples);
    free(p);
    return err;
}

dgm_err dgm_paired_report_make(const dgm_scoring *s, const dgm_text_counts *systems, const char *const *names, int n_systems,
                               dgm_paired_test test, int64_t n_trials, dgm_paired_report *out)
{
    dgm_err err;
    int n_metrics = s->choice.n_metrics;
    bool by_bootstrap = test == DGM_PAIRED_BOOTSTRAP;
    char note[64];
    dgm_paired_report r = {.test = test, .n_trials = n_trials, .n_systems = n_systems, .n_metrics = n_metrics, .name = names};
    dgm_metric_score scores[DGM_N_METRICS];
    r.cell = calloc((size_t)n_systems * (size_t)n_metrics, sizeof *r.cell);
    if (r.cell == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "comparing %d systems", n_systems);
    dgm_scoring plain = *s;
    if (by_bootstrap) plain.choice.n_resamples = 0; /* the test's own resamples give the intervals */
    if (by_bootstrap || s->choice.n_resamples == 0)
        snprintf(note, sizeof note, "%s:%lld|seed:%llu", by_bootstrap ? "bs" : "ar", (long long)n_trials, (unsigned long long)s->choice.seed);
    else snprintf(note, sizeof note, "ar:%lld", (long long)n_trials); /* the seed is stated with the intervals */
    for (int i = 0; i < n_systems; i++) {
        DGM_GOTO(dgm_scoring_report(&plain, &systems[i], scores));
        for (int m = 0; m < n_metrics; m++) {
            *cell_of(&r, i, m) = (dgm_paired_cell){scores[m], NAN};
            dgm_metric_sign(&cell_of(&r, i, m)->score, note);
        }
    }
    DGM_GOTO(by_bootstrap ? test_by_bootstrap(s, systems, &r) : test_by_randomization(s, systems, &r));
    *out = r;
    return DGM_OK;
fail:
    dgm_paired_report_fini(&r);
    return err;
}

/* ---- text ---- */

/* "26.6 (26.6 ± 0.6)" and its width on the page, on which ± is one column and two bytes. */
static int write_score(const dgm_paired_cell *c, int width, char *out, size_t bytes)
{
    if (!c->score.has_interval) return snprintf(out, bytes, "%.*f", width, c->score.score);
    return snprintf(out, bytes, "%.*f (%.*f ± %.*f)", width, c->score.score, width, c->score.mean, width, c->score.half_width) - 1;
}

/* "0.0010*": significant at the usual 5 %. */
static int write_p(const dgm_paired_cell *c, char *out, size_t bytes)
{
    return isnan(c->p) ? snprintf(out, bytes, "%s", "") : snprintf(out, bytes, "%.4f%s", c->p, c->p < 0.05 ? "*" : " ");
}

static void write_head(const dgm_paired_report *r, int metric, char *out, size_t bytes)
{
    const dgm_metric_score *s = &cell_of(r, 0, metric)->score;
    snprintf(out, bytes, "%s%s", s->name, s->has_interval ? " (μ ± 95 %)" : "");
}

static int head_width(const dgm_paired_report *r, int metric)
{
    const dgm_metric_score *s = &cell_of(r, 0, metric)->score;
    return (int)strlen(s->name) + (s->has_interval ? 11 : 0);
}

static void print_row(FILE *out, const dgm_paired_report *r, int system, int name_width, const int *widths, int digits)
{
    char score[128], p[32];
    fprintf(out, "%-*s", name_width, r->name[system]);
    for (int m = 0; m < r->n_metrics; m++) {
        int n = write_score(cell_of(r, system, m), digits, score, sizeof score);
        write_p(cell_of(r, system, m), p, sizeof p);
        fprintf(out, "  %*s%s  %7s", widths[m] - n, "", score, p);
    }
    fputc('\n', out);
}

static void print_explanation(FILE *out, const dgm_paired_report *r)
{
    if (r->test == DGM_PAIRED_BOOTSTRAP) fprintf(out, "\nPaired bootstrap resampling test, %lld resamples", (long long)r->n_trials);
    else fprintf(out, "\nPaired approximate randomization test, %lld trials", (long long)r->n_trials);
    fprintf(out, ": each system is compared with the first, %s.\n", r->name[0]);
    if (r->test == DGM_PAIRED_BOOTSTRAP)
        fputs("p: as Moses and sacreBLEU count it, nearer to a one-sided test: equally good systems have p < 0.05 more often than in 5 % of\n"
              "all cases.  --paired-ar assumes less; where the two disagree, its p is the one to trust.\n", out);
    else fputs("p: how likely a difference as large as this one, in either direction, would be if the two were equally good.\n", out);
    fputs("*: p < 0.05.  It says that there is a difference, not how much it matters.\n\n", out);
}

void dgm_paired_report_print(FILE *out, const dgm_paired_report *r, const dgm_metric_style *style)
{
    int name_width = 6, widths[DGM_N_METRICS];
    char text[128], signature[sizeof r->cell->score.signature];
    for (int i = 0; i < r->n_systems; i++) name_width = DGM_MAX(name_width, (int)strlen(r->name[i]));
    fprintf(out, "%-*s", name_width, "system");
    for (int m = 0; m < r->n_metrics; m++) {
        widths[m] = head_width(r, m);
        for (int i = 0; i < r->n_systems; i++) widths[m] = DGM_MAX(widths[m], write_score(cell_of(r, i, m), style->width, text, sizeof text));
        write_head(r, m, text, sizeof text);
        fprintf(out, "  %*s%s  %7s", widths[m] - head_width(r, m), "", text, "p   ");
    }
    fputc('\n', out);
    for (int i = 0; i < r->n_systems; i++) print_row(out, r, i, name_width, widths, style->width);
    print_explanation(out, r);
    for (int m = 0; m < r->n_metrics; m++) {
        const dgm_metric_score *s = &cell_of(r, 0, m)->score;
        if (style->short_signature) dgm_metric_short_signature(s, signature, sizeof signature);
        else snprintf(signature, sizeof signature, "%s", s->signature);
        fprintf(out, "%s|%s\n", s->name, signature);
    }
}

/* ---- JSON ---- */

static json_t *number(bool is_there, double x) { return is_there ? json_real(x) : json_null(); }

static json_t *cell_json(const dgm_paired_cell *c)
{
    const dgm_metric_score *s = &c->score;
    return json_pack("{s:f, s:o, s:o, s:o, s:s}", "score", s->score, "p_value", number(!isnan(c->p), c->p), "mean",
                     number(s->has_interval, s->mean), "ci", number(s->has_interval, s->half_width), "signature", s->signature);
}

json_t *dgm_paired_report_json(const dgm_paired_report *r)
{
    json_t *all = json_array();
    int failed = all == NULL;
    for (int i = 0; i < r->n_systems; i++) {
        json_t *system = json_pack("{s:o}", "system", dgm_json_name(r->name[i]));
        for (int m = 0; m < r->n_metrics; m++) {
            const dgm_paired_cell *c = cell_of(r, i, m);
            failed |= json_object_set_new(system, c->score.name, cell_json(c));
        }
        failed |= json_array_append_new(all, system);
    }
    if (!failed) return all;
    json_decref(all);
    return NULL;
}
