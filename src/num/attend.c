#include "dgm/attend.h"

#include "dgm/kernels.h"

void dgm_attend(int64_t n_keys, int64_t n_heads, int64_t d_head, const float *q, const float *k, const float *v, const int32_t *slot,
                int64_t slot_stride, float *scores, float *out)
{
    dgm_kernels_now()->decode->attend(n_keys, n_heads, d_head, q, k, v, slot, slot_stride, scores, out);
}
