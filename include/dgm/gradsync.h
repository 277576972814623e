/* Gradients of a step: summed over leaves on this rank, reduced over the replicas to slices while the backward pass goes on, the sparse
 * embedding rows brought to their owners, the global norm. */
#ifndef DGM_GRADSYNC_H
#define DGM_GRADSYNC_H

#include "dgm/reduce.h"
#include "dgm/slices.h"
#include "dgm/transformer.h"

typedef struct dgm_gradsync dgm_gradsync;

typedef struct {
    int n_leaves;             /* virtual_dp */
    dgm_reduction reduction;
    bool overlap;             /* reduce finished layers while earlier ones compute; changes no bit */
    int64_t part_floats;      /* see dgm_slices_init; 0: the default */
} dgm_gradsync_options;

/* params and grid must outlive it.  Not collective. */
dgm_err dgm_gradsync_create(const dgm_params *params, const dgm_grid *grid, const dgm_gradsync_options *options, dgm_gradsync **out);
void dgm_gradsync_destroy(dgm_gradsync *sync); /* accepts NULL; not while it is busy */

/* Who owns what, [dp_size] parts. */
const dgm_slices *dgm_gradsync_slices(const dgm_gradsync *sync);

/* Forgets the gradients of the last step. */
void dgm_gradsync_begin(dgm_gradsync *sync);

/* Where the gradients of a round over leaves first_leaf .. first_leaf + n_leaves - 1 go. */
typedef struct {
    dgm_weights *grad;                         /* view of a flat block */
    dgm_embedding_grad *src_rows, *tgt_rows;   /* the same object with a joint vocabulary */
} dgm_gradsync_round;
/* A block is allocated the first time that it is needed.  is_last: after this round the step's gradients are complete. */
dgm_err dgm_gradsync_begin_round(dgm_gradsync *sync, int first_leaf, int n_leaves, bool is_last, dgm_gradsync_round *out);
void dgm_gradsync_end_round(dgm_gradsync *sync); /* both not collective */

/* Call between the products of a pass, as dgm_progress says: during the last round this starts the reduction of what is final and moves it on.
 * An error is kept for dgm_gradsync_reduce.  Waits for nobody, but all ranks of dp must come to dgm_gradsync_reduce. */
void dgm_gradsync_progress(dgm_gradsync *sync, int n_final);

/* Whether messages of the reduction are under way; false for NULL. */
bool dgm_gradsync_is_busy(const dgm_gradsync *sync);

/* Sums over the replicas: *grad is a flat block whose slice of this rank holds the sum, valid until the next begin.
 * Collective on grid->dp. */
dgm_err dgm_gradsync_reduce(dgm_gradsync *sync, const float **grad);

/* The 2-norm of the whole model's gradient from all ranks' slices: squares summed over the fixed blocks of params, each tensor counted
 * once, blocks in the model's order.  `skip_embeddings` leaves frozen ones out.  Collective on grid->world. */
dgm_err dgm_gradsync_norm(dgm_gradsync *sync, const float *grad, bool skip_embeddings, double *norm);

#endif
