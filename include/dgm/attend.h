/* Attention of one query against keys and values that lie scattered in memory: decoding, where a hypothesis sees its own past.
 * (Vaswani et al. 2017, eq. 1; dgm_sdpa_forward is the kernel for whole sentences.) */
#ifndef DGM_ATTEND_H
#define DGM_ATTEND_H

#include <stdint.h>

/* out[h] = softmax(q[h] . k[j][h] / sqrt(d_head)) v[j][h] for each head h, over keys j = 0 .. n_keys - 1.
 *   q, out [n_heads * d_head]   in, out
 *   k, v                        in    key j is at k + slot[j] * slot_stride (slot NULL: k + j * slot_stride), [n_heads * d_head]
 *   scores [n_heads * n_keys]   scratch
 * n_keys >= 1.  The bits depend on the query and its keys and values alone. */
void dgm_attend(int64_t n_keys, int64_t n_heads, int64_t d_head, const float *q, const float *k, const float *v, const int32_t *slot,
                int64_t slot_stride, float *scores, float *out);

#endif
