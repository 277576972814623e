#include "dgm/top.h"

#include "dgm/kernels.h"
#include "scalar.h"

void dgm_top_update(int64_t n, const float *x, int32_t first, int n_top, float *value, int32_t *id)
{
    dgm_kernels_now()->decode->top(n, x, first, n_top, value, id);
}

void dgm_lse_update(int64_t n, const float *x, float *max, double *sum) { dgm_kernels_now()->decode->lse(n, x, max, sum); }

double dgm_lse(float max, double sum) { return (double)max + scalar_log(sum); }
