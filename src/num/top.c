#include "dgm/top.h"

#include "dgm/kernels.h"

void dgm_top_update(int64_t n, const float *x, int32_t first, int n_top, float *value, int32_t *id)
{
    dgm_kernels_now()->decode->top(n, x, first, n_top, value, id);
}
