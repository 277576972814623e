/* Attention of one query against keys and values that lie scattered in memory: decoding, where a hypothesis sees its own past.
 * (Vaswani et al. 2017, eq. 1; dgm_sdpa_forward is the kernel for whole sentences.) */
#ifndef DGM_ATTEND_H
#define DGM_ATTEND_H

#include <stdint.h>

/* out[h] = softmax(q[h] . k[j][h] / sqrt(d_head)) v[j][h] for each head h, over positions j = 0 .. n_keys - 1.
 *   q, out [n_heads * d_head]   in, out
 *   at [n_keys], k, v           in    the key of position j is at[j] + k, its value at[j] + v, each [n_heads * d_head]
 *   scores [n_heads * n_keys]   scratch
 * n_keys >= 1.  The bits depend on the query and its keys and values alone. */
void dgm_attend(int64_t n_keys, int64_t n_heads, int64_t d_head, const float *q, const float *const *at, int64_t k, int64_t v,
                float *scores, float *out);

#endif
