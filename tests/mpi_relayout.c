/* Moves between layouts on groups of 1 to 4 ranks: every element must be where a plain map of the layout says, bit for bit, and
 * nothing else may change.  By hand (dgm_relayout), by ScaLAPACK (dgm_pgemm_move), and of a model's parameters. */
#include "dgm/gather.h"
#include "dgm/pgemm.h"
#include "dgm/relayout.h"
#include "tap_mpi.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float UNTOUCHED = -1;

/* The value of an element: told apart by its place; some are NaNs with a payload, which arithmetic would not keep. */
static float value(int64_t row, int64_t col)
{
    uint32_t bits = (uint32_t)(row * 65537 + col * 257 + 1);
    if (bits % 16 == 0) bits |= UINT32_C(0x7fc00000);
    else bits &= UINT32_C(0x3fffffff);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static int64_t memory_of(const dgm_layout *l, int rank)
{
    int64_t n = 0;
    for (int64_t i = l->first[rank]; i < l->first[rank + 1]; i++) {
        const dgm_tile *t = &l->tiles[i];
        n = DGM_MAX(n, t->offset + (t->rows - 1) * t->row_stride + (t->cols - 1) * t->col_stride + 1);
    }
    return n;
}

/* Memory of this rank with the elements of its tiles in place. */
static float *filled(const dgm_layout *l, int rank, bool with_values)
{
    int64_t n = memory_of(l, rank) + 8; /* and some that must not change */
    float *x = malloc((size_t)n * sizeof *x);
    if (x == NULL) abort();
    for (int64_t i = 0; i < n; i++) x[i] = UNTOUCHED;
    for (int64_t i = l->first[rank]; with_values && i < l->first[rank + 1]; i++) {
        const dgm_tile *t = &l->tiles[i];
        for (int64_t r = 0; r < t->rows; r++)
            for (int64_t c = 0; c < t->cols; c++) x[t->offset + r * t->row_stride + c * t->col_stride] = value(t->row0 + r, t->col0 + c);
    }
    return x;
}

static bool same_bits(const float *got, const float *want, const dgm_layout *l, int rank)
{
    return memcmp(got, want, (size_t)(memory_of(l, rank) + 8) * sizeof *got) == 0;
}

/* ---- forms of a matrix ---- */

enum { ROW_SLICES, COLUMN_SLICES, TRANSPOSED_SLICES, WHOLE, SQUARE, ODD_BLOCKS, LAST_RANK, PIECES, N_FORMS };
static const char *const form_name[N_FORMS] = {"row slices",    "column slices", "column slices stored transposed", "whole on each rank",
                                               "2-D block-cyclic", "odd blocks",  "whole on the last rank",          "interleaved pieces"};

/* Column pieces of 8, stored transposed, with gaps: what a trainer's group of tensors looks like from one of them. */
static dgm_err make_pieces(int64_t rows, int64_t cols, int ranks, dgm_layout **out)
{
    DGM_TRY(dgm_layout_create(rows, cols, ranks, out));
    for (int p = 0; p < 8; p++) {
        int r = p * ranks / 8, first = (r * 8 + ranks - 1) / ranks;
        int64_t lo = p * cols / 8, hi = (p + 1) * cols / 8, begin = first * cols / 8;
        DGM_TRY(dgm_layout_add(*out, r, (dgm_tile){0, lo, rows, hi - lo, 3 * rows * (lo - begin) + 5, 1, rows}));
    }
    return DGM_OK;
}

static dgm_cyclic cyclic_form(int form, int64_t rows, int64_t cols, int ranks)
{
    switch (form) {
    case SQUARE: return dgm_cyclic_square(rows, cols, 8, ranks);
    case ODD_BLOCKS: return (dgm_cyclic){rows, cols, 3, 5, 1, ranks > 1 ? ranks - 1 : 1, ranks > 1}; /* without the first rank */
    case ROW_SLICES: return dgm_cyclic_rows(rows, cols, ranks);
    case COLUMN_SLICES: return dgm_cyclic_cols(rows, cols, ranks);
    default: return dgm_cyclic_whole(rows, cols, ranks - 1);
    }
}

static dgm_err make_form(int form, int64_t rows, int64_t cols, int ranks, dgm_layout **out)
{
    dgm_cyclic c = cyclic_form(form, rows, cols, ranks);
    switch (form) {
    case ROW_SLICES: return dgm_layout_row_slices(rows, cols, ranks, out);
    case COLUMN_SLICES: return dgm_layout_col_slices(rows, cols, ranks, false, out);
    case TRANSPOSED_SLICES: return dgm_layout_col_slices(rows, cols, ranks, true, out);
    case WHOLE: return dgm_layout_whole(rows, cols, ranks, out);
    case PIECES: return make_pieces(rows, cols, ranks, out);
    default: return dgm_layout_of_cyclic(&c, ranks, out);
    }
}

/* ---- by hand ---- */

static bool moves(const dgm_grid *grid, int from_form, int to_form, int64_t rows, int64_t cols)
{
    dgm_layout *from = NULL, *to = NULL;
    bool ok = make_form(from_form, rows, cols, grid->size, &from) == DGM_OK && make_form(to_form, rows, cols, grid->size, &to) == DGM_OK;
    if (!ok) return false;
    float *src = filled(from, grid->rank, true), *before = filled(from, grid->rank, true);
    float *dst = filled(to, grid->rank, false), *want = filled(to, grid->rank, true);
    ok = dgm_relayout(grid, DGM_AXIS_WORLD, from, src, to, dst) == DGM_OK && same_bits(dst, want, to, grid->rank) &&
         same_bits(src, before, from, grid->rank);
    free(src);
    free(before);
    free(dst);
    free(want);
    dgm_layout_destroy(from);
    dgm_layout_destroy(to);
    return ok;
}

static void test_by_hand(int ranks)
{
    static const int64_t shape[][2] = {{16, 24}, {13, 29}, {2, 50}, {50, 3}, {0, 4}, {700, 900}};
    MPI_Comm comm = tap_mpi_group(ranks);
    for (int from = 0; from < N_FORMS; from++) {
        if (from == WHOLE) continue; /* held more than once */
        bool ok = true;
        if (comm != MPI_COMM_NULL) {
            dgm_grid *grid = NULL;
            ok = dgm_grid_create(comm, 1, &grid) == DGM_OK;
            for (int to = 0; ok && to < N_FORMS; to++)
                for (size_t s = 0; ok && s < sizeof shape / sizeof *shape; s++) {
                    ok = moves(grid, from, to, shape[s][0], shape[s][1]);
                    if (!ok) printf("# rank %d: to %s, %d x %d\n", grid->rank, form_name[to], (int)shape[s][0], (int)shape[s][1]);
                }
            dgm_grid_destroy(grid);
        }
        tap_ok(ok, "%d ranks: from %s to all %d forms, six shapes", ranks, form_name[from], N_FORMS);
    }
    bool ok = true; /* longer than the staging buffer and than a message */
    if (comm != MPI_COMM_NULL) {
        dgm_grid *grid = NULL;
        ok = dgm_grid_create(comm, 1, &grid) == DGM_OK && moves(grid, ROW_SLICES, TRANSPOSED_SLICES, 3, 800000) &&
             moves(grid, PIECES, ROW_SLICES, 3000, 401) && moves(grid, ROW_SLICES, WHOLE, 1400000, 2);
        dgm_grid_destroy(grid);
        MPI_Comm_free(&comm);
    }
    tap_ok(ok, "%d ranks: matrices longer than a message", ranks);
}

static void test_refusals(void)
{
    dgm_grid *grid = NULL;
    dgm_layout *a = NULL, *b = NULL, *c = NULL, *whole = NULL;
    float x[64] = {0}, y[64];
    tap_err(dgm_grid_create(MPI_COMM_WORLD, 1, &grid), DGM_OK, "a grid of 4");
    dgm_layout_row_slices(8, 8, 4, &a);
    dgm_layout_row_slices(8, 7, 4, &b);
    dgm_layout_row_slices(8, 8, 3, &c);
    dgm_layout_whole(8, 8, 4, &whole);
    tap_err(dgm_relayout(grid, DGM_AXIS_WORLD, a, x, b, y), DGM_ERR_SHAPE, "matrices of two shapes are refused");
    tap_error_says("moving a 8 x 8 matrix on 4 ranks into 8 x 7 on 4 ranks, among 4 ranks");
    tap_err(dgm_relayout(grid, DGM_AXIS_WORLD, a, x, c, y), DGM_ERR_SHAPE, "so are layouts of another number of ranks");
    tap_err(dgm_relayout(grid, DGM_AXIS_WORLD, whole, x, a, y), DGM_ERR_SHAPE, "and a source that holds elements several times");
    tap_error_says("16 elements wanted, 64 held");
    dgm_layout_destroy(a);
    dgm_layout_destroy(b);
    dgm_layout_destroy(c);
    dgm_layout_destroy(whole);
    dgm_grid_destroy(grid);
}

/* ---- by ScaLAPACK ---- */

static bool scalapack_moves(const dgm_grid *grid, dgm_blacs *blacs, int from_form, int to_form, int64_t rows, int64_t cols)
{
    dgm_cyclic f = cyclic_form(from_form, rows, cols, grid->size), t = cyclic_form(to_form, rows, cols, grid->size);
    dgm_layout *from = NULL, *to = NULL;
    bool ok = dgm_layout_of_cyclic(&f, grid->size, &from) == DGM_OK && dgm_layout_of_cyclic(&t, grid->size, &to) == DGM_OK;
    if (!ok) return false;
    float *src = filled(from, grid->rank, true), *again = filled(from, grid->rank, false);
    float *dst = filled(to, grid->rank, false), *want = filled(to, grid->rank, true);
    ok = dgm_pgemm_move(blacs, &f, src, &t, dst) == DGM_OK && same_bits(dst, want, to, grid->rank) &&
         dgm_pgemm_move(blacs, &t, dst, &f, again) == DGM_OK && same_bits(again, src, from, grid->rank);
    free(src);
    free(again);
    free(dst);
    free(want);
    dgm_layout_destroy(from);
    dgm_layout_destroy(to);
    return ok;
}

/* Also makes and releases contexts many times over: BLACS has room for few. */
static void test_scalapack(int ranks)
{
    static const int forms[] = {ROW_SLICES, COLUMN_SLICES, SQUARE, ODD_BLOCKS, LAST_RANK};
    static const int64_t shape[][2] = {{16, 24}, {13, 29}, {2, 50}, {50, 3}, {1, 1}, {0, 4}, {300, 200}, {3500, 1301}}; /* the last goes in bands */
    MPI_Comm comm = tap_mpi_group(ranks);
    for (size_t i = 0; i < 5; i++) {
        bool ok = true;
        if (comm != MPI_COMM_NULL) {
            dgm_grid *grid = NULL;
            ok = dgm_grid_create(comm, 1, &grid) == DGM_OK;
            for (size_t j = 0; ok && j < 5; j++) {
                dgm_blacs *blacs = NULL;
                ok = dgm_blacs_create(grid, DGM_AXIS_WORLD, &blacs) == DGM_OK;
                size_t n_shapes = sizeof shape / sizeof *shape - (forms[j] != LAST_RANK || i > 1);
                for (size_t s = 0; ok && s < n_shapes; s++) {
                    ok = scalapack_moves(grid, blacs, forms[i], forms[j], shape[s][0], shape[s][1]);
                    if (!ok) printf("# rank %d: to %s, %d x %d\n", grid->rank, form_name[forms[j]], (int)shape[s][0], (int)shape[s][1]);
                }
                dgm_blacs_destroy(blacs);
            }
            dgm_grid_destroy(grid);
        }
        tap_ok(ok, "%d ranks: ScaLAPACK moves %s to five forms and back", ranks, form_name[forms[i]]);
    }
    bool ok = true;
    if (comm != MPI_COMM_NULL) {
        dgm_grid *grid = NULL;
        ok = dgm_grid_create(comm, 1, &grid) == DGM_OK;
        for (int k = 0; ok && k < 100; k++) {
            dgm_blacs *blacs = NULL;
            ok = dgm_blacs_create(grid, DGM_AXIS_WORLD, &blacs) == DGM_OK && scalapack_moves(grid, blacs, ROW_SLICES, SQUARE, 20, 20);
            dgm_blacs_destroy(blacs);
        }
        dgm_grid_destroy(grid);
        MPI_Comm_free(&comm);
    }
    tap_ok(ok, "%d ranks: contexts are made and released 100 times", ranks);
}

static void test_scalapack_refusals(void)
{
    dgm_grid *grid = NULL;
    dgm_blacs *blacs = NULL;
    tap_err(dgm_grid_create(MPI_COMM_WORLD, 1, &grid), DGM_OK, "a grid of 4");
    tap_err(dgm_blacs_create(grid, DGM_AXIS_WORLD, &blacs), DGM_OK, "and its contexts");
    dgm_cyclic a = dgm_cyclic_rows(8, 8, 4), b = dgm_cyclic_rows(8, 9, 4), outside = dgm_cyclic_whole(8, 8, 4);
    tap_err(dgm_pgemm_move(blacs, &a, NULL, &b, NULL), DGM_ERR_SHAPE, "matrices of two shapes are refused");
    tap_err(dgm_pgemm_move(blacs, &a, NULL, &outside, NULL), DGM_ERR_SHAPE, "so is a rank that does not exist");
    dgm_cyclic tall = dgm_cyclic_rows(100000000, 1, 4), large = dgm_cyclic_whole(50000000, 64, 0);
    tap_err(dgm_pgemm_move(blacs, &tall, NULL, &tall, NULL), DGM_ERR_SHAPE, "so are 10^8 rows");
    tap_error_says("at most 99999999 rows and columns");
    tap_err(dgm_pgemm_move(blacs, &large, NULL, &large, NULL), DGM_ERR_SHAPE, "and 2^31 elements on a rank");
    tap_error_says("counts up to 2147483647; use more ranks");
    dgm_blacs_destroy(blacs);
    dgm_grid_destroy(grid);
}

/* ---- a model's parameters ---- */

static dgm_hparams small_model(void)
{
    dgm_hparams hp = {.d_model = 16, .d_ff = 64, .n_heads = 4, .n_encoder_layers = 2, .n_decoder_layers = 2, .src_vocab_size = 301,
                      .tgt_vocab_size = 283, .virtual_tp = 4, .norm = DGM_NORM_PRE, .norm_eps = 1e-5F};
    return hp;
}

/* A model with a number of its own in every place: of the initial weights only the matrices differ everywhere. */
static float *numbered(const dgm_params *p)
{
    float *flat = NULL;
    if (dgm_params_alloc(p, &flat) != DGM_OK) abort();
    for (int i = 0; i < p->n_units; i++) {
        const dgm_unit *u = &p->units[i];
        for (int64_t r = 0; r < u->rows; r++)
            for (int64_t c = 0; c < u->cols; c++)
                flat[u->offset + (u->transposed ? c * u->rows + r : r * u->cols + c)] = value(u->tensor * 1000 + u->row0 + r, u->col0 + c);
    }
    return flat;
}

static bool params_move(MPI_Comm comm, const dgm_hparams *hp, int tp, int to_tp)
{
    dgm_grid *grid = NULL;
    dgm_params *from = NULL, *to = NULL;
    if (dgm_grid_create(comm, tp, &grid) != DGM_OK || dgm_params_create(hp, grid->tp_rank, tp, &from) != DGM_OK ||
        dgm_params_create(hp, grid->rank % to_tp, to_tp, &to) != DGM_OK)
        return false;
    float *src = numbered(from), *want = numbered(to), *dst = NULL;
    bool ok = dgm_params_alloc(to, &dst) == DGM_OK && dgm_params_relayout(grid, from, src, to, dst) == DGM_OK &&
              memcmp(dst, want, (size_t)to->n_floats * sizeof *dst) == 0;
    free(src);
    free(dst);
    free(want);
    dgm_params_destroy(from);
    dgm_params_destroy(to);
    dgm_grid_destroy(grid);
    return ok;
}

static void test_params(int ranks)
{
    MPI_Comm comm = tap_mpi_group(ranks);
    dgm_hparams hp = small_model();
    for (int tp = 1; tp <= ranks; tp *= 2)
        for (int to_tp = 1; to_tp <= 4 && ranks % tp == 0; to_tp *= 2) {
            bool ok = comm == MPI_COMM_NULL || params_move(comm, &hp, tp, to_tp);
            tap_ok(ok, "%d ranks: a model moves from tp %d to tp %d", ranks, tp, to_tp);
        }
    if (comm != MPI_COMM_NULL) MPI_Comm_free(&comm);
}

/* Every matrix of a model out of the training layout, into slices the other way and the form for linear algebra, and to whole matrices. */
static bool tensors_move(const dgm_grid *grid, const dgm_params *params)
{
    float *flat = numbered(params);
    bool ok = true;
    for (int i = 0; i < params->n_tensors && ok; i++) {
        const dgm_tensor *t = &params->tensors[i];
        dgm_layout *from = NULL;
        ok = dgm_params_tensor_layout(params, i, &from) == DGM_OK;
        static const int forms[] = {ROW_SLICES, COLUMN_SLICES, TRANSPOSED_SLICES, SQUARE, WHOLE};
        for (int f = 0; f < 5 && ok; f++) {
            dgm_layout *to = NULL;
            ok = make_form(forms[f], t->rows, t->cols, grid->tp_size, &to) == DGM_OK;
            float *dst = filled(to, grid->tp_rank, false);
            ok = ok && dgm_relayout(grid, DGM_AXIS_TP, from, flat, to, dst) == DGM_OK;
            for (int64_t k = to->first[grid->tp_rank]; k < to->first[grid->tp_rank + 1] && ok; k++) {
                const dgm_tile *tile = &to->tiles[k];
                for (int64_t r = 0; r < tile->rows; r++)
                    for (int64_t c = 0; c < tile->cols; c++) {
                        float want = value(i * 1000 + tile->row0 + r, tile->col0 + c);
                        ok = ok && memcmp(&dst[tile->offset + r * tile->row_stride + c * tile->col_stride], &want, sizeof want) == 0;
                    }
            }
            free(dst);
            dgm_layout_destroy(to);
        }
        dgm_layout_destroy(from);
    }
    free(flat);
    return ok;
}

static void test_tensors(int ranks, int tp)
{
    MPI_Comm comm = tap_mpi_group(ranks);
    bool ok = true;
    if (comm != MPI_COMM_NULL) {
        dgm_hparams hp = small_model();
        dgm_grid *grid = NULL;
        dgm_params *params = NULL;
        ok = dgm_grid_create(comm, tp, &grid) == DGM_OK && dgm_params_create(&hp, grid->tp_rank, tp, &params) == DGM_OK && tensors_move(grid, params);
        dgm_params_destroy(params);
        dgm_grid_destroy(grid);
        MPI_Comm_free(&comm);
    }
    tap_ok(ok, "dp %d x tp %d: every tensor moves from the training layout to slices, block-cyclic and whole", ranks / tp, tp);
}

static void test_params_refusals(void)
{
    dgm_hparams hp = small_model(), other = hp;
    other.n_decoder_layers = 1;
    dgm_grid *grid = NULL;
    dgm_params *a = NULL, *b = NULL, *c = NULL;
    float *flat = NULL;
    tap_err(dgm_grid_create(MPI_COMM_WORLD, 2, &grid), DGM_OK, "dp 2 x tp 2");
    dgm_params_create(&hp, grid->tp_rank, 2, &a);
    dgm_params_create(&other, 0, 1, &b);
    dgm_params_create(&hp, 3, 4, &c);
    dgm_params_alloc(a, &flat);
    tap_err(dgm_params_relayout(grid, a, flat, b, flat), DGM_ERR_SHAPE, "the layout of another model is refused");
    tap_error_says("into the layout of another one");
    tap_err(dgm_params_relayout(grid, a, flat, c, flat), DGM_ERR_SHAPE, "so is another rank's part");
    tap_error_says("to tp rank 3 of 4: this is rank ");
    dgm_layout *l = NULL;
    tap_err(dgm_params_tensor_layout(a, a->n_tensors, &l), DGM_ERR_SHAPE, "and a tensor that is not there");
    free(flat);
    dgm_params_destroy(a);
    dgm_params_destroy(b);
    dgm_params_destroy(c);
    dgm_grid_destroy(grid);
}

/* ---- memory ---- */

static int64_t memory_bytes(const char *field)
{
    char line[256];
    int64_t kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, field, strlen(field)) == 0) kib = atoll(line + strlen(field) + 1);
    if (f != NULL) fclose(f);
    return kib < 0 ? -1 : 1024 * kib;
}

/* Lets the peak begin again from what is resident now; what was freed does not count as resident. */
static bool reset_peak(void)
{
    malloc_trim(0);
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f == NULL) return false;
    bool ok = fputs("5", f) >= 0;
    return fclose(f) == 0 && ok;
}

/* Gathering 56 MB of parameters whole onto each of four ranks.  Beyond the two blocks memory may grow by one matrix (the largest has
 * 12 MB), staging and lists, not by a model or a rank's share of it. */
static void test_memory(void)
{
    enum { LAYERS = 6 };
    dgm_hparams hp = {.d_model = 256, .d_ff = 1024, .n_heads = 4, .n_encoder_layers = LAYERS, .n_decoder_layers = LAYERS, .src_vocab_size = 12000,
                      .tgt_vocab_size = 12000, .joint_vocab = true, .virtual_tp = 4, .norm_eps = 1e-5F};
    dgm_grid *grid = NULL;
    dgm_params *from = NULL, *whole = NULL;
    float *src = NULL, *dst = NULL;
    bool ok = dgm_grid_create(MPI_COMM_WORLD, 4, &grid) == DGM_OK && dgm_params_create(&hp, grid->tp_rank, 4, &from) == DGM_OK &&
              dgm_params_create(&hp, 0, 1, &whole) == DGM_OK && dgm_params_alloc(from, &src) == DGM_OK && dgm_params_alloc(whole, &dst) == DGM_OK;
    dgm_params_init(from, 1, src);
    ok = ok && dgm_params_relayout(grid, from, src, whole, dst) == DGM_OK; /* MPI's own buffers */
    tap_ok(ok, "a model of %d MB is gathered on four ranks", (int)(4 * whole->n_floats / 1000000));
    int64_t matrix = 4 * hp.src_vocab_size * hp.d_model, grown = 0;
    bool measured = reset_peak();
    int64_t before = memory_bytes("VmRSS:");
    ok = ok && dgm_params_relayout(grid, from, src, whole, dst) == DGM_OK;
    grown = memory_bytes("VmHWM:") - before;
    int all = measured && before > 0;
    MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (!all) tap_skip("memory grows by less than half a matrix", "the system does not let a process reset its peak of memory");
    else {
        tap_note("rank 0: peak + %.2f MB, the largest matrix has %.2f MB", 1e-6 * (double)grown, 1e-6 * (double)matrix);
        tap_ok(ok && grown < matrix / 2, "beyond source and destination, memory grows by less than half a matrix");
        float *wasted = malloc((size_t)matrix); /* were one whole matrix staged, this would be seen */
        if (wasted == NULL) abort();
        reset_peak();
        before = memory_bytes("VmRSS:");
        memset(wasted, 1, (size_t)matrix);
        grown = memory_bytes("VmHWM:") - before;
        tap_ok(grown > matrix / 2 && ((volatile char *)wasted)[matrix - 1] == 1, "a matrix more would have been seen");
        free(wasted);
    }
    free(src);
    free(dst);
    dgm_params_destroy(from);
    dgm_params_destroy(whole);
    dgm_grid_destroy(grid);
}

/* Before MPI is started: commands without MPI use the same moves. */
static bool single_works(void)
{
    bool ok = true;
    for (int from = 0; from < N_FORMS && ok; from++)
        for (int to = 0; to < N_FORMS && ok; to++) ok = moves(dgm_grid_single(), from, to, 13, 29);
    dgm_blacs *blacs = NULL;
    return ok && dgm_blacs_create(dgm_grid_single(), DGM_AXIS_WORLD, &blacs) == DGM_ERR_INTERNAL && blacs == NULL;
}

int main(int argc, char **argv)
{
    bool single = single_works();
    tap_mpi_begin(&argc, &argv);
    tap_ok(single, "moves on a grid of one need no MPI; ScaLAPACK says that it does");
    test_memory();
    for (int ranks = 1; ranks <= 4; ranks++) {
        test_by_hand(ranks);
        test_scalapack(ranks);
        test_params(ranks);
    }
    test_tensors(2, 1);
    test_tensors(2, 2);
    test_tensors(4, 2);
    test_tensors(4, 4);
    test_refusals();
    test_scalapack_refusals();
    test_params_refusals();
    return tap_mpi_done();
}
