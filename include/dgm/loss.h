/* Label-smoothed cross-entropy (Szegedy et al. 2016; Vaswani et al. 2017, section 5.4) over a vocabulary split over tp.
 *
 * Logits exist for a block of leaves at a time; the softmax, its gradient, the gradient of the hidden states and of the output matrix
 * are made from them before the next block overwrites them. */
#ifndef DGM_LOSS_H
#define DGM_LOSS_H

#include "dgm/layer.h"

/* Losses of the rows of batch->tgt and, when dembedding is not NULL, their gradients.
 *   hidden     [rows, d_model]  in      decoder output
 *   embedding  [local vocabulary, d_model]  in
 *   smoothed, nll  [rows]       out     nats per row
 *   dhidden    [rows, d_model]  out     of pass->loss_scale * sum of smoothed losses; NULL: no gradients
 *   dembedding [local vocabulary, d_model]  out, written
 * Collective on grid->tp. */
dgm_err dgm_loss_compute(const dgm_layer_context *ctx, const dgm_batch *batch, const float *hidden, const float *embedding, double *smoothed,
                         double *nll, float *dhidden, float *dembedding);

#endif
