/* First matrix column-split, second row-split: one sum over tp forward, one backward. */
#include "dgm/ffn.h"

dgm_err dgm_ffn_forward(const dgm_layer_context *ctx, const dgm_packed *packed, bool decoder, int64_t layer, const dgm_ffn_weights *w,
                        const float *x, dgm_ffn_saved *saved, float **y)
{
    const dgm_hparams *hp = &ctx->params->hp;
    int64_t rows = packed->n_rows, d = hp->d_model, ff = ctx->ff_start[ctx->n_pieces];
    float rate = ctx->pass->activation_dropout;
    dgm_residual_enter(ctx, rows, x, w->norm_weight, w->norm_bias, &saved->residual, &saved->h);
    saved->inner = dgm_arena_floats(ctx->arena, rows * ff);
    saved->pre = hp->activation == DGM_ACTIVATION_RELU ? NULL : dgm_arena_floats(ctx->arena, rows * ff);
    saved->mask = dgm_layer_mask(ctx, packed, ff, ctx->ff_first, rate, dgm_layer_site(DGM_SITE_FFN_INNER, decoder, layer));
    dgm_linear_columns(ctx, rows, d, ff, saved->h, w->in_weight, NULL, saved->inner);
    dgm_elem_bias_activation(hp->activation, rows, ff, w->in_bias, saved->mask, dgm_dropout_scale(rate), saved->inner, saved->pre);
    float *f = dgm_arena_floats(ctx->arena, rows * d);
    DGM_TRY(dgm_linear_pieces(ctx, rows, d, ctx->ff_start, saved->inner, w->out_weight, f));
    dgm_residual_leave(ctx, packed, dgm_layer_site(DGM_SITE_FFN_OUT, decoder, layer), x, f, w->out_bias, w->norm_weight, w->norm_bias,
                       &saved->residual, y);
    return DGM_OK;
}

dgm_err dgm_ffn_backward(const dgm_layer_context *ctx, const dgm_packed *packed, int n_leaves, const dgm_ffn_weights *w,
                         const dgm_ffn_saved *saved, float *dy, dgm_ffn_weights *grad)
{
    const dgm_hparams *hp = &ctx->params->hp;
    const int64_t *leaf = packed->leaf;
    int64_t rows = packed->n_rows, d = hp->d_model, ff = ctx->ff_start[ctx->n_pieces];
    dgm_arena_mark mark = dgm_arena_here(ctx->arena);
    float *df = dgm_arena_floats(ctx->arena, rows * d), *dinner = dgm_arena_floats(ctx->arena, rows * ff);
    dgm_residual_leave_backward(ctx, leaf, n_leaves, &saved->residual, w->norm_weight, dy, df, grad->out_bias, grad->norm_weight,
                                grad->norm_bias);
    dgm_linear_weight_grad(ctx, leaf, n_leaves, ff, d, saved->inner, df, grad->out_weight);
    dgm_linear_rows_backward(ctx, rows, ff, d, df, w->out_weight, dinner);
    dgm_elem_activation_backward(hp->activation, rows, ff, saved->inner, saved->pre, saved->mask,
                                 dgm_dropout_scale(ctx->pass->activation_dropout), dinner);
    dgm_linear_weight_grad(ctx, leaf, n_leaves, ff, d, dinner, saved->h, grad->in_weight);
    dgm_linear_bias_grad(ctx, leaf, n_leaves, ff, dinner, grad->in_bias);
    float *dh = df; /* df has been used up */
    dgm_err err = dgm_linear_pieces(ctx, rows, d, ctx->ff_start, dinner, w->in_weight, dh);
    if (err == DGM_OK)
        dgm_residual_enter_backward(ctx, leaf, n_leaves, &saved->residual, w->norm_weight, dh, dy, grad->norm_weight, grad->norm_bias);
    dgm_arena_rewind(ctx->arena, mark);
    return err;
}
