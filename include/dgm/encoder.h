/* The encoder stack: n_encoder_layers of self attention and FFN, a final norm when pre-norm. */
#ifndef DGM_ENCODER_H
#define DGM_ENCODER_H

#include "dgm/attention.h"
#include "dgm/ffn.h"

typedef struct {
    uint16_t *embedding_mask;
    dgm_attention_saved *attention; /* [n_layers] */
    dgm_ffn_saved *ffn;             /* [n_layers] */
    const float *last;              /* input of the final norm */
    float *mean, *rstd;
} dgm_encoder_saved;

/* *hidden [batch->src.n_rows, d_model], in the arena.  Collective on grid->tp. */
dgm_err dgm_encoder_forward(dgm_layer_context *ctx, const dgm_batch *batch, const dgm_weights *w, dgm_encoder_saved *saved, float **hidden);

/* dhidden is overwritten; grad is written; rows of the source embedding are appended.  Collective on grid->tp. */
dgm_err dgm_encoder_backward(const dgm_layer_context *ctx, const dgm_batch *batch, const dgm_weights *w, const dgm_encoder_saved *saved,
                             float *dhidden, dgm_weights *grad, dgm_embedding_grad *src_grad);

#endif
