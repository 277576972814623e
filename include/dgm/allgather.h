/* Every replica's parts to all others, bucket by bucket while the program computes: the way back of reduce.h. */
#ifndef DGM_ALLGATHER_H
#define DGM_ALLGATHER_H

#include "dgm/coll.h"

typedef struct dgm_allgather dgm_allgather;

/* part_start [n_buckets, dp_size + 1] as in reduce.h, borrowed; order [n_buckets]: which bucket travels first, second, ...; copied.
 * Not collective. */
dgm_err dgm_allgather_create(const dgm_grid *grid, int n_buckets, const int64_t *part_start, const int *order, dgm_allgather **out);
void dgm_allgather_destroy(dgm_allgather *gather); /* accepts NULL; not while it is busy */

/* This rank's parts of flat block x are final and go to the others, whose parts come into x.  Until its bucket is waited for, a part that is not
 * this rank's must not be read, and none be written.  Collective on grid->dp, as the whole gathering is. */
dgm_err dgm_allgather_begin(dgm_allgather *gather, float *x);

/* Starts what has become possible; does not wait.  Not collective. */
dgm_err dgm_allgather_poll(dgm_allgather *gather);
bool dgm_allgather_is_busy(const dgm_allgather *gather);

/* Waits for the first n buckets of the order.  Collective on grid->dp: it may wait for any replica. */
dgm_err dgm_allgather_wait(dgm_allgather *gather, int n);

#endif
