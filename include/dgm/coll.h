/* Collectives whose bits do not depend on the number of ranks, and agreement on errors.  On a communicator of one rank (and on
 * dgm_grid_single()) every function is a local no-op or copy and calls no MPI. */
#ifndef DGM_COLL_H
#define DGM_COLL_H

#include "dgm/grid.h"
#include "dgm/tree.h"

typedef enum { DGM_AXIS_WORLD, DGM_AXIS_DP, DGM_AXIS_TP, DGM_AXIS_NODE } dgm_axis;

/* All ranks return the same code: DGM_OK if all pass it, else the code and message of the lowest rank that failed, its rank named in the message
 * unless all failed with the same code.  Call after any local action that may fail, before the next collective.  What that action, or MPI, has
 * done to the rounding of the calling thread is undone (rounding.h): all computing lies behind an agreement. */
dgm_err dgm_coll_agree(const dgm_grid *grid, dgm_axis axis, dgm_err err);

dgm_err dgm_coll_barrier(const dgm_grid *grid, dgm_axis axis);
/* A barrier for those who may have to wait long, for work that one rank does: they sleep, and notice its end up to 0.02 s late. */
dgm_err dgm_coll_rest(const dgm_grid *grid, dgm_axis axis);
dgm_err dgm_coll_broadcast(const dgm_grid *grid, dgm_axis axis, int root, void *data, int64_t bytes);

/* data holds size * bytes; rank r's part lies at r * bytes on entry, all parts everywhere on return. */
dgm_err dgm_coll_gather_all(const dgm_grid *grid, dgm_axis axis, void *data, int64_t bytes);

/* As above with parts of different sizes: part r is bytes [start[r], start[r + 1]).  start [size + 1], equal on all ranks. */
dgm_err dgm_coll_gather_parts(const dgm_grid *grid, dgm_axis axis, void *data, const int64_t *start);

/* Integers: exact in any order. */
dgm_err dgm_coll_sum_counts(const dgm_grid *grid, dgm_axis axis, int64_t *count, int64_t n);
dgm_err dgm_coll_max_counts(const dgm_grid *grid, dgm_axis axis, int64_t *count, int64_t n);

/* Seconds that all ranks together took for what each did from start_s to end_s of dgm_timer_now: from the earliest start to the latest end on a host,
 * which has one clock, and of the hosts the slowest.  Ranks that take turns on a core share its time: none of them alone tells how long they all took.
 * At least 1e-9.  Collective on grid->world. */
dgm_err dgm_coll_span(const dgm_grid *grid, double start_s, double end_s, double *seconds);

/* Collects variable-length byte strings on `root` in rank order: *out (caller frees; NULL elsewhere) and start[size + 1] (caller gives
 * room on root; may be NULL elsewhere). */
dgm_err dgm_coll_collect(const dgm_grid *grid, dgm_axis axis, int root, const void *data, int64_t bytes, char **out, int64_t *start);

/* x[n] <- tree over the tp ranks of their x (adjacent pairs first), the same on all of them.  Each rank must hold the sum over its own pieces,
 * an aligned subtree: tp_size is a power of two.  Workspace of at least n floats.  Collective on grid->tp. */
dgm_err dgm_coll_tree_sum_tp(const dgm_grid *grid, float *x, int64_t n, float *workspace);

/* x[n] <- the sum over the tp ranks in the order that MPI likes best: bits depend on the number of ranks.  Collective on grid->tp. */
dgm_err dgm_coll_sum_tp(const dgm_grid *grid, float *x, int64_t n);

/* Rows for their owners: n rows of d floats with two labels each, ordered by owner; owner r gets rows [owner_start[r], owner_start[r + 1]) of
 * every replica, in replica order.  *n_got rows come back in got_* (valid until the next call with the same handle; with one replica
 * they are the caller's own arrays).
 * Collective on grid->dp. */
typedef struct dgm_coll_rows dgm_coll_rows;
dgm_err dgm_coll_rows_create(dgm_coll_rows **out);
void dgm_coll_rows_destroy(dgm_coll_rows *rows); /* accepts NULL */
dgm_err dgm_coll_rows_exchange(const dgm_grid *grid, dgm_coll_rows *rows, int64_t d, const int32_t *label_a, const int32_t *label_b,
                               const float *row, const int64_t *owner_start, int64_t *n_got, const int32_t **got_a, const int32_t **got_b,
                               const float **got_row);

#endif
