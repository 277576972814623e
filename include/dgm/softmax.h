/* Row softmax over (a piece of) the vocabulary, for the loss and for decoding; exp of our own, no libm. */
#ifndef DGM_SOFTMAX_H
#define DGM_SOFTMAX_H

#include <stdint.h>

/* What a piece of a row of logits contributes to the loss; pieces combine by dgm_softmax_merge. */
typedef struct {
    float max;     /* largest logit, -inf for an empty piece */
    double sum_exp; /* sum of exp(x - max) */
    double sum;    /* sum of x */
} dgm_softmax_stats;

/* stats[r] of x[r, 0..n), row stride ld.  Lanes by index mod 16, fixed tree: a row's bits depend on the row alone. */
void dgm_softmax_row_stats(int64_t rows, int64_t n, const float *x, int64_t ld, dgm_softmax_stats *stats);

/* The stats of a and b side by side (a the lower piece). */
dgm_softmax_stats dgm_softmax_merge(dgm_softmax_stats a, dgm_softmax_stats b);

/* max + log(sum_exp), nats. */
double dgm_softmax_lse(const dgm_softmax_stats *stats);

/* Gradient of label-smoothed cross-entropy (Szegedy et al. 2016, uniform over the whole vocabulary of `vocab_size`) in place:
 * x[r, j] <- weight * (exp(x[r, j] - lse[r]) - smoothing / vocab_size - (1 - smoothing) * [first + j == target[r]]), j in 0..n-1,
 * first = index of column 0 in the vocabulary. */
void dgm_softmax_loss_grad(int64_t rows, int64_t n, int64_t first, const float *lse, const int32_t *target, float smoothing,
                           int64_t vocab_size, float weight, float *x, int64_t ld);

/* x <- x - lse(x), row by row: log-probabilities, for decoding. */
void dgm_softmax_log(int64_t rows, int64_t n, float *x, int64_t ld);

/* exp as the kernels compute it (relative error below 2e-7), for tests and scalar code. */
float dgm_softmax_exp(float x);

#endif
