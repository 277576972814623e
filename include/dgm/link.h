/* How fast messages travel between ranks: what a cost model of communication is made of. */
#ifndef DGM_LINK_H
#define DGM_LINK_H

#include "dgm/grid.h"

#include <stddef.h>

typedef struct {
    double latency_s;        /* one way, 8 bytes, between the first and the last rank, the others at rest */
    double bytes_per_s;      /* each way, of each rank, all ranks exchanging at once: rank r with rank size - 1 - r */
} dgm_link;

/* Best of several; zeros with one rank.  Takes a fraction of a second on a fast network.  Collective on grid->world. */
dgm_err dgm_link_measure(const dgm_grid *grid, dgm_link *out);

/* Seconds of MPI's own sum of x[n] over the replicas, in place, on all of their tp ranks at once.  To compare with: its order of additions is MPI's
 * choice.  Collective on grid->world. */
dgm_err dgm_link_allreduce(const dgm_grid *grid, float *x, int64_t n, double *seconds);

/* Name and version of the MPI library in use; `out` [bytes]. */
void dgm_link_mpi_version(char *out, size_t bytes);

#endif
