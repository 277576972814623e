/* Token embeddings scaled by sqrt(d_model), sinusoidal positions, dropout (Vaswani et al. 2017, sections 3.4, 3.5, 5.4). */
#ifndef DGM_EMBED_H
#define DGM_EMBED_H

#include "dgm/layer.h"

/* *y [packed->n_rows, d_model] in the arena; *mask (NULL without dropout) for the backward pass.  The vocabulary is split over tp:
 * collective on grid->tp.  source: the source side's table. */
dgm_err dgm_embed_forward(dgm_layer_context *ctx, const dgm_packed *packed, bool source, const float *table, uint16_t **mask, float **y);

/* Appends to `grad` the rows of dy [packed->n_rows, d_model] (overwritten) whose tokens this rank holds, summed per (leaf, token).
 * first_leaf: tree position of packed's first leaf.  Not collective. */
dgm_err dgm_embed_backward(const dgm_layer_context *ctx, const dgm_packed *packed, int first_leaf, int n_leaves, bool source,
                           const uint16_t *mask, float *dy, dgm_embedding_grad *grad);

dgm_err dgm_embedding_grad_init(int64_t d, dgm_embedding_grad *out);
void dgm_embedding_grad_fini(dgm_embedding_grad *grad);

/* Room for one more row; its number in *row, its sums cleared. */
dgm_err dgm_embedding_grad_append(dgm_embedding_grad *grad, int32_t id, int32_t leaf, int64_t *row);

#endif
