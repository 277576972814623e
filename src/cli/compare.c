/* Which files of two runs or models there are to compare, and what they say together. */
#include "dgm/compare.h"

#include "dgm/ckpt.h"
#include "dgm/dataset.h"
#include "dgm/io.h"
#include "dgm/model_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is there ---- */

typedef struct {
    char *a, *b;
    bool in_a, in_b;
} pair;

static void pair_fini(pair *p)
{
    free(p->a);
    free(p->b);
}

/* The files of that name in both folders. */
static dgm_err pair_init(const char *a, const char *b, const char *name, pair *out)
{
    pair p = {.a = dgm_io_join(a, name), .b = dgm_io_join(b, name)};
    if (p.a == NULL || p.b == NULL) {
        pair_fini(&p);
        return DGM_FAIL(DGM_ERR_NOMEM, "paths of %s", name);
    }
    p.in_a = dgm_io_exists(p.a);
    p.in_b = dgm_io_exists(p.b);
    *out = p;
    return DGM_OK;
}

static bool is_run(const char *path) { return dgm_io_is_dir(path) && (dgm_io_holds(path, "run.json") || dgm_io_holds(path, "metrics.jsonl")); }

static dgm_err read_json(const char *path, json_t **out)
{
    char *text = NULL;
    size_t n;
    json_error_t why;
    DGM_TRY(dgm_io_read_file(path, &text, &n));
    json_t *json = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    free(text);
    if (!json_is_object(json)) {
        json_decref(json);
        return DGM_FAIL(DGM_ERR_INPUT, "%s: line %d: %s", path, json == NULL ? why.line : 1, json == NULL ? why.text : "expected an object");
    }
    *out = json;
    return DGM_OK;
}

static bool is_true(const json_t *record, const char *setting)
{
    const char *text = json_string_value(json_object_get(json_object_get(record, "settings"), setting));
    return text != NULL && strcmp(text, "true") == 0;
}

/* What a run left, by its own record. */
static void take_written(const json_t *record, bool *trace, bool *metrics)
{
    const json_t *result = json_object_get(record, "result");
    *trace = is_true(record, "trace_hash") || json_object_get(result, "trace") != NULL;
    *metrics = json_object_get(result, "metrics") != NULL;
}

static dgm_err compare_records(const char *name, dgm_comparison *c)
{
    pair p;
    json_t *a = NULL, *b = NULL;
    DGM_TRY(pair_init(c->a, c->b, name, &p));
    dgm_err err = p.in_a ? read_json(p.a, &a) : DGM_OK;
    if (err == DGM_OK && p.in_b) err = read_json(p.b, &b);
    if (err == DGM_OK && a != NULL && b != NULL && (c->record = dgm_compare_records(a, b)) == NULL)
        err = DGM_FAIL(DGM_ERR_NOMEM, "differences of %s", name);
    if (err == DGM_OK && c->runs) {
        take_written(a, &c->trace_in.written_a, &c->metrics_in.written_a);
        take_written(b, &c->trace_in.written_b, &c->metrics_in.written_b);
        if (a != NULL) c->starts_a = dgm_compare_starts(a);
        if (b != NULL) c->starts_b = dgm_compare_starts(b);
    }
    json_decref(a);
    json_decref(b);
    pair_fini(&p);
    return err;
}

/* ---- checkpoints, behind what traces say ---- */

static dgm_err compare_checkpoint(dgm_comparison *c, int64_t step)
{
    char *a = dgm_ckpt_path(c->a, step), *b = dgm_ckpt_path(c->b, step);
    pair p = {0};
    dgm_model_difference d = {0};
    dgm_err err = a != NULL && b != NULL ? pair_init(a, b, "model.safetensors", &p) : DGM_FAIL(DGM_ERR_NOMEM, "paths of checkpoints");
    bool both = err == DGM_OK && p.in_a && p.in_b;
    if (both) err = dgm_compare_models(p.a, p.b, &d);
    if (err == DGM_ERR_INPUT) {
        if (c->n_passed_over++ == 0) snprintf(c->passed_over, sizeof c->passed_over, "%s", dgm_error_text());
        err = DGM_OK;
    } else if (err == DGM_OK && both) {
        *(dgm_model_difference_none(&d) ? &c->equal_checkpoint : &c->other_checkpoint) = step;
        c->n_checkpoints++;
    }
    dgm_model_difference_fini(&d);
    pair_fini(&p);
    free(a);
    free(b);
    return err;
}

/* The first step behind the traces of which both have a checkpoint and these have other weights. */
static dgm_err compare_checkpoints(dgm_comparison *c)
{
    int64_t *of_a = NULL, *of_b = NULL;
    int n_a = 0, n_b = 0;
    dgm_err err = dgm_ckpt_list(c->a, &of_a, &n_a);
    if (err == DGM_OK) err = dgm_ckpt_list(c->b, &of_b, &n_b);
    for (int i = 0, k = 0; err == DGM_OK && i < n_a && c->other_checkpoint < 0; i++) {
        while (k < n_b && of_b[k] < of_a[i]) k++;
        if (k < n_b && of_b[k] == of_a[i] && of_a[i] > c->trace.before) err = compare_checkpoint(c, of_a[i]);
    }
    if (n_a > 0) c->last_checkpoint_a = of_a[n_a - 1];
    if (n_b > 0) c->last_checkpoint_b = of_b[n_b - 1];
    free(of_a);
    free(of_b);
    return err;
}

/* ---- runs, models ---- */

static dgm_err compare_traces(dgm_comparison *c)
{
    pair p;
    DGM_TRY(pair_init(c->a, c->b, "trace.jsonl", &p));
    c->has_trace = p.in_a && p.in_b;
    dgm_log_presence_find(&c->trace_in, p.in_a, p.in_b, false);
    dgm_err err = c->has_trace ? dgm_compare_traces(p.a, p.b, &c->trace) : DGM_OK;
    pair_fini(&p);
    return err;
}

static dgm_err compare_metrics(dgm_comparison *c)
{
    pair p;
    DGM_TRY(pair_init(c->a, c->b, "metrics.jsonl", &p));
    c->has_metrics = p.in_a && p.in_b;
    dgm_log_presence_find(&c->metrics_in, p.in_a, p.in_b, true);
    dgm_err err = c->has_metrics ? dgm_compare_metrics(p.a, p.b, &c->metrics) : DGM_OK;
    pair_fini(&p);
    return err;
}

/* Two files of tensors, one of each folder. */
static dgm_err compare_tensors(dgm_comparison *c, const char *name, bool *in_both, dgm_model_difference *out)
{
    pair p;
    DGM_TRY(pair_init(c->a, c->b, name, &p));
    *in_both = p.in_a && p.in_b;
    c->only = p.in_a == p.in_b ? 0 : p.in_a ? 1 : 2;
    dgm_err err = *in_both ? dgm_compare_models(p.a, p.b, out) : DGM_OK;
    pair_fini(&p);
    return err;
}

static dgm_err compare_runs(dgm_comparison *c)
{
    DGM_TRY(compare_records("run.json", c));
    DGM_TRY(compare_traces(c));
    DGM_TRY(compare_metrics(c));
    DGM_TRY(compare_tensors(c, "model.safetensors", &c->has_model, &c->model));
    return c->trace.step < 0 && !c->trace.other_tensors ? compare_checkpoints(c) : DGM_OK;
}

static dgm_err compare_files(dgm_comparison *c)
{
    char *a = NULL, *b = NULL;
    dgm_err err = dgm_model_find(c->a, &a);
    if (err == DGM_OK) err = dgm_model_find(c->b, &b);
    if (err == DGM_OK) err = dgm_compare_models(a, b, &c->model);
    free(a);
    free(b);
    c->has_model = err == DGM_OK;
    if (err != DGM_OK || !dgm_io_is_dir(c->a) || !dgm_io_is_dir(c->b)) return err;
    DGM_TRY(compare_records("state.json", c));
    return compare_tensors(c, "optimizer.safetensors", &c->has_optimizer, &c->optimizer);
}

/* DGM_ERR_INPUT for what is not there, and for a file that is only a part of what can be compared. */
static dgm_err check_given(const char *path)
{
    static const struct { const char *name, *of; } parts[] = {{"run.json", "run"}, {"metrics.jsonl", "run"}, {"timing.jsonl", "run"},
                                                              {"trace.jsonl", "run"}, {"state.json", "checkpoint"}, {"DONE", "checkpoint"}};
    if (!dgm_io_exists(path)) return DGM_FAIL(DGM_ERR_INPUT, "%s is not there: expected the folder of a run, a checkpoint, or a model file", path);
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strcmp(name, parts[i].name) == 0 && !dgm_io_is_dir(path))
            return DGM_FAIL(DGM_ERR_INPUT, "%s is one file of a %s: name the folder that it lies in, %.*s", path, parts[i].of,
                            slash != NULL ? (int)DGM_MAX(slash - path, 1) : 1, slash != NULL ? path : ".");
    return DGM_OK;
}

dgm_err dgm_compare(const char *a, const char *b, dgm_comparison *out)
{
    dgm_comparison c = {.a = strdup(a), .b = strdup(b), .runs = is_run(a) && is_run(b), .equal_checkpoint = -1, .other_checkpoint = -1,
                        .last_checkpoint_a = -1, .last_checkpoint_b = -1};
    c.trace = (dgm_trace_difference){.last_a = -1, .last_b = -1, .step = -1, .before = -1};
    c.metrics = (dgm_metrics_difference){.last_a = -1, .last_b = -1, .step = -1, .before = -1};
    dgm_err err = c.a != NULL && c.b != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "comparison");
    if (err == DGM_OK) err = check_given(a);
    if (err == DGM_OK) err = check_given(b);
    if (err == DGM_OK) err = c.runs ? compare_runs(&c) : compare_files(&c);
    if (err == DGM_OK) *out = c;
    else dgm_comparison_fini(&c);
    return err;
}

void dgm_comparison_fini(dgm_comparison *comparison)
{
    free(comparison->a);
    free(comparison->b);
    json_decref(comparison->record);
    json_decref(comparison->starts_a);
    json_decref(comparison->starts_b);
    dgm_model_difference_fini(&comparison->model);
    dgm_model_difference_fini(&comparison->optimizer);
    *comparison = (dgm_comparison){0};
}
