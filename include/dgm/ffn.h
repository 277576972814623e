/* Position-wise feed-forward sublayer (Vaswani et al. 2017, section 3.3), columns of the inner dimension split over tp. */
#ifndef DGM_FFN_H
#define DGM_FFN_H

#include "dgm/residual.h"

typedef struct {
    dgm_residual residual;
    const float *h;    /* [rows, d_model] what the first matrix reads */
    float *inner;      /* [rows, local d_ff] after activation and dropout */
    float *pre;        /* [rows, local d_ff] before the activation; NULL with ReLU */
    uint16_t *mask;    /* dropout of inner; NULL without */
} dgm_ffn_saved;

/* x [packed->n_rows, d_model] -> *y, in the arena.  Collective on grid->tp. */
dgm_err dgm_ffn_forward(const dgm_layer_context *ctx, const dgm_packed *packed, bool decoder, int64_t layer, const dgm_ffn_weights *w,
                        const float *x, dgm_ffn_saved *saved, float **y);
/* dy becomes dx; grad is written.  Collective on grid->tp. */
dgm_err dgm_ffn_backward(const dgm_layer_context *ctx, const dgm_packed *packed, int n_leaves, const dgm_ffn_weights *w,
                         const dgm_ffn_saved *saved, float *dy, dgm_ffn_weights *grad);

#endif
