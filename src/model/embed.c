/* The gradient of the input embeddings is sparse: it is kept as rows, one per (leaf, token), instead of a dense pass over the
 * vocabulary.  Sums over leaves are left to whoever owns the row, in the order of leaves, so that no layout changes a bit. */
#include "dgm/embed.h"

#include "dgm/sort.h"
#include "dgm/timer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void dgm_positions_sinusoidal(int64_t n, int64_t d, float *table)
{
    for (int64_t p = 0; p < n; p++)
        for (int64_t i = 0; i < d; i += 2) {
            double angle = (double)p * exp(-(double)i / (double)d * log(10000.0));
            table[p * d + i] = (float)sin(angle);
            if (i + 1 < d) table[p * d + i + 1] = (float)cos(angle);
        }
}

static dgm_err need_positions(dgm_layer_context *ctx, const dgm_packed *packed)
{
    int64_t longest = 0, d = ctx->params->hp.d_model;
    for (int64_t s = 0; s < packed->n_sent; s++) longest = DGM_MAX(longest, packed->start[s + 1] - packed->start[s]);
    if (longest <= ctx->n_positions) return DGM_OK;
    int64_t n = DGM_MAX(512, 2 * ctx->n_positions);
    while (n < longest) n *= 2;
    float *table = malloc((size_t)(n * d) * sizeof *table);
    if (table == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "table of %lld positions", (long long)n);
    dgm_positions_sinusoidal(n, d, table);
    free(ctx->positions);
    ctx->positions = table;
    ctx->n_positions = n;
    return DGM_OK;
}

static void local_vocabulary(const dgm_layer_context *ctx, bool source, int64_t *first, int64_t *n)
{
    *first = source ? ctx->src_vocab_first : ctx->vocab_first;
    *n = source ? ctx->src_vocab : ctx->vocab_start[ctx->n_pieces];
}

dgm_err dgm_embed_forward(dgm_layer_context *ctx, const dgm_packed *packed, bool source, const float *table, uint16_t **mask, float **y)
{
    int64_t d = ctx->params->hp.d_model, rows = packed->n_rows, first, n;
    float rate = ctx->pass->dropout;
    dgm_err err = need_positions(ctx, packed);
    if (ctx->grid->tp_size > 1) {
        dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
        err = dgm_coll_agree(ctx->grid, DGM_AXIS_TP, err);
        dgm_timer_enter(left);
    }
    DGM_TRY(err);
    local_vocabulary(ctx, source, &first, &n);
    float *x = dgm_arena_floats(ctx->arena, rows * d);
    dgm_elem_embed(rows, d, packed->ids, (int32_t)first, (int32_t)n, table, sqrtf((float)d), x);
    if (ctx->grid->tp_size > 1) { /* one rank has the row, the others zeros: exact */
        dgm_arena_mark mark_here = dgm_arena_here(ctx->arena);
        dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
        err = dgm_coll_tree_sum_tp(ctx->grid, x, rows * d, dgm_arena_floats(ctx->arena, rows * d));
        dgm_timer_enter(left);
        DGM_TRY(err);
        dgm_arena_rewind(ctx->arena, mark_here);
    }
    *mask = dgm_layer_mask(ctx, packed, d, 0, rate, dgm_layer_site(source ? DGM_SITE_SRC_EMBEDDING : DGM_SITE_TGT_EMBEDDING, false, 0));
    dgm_elem_add_positions(rows, d, ctx->positions, packed->position, *mask, dgm_dropout_scale(rate), x);
    *y = x;
    return DGM_OK;
}

dgm_err dgm_embedding_grad_init(int64_t d, dgm_embedding_grad *out)
{
    *out = (dgm_embedding_grad){.d = d};
    return DGM_OK;
}

void dgm_embedding_grad_fini(dgm_embedding_grad *grad)
{
    free(grad->id);
    free(grad->leaf);
    free(grad->row);
    *grad = (dgm_embedding_grad){0};
}

dgm_err dgm_embedding_grad_append(dgm_embedding_grad *grad, int32_t id, int32_t leaf, int64_t *row)
{
    if (grad->n == grad->capacity) {
        int64_t capacity = DGM_MAX(1024, 2 * grad->capacity);
        int32_t *ids = realloc(grad->id, (size_t)capacity * sizeof *ids);
        if (ids != NULL) grad->id = ids;
        int32_t *leaves = realloc(grad->leaf, (size_t)capacity * sizeof *leaves);
        if (leaves != NULL) grad->leaf = leaves;
        float *rows = realloc(grad->row, (size_t)(capacity * grad->d) * sizeof *rows);
        if (rows != NULL) grad->row = rows;
        if (ids == NULL || leaves == NULL || rows == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "embedding gradients of %lld tokens", (long long)capacity);
        grad->capacity = capacity;
    }
    *row = grad->n++;
    grad->id[*row] = id;
    grad->leaf[*row] = leaf;
    memset(grad->row + *row * grad->d, 0, (size_t)grad->d * sizeof *grad->row);
    return DGM_OK;
}

/* One leaf: rows of equal tokens are added in the order in which they stand.  keys and scratch [hi - lo]. */
static dgm_err append_leaf(const dgm_packed *packed, int64_t lo, int64_t hi, int32_t leaf, int64_t first, int64_t n, float scale, uint64_t *keys,
                           uint64_t *scratch, const float *dy, dgm_embedding_grad *grad)
{
    int64_t count = 0, d = grad->d, row = -1;
    for (int64_t r = lo; r < hi; r++)
        if (packed->ids[r] >= first && packed->ids[r] < first + n) keys[count++] = (uint64_t)packed->ids[r] << 32 | (uint64_t)r;
    dgm_sort_u64(count, keys, scratch);
    for (int64_t i = 0; i < count; i++) {
        uint64_t id = keys[i] >> 32, r = keys[i] & UINT32_MAX;
        if (i == 0 || id != keys[i - 1] >> 32) DGM_TRY(dgm_embedding_grad_append(grad, (int32_t)id, leaf, &row));
        dgm_elem_add(d, dy + (int64_t)r * d, grad->row + row * d);
        if (i + 1 == count || id != keys[i + 1] >> 32) dgm_elem_scale(d, scale, grad->row + row * d);
    }
    return DGM_OK;
}

dgm_err dgm_embed_backward(const dgm_layer_context *ctx, const dgm_packed *packed, int first_leaf, int n_leaves, bool source,
                           const uint16_t *mask, float *dy, dgm_embedding_grad *grad)
{
    int64_t d = ctx->params->hp.d_model, first, n;
    local_vocabulary(ctx, source, &first, &n);
    if (mask != NULL) dgm_elem_apply_mask(packed->n_rows, d, mask, dgm_dropout_scale(ctx->pass->dropout), dy, dy);
    dgm_arena_mark here = dgm_arena_here(ctx->arena);
    uint64_t *keys = dgm_arena_alloc(ctx->arena, 2 * packed->n_rows * (int64_t)sizeof *keys);
    dgm_err err = DGM_OK;
    for (int l = 0; l < n_leaves && err == DGM_OK; l++)
        err = append_leaf(packed, packed->leaf[l], packed->leaf[l + 1], first_leaf + l, first, n, sqrtf((float)d), keys, keys + packed->n_rows,
                          dy, grad);
    dgm_arena_rewind(ctx->arena, here);
    return err;
}
