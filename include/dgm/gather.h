/* A whole model on every rank, from its slices. */
#ifndef DGM_GATHER_H
#define DGM_GATHER_H

#include "dgm/grid.h"
#include "dgm/params.h"

/* Fills whole_flat (layout `whole`, tp 1) on every rank from the tp ranks' blocks `flat` (layout `params`).
 * Collective on grid->tp.  DGM_ERR_SHAPE when the layouts are of different models. */
dgm_err dgm_params_gather(const dgm_grid *grid, const dgm_params *params, const float *flat, const dgm_params *whole, float *whole_flat);

#endif
