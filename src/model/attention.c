/* Projections are products over all sentences at once; attention proper runs piece by piece, whole heads each. */
#include "dgm/attention.h"
#include "dgm/timer.h"

/* Where q, k, v of one piece lie and how far rows are apart. */
typedef struct {
    const float *q, *k, *v;
    int64_t ldq, ldkv;
} operands;

static operands self_operands(const dgm_layer_context *ctx, const float *in, int piece)
{
    const float *q = in + piece * 3 * ctx->width;
    int64_t ld = ctx->n_pieces * 3 * ctx->width;
    return (operands){q, q + ctx->width, q + 2 * ctx->width, ld, ld};
}

static int64_t kv_column(const dgm_layer_context *ctx, int piece, int64_t layer)
{
    return (piece * ctx->params->hp.n_decoder_layers + layer) * 2 * ctx->width;
}

static operands cross_operands(const dgm_layer_context *ctx, const float *q, const float *kv, int64_t layer, int piece)
{
    const float *k = kv + kv_column(ctx, piece, layer);
    return (operands){q + piece * ctx->width, k, k + ctx->width, ctx->n_pieces * ctx->width, ctx->cross_start[ctx->n_pieces]};
}

static dgm_sdpa_dims sdpa_dims(const dgm_layer_context *ctx, const dgm_batch *batch, const dgm_packed *queries, const dgm_packed *keys, bool causal,
                               int piece, const dgm_dropout *dropout)
{
    return (dgm_sdpa_dims){.n_sent = queries->n_sent,
                           .q_start = queries->start,
                           .k_start = keys->start,
                           .n_heads = ctx->heads_per_piece,
                           .head0 = (ctx->first_piece + piece) * ctx->heads_per_piece,
                           .d_head = ctx->d_head,
                           .causal = causal,
                           .dropout = dropout->rate > 0 ? dropout : NULL,
                           .sentence = batch->sentence};
}

/* Output projection and residual frame, the same for both kinds of attention. */
static dgm_err leave(const dgm_layer_context *ctx, const dgm_packed *packed, uint32_t site, const dgm_attention_weights *w, const float *x,
                     dgm_attention_saved *saved, float **y)
{
    int64_t d = ctx->params->hp.d_model, rows = packed->n_rows;
    float *f = dgm_arena_floats(ctx->arena, rows * d);
    DGM_TRY(dgm_linear_pieces(ctx, rows, d, ctx->width_start, saved->out, w->out_weight, f));
    dgm_residual_leave(ctx, packed, site, x, f, w->out_bias, w->norm_weight, w->norm_bias, &saved->residual, y);
    return DGM_OK;
}

/* From dy to the gradient of the heads' output, dout [rows, n_pieces * width]; dy becomes ds. */
static void leave_backward(const dgm_layer_context *ctx, const dgm_packed *packed, int n_leaves, const dgm_attention_weights *w,
                           const dgm_attention_saved *saved, float *dy, float *dout, dgm_attention_weights *grad)
{
    int64_t d = ctx->params->hp.d_model, rows = packed->n_rows, n_in = ctx->width_start[ctx->n_pieces];
    float *df = dgm_arena_floats(ctx->arena, rows * d);
    dgm_residual_leave_backward(ctx, packed->leaf, n_leaves, &saved->residual, w->norm_weight, dy, df, grad->out_bias, grad->norm_weight,
                                grad->norm_bias);
    dgm_linear_weight_grad(ctx, packed->leaf, n_leaves, n_in, d, saved->out, df, grad->out_weight);
    dgm_linear_rows_backward(ctx, rows, n_in, d, df, w->out_weight, dout);
}

/* From the gradient of the input projection's result, din, to dx; dy holds ds and becomes dx. */
static dgm_err enter_backward(const dgm_layer_context *ctx, const dgm_packed *packed, int n_leaves, const int64_t *start,
                              const dgm_attention_weights *w, const dgm_attention_saved *saved, const float *din, float *dy,
                              dgm_attention_weights *grad)
{
    int64_t d = ctx->params->hp.d_model, n = start[ctx->n_pieces];
    dgm_linear_weight_grad(ctx, packed->leaf, n_leaves, n, d, din, saved->h, grad->in_weight);
    dgm_linear_bias_grad(ctx, packed->leaf, n_leaves, n, din, grad->in_bias);
    float *dh = dgm_arena_floats(ctx->arena, packed->n_rows * d);
    DGM_TRY(dgm_linear_pieces(ctx, packed->n_rows, d, start, din, w->in_weight, dh));
    dgm_residual_enter_backward(ctx, packed->leaf, n_leaves, &saved->residual, w->norm_weight, dh, dy, grad->norm_weight, grad->norm_bias);
    return DGM_OK;
}

dgm_err dgm_attention_self_forward(const dgm_layer_context *ctx, const dgm_batch *batch, const dgm_packed *packed, bool decoder, int64_t layer,
                                   const dgm_attention_weights *w, const float *x, dgm_attention_saved *saved, float **y)
{
    int64_t rows = packed->n_rows, n = ctx->width_start[ctx->n_pieces];
    dgm_residual_enter(ctx, rows, x, w->norm_weight, w->norm_bias, &saved->residual, &saved->h);
    saved->in = dgm_arena_floats(ctx->arena, rows * 3 * n);
    saved->out = dgm_arena_floats(ctx->arena, rows * n);
    saved->lse = dgm_arena_floats(ctx->arena, rows * ctx->heads_per_piece * ctx->n_pieces);
    dgm_linear_columns(ctx, rows, ctx->params->hp.d_model, 3 * n, saved->h, w->in_weight, w->in_bias, saved->in);
    dgm_dropout dropout = dgm_layer_dropout(ctx, ctx->pass->attention_dropout, dgm_layer_site(DGM_SITE_SELF_SCORES, decoder, layer));
    dgm_region left = dgm_timer_enter(DGM_REGION_ATTENTION);
    for (int p = 0; p < ctx->n_pieces; p++) {
        operands o = self_operands(ctx, saved->in, p);
        dgm_sdpa_dims dims = sdpa_dims(ctx, batch, packed, packed, decoder, p, &dropout);
        dgm_sdpa_forward(&dims, o.q, o.ldq, o.k, o.v, o.ldkv, saved->out + p * ctx->width, n, saved->lse + p * rows * ctx->heads_per_piece);
    }
    dgm_timer_enter(left);
    return leave(ctx, packed, dgm_layer_site(DGM_SITE_SELF_OUT, decoder, layer), w, x, saved, y);
}

dgm_err dgm_attention_self_backward(const dgm_layer_context *ctx, const dgm_batch *batch, const dgm_packed *packed, bool decoder, int64_t layer,
                                    const dgm_attention_weights *w, const dgm_attention_saved *saved, float *dy, dgm_attention_weights *grad)
{
    int64_t rows = packed->n_rows, n = ctx->width_start[ctx->n_pieces];
    dgm_arena_mark mark = dgm_arena_here(ctx->arena);
    float *dout = dgm_arena_floats(ctx->arena, rows * n), *din = dgm_arena_floats(ctx->arena, rows * 3 * n);
    leave_backward(ctx, packed, batch->n_leaves, w, saved, dy, dout, grad);
    dgm_dropout dropout = dgm_layer_dropout(ctx, ctx->pass->attention_dropout, dgm_layer_site(DGM_SITE_SELF_SCORES, decoder, layer));
    dgm_region left = dgm_timer_enter(DGM_REGION_ATTENTION);
    for (int p = 0; p < ctx->n_pieces; p++) {
        operands o = self_operands(ctx, saved->in, p);
        dgm_sdpa_dims dims = sdpa_dims(ctx, batch, packed, packed, decoder, p, &dropout);
        float *dq = din + p * 3 * ctx->width;
        dgm_sdpa_backward(&dims, o.q, o.ldq, o.k, o.v, o.ldkv, saved->out + p * ctx->width, dout + p * ctx->width, n,
                          saved->lse + p * rows * ctx->heads_per_piece, dq, 3 * n, dq + ctx->width, dq + 2 * ctx->width, 3 * n);
    }
    dgm_timer_enter(left);
    dgm_err err = enter_backward(ctx, packed, batch->n_leaves, ctx->qkv_start, w, saved, din, dy, grad);
    dgm_arena_rewind(ctx->arena, mark);
    return err;
}

dgm_err dgm_attention_cross_forward(const dgm_layer_context *ctx, const dgm_batch *batch, int64_t layer, const dgm_attention_weights *w,
                                    const float *kv, const float *x, dgm_attention_saved *saved, float **y)
{
    const dgm_packed *packed = &batch->tgt;
    int64_t rows = packed->n_rows, n = ctx->width_start[ctx->n_pieces];
    dgm_residual_enter(ctx, rows, x, w->norm_weight, w->norm_bias, &saved->residual, &saved->h);
    saved->in = dgm_arena_floats(ctx->arena, rows * n);
    saved->out = dgm_arena_floats(ctx->arena, rows * n);
    saved->lse = dgm_arena_floats(ctx->arena, rows * ctx->heads_per_piece * ctx->n_pieces);
    saved->kv = kv;
    dgm_linear_columns(ctx, rows, ctx->params->hp.d_model, n, saved->h, w->in_weight, w->in_bias, saved->in);
    dgm_dropout dropout = dgm_layer_dropout(ctx, ctx->pass->attention_dropout, dgm_layer_site(DGM_SITE_CROSS_SCORES, true, layer));
    dgm_region left = dgm_timer_enter(DGM_REGION_ATTENTION);
    for (int p = 0; p < ctx->n_pieces; p++) {
        operands o = cross_operands(ctx, saved->in, kv, layer, p);
        dgm_sdpa_dims dims = sdpa_dims(ctx, batch, packed, &batch->src, false, p, &dropout);
        dgm_sdpa_forward(&dims, o.q, o.ldq, o.k, o.v, o.ldkv, saved->out + p * ctx->width, n, saved->lse + p * rows * ctx->heads_per_piece);
    }
    dgm_timer_enter(left);
    return leave(ctx, packed, dgm_layer_site(DGM_SITE_CROSS_OUT, true, layer), w, x, saved, y);
}

dgm_err dgm_attention_cross_backward(const dgm_layer_context *ctx, const dgm_batch *batch, int64_t layer, const dgm_attention_weights *w,
                                     const dgm_attention_saved *saved, float *dkv, float *dy, dgm_attention_weights *grad)
{
    const dgm_packed *packed = &batch->tgt;
    int64_t rows = packed->n_rows, n = ctx->width_start[ctx->n_pieces];
    dgm_arena_mark mark = dgm_arena_here(ctx->arena);
    float *dout = dgm_arena_floats(ctx->arena, rows * n), *din = dgm_arena_floats(ctx->arena, rows * n);
    leave_backward(ctx, packed, batch->n_leaves, w, saved, dy, dout, grad);
    dgm_dropout dropout = dgm_layer_dropout(ctx, ctx->pass->attention_dropout, dgm_layer_site(DGM_SITE_CROSS_SCORES, true, layer));
    dgm_region left = dgm_timer_enter(DGM_REGION_ATTENTION);
    for (int p = 0; p < ctx->n_pieces; p++) {
        operands o = cross_operands(ctx, saved->in, saved->kv, layer, p);
        dgm_sdpa_dims dims = sdpa_dims(ctx, batch, packed, &batch->src, false, p, &dropout);
        float *dk = dkv + kv_column(ctx, p, layer);
        dgm_sdpa_backward(&dims, o.q, o.ldq, o.k, o.v, o.ldkv, saved->out + p * ctx->width, dout + p * ctx->width, n,
                          saved->lse + p * rows * ctx->heads_per_piece, din + p * ctx->width, n, dk, dk + ctx->width, o.ldkv);
    }
    dgm_timer_enter(left);
    dgm_err err = enter_backward(ctx, packed, batch->n_leaves, ctx->width_start, w, saved, din, dy, grad);
    dgm_arena_rewind(ctx->arena, mark);
    return err;
}

void dgm_attention_cross_weights(const dgm_layer_context *ctx, const dgm_batch *batch, int64_t layer, const dgm_attention_saved *saved, double *weights)
{
    const dgm_dropout none = {0};
    for (int p = 0; p < ctx->n_pieces; p++) {
        operands o = cross_operands(ctx, saved->in, saved->kv, layer, p);
        dgm_sdpa_dims dims = sdpa_dims(ctx, batch, &batch->tgt, &batch->src, false, p, &none);
        dgm_sdpa_weights(&dims, o.q, o.ldq, o.k, o.ldkv, weights + p * ctx->heads_per_piece * batch->tgt.n_rows * batch->src.n_rows);
    }
}
