/* Parameters after an update: each replica has changed its slice, which all others need.  With overlap the slices travel while the next
 * forward pass begins, the embeddings and the lowest layers first; a layer waits for its own parameters only. */
#ifndef DGM_PARAMSYNC_H
#define DGM_PARAMSYNC_H

#include "dgm/allgather.h"
#include "dgm/slices.h"

typedef struct dgm_paramsync dgm_paramsync;

/* params, grid, slices and flat (the parameters) must outlive it.  Not collective. */
dgm_err dgm_paramsync_create(const dgm_params *params, const dgm_grid *grid, const dgm_slices *slices, bool overlap, float *flat, dgm_paramsync **out);
void dgm_paramsync_destroy(dgm_paramsync *sync); /* accepts NULL; not while it is busy */
bool dgm_paramsync_is_busy(const dgm_paramsync *sync); /* messages are under way; false for NULL */

/* This replica's slice has been updated.  Without overlap all is done on return.  Collective on grid->dp. */
dgm_err dgm_paramsync_begin(dgm_paramsync *sync);

/* Moves messages on without waiting.  Not collective. */
dgm_err dgm_paramsync_poll(dgm_paramsync *sync);

/* Waits until stage `stage` (params.h), and all that the forward pass reads before it, is whole; DGM_PARAMSYNC_ALL: all parameters.
 * Collective on grid->dp: it may wait for any replica to come as far. */
enum { DGM_PARAMSYNC_ALL = -1 };
dgm_err dgm_paramsync_need(dgm_paramsync *sync, int stage);

#endif
