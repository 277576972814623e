/* The model a run leaves: the mean of its last checkpoints, its best, or its last. */
#include "dgm/train_run.h"

#include "dgm/io.h"
#include "dgm/log.h"

#include <stdlib.h>
#include <string.h>

/* Adds this rank's parameters of a checkpoint to sum[n_floats]. */
static dgm_err add_checkpoint(const dgm_train_run *run, int64_t step, float *read, double *sum)
{
    char *path = dgm_ckpt_path(run->dir, step);
    dgm_model_file *file = NULL;
    dgm_err err = path != NULL ? dgm_model_file_open(path, &file) : DGM_FAIL(DGM_ERR_NOMEM, "path of a checkpoint");
    if (err == DGM_OK) err = dgm_model_file_read(file, run->params, read);
    for (int64_t i = 0; err == DGM_OK && i < run->params->n_floats; i++) sum[i] += (double)read[i];
    dgm_model_file_close(file);
    free(path);
    return err;
}

/* Mean of the checkpoints of steps[n], in ascending order, into mean[n_floats].  Not collective. */
static dgm_err average(const dgm_train_run *run, const int64_t *steps, int n, float *mean)
{
    double *sum = calloc((size_t)run->params->n_floats, sizeof *sum);
    dgm_err err = sum != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "mean of %d checkpoints", n);
    for (int i = 0; i < n && err == DGM_OK; i++) err = add_checkpoint(run, steps[i], mean, sum);
    for (int64_t i = 0; err == DGM_OK && i < run->params->n_floats; i++) mean[i] = (float)(sum[i] / n);
    free(sum);
    return err;
}

/* How the model came about, for its file: what decided it, and nothing of where it ran. */
static char *training_record(const dgm_train_run *run, const int64_t *steps, int n)
{
    json_t *from = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(from, json_integer((json_int_t)steps[i]));
    json_t *json = json_pack("{s:I, s:o, s:s, s:o}", "step", (json_int_t)run->step, "checkpoints", from, "data", dgm_dataset_hash(run->dataset),
                             "experiment", dgm_train_experiment(run->config));
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    return text;
}

/* The steps of the checkpoints the result is made of; the caller frees *steps. */
static dgm_err choose(const dgm_train_run *run, int64_t **steps, int *n)
{
    int64_t *all;
    int n_all, wanted = run->settings.average_last;
    DGM_TRY(dgm_ckpt_list(run->dir, &all, &n_all));
    while (n_all > 0 && all[n_all - 1] > run->step) n_all--;
    if (n_all == 0) {
        free(all);
        return DGM_FAIL(DGM_ERR_INTERNAL, "%s has no checkpoint to make a model of", run->dir);
    }
    *n = wanted > 0 ? DGM_MIN(wanted, n_all) : 1;
    memmove(all, all + n_all - *n, (size_t)*n * sizeof *all);
    if (wanted == 0 && run->best_step > 0) all[0] = run->best_step;
    *steps = all;
    return DGM_OK;
}

dgm_err dgm_train_run_finish(dgm_train_run *run)
{
    int64_t *steps = NULL;
    int n = 0;
    float *result = NULL;
    char *path = dgm_io_join(run->dir, "model.safetensors"), *record = NULL;
    dgm_err err = choose(run, &steps, &n);
    if (err == DGM_OK) err = dgm_params_alloc(run->params, &result);
    if (err == DGM_OK) err = average(run, steps, n, result);
    if (err == DGM_OK) record = training_record(run, steps, n);
    if (err == DGM_OK && (record == NULL || path == NULL)) err = DGM_FAIL(DGM_ERR_NOMEM, "the result of the run");
    err = dgm_coll_agree(run->grid, DGM_AXIS_WORLD, err);
    dgm_model_strings strings = {.tokenizer = run->tokenizer.text, .tgt_tokenizer = run->tgt_tokenizer.text, .training = record};
    if (err == DGM_OK) err = dgm_model_file_save(path, run->grid, run->params, &strings, result);
    if (err == DGM_OK && n > 1)
        dgm_log(DGM_LOG_INFO, "%s is the mean of the checkpoints of steps %lld to %lld", path, (long long)steps[0], (long long)steps[n - 1]);
    else if (err == DGM_OK)
        dgm_log(DGM_LOG_INFO, "%s is the checkpoint of step %lld", path, (long long)steps[0]);
    free(record);
    free(path);
    free(result);
    free(steps);
    return err;
}
