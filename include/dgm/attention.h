/* Multi-head attention sublayers (Vaswani et al. 2017, section 3.2.2) with the heads split over tp. */
#ifndef DGM_ATTENTION_H
#define DGM_ATTENTION_H

#include "dgm/residual.h"

typedef struct { /* what the backward pass needs of the forward pass */
    dgm_residual residual;
    const float *h;  /* [rows, d_model] what the projections read */
    float *in;       /* self: [rows, n_pieces * 3 width] q, k, v per piece; cross: [rows, n_pieces * width] q */
    float *out;      /* [rows, n_pieces * width] heads side by side */
    float *lse;      /* [n_pieces][rows, heads_per_piece] */
    const float *kv; /* cross only: [src rows, n_pieces * n_decoder_layers * 2 width] keys and values of all layers */
} dgm_attention_saved;

/* x [packed->n_rows, d_model] -> *y, in the arena.  causal: the decoder.  Collective on grid->tp. */
dgm_err dgm_attention_self_forward(const dgm_layer_context *ctx, const dgm_batch *batch, const dgm_packed *packed, bool decoder, int64_t layer,
                                   const dgm_attention_weights *w, const float *x, dgm_attention_saved *saved, float **y);
/* dy becomes dx.  grad is written.  Collective on grid->tp. */
dgm_err dgm_attention_self_backward(const dgm_layer_context *ctx, const dgm_batch *batch, const dgm_packed *packed, bool decoder, int64_t layer,
                                    const dgm_attention_weights *w, const dgm_attention_saved *saved, float *dy, dgm_attention_weights *grad);

/* Queries from the decoder, keys and values of this layer from kv (all layers side by side, see dgm_attention_saved). */
dgm_err dgm_attention_cross_forward(const dgm_layer_context *ctx, const dgm_batch *batch, int64_t layer, const dgm_attention_weights *w,
                                    const float *kv, const float *x, dgm_attention_saved *saved, float **y);
/* dkv: this layer's columns are written. */
dgm_err dgm_attention_cross_backward(const dgm_layer_context *ctx, const dgm_batch *batch, int64_t layer, const dgm_attention_weights *w,
                                     const dgm_attention_saved *saved, float *dkv, float *dy, dgm_attention_weights *grad);

/* What the queries of a forward pass over one sentence pair looked at: weights [this rank's heads, target rows, source rows], without dropout.
 * Not collective. */
void dgm_attention_cross_weights(const dgm_layer_context *ctx, const dgm_batch *batch, int64_t layer, const dgm_attention_saved *saved, double *weights);

#endif
