/* Training steps with dropout on every grid of 1 to 4 ranks against the same steps on one rank: parameters, losses and norms bit for bit. */
#include "dgm/gather.h"
#include "dgm/rng.h"
#include "dgm/step.h"
#include "tap_mpi.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_STEPS = 3, N_PAIRS = 40, FEW_PAIRS = 3, N_LEAVES = 8, VOCAB = 61, MAX_LENGTH = 12 };

typedef struct {
    dgm_hparams hp;
    dgm_precision precision;
    int n_pairs; /* FEW_PAIRS: most leaves are empty, and whole replicas */
    int32_t ids[N_PAIRS * 2 * MAX_LENGTH];
    dgm_pair pairs[N_PAIRS];
} problem;

static problem problem_make(dgm_norm_place norm, bool joint, int n_pairs)
{
    problem p = {.n_pairs = n_pairs, .hp = {.d_model = 32, .d_ff = 64, .n_heads = 4, .n_encoder_layers = 2, .n_decoder_layers = 2, .src_vocab_size = joint ? VOCAB : 47,
                        .tgt_vocab_size = VOCAB, .joint_vocab = joint, .norm = norm,
                        .activation = norm == DGM_NORM_PRE ? DGM_ACTIVATION_GELU : DGM_ACTIVATION_RELU, .virtual_tp = 4, .norm_eps = 1e-5f}};
    dgm_rng rng = dgm_rng_make(3, DGM_RNG_TEST);
    for (int i = 0; i < N_PAIRS * 2 * MAX_LENGTH; i++) p.ids[i] = 4 + (int32_t)dgm_rng_below(rng, 40, (uint64_t)i, 0);
    return p;
}

static void point_pairs(problem *p)
{
    dgm_rng rng = dgm_rng_make(3, DGM_RNG_TEST);
    for (int i = 0; i < N_PAIRS; i++)
        p->pairs[i] = (dgm_pair){.src = p->ids + 2 * i * MAX_LENGTH, .tgt = p->ids + (2 * i + 1) * MAX_LENGTH,
                                 .n_src = 1 + (int32_t)dgm_rng_below(rng, MAX_LENGTH, (uint64_t)i, 1),
                                 .n_tgt = 1 + (int32_t)dgm_rng_below(rng, MAX_LENGTH, (uint64_t)i, 2)};
}

typedef struct {
    float *whole; /* parameters in the layout of one rank */
    dgm_step_result result[N_STEPS];
    dgm_err err;
} outcome;

typedef struct { int n, tp; int64_t micro; bool overlap; dgm_reduction reduction; } cell;

static dgm_err train(const problem *p, const dgm_params *params, const dgm_grid *grid, cell how, float *flat, dgm_step_result *result)
{
    dgm_train_options options = {.seed = 5, .virtual_dp = N_LEAVES, .overlap = how.overlap, .reduction = how.reduction, .precision = p->precision, .part_floats = 1 /* a bucket per layer */, .dropout = 0.1, .attention_dropout = 0.2, .activation_dropout = 0.3,
                                 .label_smoothing = 0.1, .clip_norm = 0.5,
                                 .schedule = {.kind = DGM_SCHEDULE_INVERSE_SQRT, .peak = 0.01, .warmup_steps = 2},
                                 .optimizer = {.kind = DGM_OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-9, .weight_decay = 0.01}};
    dgm_trainer *trainer = NULL;
    dgm_batch_builder *builder = NULL;
    int lo, hi;
    dgm_tree_range(N_LEAVES, grid->dp_rank, grid->dp_size, &lo, &hi);
    dgm_err err = dgm_trainer_create(params, grid, &options, flat, &trainer);
    if (err == DGM_OK) err = dgm_batch_builder_create(&builder);
    for (int i = 0; i < N_STEPS && err == DGM_OK; i++) {
        dgm_step_batch batch;
        int skipped = i * p->n_pairs / 10;
        err = dgm_batch_build(builder, p->pairs + skipped, p->n_pairs - skipped, N_LEAVES, lo, hi, how.micro, &batch);
        if (err == DGM_OK) err = dgm_trainer_step(trainer, i + 1, &batch, &result[i]);
    }
    if (err == DGM_OK && how.overlap && grid->dp_size > 1) { /* nothing has asked for the parameters yet */
        if (!dgm_trainer_is_busy(trainer)) err = DGM_FAIL(DGM_ERR_INTERNAL, "parameters travel after an update, but the trainer is not busy");
        dgm_trainer_destroy(trainer); /* must do nothing: MPI writes into flat */
    }
    if (err == DGM_OK) err = dgm_trainer_settle(trainer);
    if (err == DGM_OK && dgm_trainer_is_busy(trainer)) err = DGM_FAIL(DGM_ERR_INTERNAL, "a settled trainer is busy");
    dgm_batch_builder_destroy(builder);
    dgm_trainer_destroy(trainer);
    return err;
}

/* Trains on `comm` as dp x tp; every rank of it ends with the whole model. */
static outcome train_on(MPI_Comm comm, const problem *p, cell how)
{
    outcome o = {0};
    dgm_grid *grid = NULL;
    dgm_params *params = NULL, *whole = NULL;
    float *flat = NULL;
    o.err = dgm_grid_create(comm, how.tp, &grid);
    if (o.err == DGM_OK) o.err = dgm_params_create(&p->hp, grid->tp_rank, grid->tp_size, &params);
    if (o.err == DGM_OK) o.err = dgm_params_create(&p->hp, 0, 1, &whole);
    if (o.err == DGM_OK) o.err = dgm_params_alloc(params, &flat);
    if (o.err == DGM_OK) o.err = dgm_params_alloc(whole, &o.whole);
    if (o.err == DGM_OK) {
        dgm_params_init(params, 11, flat);
        o.err = train(p, params, grid, how, flat, o.result);
    }
    if (o.err == DGM_OK) o.err = dgm_params_relayout(grid, params, flat, whole, o.whole);
    free(flat);
    dgm_params_destroy(params);
    dgm_params_destroy(whole);
    dgm_grid_destroy(grid);
    return o;
}

static void compare_grids(dgm_norm_place norm, bool joint, int n_pairs, dgm_precision precision)
{
    static const cell cells[] = {
        {1, 1, 20, true, DGM_REDUCE_FIXED}, {2, 1, 0, false, DGM_REDUCE_FIXED}, {2, 1, 0, true, DGM_REDUCE_FIXED}, {2, 2, 0, true, DGM_REDUCE_FIXED}, {3, 1, 0, true, DGM_REDUCE_FIXED}, {3, 1, 16, false, DGM_REDUCE_FIXED}, {4, 1, 16, true, DGM_REDUCE_FIXED}, {4, 2, 0, true, DGM_REDUCE_FIXED}, {4, 4, 30, false, DGM_REDUCE_FIXED}};
    problem p = problem_make(norm, joint, n_pairs);
    p.precision = precision;
    point_pairs(&p);
    outcome want = train_on(MPI_COMM_SELF, &p, (cell){.n = 1, .tp = 1});
    dgm_params *whole;
    tap_err(want.err, DGM_OK, "one rank trains");
    dgm_params_create(&p.hp, 0, 1, &whole);
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        MPI_Comm comm = tap_mpi_group(cells[i].n);
        outcome got = {0};
        if (comm != MPI_COMM_NULL) got = train_on(comm, &p, cells[i]);
        tap_err(got.err, DGM_OK, "%s, %s-norm, %s vocabulary, %d pairs, dp %d x tp %d, micro_batch_tokens %d, overlap %s trains", precision == DGM_PRECISION_BF16 ? "bf16" : "fp32", norm == DGM_NORM_PRE ? "pre" : "post",
                joint ? "joint" : "separate", n_pairs, cells[i].n / cells[i].tp, cells[i].tp, (int)cells[i].micro, cells[i].overlap ? "on" : "off");
        bool here = comm != MPI_COMM_NULL && got.err == DGM_OK;
        tap_same(here ? got.whole : want.whole, want.whole, (size_t)whole->n_floats * sizeof(float), "the same parameters");
        tap_same(here ? got.result : want.result, want.result, sizeof want.result, "the same losses, norms and rates");
        free(got.whole);
        if (comm != MPI_COMM_NULL) MPI_Comm_free(&comm);
    }
    free(want.whole);
    dgm_params_destroy(whole);
}

/* Sums in no fixed order: nearly the same course, and (on 3 ranks) other bits. */
static void check_fast(void)
{
    problem p = problem_make(DGM_NORM_POST, true, N_PAIRS);
    point_pairs(&p);
    MPI_Comm comm = tap_mpi_group(3);
    bool near = true, differs = true;
    if (comm != MPI_COMM_NULL) {
        outcome fixed = train_on(comm, &p, (cell){.n = 3, .tp = 1}), fast = train_on(comm, &p, (cell){.n = 3, .tp = 1, .reduction = DGM_REDUCE_FAST});
        near = fixed.err == DGM_OK && fast.err == DGM_OK;
        for (int i = 0; i < N_STEPS; i++) near = near && fabs(fixed.result[i].loss - fast.result[i].loss) < 1e-4 * fixed.result[i].loss;
        differs = memcmp(fixed.result, fast.result, sizeof fixed.result) != 0;
        free(fixed.whole);
        free(fast.whole);
        MPI_Comm_free(&comm);
    }
    tap_ok(near, "the fast reduction follows the fixed one");
    tap_ok(differs, "and does not have its bits");
}

/* Operands in bf16: the same bits on every grid, near the course of fp32 and not on it. */
static void check_bf16(void)
{
    problem p = problem_make(DGM_NORM_POST, true, N_PAIRS);
    point_pairs(&p);
    outcome fp32 = train_on(MPI_COMM_SELF, &p, (cell){.n = 1, .tp = 1});
    p.precision = DGM_PRECISION_BF16;
    outcome bf16 = train_on(MPI_COMM_SELF, &p, (cell){.n = 1, .tp = 1});
    bool near = fp32.err == DGM_OK && bf16.err == DGM_OK;
    for (int i = 0; i < N_STEPS; i++) near = near && fabs(fp32.result[i].loss - bf16.result[i].loss) < 5e-3 * fp32.result[i].loss;
    tap_ok(near, "bf16: losses %g, %g, %g are near those of fp32, %g, %g, %g", bf16.result[0].loss, bf16.result[1].loss, bf16.result[2].loss,
           fp32.result[0].loss, fp32.result[1].loss, fp32.result[2].loss);
    tap_ok(memcmp(fp32.result, bf16.result, sizeof fp32.result) != 0, "bf16: and are not those of fp32");
    free(fp32.whole);
    free(bf16.whole);
    compare_grids(DGM_NORM_POST, true, N_PAIRS, DGM_PRECISION_BF16);
    compare_grids(DGM_NORM_PRE, false, FEW_PAIRS, DGM_PRECISION_BF16);
}

int main(int argc, char **argv)
{
    tap_mpi_begin(&argc, &argv);
    compare_grids(DGM_NORM_POST, true, N_PAIRS, DGM_PRECISION_FP32);
    compare_grids(DGM_NORM_PRE, false, N_PAIRS, DGM_PRECISION_FP32);
    compare_grids(DGM_NORM_POST, true, FEW_PAIRS, DGM_PRECISION_FP32);
    compare_grids(DGM_NORM_PRE, false, FEW_PAIRS, DGM_PRECISION_FP32);
    check_fast();
    if (dgm_gemm_check_precision(DGM_PRECISION_BF16) == DGM_OK) check_bf16();
    else tap_skip("training with operands in bf16", dgm_error_text());
    return tap_mpi_done();
}
