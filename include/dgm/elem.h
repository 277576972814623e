/* Elementwise kernels, fused so that a row is read and written once.  Rows lie end to end: x [rows, d] has row stride d unless a
 * stride is given.  Plain IEEE operations in a fixed order, no contraction: the same bits in every kernel family, wherever an
 * element stands.  Inner kernels: void, arguments are asserted. */
#ifndef DGM_ELEM_H
#define DGM_ELEM_H

#include "dgm/rng.h"

#include <stdint.h>

/* ---- dropout masks ----
 * The bit of element j of a row is 1 when the element is kept: 16 bits of Philox at counter (j / 8, position, sentence, step), taken
 * in order, are >= round(rate * 65536).  `site` tells the places of the model apart: it is added to the high half of the first
 * counter word (site << 16), so rows may hold up to 524,288 elements. */
typedef struct {
    dgm_rng rng;       /* purpose DGM_RNG_DROPOUT */
    uint32_t step;     /* of the training run */
    uint32_t site;     /* < 65536 */
    float rate;        /* 0 <= rate < 1; kept elements are multiplied by 1 / (1 - rate) */
} dgm_dropout;

/* Words of 16 mask bits a row of d elements takes. */
static inline int64_t dgm_dropout_words(int64_t d) { return (d + 15) / 16; }

/* Kept are the elements whose 16 bits reach this. */
static inline uint32_t dgm_dropout_threshold(float rate) { return (uint32_t)(rate * 65536 + 0.5f); }

/* mask[rows, words(d)]: bits of `rows` rows; the row's identity is (sentence[row], position[row]).  column0 is the global index of
 * the first element of the row (a multiple of 8): a rank that holds columns column0.. of a wider row gets the bits of the whole row. */
void dgm_dropout_mask(const dgm_dropout *dropout, int64_t rows, int64_t d, int64_t column0, const uint32_t *sentence,
                      const uint32_t *position, uint16_t *mask);

/* 1 / (1 - rate) as every kernel computes it. */
static inline float dgm_dropout_scale(float rate) { return 1 / (1 - rate); }

/* y = x + bias, then the activation, then the mask: the FFN's first half, in place.  mask NULL: no dropout. */
typedef enum { DGM_ACTIVATION_RELU, DGM_ACTIVATION_GELU } dgm_activation; /* GELU: exact, x * Phi(x), erf of our own */

/* h [rows, d] in: product, out: activation(h + bias) * mask * scale.  `pre` [rows, d] out: h + bias, needed by the backward pass of
 * GELU; NULL with RELU.  bias NULL: none. */
void dgm_elem_bias_activation(dgm_activation activation, int64_t rows, int64_t d, const float *bias, const uint16_t *mask, float scale,
                              float *h, float *pre);

/* dh in place: gradient before the activation from the gradient after dropout.  RELU uses out (> 0 means kept and active) and scale
 * (1 without dropout), GELU pre and mask. */
void dgm_elem_activation_backward(dgm_activation activation, int64_t rows, int64_t d, const float *out, const float *pre,
                                  const uint16_t *mask, float scale, float *dh);

/* x[rows, d] += bias[d] in place, row stride ld. */
void dgm_elem_bias(int64_t rows, int64_t d, int64_t ld, const float *bias, float *x);

/* s = x + mask * scale * (f + bias): a residual connection.  mask NULL: none; bias NULL: none; s may be x or f. */
void dgm_elem_residual(int64_t rows, int64_t d, const float *x, const float *f, const float *bias, const uint16_t *mask, float scale,
                       float *s);

/* y = mask * scale * x, y may be x; mask NULL copies. */
void dgm_elem_apply_mask(int64_t rows, int64_t d, const uint16_t *mask, float scale, const float *x, float *y);

/* y[i] += x[i] */
void dgm_elem_add(int64_t n, const float *x, float *y);
void dgm_elem_scale(int64_t n, float a, float *x);

/* Sum of squares of x[n] in double: 8 lanes by index mod 8, then a fixed tree. */
double dgm_elem_sum_squares(int64_t n, const float *x);

/* ---- sums over tokens ----
 * out[d] = tree over leaves of the sum over the leaf's rows of x[rows, d] (row stride ld): within a leaf blocks of 64 rows are summed in order, the
 * blocks added in order.  n_leaves a power of two; scratch of dgm_elem_leaves_scratch(d, n_leaves) floats. */
int64_t dgm_elem_leaves_scratch(int64_t d, int n_leaves);
void dgm_elem_sum_leaves(const int64_t *leaf_start, int n_leaves, int64_t d, const float *x, int64_t ld, float *out, float *scratch);

/* ---- embeddings ----
 * y[r] = scale * table[ids[r] - first_id] for ids in [first_id, first_id + n_ids), zeros elsewhere (another rank holds the row). */
void dgm_elem_embed(int64_t rows, int64_t d, const int32_t *ids, int32_t first_id, int32_t n_ids, const float *table, float scale, float *y);
/* x[r] += positions[position[r]], then mask (may be NULL). */
void dgm_elem_add_positions(int64_t rows, int64_t d, const float *positions, const uint32_t *position, const uint16_t *mask, float scale,
                            float *x);

/* ---- optimizers, on a slice of n parameters ----
 * Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019):
 * m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w -= lr * ((m * correction1) / (sqrt(v * correction2) + eps) + decay * w), g = grad * grad_scale.
 * correction1 = 1 / (1 - b1^t), correction2 = 1 / (1 - b2^t). */
typedef struct { float lr, beta1, beta2, eps, weight_decay, grad_scale, correction1, correction2; } dgm_adam_step;
void dgm_elem_adam(int64_t n, const dgm_adam_step *s, const float *grad, float *m, float *v, float *w);
/* w -= lr * (grad * grad_scale + decay * w) with momentum: m = momentum * m + g, w -= lr * m.  m NULL when momentum is 0. */
void dgm_elem_sgd(int64_t n, float lr, float momentum, float weight_decay, float grad_scale, const float *grad, float *m, float *w);

/* "avx512", "avx2" or "portable": the family chosen on this CPU; DRAGOMAN_KERNELS in the environment overrides it for tests. */
const char *dgm_elem_family(void);

#endif
