/* Singular values by ScaLAPACK on 1 to 4 ranks, of matrices and of a model file, against LAPACK in double precision on one. */
#include "dgm/model_file.h"
#include "dgm/pgemm.h"
#include "dgm/rng.h"
#include "dgm/spectra.h"
#include "tap_mpi.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void dgesvd_(const char *job_u, const char *job_vt, const int *m, const int *n, double *a, const int *ld_a, double *s, double *u,
             const int *ld_u, double *vt, const int *ld_vt, double *work, const int *n_work, int *info, size_t job_u_length, size_t job_vt_length);

/* Kinds of matrices: full rank, singular (the last row is the sum of two others), graded over six decimal orders, zero. */
typedef enum { PLAIN, SINGULAR, GRADED, ZERO, N_KINDS } kind;
static const char *const kind_name[N_KINDS] = {"normal", "singular", "graded", "zero"};

static float element(kind k, int64_t rows, int64_t row, int64_t col)
{
    dgm_rng rng = dgm_rng_make(5, DGM_RNG_TEST);
    if (k == ZERO) return 0;
    if (k == SINGULAR && row == rows - 1 && rows > 2) return element(k, rows, 0, col) + element(k, rows, 1, col);
    double x = dgm_rng_normal(rng, (uint64_t)row, (uint64_t)col);
    if (k == GRADED) x *= pow(10, -6.0 * (double)row / (double)rows);
    return (float)x;
}

/* The values of a row-major matrix, which is used up. */
static double *by_dgesvd(double *a, int64_t rows, int64_t cols)
{
    int m = (int)cols, n = (int)rows, ld = 1, n_work = (int)(10 * (rows + cols)), info = -1;
    double *s = malloc((size_t)DGM_MIN(m, n) * sizeof *s), *work = malloc((size_t)n_work * sizeof *work), none;
    if (s == NULL || work == NULL) abort();
    dgesvd_("N", "N", &m, &n, a, &m, s, &none, &ld, &none, &ld, work, &n_work, &info, 1, 1);
    if (info != 0) abort();
    free(work);
    return s;
}

static double *by_lapack(kind k, int64_t rows, int64_t cols)
{
    double *a = malloc((size_t)(rows * cols) * sizeof *a);
    if (a == NULL) abort();
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) a[r * cols + c] = (double)element(k, rows, r, c);
    double *s = by_dgesvd(a, rows, cols);
    free(a);
    return s;
}

/* The largest error as a share of the largest value; -1 on failure. */
static double error_on(const dgm_grid *grid, kind k, const dgm_cyclic *c, const double *want)
{
    dgm_layout *l = NULL;
    dgm_blacs *blacs = NULL;
    int64_t n_rows, n_cols, n = DGM_MIN(c->rows, c->cols);
    if (dgm_layout_of_cyclic(c, grid->size, &l) != DGM_OK || dgm_blacs_create(grid, DGM_AXIS_WORLD, &blacs) != DGM_OK) return -1;
    dgm_cyclic_local(c, grid->rank, &n_rows, &n_cols);
    float *part = malloc((size_t)(n_rows * n_cols + 1) * sizeof *part), *values = malloc((size_t)n * sizeof *values);
    for (int64_t i = l->first[grid->rank]; i < l->first[grid->rank + 1]; i++)
        for (int64_t y = 0; y < l->tiles[i].rows; y++)
            for (int64_t x = 0; x < l->tiles[i].cols; x++)
                part[l->tiles[i].offset + y * n_cols + x] = element(k, c->rows, l->tiles[i].row0 + y, l->tiles[i].col0 + x);
    double worst = dgm_psvd_values(blacs, c, part, values) == DGM_OK ? 0 : -1;
    for (int64_t i = 0; worst >= 0 && i < n; i++) {
        worst = fmax(worst, fabs((double)values[i] - want[i]) / (want[0] > 0 ? want[0] : 1));
        if (i > 0 && values[i] > values[i - 1]) worst = 1; /* in order */
    }
    free(part);
    free(values);
    dgm_layout_destroy(l);
    dgm_blacs_destroy(blacs);
    return worst;
}

static void test_shape(kind k, int64_t rows, int64_t cols, int64_t block)
{
    double *want = by_lapack(k, rows, cols);
    for (int ranks = 1; ranks <= 4; ranks++) {
        MPI_Comm comm = tap_mpi_group(ranks);
        double error = 0;
        if (comm != MPI_COMM_NULL) {
            dgm_grid *grid = NULL;
            dgm_cyclic c = dgm_cyclic_square(rows, cols, block, ranks);
            error = dgm_grid_create(comm, 1, &grid) == DGM_OK ? error_on(grid, k, &c, want) : -1;
            dgm_grid_destroy(grid);
            MPI_Comm_free(&comm);
        }
        /* Backward error: a modest multiple of 2^-24 = 6e-8 times the largest (Golub and Van Loan, 8.6) */
        tap_near(error, 0, 2e-6, "%d ranks: %s matrix of %lld x %lld, blocks of %lld: values of LAPACK's dgesvd", ranks, kind_name[k], (long long)rows,
                 (long long)cols, (long long)block);
        if (error < 0) tap_note("%s", dgm_error_text());
    }
    free(want);
}

/* Two of three ranks hold the matrix. */
static void test_idle_rank(void)
{
    double *want = by_lapack(PLAIN, 70, 40);
    MPI_Comm comm = tap_mpi_group(3);
    double error = 0;
    if (comm != MPI_COMM_NULL) {
        dgm_grid *grid = NULL;
        dgm_cyclic c = {70, 40, 8, 8, 1, 2, 0};
        error = dgm_grid_create(comm, 1, &grid) == DGM_OK ? error_on(grid, PLAIN, &c, want) : -1;
        dgm_grid_destroy(grid);
        MPI_Comm_free(&comm);
    }
    tap_near(error, 0, 2e-6, "a rank outside of the process grid gets the values too");
    free(want);
}

static void test_refusals(void)
{
    dgm_grid *grid = NULL;
    dgm_blacs *blacs = NULL;
    float x[64] = {0}, s[8];
    tap_err(dgm_grid_create(MPI_COMM_WORLD, 1, &grid), DGM_OK, "a grid of 4");
    tap_err(dgm_blacs_create(grid, DGM_AXIS_WORLD, &blacs), DGM_OK, "and its contexts");
    dgm_cyclic oblong = {8, 8, 4, 2, 2, 2, 0}, later = {8, 8, 4, 4, 1, 1, 1};
    tap_err(dgm_psvd_values(blacs, &oblong, x, s), DGM_ERR_SHAPE, "blocks that are not square are refused");
    tap_error_says("blocks of 4 x 2 from rank 0: expected square blocks");
    tap_err(dgm_psvd_values(blacs, &later, x, s), DGM_ERR_SHAPE, "so is a grid that begins at another rank");
    dgm_blacs_destroy(blacs);
    dgm_grid_destroy(grid);
}

/* ---- a model file ---- */

static const char *model_path(void)
{
    static char path[64];
    int pid = (int)getpid();
    MPI_Bcast(&pid, 1, MPI_INT, 0, MPI_COMM_WORLD);
    snprintf(path, sizeof path, "/tmp/dragoman-mpi-svd-%d.safetensors", pid);
    return path;
}

static void save_model(const char *path, const dgm_params *params, float *flat)
{
    const dgm_model_strings strings = {"{}", NULL, "{}"};
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    dgm_err err = rank == 0 ? dgm_model_file_save(path, dgm_grid_single(), params, &strings, flat) : DGM_OK;
    tap_err(err, DGM_OK, "a model file");
}

/* The logical tensor of that name as double. */
static double *logical(const dgm_params *params, const float *flat, const char *name, double *norm)
{
    int tensor = dgm_params_find(params, name);
    const dgm_tensor *t = &params->tensors[tensor];
    double *a = malloc((size_t)(t->rows * t->cols) * sizeof *a), sum = 0;
    if (a == NULL) abort();
    for (int i = 0; i < params->n_units; i++) {
        const dgm_unit *u = &params->units[i];
        for (int64_t r = 0; u->tensor == tensor && r < u->rows; r++)
            for (int64_t c = 0; c < u->cols; c++)
                a[(u->row0 + r) * t->cols + u->col0 + c] = (double)flat[u->offset + (u->transposed ? c * u->rows + r : r * u->cols + c)];
    }
    for (int64_t i = 0; i < t->rows * t->cols; i++) sum += a[i] * a[i];
    *norm = sqrt(sum);
    return a;
}

/* Of all matrices: the largest error of a value relative to the matrix's largest, and of the norm relative to itself. */
static double spectra_error(const dgm_spectra *spectra, const dgm_params *params, const float *flat)
{
    double worst = 0;
    for (int i = 0; i < spectra->n; i++) {
        const dgm_spectrum *s = &spectra->matrix[i];
        double norm, *a = logical(params, flat, s->name, &norm), *want = by_dgesvd(a, s->rows, s->cols);
        for (int64_t k = 0; k < s->n; k++) worst = fmax(worst, fabs((double)s->value[k] - want[k]) / want[0]);
        worst = fmax(worst, fabs(s->norm - norm) / norm);
        worst = fmax(worst, fabs(dgm_spectrum_stable_rank(s) / (norm * norm / (want[0] * want[0])) - 1));
        free(a);
        free(want);
    }
    return worst;
}

/* 301 pieces on 3 ranks lie unevenly, 16 x 16 in blocks of 64 on one of them alone. */
static void test_model(void)
{
    const char *path = model_path();
    dgm_hparams hp = {.d_model = 16, .d_ff = 160, .n_heads = 2, .n_encoder_layers = 1, .n_decoder_layers = 2, .src_vocab_size = 301, .tgt_vocab_size = 70,
                      .virtual_tp = 2, .norm_eps = 1e-5F};
    dgm_params *params = NULL;
    float *flat = NULL;
    tap_ok(dgm_params_create(&hp, 0, 1, &params) == DGM_OK && dgm_params_alloc(params, &flat) == DGM_OK, "parameters");
    dgm_params_init(params, 9, flat);
    save_model(path, params, flat);
    for (int ranks = 1; ranks <= 4; ranks++) {
        MPI_Comm comm = tap_mpi_group(ranks);
        double error = 0;
        int n = 2 + 6 + 2 * 10;
        if (comm != MPI_COMM_NULL) {
            dgm_grid *grid = NULL;
            dgm_spectra *spectra = NULL;
            error = dgm_grid_create(comm, 1, &grid) == DGM_OK && dgm_spectra_measure(grid, path, &spectra) == DGM_OK ? spectra_error(spectra, params, flat) : -1;
            n = spectra != NULL ? spectra->n : -1;
            dgm_spectra_destroy(spectra);
            dgm_grid_destroy(grid);
            MPI_Comm_free(&comm);
        }
        tap_int(n, 2 + 6 + 2 * 10, "%d ranks: a model has so many matrices", ranks);
        tap_near(error, 0, 4e-6, "%d ranks: values, norms and stable ranks of a model file are LAPACK's", ranks);
    }
    for (int i = 0; i < params->n_units; i++)
        if (strcmp(params->tensors[params->units[i].tensor].name, "model.decoder.layers.1.fc2.weight") == 0) flat[params->units[i].offset + 3] = NAN;
    save_model(path, params, flat);
    dgm_grid *grid = NULL;
    dgm_spectra *spectra = NULL;
    tap_ok(dgm_grid_create(MPI_COMM_WORLD, 1, &grid) == DGM_OK, "a grid of 4");
    tap_err(dgm_spectra_measure(grid, path, &spectra), DGM_ERR_NUMERIC, "a matrix with NaN is refused");
    tap_error_says("model.decoder.layers.1.fc2.weight holds numbers that are not finite");
    dgm_grid_destroy(grid);
    dgm_params_destroy(params);
    free(flat);
    unlink(path);
}

int main(int argc, char **argv)
{
    tap_mpi_begin(&argc, &argv);
    test_shape(PLAIN, 130, 130, 64);
    test_shape(PLAIN, 300, 40, 64);
    test_shape(PLAIN, 40, 300, 64);
    test_shape(PLAIN, 50, 37, 8);
    test_shape(PLAIN, 3, 200, 64);
    test_shape(PLAIN, 1, 1, 64);
    test_shape(PLAIN, 1, 9, 2);
    test_shape(SINGULAR, 60, 90, 8);
    test_shape(GRADED, 80, 80, 16);
    test_shape(ZERO, 20, 30, 4);
    test_idle_rank();
    test_refusals();
    test_model();
    return tap_mpi_done();
}
