/* The decoder one position at a time: the training forward pass's arithmetic on one row per live hypothesis, with the keys and values
 * of earlier positions taken from a cache.  tp 1, no dropout.  A row's bits depend on its own hypothesis and source sentence alone. */
#ifndef DGM_DECODER_STEP_H
#define DGM_DECODER_STEP_H

#include "dgm/kvcache.h"
#include "dgm/panels.h"
#include "dgm/params.h"

typedef struct dgm_decoder_step dgm_decoder_step;

/* Lays the decoder's matrices out for decoding: a copy of them.  Of `weights` the embeddings, biases and norms are read later: it must
 * outlive the step, and so must params, of tp size 1.  Not collective. */
dgm_err dgm_decoder_step_create(const dgm_params *params, const dgm_weights *weights, dgm_decoder_step **out);
/* Takes over weights that have changed since. */
void dgm_decoder_step_load(dgm_decoder_step *step);
void dgm_decoder_step_destroy(dgm_decoder_step *step); /* accepts NULL */

/* Keys and values of one source sentence in all layers, projected once.  Sentences encoded together share a block. */
typedef struct dgm_cross_block dgm_cross_block;
typedef struct {
    int64_t n;              /* source tokens, </s> included */
    const float **at;       /* [n] key of each token in layer 0, [d_model] */
    int64_t layer, values;  /* floats from the keys of a layer to those of the next one, and to its values */
    dgm_cross_block *block; /* that they lie in */
} dgm_cross_kv;

/* cross[i] for sentence i = rows start[i] .. start[i + 1] of the encoder's output hidden[start[n_sent], d_model].  Each is released with
 * dgm_cross_kv_fini. */
dgm_err dgm_decoder_step_cross(dgm_decoder_step *step, int64_t n_sent, const int64_t *start, const float *hidden, dgm_cross_kv *cross);
void dgm_cross_kv_fini(dgm_cross_kv *cross); /* accepts a zeroed one */

typedef struct {
    int32_t token;             /* the hypothesis' last token, <s> at position 0 */
    int64_t position;          /* from 0 */
    const int32_t *path;       /* [position + 1] slots of all its positions; those of this one are written to path[position] */
    const dgm_cross_kv *cross; /* [models] */
} dgm_decoder_row;

/* hidden[n_rows, d_model]: decoder states before the output product.  Stores each row's keys and values in its slot.  `model` says which one of
 * the models of the cache and the rows this is. */
dgm_err dgm_decoder_step_run(dgm_decoder_step *step, int64_t n_rows, const dgm_decoder_row *rows, dgm_kvcache *cache, int model, float *hidden);

/* The matrix of the logits, for next_token.h; belongs to the step. */
const dgm_panels *dgm_decoder_step_output(const dgm_decoder_step *step);

#endif
