/* What a reader wants to know of each run before anything else: how far it came, how good it is, how large and how fast. */
#include "dgm/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_state(const dgm_report *report, const dgm_report_run *run, dgm_html *page)
{
    (void)report;
    int64_t ended = dgm_report_run_ended(run), last = dgm_report_run_last_step(run), wanted = atoll(dgm_report_run_setting(run, "max_steps"));
    if (ended >= 0) {
        dgm_html_put(page, "ended after update ");
        dgm_html_count(page, ended);
    } else {
        dgm_html_put(page, "<span class=\"strong\">not ended</span>: logged up to update ");
        dgm_html_count(page, last);
    }
    if (wanted > 0) {
        dgm_html_put(page, " of ");
        dgm_html_count(page, wanted);
    }
    size_t n_starts = json_array_size(json_object_get(run->record, "starts"));
    if (n_starts > 1) dgm_html_putf(page, "<span class=\"small\">started %zu times</span>", n_starts);
    if (run->record == NULL) dgm_html_put(page, "<span class=\"small\">run.json is missing</span>");
    if (!run->has_metrics) dgm_html_put(page, "<span class=\"small\">metrics.jsonl is missing</span>");
}

static void put_model(const dgm_report *report, const dgm_report_run *run, dgm_html *page)
{
    (void)report;
    if (run->model == DGM_REPORT_NO_MODEL) {
        dgm_html_put(page, "none yet");
        return;
    }
    const dgm_hparams *hp = &run->shape;
    dgm_html_count(page, dgm_hparams_n_parameters(hp));
    dgm_html_put(page, " parameters<span class=\"small\">");
    dgm_html_putf(page, "%lld + %lld layers, width %lld, feed-forward %lld, %lld heads, ", (long long)hp->n_encoder_layers, (long long)hp->n_decoder_layers,
                  (long long)hp->d_model, (long long)hp->d_ff, (long long)hp->n_heads);
    dgm_html_count(page, hp->src_vocab_size);
    if (!hp->joint_vocab) {
        dgm_html_put(page, " and ");
        dgm_html_count(page, hp->tgt_vocab_size);
    }
    dgm_html_put(page, " pieces</span>");
    if (run->checkpoint == NULL) return;
    dgm_html_putf(page, "<span class=\"small\">no result yet; here stands the %s checkpoint, ", run->model == DGM_REPORT_BEST ? "best" : "last");
    dgm_html_text(page, run->checkpoint);
    dgm_html_put(page, "</span>");
}

/* The row with the least or the largest value of a column; -1: none. */
static int64_t best_row(const dgm_run_columns *c, int field, bool least)
{
    int64_t best = -1;
    if (c->n == 0) return -1;
    const double *v = dgm_run_column(c, field);
    for (int64_t i = 0; i < c->n; i++)
        if (!isnan(v[i]) && (best < 0 || (least ? v[i] < v[best] : v[i] > v[best]))) best = i;
    return best;
}

static void put_validation(const dgm_report *report, const dgm_report_run *run, dgm_html *page)
{
    (void)report;
    int64_t loss = best_row(&run->metrics, DGM_REPORT_VALID_NLL, true), bleu = best_row(&run->metrics, DGM_REPORT_VALID_BLEU, false);
    if (loss < 0) {
        dgm_html_put(page, "none yet");
        return;
    }
    double nll = dgm_run_column(&run->metrics, DGM_REPORT_VALID_NLL)[loss];
    dgm_html_putf(page, "<span class=\"strong\">%.4f</span> nats per token<span class=\"small\">perplexity %.3f, at update ", nll, exp(nll));
    dgm_html_count(page, (int64_t)run->metrics.step[loss]);
    dgm_html_put(page, "</span>");
    if (bleu < 0) return;
    dgm_html_putf(page, "<span class=\"small\">BLEU %.2f at update ", dgm_run_column(&run->metrics, DGM_REPORT_VALID_BLEU)[bleu]);
    dgm_html_count(page, (int64_t)run->metrics.step[bleu]);
    dgm_html_put(page, "</span>");
}

static void put_test(const dgm_report *report, const dgm_report_run *run, dgm_html *page)
{
    int system = dgm_report_test_system(report->test, (int)(run - report->runs));
    if (system < 0) {
        dgm_html_put(page, "no model to translate with");
        return;
    }
    for (int m = 0; m < report->test->scoring.choice.n_metrics; m++) {
        const dgm_metric_score *s = dgm_report_test_score(report->test, system, m);
        dgm_html_putf(page, m == 0 ? "<span class=\"strong\">%s %.1f</span> ± %.1f" : "<span class=\"small\">%s %.1f ± %.1f</span>", s->name, s->score,
                      s->half_width);
    }
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The middle of the values of a column: neither a first line before the machine is warm nor a pause shows in it.  NaN without any. */
static double median(const dgm_run_columns *c, int field)
{
    double *v = malloc((size_t)DGM_MAX(c->n, 1) * sizeof *v), result = NAN;
    int64_t n = 0;
    for (int64_t i = 0; v != NULL && i < c->n; i++)
        if (!isnan(dgm_run_column(c, field)[i])) v[n++] = dgm_run_column(c, field)[i];
    if (n > 0) {
        qsort(v, (size_t)n, sizeof *v, by_value);
        result = v[n / 2];
    }
    free(v);
    return result;
}

static void put_speed(const dgm_report *report, const dgm_report_run *run, dgm_html *page)
{
    (void)report;
    double speed = median(&run->timing, DGM_REPORT_SPEED), share = median(&run->timing, DGM_REPORT_SHARE);
    if (isnan(speed)) {
        dgm_html_put(page, "not recorded");
        return;
    }
    dgm_html_count(page, (int64_t)llround(speed));
    dgm_html_put(page, " target tokens/s<span class=\"small\">median of ");
    dgm_html_count(page, run->timing.n);
    dgm_html_put(page, " lines of the log");
    if (!isnan(share)) dgm_html_putf(page, ", %.0f %% of the peak of matrix products", 100 * share);
    dgm_html_put(page, "</span>");
    int64_t largest = best_row(&run->timing, DGM_REPORT_MEMORY, false);
    if (largest >= 0)
        dgm_html_putf(page, "<span class=\"small\">at most %.0f MiB on rank 0</span>", dgm_run_column(&run->timing, DGM_REPORT_MEMORY)[largest]);
}

static void put_place(const dgm_report *report, const dgm_report_run *run, dgm_html *page)
{
    (void)report;
    json_t *layout = json_object_get(run->record, "layout"), *hosts = json_object_get(run->record, "hosts");
    long long dp = json_integer_value(json_object_get(layout, "dp")), tp = json_integer_value(json_object_get(layout, "tp"));
    long long threads = json_integer_value(json_object_get(layout, "threads"));
    if (layout == NULL) {
        dgm_html_put(page, "not recorded");
        return;
    }
    dgm_html_putf(page, "%lld %s", dp * tp, dp * tp == 1 ? "rank" : "ranks");
    dgm_html_putf(page, "<span class=\"small\">dp %lld × tp %lld, %lld %s each</span>", dp, tp, threads, threads == 1 ? "thread" : "threads");
    const char *first = json_string_value(json_array_get(hosts, 0));
    size_t others = 0;
    for (size_t i = 1; i < json_array_size(hosts); i++) {
        const char *host = json_string_value(json_array_get(hosts, i));
        others += host != NULL && first != NULL && strcmp(host, first) != 0;
    }
    const char *cpu = json_string_value(json_object_get(run->record, "cpu"));
    dgm_html_put(page, "<span class=\"small\">");
    dgm_html_text(page, cpu != NULL ? cpu : "");
    dgm_html_put(page, others > 0 ? ", several hosts</span>" : "</span>");
}

static void put_row(const dgm_report *report, const char *name, void (*put)(const dgm_report *, const dgm_report_run *, dgm_html *), dgm_html *page)
{
    dgm_html_putf(page, "<tr><th scope=\"row\">%s</th>", name);
    for (int r = 0; r < report->n_runs; r++) {
        dgm_html_put(page, "<td>");
        put(report, &report->runs[r], page);
        dgm_html_put(page, "</td>");
    }
    dgm_html_put(page, "</tr>\n");
}

void dgm_report_glance(const dgm_report *report, dgm_html *page)
{
    dgm_report_table_begin(report, "", page);
    put_row(report, "Training", put_state, page);
    if (report->test != NULL) put_row(report, report->test->is_validation ? "Validation part" : "Test text", put_test, page);
    put_row(report, "Best validation loss", put_validation, page);
    put_row(report, "Model", put_model, page);
    put_row(report, "Speed", put_speed, page);
    put_row(report, "Machine", put_place, page);
    dgm_report_table_end(page);
}
