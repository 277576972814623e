/* Where the ranks run: machines of one kind, and cores enough for all. */
#ifndef DGM_PLACEMENT_H
#define DGM_PLACEMENT_H

#include "dgm/grid.h"

/* DGM_ERR_USAGE when ranks run on machines whose matrix products differ: their bits would, and what comes out would depend on which rank
 * computes what.  For commands that share work out to ranks but have no threads.  Collective on grid->world. */
dgm_err dgm_placement_check_kernels(const dgm_grid *grid);

/* The same for those that have threads.  Warns, once for each set of cores, when ranks may use
 * fewer cores than they have threads together: bound to one core by the launcher, or too many for the machine.
 *   fitting  out  threads that this rank should compute with: `threads`, or as many as there are cores for; no bit depends on it
 * DRAGOMAN_KEEP_THREADS=1 in the environment keeps `threads`, for tests of threads on machines of few cores.
 * Collective on grid->world. */
dgm_err dgm_placement_check(const dgm_grid *grid, int threads, int *fitting);

/* Cores that this process may use. */
int dgm_placement_cores(void);

#endif
