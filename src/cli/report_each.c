/* What `eval --each RUN --json-out FILE` wrote: scores of all checkpoints, with intervals.  The page only draws them. */
#include "dgm/io.h"
#include "dgm/json_text.h"
#include "dgm/report_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Paths of one folder may end in slashes. */
static bool same_folder(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    while (n > 1 && a[n - 1] == '/') n--;
    while (m > 1 && b[m - 1] == '/') m--;
    return n == m && memcmp(a, b, n) == 0;
}

static dgm_err find_run(const char *path, const json_t *json, int n_runs, dgm_report_run *runs, dgm_report_run **out)
{
    const char *of = json_string_value(json_object_get(json, "run"));
    if (of == NULL || !json_is_array(json_object_get(json, "models")))
        return DGM_FAIL(DGM_ERR_INPUT, "%s: expected the JSON of eval --each, with \"run\" and \"models\"", path);
    char *folder = dgm_json_text_bytes(of);
    if (folder == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s", path);
    *out = NULL;
    for (int r = 0; r < n_runs; r++)
        if (same_folder(folder, runs[r].path)) *out = &runs[r];
    free(folder);
    if (*out == NULL) return DGM_FAIL(DGM_ERR_INPUT, "%s is about the run %s, which is none of those reported on (name it as eval --each did)", path, of);
    return (*out)->each_text == NULL ? DGM_OK : DGM_FAIL(DGM_ERR_USAGE, "%s is about the run %s, of which another file of --each has told already", path, of);
}

static double number_in(const json_t *object, const char *field)
{
    const json_t *value = json_object_get(object, field);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* NULL for the result. */
static const char *checkpoint_name(const json_t *model)
{
    const char *name = json_string_value(json_object_get(model, "model"));
    return name != NULL && strncmp(name, "checkpoints/", 12) == 0 ? name : NULL;
}

/* Row k of *c: a model that is no checkpoint is none. */
static dgm_err read_model(const char *path, const char *name, const json_t *model, int64_t k, dgm_run_columns *c)
{
    const json_t *bleu = json_object_get(model, "bleu");
    double *v = c->value, mean = number_in(bleu, "confidence_mean"), half = number_in(bleu, "confidence_var"), score = number_in(bleu, "score");
    bool interval = json_object_get(bleu, "confidence_mean") != NULL || json_object_get(bleu, "confidence_var") != NULL;
    c->step[k] = number_in(model, "step");
    if (!(c->step[k] >= (k > 0 ? c->step[k - 1] : 0)))
        return DGM_FAIL(DGM_ERR_INPUT, "%s: %s: expected a \"step\" not below those before", path, name);
    if (bleu == NULL)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: %s has no \"bleu\", which is what the page draws: run eval --each with bleu among --metrics", path, name);
    if (!(score >= 0 && score <= 100.001) || (interval && !(fabs(mean) <= 101 && half >= 0 && half <= 101)))
        return DGM_FAIL(DGM_ERR_INPUT, "%s: %s: \"bleu\" is damaged: expected a \"score\" from 0 to 100, and numbers in its interval", path, name);
    v[DGM_REPORT_EACH_NLL * c->n + k] = number_in(model, "nll");
    v[DGM_REPORT_EACH_BLEU * c->n + k] = score;
    v[DGM_REPORT_EACH_LOW * c->n + k] = mean - half;
    v[DGM_REPORT_EACH_HIGH * c->n + k] = mean + half;
    return DGM_OK;
}

/* The checkpoints; the result, which has no step of its own, is left out.  *first: the first of them. */
static dgm_err read_models(const char *path, const json_t *models, dgm_run_columns *c, const json_t **first)
{
    size_t n = json_array_size(models);
    *c = (dgm_run_columns){.n_fields = DGM_REPORT_N_EACH, .step = malloc((n + 1) * sizeof *c->step)};
    c->value = malloc((n + 1) * DGM_REPORT_N_EACH * sizeof *c->value);
    if (c->step == NULL || c->value == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%zu checkpoints of %s", n, path);
    for (size_t i = 0; i < n; i++) c->n += checkpoint_name(json_array_get(models, i)) != NULL;
    int64_t k = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *model = json_array_get(models, i);
        const char *name = checkpoint_name(model);
        if (name == NULL) continue;
        if (k == 0) *first = model;
        DGM_TRY(read_model(path, name, model, k++, c));
    }
    return k > 0 ? DGM_OK : DGM_FAIL(DGM_ERR_INPUT, "%s: no checkpoint has been scored: there is nothing to draw", path);
}

/* ---- how the scores were made ---- */

/* What a signature says of the score itself: not how its interval was drawn. */
static char *signature_of(const json_t *model)
{
    const json_t *bleu = json_object_get(model, "bleu");
    const char *all = json_string_value(json_object_get(bleu, "signature"));
    char *out = malloc((all != NULL ? strlen(all) : 0) + 8);
    if (out == NULL) return NULL;
    strcpy(out, "BLEU");
    for (const char *part = all != NULL ? all : ""; *part != '\0';) {
        size_t n = strcspn(part, "|");
        if (strncmp(part, "bs:", 3) != 0 && strncmp(part, "seed:", 5) != 0) {
            strcat(out, "|");
            strncat(out, part, n);
        }
        part += n + (part[n] == '|');
    }
    return out;
}

static dgm_err read_source(const char *path, const json_t *json, const json_t *first, dgm_report_run *run)
{
    const char *src = json_string_value(json_object_get(json, "src"));
    run->each_complete = !json_is_false(json_object_get(json, "complete"));
    run->each_lines = json_integer_value(json_object_get(first, "lines"));
    run->each_words = json_integer_value(json_object_get(first, "ref_words"));
    run->each_signature = signature_of(first);
    run->each_text = strdup(src != NULL ? src : "?");
    return run->each_text != NULL && run->each_signature != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%s", path);
}

/* Scores in one plot are compared, whatever is written below it. */
static dgm_err check_comparable(const char *path, const dgm_report_run *run, int n_runs, const dgm_report_run *runs)
{
    for (int r = 0; r < n_runs; r++)
        if (runs[r].each_signature != NULL && strcmp(runs[r].each_signature, run->each_signature) != 0)
            return DGM_FAIL(DGM_ERR_INPUT, "%s: %s, but of run %s %s: in one plot they would compare nothing; evaluate both in the same way", path,
                            run->each_signature, runs[r].path, runs[r].each_signature);
    return DGM_OK;
}

dgm_err dgm_report_each_read(const char *path, int n_runs, dgm_report_run *runs)
{
    char *text = NULL;
    size_t bytes;
    json_error_t why;
    dgm_report_run *run = NULL;
    DGM_TRY(dgm_io_read_file(path, &text, &bytes));
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &why);
    free(text);
    dgm_err err = json != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_INPUT, "%s, line %d: %s", path, why.line, why.text);
    if (err == DGM_OK) err = find_run(path, json, n_runs, runs, &run);
    const json_t *first = NULL;
    if (err == DGM_OK) err = read_models(path, json_object_get(json, "models"), &run->each, &first);
    if (err == DGM_OK) err = read_source(path, json, first, run);
    if (err == DGM_OK) err = check_comparable(path, run, n_runs, runs);
    json_decref(json);
    return err;
}
