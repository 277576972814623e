/* The front of the attention kernels. */
#include "dgm/sdpa.h"

#include "dgm/error.h"
#include "dgm/kernels.h"

void dgm_sdpa_forward(const dgm_sdpa_dims *dims, const float *q, int64_t ldq, const float *k, const float *v, int64_t ldkv, float *out,
                      int64_t ldo, float *lse)
{
    DGM_ASSERT(dims->n_sent >= 0 && dims->n_heads >= 1 && dims->d_head >= 1);
    dgm_kernels_now()->sdpa->forward(dims, q, ldq, k, v, ldkv, out, ldo, lse);
}

void dgm_sdpa_backward(const dgm_sdpa_dims *dims, const float *q, int64_t ldq, const float *k, const float *v, int64_t ldkv,
                       const float *out, const float *dout, int64_t ldo, const float *lse, float *dq, int64_t lddq, float *dk, float *dv,
                       int64_t lddkv)
{
    DGM_ASSERT(dims->n_sent >= 0 && dims->n_heads >= 1 && dims->d_head >= 1 && lse != NULL);
    dgm_kernels_now()->sdpa->backward(dims, q, ldq, k, v, ldkv, out, dout, ldo, lse, dq, lddq, dk, dv, lddkv);
}
