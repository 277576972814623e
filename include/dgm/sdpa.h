/* Scaled dot-product attention inside each sentence (Vaswani et al. 2017, eq. 1), sentences packed end to end, no padding:
 * out = dropout(softmax(q k^T / sqrt(d_head))) v.  A kernel of its own: scores of a short sentence never leave the cache. */
#ifndef DGM_SDPA_H
#define DGM_SDPA_H

#include "dgm/elem.h"

#include <stdbool.h>

typedef struct {
    int64_t n_sent;
    const int64_t *q_start; /* [n_sent + 1] row where each sentence begins on the query side */
    const int64_t *k_start; /* [n_sent + 1] on the key side; may be the same array */
    int64_t n_heads;        /* heads held here */
    int64_t head0;          /* global index of the first of them: names the dropout bits */
    int64_t d_head;
    bool causal;            /* a query sees keys up to its own position in the sentence */
    const dgm_dropout *dropout; /* NULL: none; the bits of (head h, key j) are those of element (head0 + h) * 4096 + j of the query's row
                                   (the row is (sentence[s], position of the query in it)); sentences hold at most 4,096 tokens */
    const uint32_t *sentence; /* [n_sent] identity of each sentence for the dropout bits */
} dgm_sdpa_dims;

/* Row t, head h of q is at q + t * ldq + h * d_head; likewise k, v, out and their gradients with their own row strides.
 *   lse [rows of q, n_heads]  out  log of the softmax denominator, kept for the backward pass; may be NULL
 * The bits of a row depend on its sentence alone.  Any sentence length from 1; scratch is on the stack or thread-local. */
void dgm_sdpa_forward(const dgm_sdpa_dims *dims, const float *q, int64_t ldq, const float *k, const float *v, int64_t ldkv, float *out,
                      int64_t ldo, float *lse);

/* dq, dk, dv are written (not added to), from dout and what the forward pass read and wrote. */
void dgm_sdpa_backward(const dgm_sdpa_dims *dims, const float *q, int64_t ldq, const float *k, const float *v, int64_t ldkv,
                       const float *out, const float *dout, int64_t ldo, const float *lse, float *dq, int64_t lddq, float *dk, float *dv,
                       int64_t lddkv);

/* The attention weights themselves, softmax(q k^T / sqrt(d_head)), which the two above never write down: to be looked at.  In double, as the formula
 * stands; no dropout.
 *   dims     of one sentence
 *   weights  [n_heads, queries, keys]  out  each row sums to 1; with dims->causal later keys have 0 */
void dgm_sdpa_weights(const dgm_sdpa_dims *dims, const float *q, int64_t ldq, const float *k, int64_t ldk, double *weights);

#endif
