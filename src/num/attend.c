#include "dgm/attend.h"

#include "dgm/kernels.h"

void dgm_attend(int64_t n_keys, int64_t n_heads, int64_t d_head, const float *q, const float *const *at, int64_t k, int64_t v,
                float *scores, float *out)
{
    dgm_kernels_now()->decode->attend(n_keys, n_heads, d_head, q, at, k, v, scores, out);
}
