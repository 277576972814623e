/* The front of the layer norm kernels. */
#include "dgm/norm.h"

#include "dgm/error.h"
#include "dgm/kernels.h"

void dgm_norm_forward(int64_t rows, int64_t d, const float *x, const float *gamma, const float *beta, float eps, float *y, float *mean,
                      float *rstd)
{
    DGM_ASSERT(d >= 1);
    dgm_kernels_now()->norm->forward(rows, d, x, gamma, beta, eps, y, mean, rstd);
}

void dgm_norm_backward(int64_t rows, int64_t d, const float *dy, const float *x, const float *gamma, const float *mean, const float *rstd,
                       float *dx)
{
    DGM_ASSERT(d >= 1);
    dgm_kernels_now()->norm->backward(rows, d, dy, x, gamma, mean, rstd, dx);
}

void dgm_norm_grad_leaves(const int64_t *leaf_start, int n_leaves, int64_t d, const float *dy, const float *x, const float *mean,
                          const float *rstd, float *dgamma, float *dbeta, float *scratch)
{
    DGM_ASSERT(n_leaves >= 1 && (n_leaves & (n_leaves - 1)) == 0);
    dgm_kernels_now()->sums->norm_leaves(leaf_start, n_leaves, d, dy, x, mean, rstd, dgamma, dbeta, scratch);
}
