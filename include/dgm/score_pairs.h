/* The loss of a model on sentence pairs: for validation and for `eval`.
 *
 * A line's losses are summed in double over its tokens in order, rounded to a multiple of 2^-32 nats and added up as integers: the
 * sums over a corpus are the same for any number of ranks, any batches and any order of the lines. */
#ifndef DGM_SCORE_PAIRS_H
#define DGM_SCORE_PAIRS_H

#include "dgm/transformer.h"

typedef struct {
    double smoothed, nll; /* label-smoothed loss and negative log-likelihood of all target tokens and </s>, nats */
    int64_t n_tokens;     /* target tokens, </s> included */
} dgm_pair_loss;

/* *total: sums over all pairs; lines [n]: each pair by itself, NULL if not wanted.  All on all ranks.
 *   transformer, weights  of tp size 1, made with dgm_grid_single()
 *   tokens [sum of n_tgt + 1]  negative log-likelihoods of the target tokens and </s>, pair by pair; NULL if not wanted
 *   max_rows              tokens of the larger side computed together (more where one pair needs more); no effect on the result
 * DGM_ERR_NUMERIC when a loss is not finite.  Logically collective on grid->world: everything equal on all ranks. */
dgm_err dgm_score_pairs(const dgm_grid *grid, dgm_transformer *transformer, const dgm_weights *weights, float label_smoothing,
                        int64_t max_rows, const dgm_pair *pairs, int64_t n, dgm_pair_loss *total, dgm_pair_loss *lines, double *tokens);

#endif
