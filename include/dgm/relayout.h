/* Moves a matrix between layouts by hand: every rank packs what each other rank wants and they exchange it pair by pair.
 *
 * For everything but the two-dimensional block-cyclic form, where ScaLAPACK's redistribution (dgm/pgemm.h) is used: docs/layouts.md has
 * the measurements.  Bits are moved, never computed with. */
#ifndef DGM_RELAYOUT_H
#define DGM_RELAYOUT_H

#include "dgm/coll.h"
#include "dgm/dist.h"

/* Fills each rank's tiles of `to`, in dst, from the tiles of `from`, in the ranks' src.
 *   from, to  of the axis' size and one shape; equal on all ranks.  The tiles of `from` hold every element that `to` wants once over
 *             all ranks; `to` may want an element on any number of ranks.
 *   src, dst  this rank's memory, which the tiles' offsets count from; they must not overlap.  Either may be NULL without tiles.
 * Memory: two staging buffers of 1 MiB and the lists of rectangles; stretches that are contiguous on both sides are sent from their
 * place to their place.  Collective on the axis.  DGM_ERR_SHAPE when the layouts do not fit. */
dgm_err dgm_relayout(const dgm_grid *grid, dgm_axis axis, const dgm_layout *from, const float *src, const dgm_layout *to, float *dst);

#endif
