/* Each rank holds the logits of its own pieces of the vocabulary.  Per row and piece (max, sum of exp, sum) are exchanged and merged along
 * the tree of pieces; everything else stays local but for one sum of hidden gradients over tp at the end. */
#include "dgm/loss.h"

#include "dgm/softmax.h"
#include "dgm/timer.h"

#include <string.h>

enum { BLOCK_ROWS = 1024 }; /* rows of logits held at a time, unless a single leaf has more */

/* What a rank tells the others about a block of rows. */
typedef struct {
    int64_t rows, per_rank_bytes;
    char *all;                /* [tp_size][per_rank_bytes]: stats [n_pieces][rows], then target logits [rows] */
    dgm_softmax_stats *own;   /* this rank's part */
    float *own_target;
} exchange;

static exchange exchange_create(const dgm_layer_context *ctx, int64_t rows)
{
    exchange e = {.rows = rows};
    e.per_rank_bytes = ctx->n_pieces * rows * (int64_t)sizeof(dgm_softmax_stats) + (rows * (int64_t)sizeof(float) + 7) / 8 * 8;
    e.all = dgm_arena_alloc(ctx->arena, ctx->grid->tp_size * e.per_rank_bytes);
    memset(e.all, 0, (size_t)(ctx->grid->tp_size * e.per_rank_bytes));
    e.own = (dgm_softmax_stats *)(e.all + ctx->params->tp_rank * e.per_rank_bytes);
    e.own_target = (float *)(e.own + ctx->n_pieces * rows);
    return e;
}

/* Merges the pieces of row r along their tree; *target_logit from the rank that holds it (the others hold zero). */
static dgm_softmax_stats merge_row(const dgm_layer_context *ctx, const exchange *e, int64_t r, float *target_logit)
{
    enum { MAX_PIECES = 64 };
    dgm_softmax_stats part[MAX_PIECES];
    int n = 0;
    *target_logit = 0;
    for (int rank = 0; rank < ctx->grid->tp_size; rank++) {
        const dgm_softmax_stats *stats = (const dgm_softmax_stats *)(e->all + rank * e->per_rank_bytes);
        const float *target = (const float *)(stats + ctx->n_pieces * e->rows);
        for (int p = 0; p < ctx->n_pieces; p++) part[n++] = stats[p * e->rows + r];
        *target_logit += target[r];
    }
    for (int step = 1; step < n; step *= 2)
        for (int i = 0; i + step < n; i += 2 * step) part[i] = dgm_softmax_merge(part[i], part[i + step]);
    return part[0];
}

/* Losses and the log of the denominator of `rows` rows from this rank's logits. */
static dgm_err row_losses(const dgm_layer_context *ctx, int64_t rows, const float *logits, const int32_t *target, float *lse,
                          double *smoothed, double *nll)
{
    int64_t n_local = ctx->vocab_start[ctx->n_pieces];
    double smoothing = (double)ctx->pass->label_smoothing;
    exchange e = exchange_create(ctx, rows);
    for (int p = 0; p < ctx->n_pieces; p++)
        dgm_softmax_row_stats(rows, ctx->vocab_start[p + 1] - ctx->vocab_start[p], logits + ctx->vocab_start[p], n_local, e.own + p * rows);
    for (int64_t r = 0; r < rows; r++) {
        int64_t j = target[r] - ctx->vocab_first;
        if (j >= 0 && j < n_local) e.own_target[r] = logits[r * n_local + j];
    }
    if (ctx->grid->tp_size > 1) {
        dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
        dgm_err err = dgm_coll_gather_all(ctx->grid, DGM_AXIS_TP, e.all, e.per_rank_bytes);
        dgm_timer_enter(left);
        DGM_TRY(err);
    }
    for (int64_t r = 0; r < rows; r++) {
        float target_logit;
        dgm_softmax_stats s = merge_row(ctx, &e, r, &target_logit);
        double log_denominator = dgm_softmax_lse(&s);
        lse[r] = (float)log_denominator;
        nll[r] = log_denominator - (double)target_logit;
        smoothed[r] = log_denominator - (1 - smoothing) * (double)target_logit - smoothing / (double)ctx->params->hp.tgt_vocab_size * s.sum;
    }
    return DGM_OK;
}

/* The largest n such that every aligned subtree of n leaves has at most BLOCK_ROWS rows; at least 1. */
static int leaves_per_block(const dgm_batch *batch)
{
    int n = batch->n_leaves;
    for (; n > 1; n /= 2) {
        bool fits = true;
        for (int l = 0; l < batch->n_leaves; l += n) fits = fits && batch->tgt.leaf[l + n] - batch->tgt.leaf[l] <= BLOCK_ROWS;
        if (fits) break;
    }
    return n;
}

typedef struct {
    float *buffer[DGM_TREE_MAX_NODES];
    int64_t n;
} dembedding_stack;

static void join(void *user, int i)
{
    dembedding_stack *s = user;
    dgm_elem_add(s->n, s->buffer[i + 1], s->buffer[i]);
}

static int log2_of(int n)
{
    int k = 0;
    while (n > 1) n /= 2, k++;
    return k;
}

/* dhidden of the block by pieces of the vocabulary (this rank's part of the sum) and its share of dembedding. */
static void block_backward(const dgm_layer_context *ctx, const int64_t *leaf, int n_leaves, const float *dlogits, const float *hidden,
                           const float *embedding, float *dhidden, float *dembedding)
{
    int64_t d = ctx->params->hp.d_model, n_local = ctx->vocab_start[ctx->n_pieces], rows = leaf[n_leaves] - leaf[0];
    int64_t rebased[DGM_TREE_MAX_NODES + 1];
    DGM_ASSERT(n_leaves <= DGM_TREE_MAX_NODES);
    for (int l = 0; l <= n_leaves; l++) rebased[l] = leaf[l] - leaf[0];
    dgm_region left = dgm_timer_enter(DGM_REGION_GEMM);
    if (ctx->pass->fast_sums) {
        dgm_gemm(DGM_GEMM_N, DGM_GEMM_N, rows, d, n_local, dlogits, n_local, embedding, d, dhidden, d);
        dgm_gemm(DGM_GEMM_T, DGM_GEMM_N, n_local, d, rows, dlogits, n_local, hidden, d, dembedding, d);
    } else {
        float *scratch = dgm_arena_floats(ctx->arena, DGM_MAX(dgm_gemm_scratch_floats(d, ctx->n_pieces), dgm_gemm_scratch_floats(d, n_leaves)));
        dgm_gemm_pieces(rows, d, ctx->vocab_start, ctx->n_pieces, dlogits, n_local, embedding, d, dhidden, d, scratch);
        dgm_gemm_leaves(n_local, d, rebased, n_leaves, dlogits, n_local, hidden, d, dembedding, d, scratch);
    }
    dgm_timer_enter(left);
}

dgm_err dgm_loss_compute(const dgm_layer_context *ctx, const dgm_batch *batch, const float *hidden, const float *embedding, double *smoothed,
                         double *nll, float *dhidden, float *dembedding)
{
    const dgm_hparams *hp = &ctx->params->hp;
    const int64_t *leaf = batch->tgt.leaf;
    int64_t d = hp->d_model, n_local = ctx->vocab_start[ctx->n_pieces];
    int per_block = leaves_per_block(batch);
    dgm_arena_mark outer = dgm_arena_here(ctx->arena);
    dembedding_stack stack = {.n = n_local * d};
    if (dembedding != NULL) {
        stack.buffer[0] = dembedding;
        for (int i = 1; i <= log2_of(batch->n_leaves / per_block); i++) stack.buffer[i] = dgm_arena_floats(ctx->arena, stack.n);
    }
    dgm_tree_stack sums = {0};
    dgm_region left = dgm_timer_enter(DGM_REGION_LOSS);
    dgm_err err = DGM_OK;
    for (int l = 0; l < batch->n_leaves && err == DGM_OK; l += per_block) {
        int64_t lo = leaf[l], rows = leaf[l + per_block] - lo;
        dgm_arena_mark mark = dgm_arena_here(ctx->arena);
        float *logits = dgm_arena_floats(ctx->arena, rows * n_local), *lse = dgm_arena_floats(ctx->arena, rows);
        dgm_linear_columns(ctx, rows, d, n_local, hidden + lo * d, embedding, NULL, logits);
        err = row_losses(ctx, rows, logits, batch->tgt_out + lo, lse, smoothed + lo, nll + lo);
        if (err == DGM_OK && dembedding != NULL) {
            dgm_softmax_loss_grad(rows, n_local, ctx->vocab_first, lse, batch->tgt_out + lo, ctx->pass->label_smoothing, hp->tgt_vocab_size,
                                  (float)ctx->pass->loss_scale, logits, n_local);
            block_backward(ctx, leaf + l, per_block, logits, hidden + lo * d, embedding, dhidden + lo * d, stack.buffer[sums.n]);
            dgm_tree_push(&sums, (dgm_tree_node){l, per_block}, join, &stack);
        }
        dgm_arena_rewind(ctx->arena, mark);
    }
    if (err == DGM_OK && dembedding != NULL) err = dgm_linear_sum_tp(ctx, batch->tgt.n_rows, d, dhidden);
    dgm_timer_enter(left);
    dgm_arena_rewind(ctx->arena, outer);
    return err;
}
