/* One stretch of the parameters at a time, from all models: memory holds one model and a little. */
#include "dgm/average.h"

#include "dgm/ckpt.h"
#include "dgm/log.h"
#include "dgm/model_file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { STRETCH_FLOATS = 1 << 20 };

static dgm_err check_alike(const dgm_model_file *first, const dgm_model_file *other)
{
    const dgm_model_strings *a = dgm_model_file_strings(first), *b = dgm_model_file_strings(other);
    const char *differ = NULL;
    if (dgm_hparams_check_same(dgm_model_file_hparams(other), dgm_model_file_hparams(first), dgm_model_file_path(other)) != DGM_OK)
        differ = "architecture";
    else if (!dgm_model_same_tokenizers(a, b)) differ = "tokenizer";
    if (differ == NULL) return DGM_OK;
    return DGM_FAIL(DGM_ERR_INPUT, "%s has another %s than %s: only models of one training can be averaged", dgm_model_file_path(other),
                    differ, dgm_model_file_path(first));
}

/* A setting that one training does not tell of: to earlier versions it had its default, which is no news if it is 0. */
static bool is_news(const json_t *value) { return json_is_number(value) && json_number_value(value) != 0; }

/* The name of something in which two trainings differ, data, first model or a setting; NULL: nothing that is said. */
static const char *training_apart(const json_t *a, const json_t *b)
{
    static const char *const parts[] = {"data", "init"};
    const json_t *ours = json_object_get(a, "experiment"), *theirs = json_object_get(b, "experiment");
    const char *name;
    json_t *value;
    for (int i = 0; i < 2; i++) {
        const json_t *one = json_object_get(a, parts[i]), *other = json_object_get(b, parts[i]);
        if (one != other && (one == NULL || other == NULL || !json_equal(one, other))) return parts[i];
    }
    json_object_foreach((json_t *)ours, name, value)
    {
        const json_t *other = json_object_get(theirs, name);
        if (other != NULL ? !json_equal(value, other) : is_news(value)) return name;
    }
    json_object_foreach((json_t *)theirs, name, value)
    {
        if (json_object_get(ours, name) == NULL && is_news(value)) return name;
    }
    return NULL;
}

/* Models of two trainings lie apart, and what lies between them is rarely a model; but whoever averages fine-tuned models knows what they do. */
static void warn_if_apart(const dgm_model_file *first, const dgm_model_file *other)
{
    const char *a = dgm_model_file_strings(first)->training, *b = dgm_model_file_strings(other)->training;
    json_t *one = a != NULL ? json_loads(a, 0, NULL) : NULL, *two = b != NULL ? json_loads(b, 0, NULL) : NULL;
    const char *what = one != NULL && two != NULL ? training_apart(one, two) : NULL;
    if (what != NULL)
        dgm_log(DGM_LOG_WARN, "%s is of another training than %s (their \"%s\" differ): the mean of two trainings is rarely a good model",
                dgm_model_file_path(other), dgm_model_file_path(first), what);
    json_decref(one);
    json_decref(two);
}

/* Checkpoints are looked at whole before they count; one without DONE is none. */
static dgm_err open_models(const char *const *models, int n, dgm_model_file **files)
{
    for (int i = 0; i < n; i++) {
        if (dgm_ckpt_is_folder(models[i])) DGM_TRY(dgm_ckpt_verify(models[i], dgm_grid_single()));
        DGM_TRY(dgm_model_file_open(models[i], &files[i]));
        DGM_TRY(dgm_model_file_verify(files[i]));
        DGM_TRY(check_alike(files[0], files[i]));
        warn_if_apart(files[0], files[i]);
    }
    return DGM_OK;
}

static dgm_err mean_of_stretch(dgm_model_file *const *files, int n_files, const dgm_params *params, int64_t lo, int64_t hi, double *sum, float *out)
{
    int64_t n = hi - lo;
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (int f = 0; f < n_files; f++) {
        DGM_TRY(dgm_model_file_read_range(files[f], params, lo, hi, out));
        for (int64_t i = 0; i < n; i++) sum[i] += (double)out[i];
    }
    for (int64_t i = 0; i < n; i++) out[i] = (float)(sum[i] / n_files);
    return DGM_OK;
}

static dgm_err mean(dgm_model_file *const *files, int n_files, const dgm_params *params, float *flat)
{
    int n = (int)(params->n_floats / STRETCH_FLOATS) + 1;
    int64_t *start = calloc((size_t)n + 1, sizeof *start), longest = 0;
    if (start == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d stretches of the parameters", n);
    dgm_params_slices(params, n, start);
    for (int i = 0; i < n; i++) longest = DGM_MAX(longest, start[i + 1] - start[i]);
    double *sum = malloc((size_t)longest * sizeof *sum);
    dgm_err err = sum != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "sums of %lld numbers", (long long)longest);
    for (int i = 0; i < n && err == DGM_OK; i++) err = mean_of_stretch(files, n_files, params, start[i], start[i + 1], sum, flat + start[i]);
    free(sum);
    free(start);
    return err;
}

dgm_err dgm_average(const char *const *models, int n_models, const char *out)
{
    dgm_params *params = NULL;
    float *flat = NULL;
    DGM_ASSERT(n_models >= 1);
    dgm_model_file **files = calloc((size_t)n_models, sizeof *files);
    dgm_err err = files != NULL ? open_models(models, n_models, files) : DGM_FAIL(DGM_ERR_NOMEM, "%d models", n_models);
    if (err == DGM_OK) err = dgm_params_create(dgm_model_file_hparams(files[0]), 0, 1, &params);
    if (err == DGM_OK) err = dgm_params_alloc(params, &flat);
    if (err == DGM_OK) err = mean(files, n_models, params, flat);
    if (err == DGM_OK) err = dgm_model_file_save(out, dgm_grid_single(), params, dgm_model_file_strings(files[n_models - 1]), flat);
    free(flat);
    dgm_params_destroy(params);
    for (int i = 0; files != NULL && i < n_models; i++) dgm_model_file_close(files[i]);
    free(files);
    return err;
}
