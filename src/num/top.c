#include "dgm/top.h"

#include "dgm/kernels.h"
#include "scalar.h"

void dgm_top_update(int64_t n, const float *x, int32_t first, int n_top, float *value, int32_t *id)
{
    dgm_kernels_now()->decode->top(n, x, first, n_top, value, id);
}

void dgm_lse_update(int64_t n, const float *x, float *max, double *sum) { dgm_kernels_now()->decode->lse(n, x, max, sum); }

double dgm_lse(float max, double sum) { return (double)max + scalar_log(sum); }

double dgm_log_mean_exp(int n, const double *x)
{
    double largest = x[0], sum = 0;
    for (int i = 1; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    for (int i = 0; i < n; i++) sum += scalar_exp(x[i] - largest);
    return largest + scalar_log(sum / n);
}
