/* Keys and values of cross attention are projected for all layers in one product, and their gradients return in one. */
#include "dgm/decoder.h"

#include "dgm/embed.h"

static dgm_err layers_forward(dgm_layer_context *ctx, const dgm_batch *batch, const dgm_weights *w, dgm_decoder_saved *saved, float **x)
{
    for (int64_t l = 0; l < ctx->params->hp.n_decoder_layers; l++) {
        const dgm_layer_weights *layer = &w->decoder[l];
        DGM_TRY(dgm_layer_need(ctx, 2 + ctx->params->hp.n_encoder_layers + l));
        DGM_TRY(dgm_attention_self_forward(ctx, batch, &batch->tgt, true, l, &layer->self, *x, &saved->attention[l], x));
        DGM_TRY(dgm_attention_cross_forward(ctx, batch, l, &layer->cross, saved->kv, *x, &saved->cross[l], x));
        DGM_TRY(dgm_ffn_forward(ctx, &batch->tgt, true, l, &layer->ffn, *x, &saved->ffn[l], x));
    }
    return DGM_OK;
}

dgm_err dgm_decoder_forward(dgm_layer_context *ctx, const dgm_batch *batch, const dgm_weights *w, const float *source, dgm_decoder_saved *saved,
                            float **hidden)
{
    const dgm_hparams *hp = &ctx->params->hp;
    int64_t n_layers = hp->n_decoder_layers, rows = batch->tgt.n_rows, n_kv = ctx->cross_start[ctx->n_pieces];
    float *x;
    saved->source = source;
    saved->attention = dgm_arena_alloc(ctx->arena, n_layers * (int64_t)sizeof *saved->attention);
    saved->cross = dgm_arena_alloc(ctx->arena, n_layers * (int64_t)sizeof *saved->cross);
    saved->ffn = dgm_arena_alloc(ctx->arena, n_layers * (int64_t)sizeof *saved->ffn);
    saved->kv = dgm_arena_floats(ctx->arena, batch->src.n_rows * n_kv);
    dgm_linear_columns(ctx, batch->src.n_rows, hp->d_model, n_kv, source, w->cross_kv_weight, w->cross_kv_bias, saved->kv);
    DGM_TRY(dgm_embed_forward(ctx, &batch->tgt, false, w->embedding, &saved->embedding_mask, &x));
    DGM_TRY(layers_forward(ctx, batch, w, saved, &x));
    *hidden = x;
    if (hp->norm == DGM_NORM_PRE) {
        saved->last = x;
        saved->mean = dgm_arena_floats(ctx->arena, rows);
        saved->rstd = dgm_arena_floats(ctx->arena, rows);
        *hidden = dgm_arena_floats(ctx->arena, rows * hp->d_model);
        dgm_norm_forward(rows, hp->d_model, x, w->decoder_norm_weight, w->decoder_norm_bias, hp->norm_eps, *hidden, saved->mean, saved->rstd);
    }
    return DGM_OK;
}

static dgm_err layers_backward(const dgm_layer_context *ctx, const dgm_batch *batch, const dgm_weights *w, const dgm_decoder_saved *saved,
                               float *dx, float *dkv, dgm_weights *grad)
{
    for (int64_t l = ctx->params->hp.n_decoder_layers; l-- > 0;) {
        const dgm_layer_weights *layer = &w->decoder[l];
        dgm_layer_weights *dlayer = &grad->decoder[l];
        DGM_TRY(dgm_ffn_backward(ctx, &batch->tgt, batch->n_leaves, &layer->ffn, &saved->ffn[l], dx, &dlayer->ffn));
        DGM_TRY(dgm_attention_cross_backward(ctx, batch, l, &layer->cross, &saved->cross[l], dkv, dx, &dlayer->cross));
        DGM_TRY(dgm_attention_self_backward(ctx, batch, &batch->tgt, true, l, &layer->self, &saved->attention[l], dx, &dlayer->self));
        dgm_layer_progress(ctx, (int)(1 + ctx->params->hp.n_decoder_layers - l));
    }
    return DGM_OK;
}

dgm_err dgm_decoder_backward(const dgm_layer_context *ctx, const dgm_batch *batch, const dgm_weights *w, const dgm_decoder_saved *saved,
                             float *dhidden, dgm_weights *grad, dgm_embedding_grad *tgt_grad, float **dsource)
{
    const dgm_hparams *hp = &ctx->params->hp;
    const dgm_packed *src = &batch->src;
    int64_t d = hp->d_model, n_kv = ctx->cross_start[ctx->n_pieces];
    *dsource = dgm_arena_floats(ctx->arena, src->n_rows * d);
    dgm_arena_mark mark = dgm_arena_here(ctx->arena);
    float *dkv = dgm_arena_floats(ctx->arena, src->n_rows * n_kv);
    if (hp->norm == DGM_NORM_PRE)
        dgm_residual_norm_backward(ctx, batch->tgt.leaf, batch->n_leaves, saved->last, saved->mean, saved->rstd, w->decoder_norm_weight,
                                   dhidden, grad->decoder_norm_weight, grad->decoder_norm_bias);
    DGM_TRY(layers_backward(ctx, batch, w, saved, dhidden, dkv, grad));
    DGM_TRY(dgm_embed_backward(ctx, &batch->tgt, batch->first_leaf, batch->n_leaves, false, saved->embedding_mask, dhidden, tgt_grad));
    dgm_linear_weight_grad(ctx, src->leaf, batch->n_leaves, n_kv, d, dkv, saved->source, grad->cross_kv_weight);
    dgm_linear_bias_grad(ctx, src->leaf, batch->n_leaves, n_kv, dkv, grad->cross_kv_bias);
    DGM_TRY(dgm_linear_pieces(ctx, src->n_rows, d, ctx->cross_start, dkv, w->cross_kv_weight, *dsource));
    dgm_arena_rewind(ctx->arena, mark);
    return DGM_OK;
}
