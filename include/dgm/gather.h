/* Parameters from one layout to another, in memory: another tp degree, whole on every rank, one matrix in any form. */
#ifndef DGM_GATHER_H
#define DGM_GATHER_H

#include "dgm/dist.h"
#include "dgm/grid.h"
#include "dgm/params.h"

/* Fills to_flat (layout `to`) on every rank from the tp ranks' blocks from_flat (layout `from`, that of the grid).  `to` may have any tp
 * degree; this rank's part of it is to->tp_rank = grid->rank mod to->tp_size, and every rank gets it from its own replica.  Nothing is
 * staged but short stretches: memory grows by about 2 MiB.  With to->tp_size 1 it gathers a whole model onto each rank.
 * Collective on grid->tp.  DGM_ERR_SHAPE when the layouts are of different models or of other ranks than the grid's. */
dgm_err dgm_params_relayout(const dgm_grid *grid, const dgm_params *from, const float *from_flat, const dgm_params *to, float *to_flat);

/* Where one logical tensor lies in the flat blocks of the tp ranks: a source for dgm_relayout on DGM_AXIS_TP, to slices the other way or
 * to a block-cyclic form.  A replicated tensor is given as rank 0's.  Not collective. */
dgm_err dgm_params_tensor_layout(const dgm_params *params, int tensor, dgm_layout **out);

#endif
