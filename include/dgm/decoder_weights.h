/* The decoder's matrices as decoding reads them: in panels (panels.h), rows of all pieces in plain order, queries, keys and values of all
 * heads side by side, whatever virtual_tp cut them into.  That sums K in one chain where training sums pieces along a tree: equal to
 * rounding. */
#ifndef DGM_DECODER_WEIGHTS_H
#define DGM_DECODER_WEIGHTS_H

#include "dgm/panels.h"
#include "dgm/params.h"

typedef struct {
    dgm_panels self_in, self_out, cross_in, cross_out, ffn_in, ffn_out;
    float *self_bias; /* [3 * d_model] in plain order */
} dgm_decoder_layer_panels;

typedef struct {
    const dgm_params *params;
    const dgm_weights *weights;
    dgm_decoder_layer_panels *layers; /* [n_decoder_layers] */
    dgm_panels *cross_kv;  /* [n_decoder_layers * 2] per layer keys, then values, each [d_model, d_model] */
    float *cross_kv_bias;  /* [n_decoder_layers * 2, d_model] */
    dgm_panels output;     /* the embedding, as the matrix of the logits */
} dgm_decoder_weights;

/* Copies the matrices.  `params`, of tp size 1, and `weights` must outlive *out: embeddings, other biases and norms are read where they are. */
dgm_err dgm_decoder_weights_init(const dgm_params *params, const dgm_weights *weights, dgm_decoder_weights *out);
/* Takes over weights that have changed since. */
void dgm_decoder_weights_load(dgm_decoder_weights *w);
void dgm_decoder_weights_fini(dgm_decoder_weights *w); /* accepts a zeroed one */

#endif
