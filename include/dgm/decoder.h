/* The decoder stack: self attention, cross attention over the encoder's output, FFN; a final norm when pre-norm. */
#ifndef DGM_DECODER_H
#define DGM_DECODER_H

#include "dgm/attention.h"
#include "dgm/ffn.h"

typedef struct {
    uint16_t *embedding_mask;
    const float *source;                  /* [src rows, d_model] the encoder's output */
    float *kv;                            /* keys and values of all layers, see dgm_attention_saved */
    dgm_attention_saved *attention, *cross; /* [n_layers] */
    dgm_ffn_saved *ffn;                   /* [n_layers] */
    const float *last;                    /* input of the final norm */
    float *mean, *rstd;
} dgm_decoder_saved;

/* *hidden [batch->tgt.n_rows, d_model], in the arena, from source [batch->src.n_rows, d_model].  Collective on grid->tp. */
dgm_err dgm_decoder_forward(dgm_layer_context *ctx, const dgm_batch *batch, const dgm_weights *w, const float *source, dgm_decoder_saved *saved,
                            float **hidden);

/* dhidden is overwritten; *dsource [batch->src.n_rows, d_model] out, in the arena; grad is written; rows of the target embedding
 * are appended.  Collective on grid->tp. */
dgm_err dgm_decoder_backward(const dgm_layer_context *ctx, const dgm_batch *batch, const dgm_weights *w, const dgm_decoder_saved *saved,
                             float *dhidden, dgm_weights *grad, dgm_embedding_grad *tgt_grad, float **dsource);

#endif
