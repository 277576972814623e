/* A run may be under way, may have been killed, and its DATA may be elsewhere: what is missing is noted for the page, what is damaged is an error. */
#include "dgm/report_run.h"

#include "dgm/io.h"
#include "dgm/model_file.h"
#include "dgm/run_record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const metric_fields[DGM_REPORT_N_METRICS] = {"nll", "grad_norm", "learning_rate", "epoch", "valid_nll", "valid_bleu"};
static const char *const timing_fields[DGM_REPORT_N_TIMING] = {
    "tgt_tokens_per_s", "share_of_peak", "peak_memory_mb", "dp", "tp", "regions_s.gemm", "regions_s.attention", "regions_s.loss",
    "regions_s.elementwise", "regions_s.optimizer", "regions_s.communication", "regions_s.loading", "regions_s.other"};
const char *const dgm_report_region_names[DGM_REPORT_N_REGIONS] = {"matrix products", "attention", "softmax and loss", "norms, elementwise",
                                                                   "optimizer", "communication", "loading", "other"};

void dgm_report_run_fini(dgm_report_run *run)
{
    free(run->name);
    json_decref(run->record);
    dgm_run_columns_fini(&run->metrics);
    dgm_run_columns_fini(&run->timing);
    dgm_run_columns_fini(&run->each);
    free(run->each_text);
    free(run->each_signature);
    dgm_manifest_fini(&run->manifest);
    free(run->data_path);
    free(run->no_data);
    free(run->model_path);
    free(run->checkpoint);
    *run = (dgm_report_run){0};
}

/* ---- run.json and the logs ---- */

/* The last part of a path. */
static char *name_of(const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    return strndup(path + begin, end - begin);
}

static dgm_err read_log(const char *dir, const char *name, const char *const *fields, int n_fields, dgm_run_columns *out, bool *there)
{
    char *path = dgm_io_join(dir, name);
    if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path of %s", name);
    *there = dgm_io_exists(path);
    dgm_err err = *there ? dgm_run_columns_read(path, fields, n_fields, out) : DGM_OK;
    free(path);
    return err;
}

static dgm_err read_record(dgm_report_run *run)
{
    char *path = dgm_io_join(run->path, "run.json");
    if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path of run.json");
    dgm_err err = dgm_io_exists(path) ? dgm_run_record_read(path, &run->record) : DGM_OK;
    free(path);
    return err;
}

/* ---- DATA ---- */

static char *note(const char *format, const char *text)
{
    int n = snprintf(NULL, 0, format, text);
    char *out = malloc((size_t)n + 1);
    if (out != NULL) snprintf(out, (size_t)n + 1, format, text);
    return out;
}

/* Tries a folder; false when its manifest is not that of the run, and *why then says so.  Takes over `dir`. */
static bool try_data(dgm_report_run *run, char *dir, char **why)
{
    char sha256[DGM_SHA256_HEX];
    char *path = dir != NULL ? dgm_io_join(dir, "manifest.json") : NULL;
    bool found = false;
    dgm_manifest manifest = {0};
    if (path == NULL || !dgm_io_exists(path)) {
        if (*why == NULL && dir != NULL) *why = note("It was not found at %s.", dir);
    } else if (dgm_manifest_read(path, &manifest, sha256) != DGM_OK) {
        free(*why);
        *why = note("Its manifest cannot be read: %s.", dgm_error_text());
    } else if (strcmp(sha256, dgm_report_run_data_hash(run)) != 0) {
        dgm_manifest_fini(&manifest);
        free(*why);
        *why = note("What lies at %s now is other data.", dir);
    } else {
        found = true;
    }
    free(path);
    if (!found) {
        free(dir);
        return false;
    }
    run->manifest = manifest;
    run->data_path = dir;
    return run->has_data = true;
}

/* Where run.json says that DATA lay, or in the run's own folder. */
static dgm_err find_data(dgm_report_run *run)
{
    char *why = NULL;
    bool found = false;
    char *recorded = run->record != NULL ? dgm_run_record_text(run->record, NULL, "data_path") : NULL;
    if (recorded == NULL && run->record != NULL) recorded = dgm_run_record_text(run->record, "settings", "data");
    if (run->record == NULL || *dgm_report_run_data_hash(run) == '\0') {
        why = note("%s", "There is no run.json that says which data it was.");
        free(recorded);
    } else {
        if (recorded != NULL) found = try_data(run, recorded, &why);
        if (!found) found = try_data(run, dgm_io_join(run->path, "data"), &why);
    }
    if (found) free(why);
    else run->no_data = why != NULL ? why : note("%s", "It was not found.");
    return found || run->no_data != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "data of run %s", run->path);
}

/* ---- the model ---- */

/* The name of the checkpoint that a link leads to. */
static char *checkpoint_of(const char *run, const char *link)
{
    char target[512];
    char *path = dgm_io_join(run, link);
    ssize_t n = path != NULL ? readlink(path, target, sizeof target - 1) : -1;
    free(path);
    if (n <= 0) return strdup(link);
    target[n] = '\0';
    return name_of(target);
}

static dgm_err find_model(dgm_report_run *run)
{
    static const struct { const char *file, *link; dgm_report_model is; } places[] = {
        {"model.safetensors", NULL, DGM_REPORT_RESULT}, {"best/model.safetensors", "best", DGM_REPORT_BEST}, {"last/model.safetensors", "last", DGM_REPORT_LAST}};
    for (size_t i = 0; i < sizeof places / sizeof *places && run->model == DGM_REPORT_NO_MODEL; i++) {
        char *path = dgm_io_join(run->path, places[i].file);
        if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path of a model");
        if (!dgm_io_exists(path)) {
            free(path);
            continue;
        }
        run->model = places[i].is;
        run->model_path = path;
        if (places[i].link != NULL) run->checkpoint = checkpoint_of(run->path, places[i].link);
    }
    if (run->model_path == NULL) return DGM_OK;
    dgm_model_file *file = NULL;
    DGM_TRY(dgm_model_file_open(run->model_path, &file));
    run->shape = *dgm_model_file_hparams(file);
    run->has_shape = true;
    dgm_model_file_close(file);
    return DGM_OK;
}

static dgm_err read_all(dgm_report_run *run)
{
    if (!dgm_io_is_dir(run->path)) return DGM_FAIL(DGM_ERR_INPUT, "%s is no folder: expected that of a run, which train --out makes", run->path);
    run->name = name_of(run->path);
    if (run->name == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "name of run %s", run->path);
    DGM_TRY(read_record(run));
    DGM_TRY(read_log(run->path, "metrics.jsonl", metric_fields, DGM_REPORT_N_METRICS, &run->metrics, &run->has_metrics));
    DGM_TRY(read_log(run->path, "timing.jsonl", timing_fields, DGM_REPORT_N_TIMING, &run->timing, &run->has_timing));
    if (run->record == NULL && !run->has_metrics)
        return DGM_FAIL(DGM_ERR_INPUT, "%s has neither run.json nor metrics.jsonl: expected the folder of a run, which train --out makes", run->path);
    DGM_TRY(find_data(run));
    return find_model(run);
}

dgm_err dgm_report_run_open(const char *path, dgm_report_run *out)
{
    dgm_report_run run = {.path = path};
    dgm_err err = read_all(&run);
    if (err == DGM_OK) *out = run;
    else dgm_report_run_fini(&run);
    return err;
}

/* ---- looking things up ---- */

const char *dgm_report_run_setting(const dgm_report_run *run, const char *name)
{
    const char *text = json_string_value(json_object_get(json_object_get(run->record, "settings"), name));
    return text != NULL ? text : "";
}

const char *dgm_report_run_data_hash(const dgm_report_run *run)
{
    const char *hash = json_string_value(json_object_get(run->record, "data"));
    return hash != NULL ? hash : "";
}

int64_t dgm_report_run_last_step(const dgm_report_run *run) { return run->metrics.n > 0 ? (int64_t)run->metrics.step[run->metrics.n - 1] : 0; }

int64_t dgm_report_run_ended(const dgm_report_run *run)
{
    const json_t *step = json_object_get(json_object_get(run->record, "result"), "step");
    if (json_is_integer(step)) return json_integer_value(step);
    return run->model == DGM_REPORT_RESULT ? dgm_report_run_last_step(run) : -1; /* a run.json of before results were recorded */
}
