/* Dense layers.  What is summed across pieces is summed in a fixed tree, on this rank first, then between ranks: the same additions
 * whatever tp is. */
#include "dgm/layer.h"
#include "dgm/timer.h"

void dgm_linear_columns(const dgm_layer_context *ctx, int64_t rows, int64_t n_in, int64_t n_out, const float *x, const float *w,
                        const float *bias, float *y)
{
    (void)ctx;
    dgm_region left = dgm_timer_enter(DGM_REGION_GEMM);
    dgm_gemm(DGM_GEMM_N, DGM_GEMM_T, rows, n_out, n_in, x, n_in, w, n_in, y, n_out);
    dgm_timer_enter(left);
    if (bias != NULL) dgm_elem_bias(rows, n_out, n_out, bias, y);
}

dgm_err dgm_linear_sum_tp(const dgm_layer_context *ctx, int64_t rows, int64_t n, float *x)
{
    if (ctx->grid->tp_size == 1) return DGM_OK;
    dgm_arena_mark mark = dgm_arena_here(ctx->arena);
    dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
    dgm_err err = ctx->pass->fast_sums ? dgm_coll_sum_tp(ctx->grid, x, rows * n)
                                       : dgm_coll_tree_sum_tp(ctx->grid, x, rows * n, dgm_arena_floats(ctx->arena, rows * n));
    dgm_timer_enter(left);
    dgm_arena_rewind(ctx->arena, mark);
    return err;
}

dgm_err dgm_linear_pieces(const dgm_layer_context *ctx, int64_t rows, int64_t n_out, const int64_t *start, const float *x, const float *w,
                          float *y)
{
    dgm_arena_mark mark = dgm_arena_here(ctx->arena);
    dgm_region left = dgm_timer_enter(DGM_REGION_GEMM);
    int64_t n_in = start[ctx->n_pieces];
    if (ctx->pass->fast_sums) {
        dgm_gemm(DGM_GEMM_N, DGM_GEMM_N, rows, n_out, n_in, x, n_in, w, n_out, y, n_out);
    } else {
        float *scratch = dgm_arena_floats(ctx->arena, dgm_gemm_scratch_floats(n_out, ctx->n_pieces));
        dgm_gemm_pieces(rows, n_out, start, ctx->n_pieces, x, n_in, w, n_out, y, n_out, scratch);
    }
    dgm_timer_enter(left);
    dgm_arena_rewind(ctx->arena, mark);
    dgm_layer_progress(ctx, 0);
    return dgm_linear_sum_tp(ctx, rows, n_out, y);
}

void dgm_linear_rows_backward(const dgm_layer_context *ctx, int64_t rows, int64_t n_in, int64_t n_out, const float *dy, const float *w,
                              float *dx)
{
    dgm_region left = dgm_timer_enter(DGM_REGION_GEMM);
    dgm_gemm(DGM_GEMM_N, DGM_GEMM_T, rows, n_in, n_out, dy, n_out, w, n_out, dx, n_in);
    dgm_timer_enter(left);
    dgm_layer_progress(ctx, 0);
}

void dgm_linear_weight_grad(const dgm_layer_context *ctx, const int64_t *leaf, int n_leaves, int64_t m, int64_t n, const float *a,
                            const float *b, float *dw)
{
    dgm_arena_mark mark = dgm_arena_here(ctx->arena);
    dgm_region left = dgm_timer_enter(DGM_REGION_GEMM);
    float *scratch = dgm_arena_floats(ctx->arena, dgm_gemm_scratch_floats(n, n_leaves));
    dgm_gemm_leaves(m, n, leaf, n_leaves, a, m, b, n, dw, n, scratch);
    dgm_timer_enter(left);
    dgm_arena_rewind(ctx->arena, mark);
    dgm_layer_progress(ctx, 0);
}

void dgm_linear_bias_grad(const dgm_layer_context *ctx, const int64_t *leaf, int n_leaves, int64_t n, const float *dy, float *db)
{
    dgm_arena_mark mark = dgm_arena_here(ctx->arena);
    float *scratch = dgm_arena_floats(ctx->arena, dgm_elem_leaves_scratch(n, n_leaves));
    dgm_elem_sum_leaves(leaf, n_leaves, n, dy, n, db, scratch);
    dgm_arena_rewind(ctx->arena, mark);
}
