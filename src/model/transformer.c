/* Wiring: encoder, decoder, loss, and back.  All memory of a pass is in one arena that is reset at its start. */
#include "dgm/transformer.h"

#include "dgm/attention.h"
#include "dgm/decoder.h"
#include "dgm/embed.h"
#include "dgm/encoder.h"
#include "dgm/loss.h"

#include <stdlib.h>
#include <string.h>

struct dgm_transformer {
    dgm_layer_context ctx;
};

static const dgm_pass no_dropout = {.loss_scale = 1};

dgm_err dgm_transformer_create(const dgm_params *params, const dgm_grid *grid, dgm_transformer **out)
{
    if (params->tp_size != grid->tp_size || params->tp_rank != grid->tp_rank)
        return DGM_FAIL(DGM_ERR_SHAPE, "parameters of tp rank %d of %d on a grid whose tp rank is %d of %d", params->tp_rank, params->tp_size,
                        grid->tp_rank, grid->tp_size);
    dgm_transformer *t = calloc(1, sizeof *t);
    if (t == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "transformer");
    dgm_err err = dgm_layer_context_init(params, grid, &t->ctx);
    if (err != DGM_OK) {
        free(t);
        return err;
    }
    *out = t;
    return DGM_OK;
}

void dgm_transformer_destroy(dgm_transformer *t)
{
    if (t == NULL) return;
    dgm_layer_context_fini(&t->ctx);
    free(t);
}

static void begin(dgm_transformer *t, const dgm_pass *pass)
{
    dgm_arena_reset(t->ctx.arena);
    t->ctx.pass = pass;
    t->ctx.dropout_rng = dgm_rng_make(pass->seed, DGM_RNG_DROPOUT);
}

static dgm_err forward(dgm_transformer *t, const dgm_batch *batch, const dgm_weights *w, dgm_encoder_saved *enc, dgm_decoder_saved *dec,
                       float **hidden)
{
    float *source;
    DGM_TRY(dgm_encoder_forward(&t->ctx, batch, w, enc, &source));
    return dgm_decoder_forward(&t->ctx, batch, w, source, dec, hidden);
}

/* The batch as one leaf, for sums in no fixed order; start [4] is its room. */
static dgm_batch in_one_leaf(const dgm_batch *batch, int64_t *start)
{
    dgm_batch b = *batch;
    start[0] = start[2] = 0;
    start[1] = batch->src.n_rows;
    start[3] = batch->tgt.n_rows;
    b.n_leaves = 1;
    b.src.leaf = start;
    b.tgt.leaf = start + 2;
    return b;
}

/* Rows are added in order within a leaf. */
static void sum_leaves(const dgm_batch *batch, const double *smoothed, const double *nll, dgm_loss_sum *loss)
{
    for (int l = 0; l < batch->n_leaves; l++) {
        loss[l] = (dgm_loss_sum){.n_tokens = batch->tgt.leaf[l + 1] - batch->tgt.leaf[l]};
        for (int64_t r = batch->tgt.leaf[l]; r < batch->tgt.leaf[l + 1]; r++) {
            loss[l].smoothed += smoothed[r];
            loss[l].nll += nll[r];
        }
    }
}

dgm_err dgm_transformer_step(dgm_transformer *t, const dgm_pass *pass, const dgm_batch *batch, const dgm_weights *weights, dgm_weights *grad,
                             dgm_loss_sum *loss, dgm_embedding_grad *src_grad, dgm_embedding_grad *tgt_grad)
{
    dgm_layer_context *ctx = &t->ctx;
    int64_t rows = batch->tgt.n_rows, d = ctx->params->hp.d_model;
    dgm_encoder_saved enc = {0};
    dgm_decoder_saved dec = {0};
    float *hidden, *dsource;
    begin(t, pass);
    DGM_TRY(forward(t, batch, weights, &enc, &dec, &hidden));
    double *row_loss = dgm_arena_alloc(ctx->arena, 2 * rows * (int64_t)sizeof *row_loss);
    float *dhidden = dgm_arena_floats(ctx->arena, rows * d);
    DGM_TRY(dgm_loss_compute(ctx, batch, hidden, weights->embedding, row_loss, row_loss + rows, dhidden, grad->embedding));
    sum_leaves(batch, row_loss, row_loss + rows, loss);
    dgm_layer_progress(ctx, 1);
    int64_t start[4];
    dgm_batch whole = in_one_leaf(batch, start);
    if (pass->fast_sums) batch = &whole;
    DGM_TRY(dgm_decoder_backward(ctx, batch, weights, &dec, dhidden, grad, tgt_grad, &dsource));
    return dgm_encoder_backward(ctx, batch, weights, &enc, dsource, grad, src_grad);
}

dgm_err dgm_transformer_score(dgm_transformer *t, float label_smoothing, const dgm_batch *batch, const dgm_weights *weights, double *smoothed,
                              double *nll)
{
    dgm_pass pass = no_dropout;
    dgm_encoder_saved enc = {0};
    dgm_decoder_saved dec = {0};
    float *hidden;
    pass.label_smoothing = label_smoothing;
    begin(t, &pass);
    DGM_TRY(forward(t, batch, weights, &enc, &dec, &hidden));
    return dgm_loss_compute(&t->ctx, batch, hidden, weights->embedding, smoothed, nll, NULL, NULL);
}

/* A batch that has one side only needs no leaves but one. */
static dgm_batch one_leaf(const dgm_packed *src, const dgm_packed *tgt, const uint32_t *sentence)
{
    return (dgm_batch){.n_leaves = 1, .sentence = sentence, .src = *src, .tgt = tgt != NULL ? *tgt : (dgm_packed){0}};
}

dgm_err dgm_transformer_encode(dgm_transformer *t, const dgm_packed *src, const dgm_weights *weights, float *hidden)
{
    dgm_encoder_saved saved = {0};
    dgm_batch batch = one_leaf(src, NULL, NULL);
    float *result;
    begin(t, &no_dropout);
    DGM_TRY(dgm_encoder_forward(&t->ctx, &batch, weights, &saved, &result));
    memcpy(hidden, result, (size_t)(src->n_rows * t->ctx.params->hp.d_model) * sizeof *hidden);
    return DGM_OK;
}

dgm_err dgm_transformer_decode(dgm_transformer *t, const dgm_packed *src, const float *hidden, const dgm_packed *tgt, const dgm_weights *weights,
                               float *out)
{
    dgm_decoder_saved saved = {0};
    dgm_batch batch = one_leaf(src, tgt, NULL);
    float *result;
    begin(t, &no_dropout);
    DGM_TRY(dgm_decoder_forward(&t->ctx, &batch, weights, hidden, &saved, &result));
    memcpy(out, result, (size_t)(tgt->n_rows * t->ctx.params->hp.d_model) * sizeof *out);
    return DGM_OK;
}

dgm_err dgm_transformer_cross_weights(dgm_transformer *t, const dgm_packed *src, const float *hidden, const dgm_packed *tgt,
                                      const dgm_weights *weights, int64_t layer, double *cross)
{
    dgm_decoder_saved saved = {0};
    dgm_batch batch = one_leaf(src, tgt, NULL);
    float *result;
    DGM_ASSERT(src->n_sent == 1 && tgt->n_sent == 1 && t->ctx.params->tp_size == 1);
    if (layer < 0 || layer >= t->ctx.params->hp.n_decoder_layers)
        return DGM_FAIL(DGM_ERR_SHAPE, "decoder layer %lld, expected 0 to %lld", (long long)layer, (long long)t->ctx.params->hp.n_decoder_layers - 1);
    begin(t, &no_dropout);
    DGM_TRY(dgm_decoder_forward(&t->ctx, &batch, weights, hidden, &saved, &result));
    dgm_attention_cross_weights(&t->ctx, &batch, layer, &saved.cross[layer], cross);
    return DGM_OK;
}

int64_t dgm_transformer_arena_bytes(const dgm_transformer *t) { return dgm_arena_reserved_bytes(t->ctx.arena); }
