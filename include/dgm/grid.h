/* The process grid: world = dp x tp, tp ranks adjacent.  Replica dp_rank = rank / tp_size, tp_rank = rank % tp_size. */
#ifndef DGM_GRID_H
#define DGM_GRID_H

#include "dgm/error.h"

#include <mpi.h>

typedef struct {
    MPI_Comm world, dp, tp, node; /* duplicates of our own; node: the ranks of one host */
    int rank, size;
    int dp_rank, dp_size;
    int tp_rank, tp_size;
    int node_rank, node_size;
} dgm_grid;

/* DGM_ERR_USAGE, saying what would go, unless world = dp x tp with whole numbers and tp divides the pieces that a layer is cut into (virtual_tp; 0: not
 * known yet).  Not collective. */
dgm_err dgm_grid_check(int tp, int size, int64_t n_pieces);

/* Collective on `comm`.  DGM_ERR_USAGE, on all ranks, when tp does not divide the number of ranks. */
dgm_err dgm_grid_create(MPI_Comm comm, int tp, dgm_grid **out);
void dgm_grid_destroy(dgm_grid *grid); /* collective; accepts NULL */

/* A grid of one without MPI: every collective on it is a no-op.  For commands that never call MPI_Init, and for serial tests. */
const dgm_grid *dgm_grid_single(void);

#endif
