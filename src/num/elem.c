/* The front of the elementwise kernels: checks what a caller can get wrong and goes to the family in use. */
#include "dgm/elem.h"

#include "dgm/error.h"
#include "dgm/kernels.h"

const char *dgm_elem_family(void) { return dgm_kernels_now()->family; }

void dgm_dropout_mask(const dgm_dropout *dropout, int64_t rows, int64_t d, int64_t column0, const uint32_t *sentence,
                      const uint32_t *position, uint16_t *mask)
{
    DGM_ASSERT(dropout->rate >= 0 && dropout->rate < 1 && dropout->site < 65536);
    DGM_ASSERT(column0 >= 0 && column0 % 8 == 0 && d >= 0 && column0 + d <= 524288);
    dgm_kernels_now()->dropout->mask(dropout, rows, d, column0, sentence, position, mask);
}

void dgm_elem_bias_activation(dgm_activation activation, int64_t rows, int64_t d, const float *bias, const uint16_t *mask, float scale,
                              float *h, float *pre)
{
    dgm_kernels_now()->elem->bias_activation(activation, rows, d, bias, mask, scale, h, pre);
}

void dgm_elem_activation_backward(dgm_activation activation, int64_t rows, int64_t d, const float *out, const float *pre,
                                  const uint16_t *mask, float scale, float *dh)
{
    DGM_ASSERT(rows * d == 0 || (activation == DGM_ACTIVATION_RELU ? out != NULL : pre != NULL));
    dgm_kernels_now()->elem->activation_backward(activation, rows, d, out, pre, mask, scale, dh);
}

void dgm_elem_bias(int64_t rows, int64_t d, int64_t ld, const float *bias, float *x)
{
    dgm_kernels_now()->elem->bias(rows, d, ld, bias, x);
}

void dgm_elem_residual(int64_t rows, int64_t d, const float *x, const float *f, const float *bias, const uint16_t *mask, float scale,
                       float *s)
{
    dgm_kernels_now()->elem->residual(rows, d, x, f, bias, mask, scale, s);
}

void dgm_elem_apply_mask(int64_t rows, int64_t d, const uint16_t *mask, float scale, const float *x, float *y)
{
    dgm_kernels_now()->elem->apply_mask(rows, d, mask, scale, x, y);
}

void dgm_elem_add(int64_t n, const float *x, float *y) { dgm_kernels_now()->elem->add(n, x, y); }
void dgm_elem_scale(int64_t n, float a, float *x) { dgm_kernels_now()->elem->scale(n, a, x); }

void dgm_elem_embed(int64_t rows, int64_t d, const int32_t *ids, int32_t first_id, int32_t n_ids, const float *table, float scale, float *y)
{
    dgm_kernels_now()->elem->embed(rows, d, ids, first_id, n_ids, table, scale, y);
}

void dgm_elem_add_positions(int64_t rows, int64_t d, const float *positions, const uint32_t *position, const uint16_t *mask, float scale,
                            float *x)
{
    dgm_kernels_now()->elem->add_positions(rows, d, positions, position, mask, scale, x);
}

double dgm_elem_sum_squares(int64_t n, const float *x) { return dgm_kernels_now()->sums->squares(n, x); }

/* The right half of a tree needs a row of its own at each level, and a leaf one for its block. */
int64_t dgm_elem_leaves_scratch(int64_t d, int n_leaves)
{
    int levels = 0;
    while (1 << levels < n_leaves) levels++;
    return (levels + 2) * d; /* one more for the root of dgm_norm_grad_leaves, whose two results are one row */
}

void dgm_elem_sum_leaves(const int64_t *leaf_start, int n_leaves, int64_t d, const float *x, int64_t ld, float *out, float *scratch)
{
    DGM_ASSERT(n_leaves >= 1 && (n_leaves & (n_leaves - 1)) == 0);
    dgm_kernels_now()->sums->leaves(leaf_start, n_leaves, d, x, ld, out, scratch);
}

void dgm_elem_adam(int64_t n, const dgm_adam_step *s, const float *grad, float *m, float *v, float *w)
{
    dgm_kernels_now()->optimizer->adam(n, s, grad, m, v, w);
}

void dgm_elem_sgd(int64_t n, float lr, float momentum, float weight_decay, float grad_scale, const float *grad, float *m, float *w)
{
    DGM_ASSERT(m != NULL || momentum == 0);
    dgm_kernels_now()->optimizer->sgd(n, lr, momentum, weight_decay, grad_scale, grad, m, w);
}
