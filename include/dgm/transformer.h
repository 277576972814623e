/* The encoder-decoder Transformer (Vaswani et al. 2017) on packed sentences: forward, loss and backward on one rank of a tp group. */
#ifndef DGM_TRANSFORMER_H
#define DGM_TRANSFORMER_H

#include "dgm/arena.h"
#include "dgm/batch.h"
#include "dgm/grid.h"
#include "dgm/params.h"

/* Who is told how far a pass has come; either function may be NULL. */
typedef struct {
    /* Between the products: n_final stages of the gradient, in their order (params.h), have been written for good; 0 says only that there is a
     * moment to move messages on. */
    void (*report)(void *user, int n_final);
    /* Before the forward pass reads the parameters of a stage for the first time. */
    dgm_err (*need)(void *user, int stage);
    void *user;
} dgm_progress;

/* What one forward pass needs to know besides the batch. */
typedef struct {
    float dropout, attention_dropout, activation_dropout; /* rates; all 0 outside training */
    uint64_t seed;
    uint32_t step;         /* names the random bits */
    float label_smoothing;
    double loss_scale;     /* gradients are of loss_scale * sum of losses: 1 / target tokens of the global batch */
    bool fast_sums;        /* sums over leaves and pieces as they come, not along the fixed trees: bits depend on the layout */
    dgm_progress progress;
} dgm_pass;

typedef struct dgm_transformer dgm_transformer;

/* The machine that runs a model of this shape on this rank; holds no parameters.  grid must outlive it. Not collective. */
dgm_err dgm_transformer_create(const dgm_params *params, const dgm_grid *grid, dgm_transformer **out);
void dgm_transformer_destroy(dgm_transformer *t); /* accepts NULL */

/* Sums of the losses of one leaf, in nats. */
typedef struct { double smoothed, nll; int64_t n_tokens; } dgm_loss_sum;

/* Gradients of the input embeddings, kept apart from the flat block: row i adds row[i] to the embedding of token id[i].  Sorted by
 * (id, leaf), at most one row per (id, leaf); ids of this rank's piece of the vocabulary only. */
typedef struct {
    int64_t n, capacity, d;
    int32_t *id, *leaf;
    float *row; /* [capacity, d] */
} dgm_embedding_grad;

/* Forward and backward over one round.
 *   weights  in; grad  out: written, not added to (embedding: the output product only)
 *   loss [batch->n_leaves]  out
 *   src_grad, tgt_grad      rows appended (unsorted, capacity grows); the same object when the vocabulary is joint
 * Collective on grid->tp. */
dgm_err dgm_transformer_step(dgm_transformer *t, const dgm_pass *pass, const dgm_batch *batch, const dgm_weights *weights, dgm_weights *grad,
                             dgm_loss_sum *loss, dgm_embedding_grad *src_grad, dgm_embedding_grad *tgt_grad);

/* Forward only, no dropout: per target row the loss in nats, smoothed and not; each [batch->tgt.n_rows].  Collective on grid->tp. */
dgm_err dgm_transformer_score(dgm_transformer *t, float label_smoothing, const dgm_batch *batch, const dgm_weights *weights, double *smoothed,
                              double *nll);

/* Forward of the encoder alone, no dropout: hidden [src->n_rows, d_model].  Collective on grid->tp. */
dgm_err dgm_transformer_encode(dgm_transformer *t, const dgm_packed *src, const dgm_weights *weights, float *hidden);

/* Decoder states before the output product for given source hidden states, no dropout: out [tgt->n_rows, d_model].  For tests and
 * forced decoding.  Collective on grid->tp. */
dgm_err dgm_transformer_decode(dgm_transformer *t, const dgm_packed *src, const float *hidden, const dgm_packed *tgt,
                               const dgm_weights *weights, float *out);

/* Cross attention of one decoder layer while the model is made to say tgt (forced decoding), of a single sentence pair:
 * weights [n_heads, tgt->n_rows, src->n_rows], each row sums to 1.  hidden as above.  The model is of tp size 1.  Not collective. */
dgm_err dgm_transformer_cross_weights(dgm_transformer *t, const dgm_packed *src, const float *hidden, const dgm_packed *tgt,
                                      const dgm_weights *weights, int64_t layer, double *cross);

/* Sinusoidal positions, interleaved: row p, column 2i sin(p / 10000^(2i / d)), column 2i + 1 cos.  table [n, d]. */
void dgm_positions_sinusoidal(int64_t n, int64_t d, float *table);

/* Bytes of activation memory reserved so far. */
int64_t dgm_transformer_arena_bytes(const dgm_transformer *t);

#endif
