/* The front of the attention kernels. */
#include "dgm/sdpa.h"

#include "dgm/error.h"
#include "dgm/kernels.h"

#include <math.h>

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

/* One query and head: row[n_keys] from the first n_seen keys. */
static void weights_of(const dgm_sdpa_dims *dims, const float *q, const float *k, int64_t ldk, int64_t n_seen, int64_t n_keys, double *row)
{
    double largest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < n_seen; j++) {
        row[j] = 0;
        for (int64_t i = 0; i < dims->d_head; i++) row[j] += (double)q[i] * (double)k[j * ldk + i];
        row[j] /= sqrt((double)dims->d_head);
        largest = fmax(largest, row[j]);
    }
    for (int64_t j = 0; j < n_seen; j++) sum += row[j] = exp(row[j] - largest);
    for (int64_t j = 0; j < n_keys; j++) row[j] = j < n_seen ? row[j] / sum : 0;
}

void dgm_sdpa_weights(const dgm_sdpa_dims *dims, const float *q, int64_t ldq, const float *k, int64_t ldk, double *weights)
{
    DGM_ASSERT(dims->n_sent == 1 && dims->n_heads >= 1 && dims->d_head >= 1);
    int64_t n_q = dims->q_start[1] - dims->q_start[0], n_k = dims->k_start[1] - dims->k_start[0];
    q += dims->q_start[0] * ldq, k += dims->k_start[0] * ldk;
    for (int64_t h = 0; h < dims->n_heads; h++)
        for (int64_t t = 0; t < n_q; t++)
            weights_of(dims, q + t * ldq + h * dims->d_head, k + h * dims->d_head, ldk, dims->causal ? DGM_MIN(t + 1, n_k) : n_k, n_k,
                       weights + (h * n_q + t) * n_k);
}
