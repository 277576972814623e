/* Updates of parameters: elementwise, so plain loops give every element the same bits in every family. */
#include "dgm/kernels.h"

#include <math.h>

static void adam_slice(int64_t n, dgm_adam_step s, const float *restrict grad, float *restrict m, float *restrict v, float *restrict w)
{
    float rest1 = 1 - s.beta1, rest2 = 1 - s.beta2;
    for (int64_t i = 0; i < n; i++) {
        float g = grad[i] * s.grad_scale;
        float m_new = s.beta1 * m[i] + rest1 * g, v_new = s.beta2 * v[i] + rest2 * (g * g);
        float step = (m_new * s.correction1) / (sqrtf(v_new * s.correction2) + s.eps);
        m[i] = m_new;
        v[i] = v_new;
        w[i] -= s.lr * (step + s.weight_decay * w[i]);
    }
}

static void adam(int64_t n, const dgm_adam_step *s, const float *grad, float *m, float *v, float *w) { adam_slice(n, *s, grad, m, v, w); }

static void sgd_plain(int64_t n, float lr, float weight_decay, float grad_scale, const float *restrict grad, float *restrict w)
{
    for (int64_t i = 0; i < n; i++) w[i] -= lr * (grad[i] * grad_scale + weight_decay * w[i]);
}

static void sgd_momentum(int64_t n, float lr, float momentum, float weight_decay, float grad_scale, const float *restrict grad,
                         float *restrict m, float *restrict w)
{
    for (int64_t i = 0; i < n; i++) {
        m[i] = momentum * m[i] + (grad[i] * grad_scale + weight_decay * w[i]);
        w[i] -= lr * m[i];
    }
}

static void sgd(int64_t n, float lr, float momentum, float weight_decay, float grad_scale, const float *grad, float *m, float *w)
{
    if (m == NULL) sgd_plain(n, lr, weight_decay, grad_scale, grad, w);
    else sgd_momentum(n, lr, momentum, weight_decay, grad_scale, grad, m, w);
}

const dgm_optimizer_kernels DGM_KERNELS_NAME(optimizer, DGM_FAMILY) = {adam, sgd};
