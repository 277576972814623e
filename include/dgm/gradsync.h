/* Gradients of a step: summed over leaves on this rank, reduced over the replicas to slices, the sparse embedding rows brought to
 * their owners, the global norm. */
#ifndef DGM_GRADSYNC_H
#define DGM_GRADSYNC_H

#include "dgm/coll.h"
#include "dgm/transformer.h"

typedef struct dgm_gradsync dgm_gradsync;

/* n_leaves: virtual_dp.  params and grid must outlive it.  Not collective. */
dgm_err dgm_gradsync_create(const dgm_params *params, const dgm_grid *grid, int n_leaves, dgm_gradsync **out);
void dgm_gradsync_destroy(dgm_gradsync *sync); /* accepts NULL */

/* Where each replica's slice of the flat block begins, [dp_size + 1]. */
const int64_t *dgm_gradsync_slices(const dgm_gradsync *sync);

/* Forgets the gradients of the last step. */
void dgm_gradsync_begin(dgm_gradsync *sync);

/* Where the gradients of the next round go: a view of a flat block, and the embedding rows (the same object twice with a joint
 * vocabulary).  A block is allocated the first time that it is needed. */
dgm_err dgm_gradsync_round(dgm_gradsync *sync, dgm_weights **grad, dgm_embedding_grad **src_rows, dgm_embedding_grad **tgt_rows);

/* The round over leaves first_leaf .. first_leaf + n_leaves - 1 is complete: joins subtrees whose halves are both there. */
void dgm_gradsync_end_round(dgm_gradsync *sync, int first_leaf, int n_leaves);

/* Sums over the replicas: *slice is this rank's slice of the gradient, valid until the next begin.  Collective on grid->dp. */
dgm_err dgm_gradsync_reduce(dgm_gradsync *sync, float **slice);

/* The 2-norm of the whole model's gradient from all ranks' slices: squares summed over the fixed blocks of params, each tensor counted
 * once, blocks in the model's order.  `skip_embeddings` leaves frozen ones out.  Collective on grid->world. */
dgm_err dgm_gradsync_norm(dgm_gradsync *sync, const float *slice, bool skip_embeddings, double *norm);

#endif
