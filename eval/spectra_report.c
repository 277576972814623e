/* Singular values as a table, as JSON, and drawn. */
#include "dgm/io.h"
#include "dgm/json_text.h"
#include "dgm/spectra.h"
#include "dgm/svg_plot.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The name without what all of them have: "encoder.layers.0.fc1" of "model.encoder.layers.0.fc1.weight". */
static void short_name(const char *name, char *out, size_t size)
{
    if (strncmp(name, "model.", 6) == 0) name += 6;
    snprintf(out, size, "%s", name);
    size_t n = strlen(out);
    if (n > 7 && strcmp(out + n - 7, ".weight") == 0) out[n - 7] = '\0';
}

/* ---- table and JSON ---- */

dgm_err dgm_spectra_print(const dgm_spectra *spectra, FILE *out)
{
    char name[80];
    int width = 6;
    for (int i = 0; i < spectra->n; i++) {
        short_name(spectra->matrix[i].name, name, sizeof name);
        width = DGM_MAX(width, (int)strlen(name));
    }
    fprintf(out, "%-*s  %7s %7s %10s %10s %10s %11s %11s\n", width, "matrix", "rows", "cols", "norm", "largest", "smallest", "condition", "stable rank");
    for (int i = 0; i < spectra->n; i++) {
        const dgm_spectrum *s = &spectra->matrix[i];
        double condition = dgm_spectrum_condition(s);
        char text[32];
        snprintf(text, sizeof text, "%.4g", condition);
        short_name(s->name, name, sizeof name);
        fprintf(out, "%-*s  %7lld %7lld %10.4g %10.4g %10.4g %11s %11.2f\n", width, name, (long long)s->rows, (long long)s->cols, s->norm,
                (double)s->value[0], (double)s->value[s->n - 1], isfinite(condition) ? text : "> 1e+06", dgm_spectrum_stable_rank(s));
    }
    return ferror(out) ? dgm_io_flush(out, "standard output") : DGM_OK;
}

static json_t *spectrum_json(const dgm_spectrum *s)
{
    double condition = dgm_spectrum_condition(s);
    json_t *values = json_array();
    for (int64_t i = 0; values != NULL && i < s->n; i++)
        if (json_array_append_new(values, json_real((double)s->value[i])) != 0) {
            json_decref(values);
            return NULL;
        }
    return json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:o, s:f, s:o}", "name", s->name, "rows", (json_int_t)s->rows, "cols", (json_int_t)s->cols,
                     "norm", s->norm, "largest", (double)s->value[0], "smallest", (double)s->value[s->n - 1], "condition",
                     isfinite(condition) ? json_real(condition) : json_null(), "stable_rank", dgm_spectrum_stable_rank(s), "singular_values", values);
}

dgm_err dgm_spectra_print_json(const dgm_spectra *spectra, FILE *out)
{
    json_t *list = json_array(), *json = NULL;
    bool made = list != NULL;
    for (int i = 0; i < spectra->n && made; i++) made = json_array_append_new(list, spectrum_json(&spectra->matrix[i])) == 0;
    if (made) json = json_pack("{s:o, s:O}", "model", dgm_json_name(spectra->model), "matrices", list);
    json_decref(list);
    return dgm_json_print(json, JSON_INDENT(1) | JSON_REAL_PRECISION(9), out);
}

/* ---- drawing ---- */

enum { MAX_LAYERS = 200, N_COLUMNS = 3, KIND_BYTES = 176 };
static const double SMALLEST_SHOWN = 1e-7; /* of the largest: below is rounding */

/* "encoder.layers.3.fc1" is layer 3 of the kind "encoder fc1"; what belongs to no layer is a kind of its own. */
static bool split_name(const char *name, char kind[KIND_BYTES], int *layer)
{
    char text[80];
    short_name(name, text, sizeof text);
    char *layers = strstr(text, ".layers."), *end;
    if (layers == NULL) {
        snprintf(kind, KIND_BYTES, "%s", text);
        return false;
    }
    *layers = '\0';
    *layer = (int)strtol(layers + 8, &end, 10);
    snprintf(kind, KIND_BYTES, "%s %s", text, *end == '.' ? end + 1 : end);
    return true;
}

typedef struct {
    int n_plots;
    dgm_plot *plot;
    char (*title)[KIND_BYTES];
    dgm_plot_line *line; /* [n matrices], those of a plot side by side */
    double *point;       /* x then y of every line */
    char layer_name[MAX_LAYERS][16];
} drawing;

static dgm_err make_room(const dgm_spectra *spectra, drawing *d)
{
    int64_t n_points = 0;
    for (int i = 0; i < spectra->n; i++) n_points += 2 * spectra->matrix[i].n;
    size_t n = (size_t)DGM_MAX(spectra->n, 1);
    d->plot = calloc(n, sizeof *d->plot);
    d->title = calloc(n, sizeof *d->title);
    d->line = calloc(n, sizeof *d->line);
    d->point = calloc((size_t)DGM_MAX(n_points, 1), sizeof *d->point);
    for (int i = 0; i < MAX_LAYERS; i++) snprintf(d->layer_name[i], sizeof d->layer_name[i], "layer %d", i);
    if (d->plot == NULL || d->title == NULL || d->line == NULL || d->point == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "drawing of singular values");
    return DGM_OK;
}

static void free_drawing(drawing *d)
{
    free(d->plot);
    free(d->title);
    free(d->line);
    free(d->point);
}

/* A line from 0, the largest value, to 1, the smallest; returns the points behind it. */
static double *fill_line(const dgm_spectrum *s, const char *label, double *point, dgm_plot_line *line)
{
    double *x = point, *y = point + s->n;
    for (int64_t i = 0; i < s->n; i++) {
        x[i] = s->n > 1 ? (double)i / (double)(s->n - 1) : 0;
        y[i] = s->value[0] > 0 ? fmax((double)s->value[i] / (double)s->value[0], SMALLEST_SHOWN) : 0;
    }
    *line = (dgm_plot_line){.label = label, .x = x, .y = y, .n = s->n};
    return y + s->n;
}

/* Kinds in the order in which they first come, layers within. */
static void fill(const dgm_spectra *spectra, drawing *d)
{
    double *point = d->point, lowest = 0.1;
    int n_lines = 0;
    for (int i = 0; i < spectra->n; i++) {
        char kind[KIND_BYTES], other[KIND_BYTES];
        int layer = 0, known = 0;
        split_name(spectra->matrix[i].name, kind, &layer);
        while (known < d->n_plots && strcmp(d->title[known], kind) != 0) known++;
        if (known < d->n_plots) continue;
        dgm_plot *p = &d->plot[d->n_plots++];
        memcpy(d->title[known], kind, KIND_BYTES);
        *p = (dgm_plot){.title = d->title[known], .log_y = true, .x_min = 0, .x_max = 1, .y_max = 1, .lines = &d->line[n_lines]};
        for (int j = i; j < spectra->n; j++) {
            const dgm_spectrum *s = &spectra->matrix[j];
            bool in_layer = split_name(s->name, other, &layer);
            if (strcmp(other, kind) != 0) continue;
            point = fill_line(s, in_layer && layer < MAX_LAYERS ? d->layer_name[layer] : NULL, point, &d->line[n_lines++]);
            p->n_lines++;
            lowest = fmin(lowest, dgm_spectrum_condition(s) < INFINITY ? 1 / dgm_spectrum_condition(s) : SMALLEST_SHOWN);
        }
    }
    for (int k = 0; k < d->n_plots; k++) { /* one scale for all: the plots are there to be compared */
        d->plot[k].y_min = lowest;
        if (k % N_COLUMNS == 0) d->plot[k].y_label = "value / largest";
        if (k + N_COLUMNS >= d->n_plots) d->plot[k].x_label = "place, from largest to smallest";
    }
}

dgm_err dgm_spectra_save_svg(const dgm_spectra *spectra, const char *path)
{
    drawing d = {0};
    dgm_text svg = {0}, title = {0};
    dgm_err err = make_room(spectra, &d);
    json_t *model = dgm_json_name(spectra->model); /* its escapes make any path valid UTF-8, which XML must be */
    if (err == DGM_OK && model == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "title of the drawing");
    if (err == DGM_OK) err = dgm_text_printf(&title, "Singular values of %s", json_string_value(model));
    if (err == DGM_OK) {
        fill(spectra, &d);
        const dgm_figure figure = {.title = title.text, .plots = d.plot, .n_plots = d.n_plots, .n_columns = N_COLUMNS, .ordered = true,
                                   .description = "For each kind of weight matrix, the singular values relative to the largest, a line for each layer."};
        err = dgm_svg_write(&figure, &svg);
    }
    if (err == DGM_OK) err = dgm_io_write_file(path, svg.text, svg.bytes);
    json_decref(model);
    dgm_text_fini(&svg);
    dgm_text_fini(&title);
    free_drawing(&d);
    return err;
}
