/* Two safetensors files, tensor by tensor in stretches of rows: memory holds a little of each. */
#include "dgm/compare.h"
#include "dgm/safetensors.h"
#include "dgm/seal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STRETCH_FLOATS = 1 << 18 };

static void compare_numbers(const float *a, const float *b, int64_t n, dgm_tensor_difference *d)
{
    if (memcmp(a, b, (size_t)n * sizeof *a) == 0) return;
    for (int64_t i = 0; i < n; i++) {
        if (memcmp(a + i, b + i, sizeof *a) == 0) continue;
        double far = fabs((double)a[i] - (double)b[i]);
        d->n_different++;
        d->max_difference = fmax(d->max_difference, isfinite(far) ? far : INFINITY);
    }
}

static dgm_err compare_tensor(const dgm_safetensors *a, const dgm_safetensors_entry *in_a, const dgm_safetensors *b,
                              const dgm_safetensors_entry *in_b, dgm_tensor_difference *d)
{
    int64_t per = DGM_MAX(1, STRETCH_FLOATS / DGM_MAX(1, in_a->cols));
    size_t room = (size_t)(DGM_MIN(per, DGM_MAX(in_a->rows, 1)) * DGM_MAX(in_a->cols, 1)) * sizeof(float);
    float *x = malloc(room), *y = malloc(room);
    dgm_err err = x != NULL && y != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "rows of %s", in_a->name);
    for (int64_t row = 0; err == DGM_OK && row < in_a->rows; row += per) {
        int64_t n = DGM_MIN(per, in_a->rows - row);
        err = dgm_safetensors_read(a, in_a, row, 0, n, in_a->cols, x, in_a->cols, false);
        if (err == DGM_OK) err = dgm_safetensors_read(b, in_b, row, 0, n, in_a->cols, y, in_a->cols, false);
        if (err == DGM_OK) compare_numbers(x, y, n * in_a->cols, d);
    }
    free(x);
    free(y);
    return err;
}

/* The bias of keys adds one number to all scores of a query, and softmax does not see that: its exact gradient is zero.  What it learns is what
 * rounding leaves of that zero, and Adam, which divides a gradient by its own size, makes as large a step of it as of any other. */
static bool is_noise(const char *name)
{
    static const char end[] = "k_proj.bias";
    size_t n = strlen(name);
    return n >= sizeof end - 1 && strcmp(name + n - (sizeof end - 1), end) == 0;
}

static bool is_larger(const dgm_tensor_difference *d, const dgm_tensor_difference *than)
{
    return d->is_noise != than->is_noise ? than->is_noise : d->max_difference > than->max_difference;
}

static void note_missing(dgm_model_difference *out, const char *name)
{
    if (out->missing[0] == '\0') snprintf(out->missing, sizeof out->missing, "%.120s", name);
}

static dgm_err compare_tensors(const dgm_safetensors *a, const dgm_safetensors *b, dgm_model_difference *out)
{
    int n = dgm_safetensors_count(a);
    out->tensors = calloc((size_t)n + 1, sizeof *out->tensors);
    if (out->tensors == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d tensors", n);
    for (int i = 0; i < n; i++) {
        const dgm_safetensors_entry *in_a = dgm_safetensors_at(a, i), *in_b = dgm_safetensors_find(b, in_a->name);
        if (in_b == NULL) out->n_only_a++;
        else if (in_a->rows != in_b->rows || in_a->cols != in_b->cols || in_a->n_dims != in_b->n_dims) out->n_shapes++;
        if (in_b == NULL || in_a->rows != in_b->rows || in_a->cols != in_b->cols || in_a->n_dims != in_b->n_dims) {
            note_missing(out, in_a->name);
            continue;
        }
        dgm_tensor_difference *d = &out->tensors[out->n_different];
        *d = (dgm_tensor_difference){.n_elements = in_a->rows * in_a->cols, .is_noise = is_noise(in_a->name)};
        snprintf(d->name, sizeof d->name, "%.120s", in_a->name);
        DGM_TRY(compare_tensor(a, in_a, b, in_b, d));
        out->n_tensors++;
        out->n_elements += d->n_elements;
        out->n_different_elements += d->n_different;
        if (d->n_different == 0) continue;
        if (d->is_noise) out->largest_noise = fmax(out->largest_noise, d->max_difference);
        if (is_larger(d, &out->tensors[out->largest])) out->largest = out->n_different;
        out->n_different++;
    }
    for (int i = 0; i < dgm_safetensors_count(b); i++) {
        const char *name = dgm_safetensors_at(b, i)->name;
        if (dgm_safetensors_find(a, name) != NULL) continue;
        out->n_only_b++;
        note_missing(out, name);
    }
    return DGM_OK;
}

/* The digest of a file says nothing that the rest of it does not. */
static void compare_strings(const dgm_safetensors *a, const dgm_safetensors *b, bool other_way, dgm_model_difference *out)
{
    for (int i = 0; i < dgm_safetensors_n_strings(a); i++) {
        const char *key, *value;
        dgm_safetensors_string_at(a, i, &key, &value);
        const char *other = dgm_safetensors_string(b, key);
        if (strcmp(key, "digest") == 0 || (other != NULL && (other_way || strcmp(value, other) == 0))) continue;
        size_t used = strlen(out->strings);
        snprintf(out->strings + used, sizeof out->strings - used, "%s%.40s", used > 0 ? ", " : "", key);
    }
}

/* A damaged file must not look like another course of training. */
static dgm_err open_whole(const char *path, dgm_safetensors **out)
{
    DGM_TRY(dgm_safetensors_open(path, out));
    const char *digest = dgm_safetensors_string(*out, DGM_SEAL_KEY);
    return digest != NULL ? dgm_seal_check(path, digest) : DGM_OK;
}

dgm_err dgm_compare_models(const char *a, const char *b, dgm_model_difference *out)
{
    dgm_safetensors *file_a = NULL, *file_b = NULL;
    dgm_model_difference d = {0};
    dgm_err err = open_whole(a, &file_a);
    if (err == DGM_OK) err = open_whole(b, &file_b);
    if (err == DGM_OK) err = compare_tensors(file_a, file_b, &d);
    if (err == DGM_OK) {
        compare_strings(file_a, file_b, false, &d);
        compare_strings(file_b, file_a, true, &d);
        d.same = dgm_model_difference_none(&d) && d.strings[0] == '\0';
    }
    dgm_safetensors_close(file_a);
    dgm_safetensors_close(file_b);
    if (err == DGM_OK) *out = d;
    else dgm_model_difference_fini(&d);
    return err;
}

void dgm_model_difference_fini(dgm_model_difference *difference)
{
    free(difference->tensors);
    *difference = (dgm_model_difference){0};
}

bool dgm_model_difference_none(const dgm_model_difference *difference)
{
    return difference->n_different + difference->n_only_a + difference->n_only_b + difference->n_shapes == 0;
}
