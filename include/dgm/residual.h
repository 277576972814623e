/* The frame around every sublayer: post-norm y = norm(x + dropout(f(x))) (Vaswani et al. 2017, section 5.4) or pre-norm
 * y = x + dropout(f(norm(x))) (Xiong et al. 2020). */
#ifndef DGM_RESIDUAL_H
#define DGM_RESIDUAL_H

#include "dgm/layer.h"

typedef struct {
    const float *normed; /* what the norm read: s (post) or x (pre) */
    float *mean, *rstd;  /* [rows] */
    uint16_t *mask;      /* dropout of f; NULL without */
} dgm_residual;

/* *h is what the sublayer's function reads: x itself (post) or norm(x) (pre). */
void dgm_residual_enter(const dgm_layer_context *ctx, int64_t rows, const float *x, const float *norm_weight, const float *norm_bias,
                        dgm_residual *r, const float **h);

/* *y [rows, d_model] from x and f [rows, d_model] (the function's result without its bias, overwritten).  In the arena. */
void dgm_residual_leave(const dgm_layer_context *ctx, const dgm_packed *packed, uint32_t site, const float *x, float *f, const float *bias,
                        const float *norm_weight, const float *norm_bias, dgm_residual *r, float **y);

/* dy [rows, d_model] becomes ds, the gradient of the residual sum; df [rows, d_model] out: the gradient of f.  Writes the gradients of
 * bias and, post-norm, of the norm. */
void dgm_residual_leave_backward(const dgm_layer_context *ctx, const int64_t *leaf, int n_leaves, const dgm_residual *r, const float *norm_weight,
                                 float *dy, float *df, float *dbias, float *dnorm_weight, float *dnorm_bias);

/* ds becomes dx: adds the gradient that came through the function, dh [rows, d_model] (overwritten).  Pre-norm: writes the norm's gradients. */
void dgm_residual_enter_backward(const dgm_layer_context *ctx, const int64_t *leaf, int n_leaves, const dgm_residual *r,
                                 const float *norm_weight, float *dh, float *ds, float *dnorm_weight, float *dnorm_bias);

/* Gradients of a norm's weight and bias, then dx from dy in place.  rows = leaf[n_leaves]. */
void dgm_residual_norm_backward(const dgm_layer_context *ctx, const int64_t *leaf, int n_leaves, const float *x, const float *mean,
                                const float *rstd, const float *weight, float *dy, float *dweight, float *dbias);

#endif
