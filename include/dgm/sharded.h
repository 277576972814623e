/* One file from the slices of many ranks, and slices back out of it: the parts of a flat block (params.h) that a rank holds are
 * rectangles of logical tensors, and a file holds logical tensors.  Nothing of the layout gets into the file. */
#ifndef DGM_SHARDED_H
#define DGM_SHARDED_H

#include "dgm/grid.h"
#include "dgm/params.h"
#include "dgm/safetensors.h"

/* A flat block's worth of tensors, each named prefix + the tensor's name in params. */
typedef struct {
    const char *prefix;
    float *data; /* this rank's stretches of the flat block, end to end; only read when saving */
} dgm_sharded_block;

/* Writes PATH.tmp from the stretches ranges[n_ranges] of every rank's blocks and renames it to PATH.  Stretches are ascending, their ends
 * block edges of params or the flat block's ends; those of the replicas cover it.  prefixes and strings are equal on all ranks; a string
 * DGM_SEAL_KEY, DGM_SEAL_BLANK is filled in (seal.h) when sealed says that there is one.  On failure all ranks return the same error and PATH is as
 * it was.  Collective on grid->world. */
dgm_err dgm_sharded_save(const char *path, const dgm_grid *grid, const dgm_params *params, const dgm_sharded_block *blocks, int n_blocks,
                         const dgm_range *ranges, int n_ranges, const dgm_safetensors_string_pair *strings, int n_strings, bool sealed);

/* DGM_ERR_INPUT unless the file holds exactly the tensors of params under these prefixes, with their shapes.  Not collective. */
dgm_err dgm_sharded_check(const dgm_safetensors *file, const char *path, const dgm_params *params, const dgm_sharded_block *blocks, int n_blocks);

/* Fills blocks[..].data with the stretches ranges[n_ranges] of this rank's flat block, after dgm_sharded_check; gaps between units are left as they
 * are.  Not collective. */
dgm_err dgm_sharded_load(const dgm_safetensors *file, const dgm_params *params, const dgm_sharded_block *blocks, int n_blocks,
                         const dgm_range *ranges, int n_ranges);

#endif
