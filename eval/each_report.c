/* The evaluations of a run's models as a table, as JSON, and drawn. */
#include "dgm/each.h"
#include "dgm/io.h"
#include "dgm/json_text.h"
#include "dgm/svg_plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static dgm_err printed(FILE *out) { return dgm_io_flush(out, "standard output"); }

/* The ends of a score's 95 % interval; no score is below 0. */
static void interval_of(const dgm_metric_score *score, double *low, double *high)
{
    *low = fmax(score->mean - score->half_width, 0);
    *high = score->mean + score->half_width;
}

/* ---- table ---- */

static int score_columns(const dgm_each *each) { return DGM_MAX(8, each->options->width + 6); }

/* The first model scored says which scores there are. */
dgm_err dgm_each_print_head(const dgm_each *each, FILE *out)
{
    const dgm_evaluation *e = &each->model[0].evaluation;
    int width = score_columns(each);
    fprintf(out, "%10s %9s %9s %12s", "step", "loss", "nll", "perplexity");
    for (int m = 0; m < e->n_scores; m++) {
        fprintf(out, " %*s", width, e->score[m].name);
        if (e->score[m].has_interval) fprintf(out, " %*s %*s", width, "low", width, "high");
    }
    fputc('\n', out);
    return printed(out);
}

dgm_err dgm_each_print_model(const dgm_each *each, const dgm_each_model *model, FILE *out)
{
    const dgm_evaluation *e = &model->evaluation;
    int width = score_columns(each), decimals = each->options->width;
    char step[24];
    snprintf(step, sizeof step, "%lld", (long long)model->step);
    fprintf(out, "%10s %9.4f %9.4f ", model->is_result ? "result" : step, e->loss, e->nll);
    fprintf(out, e->perplexity < 1e8 ? "%12.3f" : "%12.4g", e->perplexity);
    for (int m = 0; m < e->n_scores; m++) {
        double low, high;
        fprintf(out, " %*.*f", width, decimals, e->score[m].score);
        if (!e->score[m].has_interval) continue;
        interval_of(&e->score[m], &low, &high);
        fprintf(out, " %*.*f %*.*f", width, decimals, low, width, decimals, high);
    }
    fputc('\n', out);
    return printed(out);
}

/* "BLEU|nrefs:1|...": a score means nothing without it. */
static dgm_err signature_of(const dgm_metric_score *score, dgm_text *out)
{
    dgm_text_clear(out);
    return dgm_text_printf(out, "%s|%s", score->name, score->signature);
}

dgm_err dgm_each_print_signatures(const dgm_each *each, FILE *out)
{
    const dgm_evaluation *e = &each->model[0].evaluation;
    dgm_text line = {0};
    dgm_err err = DGM_OK;
    for (int m = 0; m < e->n_scores && err == DGM_OK; m++) {
        err = signature_of(&e->score[m], &line);
        if (err == DGM_OK) fprintf(out, "%s\n", line.text);
    }
    dgm_text_fini(&line);
    return err == DGM_OK ? printed(out) : err;
}

/* ---- JSON ---- */

static json_t *path_json(const char *path) { return dgm_json_text(path, strlen(path)); }

static json_t *model_json(const dgm_each *each, const dgm_each_model *model)
{
    json_t *object = json_object();
    int failed = object == NULL;
    failed |= json_object_set_new(object, "model", json_string(model->name));
    failed |= json_object_set_new(object, "step", model->step >= 0 ? json_integer(model->step) : json_null());
    failed |= json_object_set_new(object, "digest", json_string(model->digest));
    failed |= dgm_evaluation_json(&model->evaluation, each->options->width, object) != DGM_OK;
    if (!failed) return object;
    json_decref(object);
    return NULL;
}

static json_t *each_json(const dgm_each *each)
{
    json_t *object = json_object(), *refs = json_array(), *skipped = json_array(), *models = json_array();
    int failed = 0;
    for (int i = 0; i < each->pairs->n_refs; i++) failed |= json_array_append_new(refs, path_json(each->pairs->refs[i].name));
    for (int i = 0; i < each->n_skipped; i++) failed |= json_array_append_new(skipped, dgm_json_name(each->skipped[i]));
    for (int i = 0; i < each->n; i++) failed |= json_array_append_new(models, model_json(each, &each->model[i]));
    failed |= json_object_set_new(object, "run", path_json(each->run));
    failed |= json_object_set_new(object, "src", path_json(each->pairs->src.name));
    failed |= json_object_set_new(object, "ref", refs);
    failed |= json_object_set_new(object, "complete", json_boolean(each->complete));
    failed |= json_object_set_new(object, "skipped", skipped);
    failed |= json_object_set_new(object, "models", models);
    if (!failed) return object;
    json_decref(object);
    return NULL;
}

dgm_err dgm_each_json(const dgm_each *each, dgm_text *out)
{
    json_t *json = each_json(each);
    char *text = json != NULL ? json_dumps(json, JSON_INDENT(1)) : NULL;
    dgm_err err = text != NULL ? dgm_text_printf(out, "%s\n", text) : DGM_FAIL(DGM_ERR_NOMEM, "JSON of the evaluations");
    free(text);
    json_decref(json);
    return err;
}

/* ---- drawing ---- */

enum { N_COLUMNS = 3, MAX_PLOTS = 2 + DGM_N_METRICS };

typedef struct {
    int n, n_checkpoints;               /* models that can be drawn: the result stands last */
    double *x;                          /* [n] steps */
    double *y[MAX_PLOTS];               /* [n] of each plot */
    double *low[MAX_PLOTS], *high[MAX_PLOTS]; /* [n] with intervals */
    double *room;
    dgm_plot_line line[MAX_PLOTS][2];
    dgm_plot plot[MAX_PLOTS];
    int n_plots;
    dgm_text title, description, loss_title, source, score_title[DGM_N_METRICS], signature[DGM_N_METRICS];
    const char *note[1 + DGM_N_METRICS];
    int n_notes;
} drawing;

static dgm_err make_room(const dgm_each *each, drawing *d)
{
    size_t n = (size_t)each->n + 1;
    d->room = calloc(n * (1 + 3 * MAX_PLOTS), sizeof *d->room);
    if (d->room == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "drawing of %d models", each->n);
    d->x = d->room;
    for (int p = 0; p < MAX_PLOTS; p++) {
        d->y[p] = d->room + n * (1 + 3 * (size_t)p);
        d->low[p] = d->y[p] + n;
        d->high[p] = d->low[p] + n;
    }
    return DGM_OK;
}

static void free_drawing(drawing *d)
{
    free(d->room);
    dgm_text_fini(&d->title);
    dgm_text_fini(&d->description);
    dgm_text_fini(&d->loss_title);
    dgm_text_fini(&d->source);
    for (int m = 0; m < DGM_N_METRICS; m++) {
        dgm_text_fini(&d->score_title[m]);
        dgm_text_fini(&d->signature[m]);
    }
}

static void fill_points(const dgm_each *each, drawing *d)
{
    for (int i = 0; i < each->n; i++) {
        const dgm_each_model *model = &each->model[i];
        const dgm_evaluation *e = &model->evaluation;
        if (model->step < 0) continue; /* a result that does not say when it was */
        int at = d->n++;
        d->n_checkpoints += !model->is_result;
        d->x[at] = (double)model->step;
        d->y[0][at] = e->loss;
        d->y[1][at] = e->perplexity;
        for (int m = 0; m < e->n_scores; m++) {
            d->y[2 + m][at] = e->score[m].score;
            interval_of(&e->score[m], &d->low[2 + m][at], &d->high[2 + m][at]);
        }
    }
}

/* A line for the checkpoints, another of one point for the result. */
static dgm_plot *add_plot(drawing *d, const char *title, const char *y_label, bool intervals)
{
    int p = d->n_plots++, n = d->n_checkpoints;
    for (int k = 0; k < 2; k++) {
        int from = k == 0 ? 0 : n;
        d->line[p][k] = (dgm_plot_line){.label = k == 0 ? "checkpoints" : "result", .x = d->x + from, .y = d->y[p] + from,
                                        .n = k == 0 ? n : d->n - n,
                                        .y_lo = intervals ? d->low[p] + from : NULL, .y_hi = intervals ? d->high[p] + from : NULL, .marks = true};
    }
    d->plot[p] = (dgm_plot){.title = title, .x_label = "updates", .y_label = y_label, .whole_x = true, .lines = d->line[p],
                            .n_lines = d->n > n ? 2 : 1};
    return &d->plot[p];
}

/* Perplexities of a whole training span decades; those of its end do not. */
static bool spans_decades(const double *y, int n)
{
    double low = INFINITY, high = 0;
    for (int i = 0; i < n; i++)
        if (isfinite(y[i])) low = fmin(low, y[i]), high = fmax(high, y[i]);
    return high > 20 * low;
}

static dgm_err add_plots(const dgm_each *each, drawing *d)
{
    const dgm_evaluation *e = &each->model[0].evaluation;
    fill_points(each, d);
    DGM_TRY(dgm_text_printf(&d->loss_title, "loss (label smoothing %g)", e->label_smoothing));
    add_plot(d, d->loss_title.text, "nats per token", false);
    add_plot(d, "perplexity", "per token", false)->log_y = spans_decades(d->y[1], d->n);
    for (int m = 0; m < e->n_scores; m++) {
        bool intervals = e->score[m].has_interval;
        DGM_TRY(dgm_text_printf(&d->score_title[m], "%s%s", e->score[m].name, intervals ? ", 95 % interval" : ""));
        DGM_TRY(signature_of(&e->score[m], &d->signature[m]));
        add_plot(d, d->score_title[m].text, e->score[m].name, intervals);
        d->note[d->n_notes++] = d->signature[m].text;
    }
    return DGM_OK;
}

static dgm_err draw(const dgm_each *each, drawing *d, dgm_text *out)
{
    DGM_TRY(make_room(each, d));
    DGM_TRY(dgm_text_printf(&d->title, "Checkpoints of %s", each->run));
    DGM_TRY(dgm_text_printf(&d->description, "Loss, perplexity and scores of the translations by the number of updates, for %d models.", each->n));
    DGM_TRY(dgm_text_printf(&d->source, "%s, %lld lines%s", each->pairs->src.name, (long long)each->pairs->n,
                            each->complete ? "" : "; not all models yet"));
    d->note[d->n_notes++] = d->source.text;
    if (each->n > 0) DGM_TRY(add_plots(each, d));
    const dgm_figure figure = {.title = d->title.text, .description = d->description.text, .plots = d->plot, .n_plots = d->n_plots,
                               .n_columns = N_COLUMNS, .notes = d->note, .n_notes = d->n_notes};
    return dgm_svg_write(&figure, out);
}

dgm_err dgm_each_svg(const dgm_each *each, dgm_text *out)
{
    drawing d = {0};
    dgm_err err = draw(each, &d, out);
    free_drawing(&d);
    return err;
}
