/* What beam search asks of a row of logits, found while the row passes in pieces that are in the cache: the largest ones and the
 * log-sum-exp.  The bits of both depend on the row and on where it is cut alone. */
#ifndef DGM_TOP_H
#define DGM_TOP_H

#include <stdint.h>

/* Lists the n_top largest, largest first, equal ones by lower id.  Begin with value[] = -INFINITY and id[] = -1.
 *   x [n]              in      numbers with ids first, first + 1, ...; pieces are passed by ascending ids
 *   value, id [n_top]  in/out
 * -INFINITY is never listed; with a NaN among x the list means nothing. */
void dgm_top_update(int64_t n, const float *x, int32_t first, int n_top, float *value, int32_t *id);

/* *sum becomes the sum of exp(x - *max) over the pieces so far, *max their largest number; begin with -INFINITY and 0.  A piece is summed in
 * float: a few hundred numbers.  With a NaN or +INFINITY among x the sum is not finite. */
void dgm_lse_update(int64_t n, const float *x, float *max, double *sum);

/* *max + log(*sum), nats; NaN or infinite where one of the numbers was. */
double dgm_lse(float max, double sum);

/* log of the mean of exp(x[n]), n >= 1. */
double dgm_log_mean_exp(int n, const double *x);

#endif
