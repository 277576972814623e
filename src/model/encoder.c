/* Layers in order, backwards in reverse; what each keeps lies in the arena. */
#include "dgm/encoder.h"

#include "dgm/embed.h"

dgm_err dgm_encoder_forward(dgm_layer_context *ctx, const dgm_batch *batch, const dgm_weights *w, dgm_encoder_saved *saved, float **hidden)
{
    const dgm_hparams *hp = &ctx->params->hp;
    const dgm_packed *src = &batch->src;
    float *x;
    saved->attention = dgm_arena_alloc(ctx->arena, hp->n_encoder_layers * (int64_t)sizeof *saved->attention);
    saved->ffn = dgm_arena_alloc(ctx->arena, hp->n_encoder_layers * (int64_t)sizeof *saved->ffn);
    DGM_TRY(dgm_layer_need(ctx, 0));
    DGM_TRY(dgm_embed_forward(ctx, src, true, w->src_embedding, &saved->embedding_mask, &x));
    for (int64_t l = 0; l < hp->n_encoder_layers; l++) {
        DGM_TRY(dgm_layer_need(ctx, 1 + l));
        DGM_TRY(dgm_attention_self_forward(ctx, batch, src, false, l, &w->encoder[l].self, x, &saved->attention[l], &x));
        DGM_TRY(dgm_ffn_forward(ctx, src, false, l, &w->encoder[l].ffn, x, &saved->ffn[l], &x));
    }
    DGM_TRY(dgm_layer_need(ctx, 1 + hp->n_encoder_layers));
    *hidden = x;
    if (hp->norm == DGM_NORM_PRE) {
        saved->last = x;
        saved->mean = dgm_arena_floats(ctx->arena, src->n_rows);
        saved->rstd = dgm_arena_floats(ctx->arena, src->n_rows);
        *hidden = dgm_arena_floats(ctx->arena, src->n_rows * hp->d_model);
        dgm_norm_forward(src->n_rows, hp->d_model, x, w->encoder_norm_weight, w->encoder_norm_bias, hp->norm_eps, *hidden, saved->mean,
                         saved->rstd);
    }
    return DGM_OK;
}

dgm_err dgm_encoder_backward(const dgm_layer_context *ctx, const dgm_batch *batch, const dgm_weights *w, const dgm_encoder_saved *saved,
                             float *dhidden, dgm_weights *grad, dgm_embedding_grad *src_grad)
{
    const dgm_hparams *hp = &ctx->params->hp;
    const dgm_packed *src = &batch->src;
    if (hp->norm == DGM_NORM_PRE)
        dgm_residual_norm_backward(ctx, src->leaf, batch->n_leaves, saved->last, saved->mean, saved->rstd, w->encoder_norm_weight, dhidden,
                                   grad->encoder_norm_weight, grad->encoder_norm_bias);
    int n_final = (int)(2 + hp->n_decoder_layers);
    dgm_layer_progress(ctx, n_final);
    for (int64_t l = hp->n_encoder_layers; l-- > 0;) {
        DGM_TRY(dgm_ffn_backward(ctx, src, batch->n_leaves, &w->encoder[l].ffn, &saved->ffn[l], dhidden, &grad->encoder[l].ffn));
        DGM_TRY(dgm_attention_self_backward(ctx, batch, src, false, l, &w->encoder[l].self, &saved->attention[l], dhidden,
                                            &grad->encoder[l].self));
        dgm_layer_progress(ctx, ++n_final);
    }
    return dgm_embed_backward(ctx, src, batch->first_leaf, batch->n_leaves, true, saved->embedding_mask, dhidden, src_grad);
}
