/* One matrix at a time, over all ranks: read by rows as they lie in the file, moved to blocks, taken apart. */
#include "dgm/spectra.h"

#include "dgm/coll.h"
#include "dgm/log.h"
#include "dgm/model_file.h"
#include "dgm/pgemm.h"
#include "dgm/safetensors.h"
#include "dgm/timer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double PROGRESS_S = 1;

/* Adds up a number of each rank, in the order of ranks. */
static dgm_err sum_over_ranks(const dgm_grid *grid, double *x)
{
    double *part = calloc((size_t)grid->size, sizeof *part);
    dgm_err err = part != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "numbers of %d ranks", grid->size);
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    if (err == DGM_OK) {
        part[grid->rank] = *x;
        err = dgm_coll_gather_all(grid, DGM_AXIS_WORLD, part, (int64_t)sizeof *part);
    }
    *x = 0;
    for (int r = 0; err == DGM_OK && r < grid->size; r++) *x += part[r];
    free(part);
    return err;
}

/* This rank's rows; *squares is the sum of their squares, which is not finite if an element is not. */
static dgm_err read_rows(const dgm_grid *grid, const dgm_safetensors *file, const char *name, const dgm_cyclic *slices, float **rows, double *squares)
{
    const dgm_safetensors_entry *entry = dgm_safetensors_find(file, name);
    if (entry == NULL || entry->rows != slices->rows || entry->cols != slices->cols)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: expected a matrix of %lld x %lld in the model file", name, (long long)slices->rows, (long long)slices->cols);
    int64_t n_rows, n_cols;
    dgm_cyclic_local(slices, grid->rank, &n_rows, &n_cols);
    float *x = malloc((size_t)(n_rows * n_cols + 1) * sizeof *x);
    if (x == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld x %lld elements of %s", (long long)n_rows, (long long)n_cols, name);
    if (n_rows > 0) {
        dgm_err err = dgm_safetensors_read(file, entry, grid->rank * slices->row_block, 0, n_rows, n_cols, x, n_cols, false);
        if (err != DGM_OK) {
            free(x);
            return err;
        }
    }
    double sum = 0;
    for (int64_t i = 0; i < n_rows * n_cols; i++) sum += (double)x[i] * (double)x[i];
    *rows = x;
    *squares = sum;
    return DGM_OK;
}

/* Fills in s, whose name and size are set. */
static dgm_err measure(const dgm_grid *grid, dgm_blacs *blacs, const dgm_safetensors *file, dgm_spectrum *s)
{
    dgm_cyclic slices = dgm_cyclic_rows(s->rows, s->cols, grid->size), blocks = dgm_cyclic_square(s->rows, s->cols, DGM_CYCLIC_BLOCK, grid->size);
    int64_t n_rows, n_cols;
    double squares = 0;
    float *rows = NULL, *part = NULL;
    dgm_cyclic_local(&blocks, grid->rank, &n_rows, &n_cols);
    dgm_err err = read_rows(grid, file, s->name, &slices, &rows, &squares);
    if (err == DGM_OK) {
        part = malloc((size_t)(n_rows * n_cols + 1) * sizeof *part);
        s->value = malloc((size_t)s->n * sizeof *s->value);
        if (part == NULL || s->value == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "blocks of %s", s->name);
    }
    DGM_GOTO(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    DGM_GOTO(sum_over_ranks(grid, &squares));
    if (!isfinite(squares)) {
        err = DGM_FAIL(DGM_ERR_NUMERIC, "%s holds numbers that are not finite: there are no singular values", s->name);
        goto fail;
    }
    s->norm = sqrt(squares);
    DGM_GOTO(dgm_pgemm_move(blacs, &slices, rows, &blocks, part));
    free(rows);
    rows = NULL;
    err = dgm_error_context(dgm_psvd_values(blacs, &blocks, part, s->value), "%s", s->name);
fail:
    free(rows);
    free(part);
    return err;
}

/* Where a matrix stands in the list: those of a decoder layer together, also keys and values of cross attention, which the trainer keeps
 * for all layers in one place. */
static int64_t place(const char *name)
{
    static const char decoder[] = "model.decoder.layers.";
    size_t n = sizeof decoder - 1;
    return strncmp(name, decoder, n) == 0 ? 1 + strtol(name + n, NULL, 10) : 0;
}

/* The model's matrices by name and size. */
static dgm_err list_matrices(const dgm_hparams *hp, dgm_spectra *spectra)
{
    dgm_params *params = NULL;
    DGM_TRY(dgm_params_create(hp, 0, 1, &params));
    spectra->matrix = calloc((size_t)params->n_tensors, sizeof *spectra->matrix);
    for (int i = 0; spectra->matrix != NULL && i < params->n_tensors; i++) {
        const dgm_tensor *t = &params->tensors[i];
        if (t->role != DGM_ROLE_MATRIX && t->role != DGM_ROLE_EMBEDDING) continue;
        int at = spectra->n++;
        for (; at > 0 && place(spectra->matrix[at - 1].name) > place(t->name); at--) spectra->matrix[at] = spectra->matrix[at - 1];
        dgm_spectrum *s = &spectra->matrix[at];
        *s = (dgm_spectrum){.rows = t->rows, .cols = t->cols, .n = DGM_MIN(t->rows, t->cols)};
        memcpy(s->name, t->name, sizeof s->name);
    }
    dgm_params_destroy(params);
    return spectra->matrix != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "list of matrices");
}

/* Opens what every rank needs; rank 0 looks whether the file is whole. */
static dgm_err open_model(const dgm_grid *grid, const char *model, dgm_model_file **file, dgm_safetensors **tensors, dgm_spectra *spectra)
{
    DGM_TRY(dgm_model_file_open(model, file));
    if (grid->rank == 0) DGM_TRY(dgm_model_file_verify(*file));
    DGM_TRY(dgm_safetensors_open(dgm_model_file_path(*file), tensors));
    return list_matrices(dgm_model_file_hparams(*file), spectra);
}

dgm_err dgm_spectra_measure(const dgm_grid *grid, const char *model, dgm_spectra **out)
{
    dgm_model_file *file = NULL;
    dgm_safetensors *tensors = NULL;
    dgm_blacs *blacs = NULL;
    dgm_spectra *spectra = calloc(1, sizeof *spectra);
    double told = dgm_timer_now();
    dgm_err err = spectra != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "singular values");
    if (err == DGM_OK) {
        spectra->model = model;
        err = open_model(grid, model, &file, &tensors, spectra);
    }
    DGM_GOTO(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    DGM_GOTO(dgm_blacs_create(grid, DGM_AXIS_WORLD, &blacs));
    for (int i = 0; i < spectra->n; i++) {
        dgm_spectrum *s = &spectra->matrix[i];
        double now = dgm_timer_now();
        if (now - told > PROGRESS_S) {
            dgm_log_progress("matrix %d of %d: %s, %lld x %lld", i + 1, spectra->n, s->name, (long long)s->rows, (long long)s->cols);
            told = now;
        }
        DGM_GOTO(measure(grid, blacs, tensors, s));
    }
    *out = spectra;
    spectra = NULL;
fail:
    dgm_log_progress_end();
    dgm_blacs_destroy(blacs);
    dgm_safetensors_close(tensors);
    dgm_model_file_close(file);
    dgm_spectra_destroy(spectra);
    return err;
}

void dgm_spectra_destroy(dgm_spectra *spectra)
{
    if (spectra == NULL) return;
    for (int i = 0; i < spectra->n; i++) free(spectra->matrix[i].value);
    free(spectra->matrix);
    free(spectra);
}

double dgm_spectrum_stable_rank(const dgm_spectrum *s)
{
    double largest = (double)s->value[0];
    return largest > 0 ? s->norm * s->norm / (largest * largest) : 0;
}

double dgm_spectrum_condition(const dgm_spectrum *s)
{
    double largest = (double)s->value[0], smallest = (double)s->value[s->n - 1];
    return smallest > 0x1p-20 * largest ? largest / smallest : INFINITY;
}
