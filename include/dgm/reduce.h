/* The reduction of gradients over the replicas, bucket by bucket while the backward pass goes on.
 *
 * Every replica sends each owner its partial sums (one per maximal subtree of its leaves) of that owner's part; the owner adds them
 * along the fixed tree of tree.h: the order of additions is given by the leaves alone.  Data moves in rounds of one chunk per
 * owner; a few rounds are under way at a time, and dgm_reducer_poll, called between the products of the backward pass, moves them on:
 * MPI libraries make little progress on their own while a program computes. */
#ifndef DGM_REDUCE_H
#define DGM_REDUCE_H

#include "dgm/coll.h"

typedef struct dgm_reducer dgm_reducer;

typedef enum {
    DGM_REDUCE_FIXED, /* along the tree of leaves: the same bits for every number of replicas */
    DGM_REDUCE_FAST   /* MPI_Reduce_scatter when all is ready: each replica gives one sum, added in the library's order */
} dgm_reduction;

/* n_leaves: of a global batch.  part_start [n_buckets, dp_size + 1]: part r of bucket b is floats [part_start[b][r], part_start[b][r + 1]) of the
 * flat block, equal on all ranks of dp; borrowed, as grid is.  DGM_ERR_USAGE when there are more replicas than leaves.
 * Not collective. */
dgm_err dgm_reducer_create(const dgm_grid *grid, dgm_reduction reduction, int n_leaves, int n_buckets, const int64_t *part_start, dgm_reducer **out);
void dgm_reducer_destroy(dgm_reducer *reducer); /* accepts NULL; not while it is busy */

/* A reduction begins, none of its buckets ready.  partial [n_partials]: flat blocks with this replica's sums over the subtrees of
 * dgm_tree_cover of its leaves (fast: one, over all of them), read once they are ready. */
void dgm_reducer_begin(dgm_reducer *reducer, float *const *partial, int n_partials);

/* The first n_buckets buckets of every partial sum are final.  Starts what the window has room for. */
dgm_err dgm_reducer_ready(dgm_reducer *reducer, int n_buckets);

/* Adds what has arrived, starts what has become possible; does not wait. */
dgm_err dgm_reducer_poll(dgm_reducer *reducer);

/* Whether messages are under way. */
bool dgm_reducer_is_busy(const dgm_reducer *reducer);

/* Waits for the rest: then this rank's parts of the sum are in partial[0], in place.  All buckets must be ready.
 * Collective on grid->dp, as the whole reduction from begin to finish is. */
dgm_err dgm_reducer_finish(dgm_reducer *reducer);

#endif
