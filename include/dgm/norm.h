/* Layer normalisation (Ba, Kiros and Hinton 2016) over rows of d elements: y = (x - mean) * rstd * gamma + beta. */
#ifndef DGM_NORM_H
#define DGM_NORM_H

#include <stdint.h>

/*   x, y        [rows, d]  in, out; y may be x only when the backward pass is not wanted
 *   gamma, beta [d]        in
 *   mean, rstd  [rows]     out    kept for the backward pass; may both be NULL
 * Sums in fixed lanes (index mod 16) and a fixed tree: a row's bits do not depend on other rows. */
void dgm_norm_forward(int64_t rows, int64_t d, const float *x, const float *gamma, const float *beta, float eps, float *y, float *mean,
                      float *rstd);

/* dx[rows, d] from dy[rows, d]; dx may be dy.  x, mean, rstd as in the forward pass. */
void dgm_norm_backward(int64_t rows, int64_t d, const float *dy, const float *x, const float *gamma, const float *mean, const float *rstd,
                       float *dx);

/* dgamma[d], dbeta[d] (written, not added to): tree over leaves, blocks of 64 rows within a leaf, as dgm_elem_sum_leaves.
 * scratch of 2 * dgm_elem_leaves_scratch(d, n_leaves) floats.  Call before dgm_norm_backward overwrites dy. */
void dgm_norm_grad_leaves(const int64_t *leaf_start, int n_leaves, int64_t d, const float *dy, const float *x, const float *mean,
                          const float *rstd, float *dgamma, float *dbeta, float *scratch);

#endif
