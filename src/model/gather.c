/* A unit has one global block number and the same stored form in every layout: gathering a model is copying units. */
#include "dgm/gather.h"

#include "dgm/coll.h"

#include <stdlib.h>
#include <string.h>

/* Copies the units of `from` to the places of the same units in `to`; both are in the order of global blocks. */
static dgm_err copy_units(const dgm_params *from, const float *from_flat, const dgm_params *to, float *to_flat)
{
    int t = 0;
    for (int f = 0; f < from->n_units; f++) {
        const dgm_unit *u = &from->units[f];
        while (t < to->n_units && to->units[t].global_block < u->global_block) t++;
        if (t == to->n_units || to->units[t].global_block != u->global_block || to->units[t].rows != u->rows || to->units[t].cols != u->cols)
            return DGM_FAIL(DGM_ERR_SHAPE, "gathering a model into the layout of another one");
        memcpy(to_flat + to->units[t].offset, from_flat + u->offset, (size_t)(u->rows * u->cols) * sizeof *to_flat);
    }
    return DGM_OK;
}

dgm_err dgm_params_gather(const dgm_grid *grid, const dgm_params *params, const float *flat, const dgm_params *whole, float *whole_flat)
{
    if (grid->tp_size == 1) return copy_units(params, flat, whole, whole_flat);
    dgm_err err = DGM_OK;
    float *received = NULL;
    for (int r = 0; r < grid->tp_size && err == DGM_OK; r++) {
        dgm_params *theirs = NULL;
        err = dgm_params_create(&params->hp, r, grid->tp_size, &theirs);
        free(received);
        received = NULL;
        if (err == DGM_OK) err = dgm_params_alloc(theirs, &received);
        err = dgm_coll_agree(grid, DGM_AXIS_TP, err);
        if (err == DGM_OK && r == grid->tp_rank) memcpy(received, flat, (size_t)params->n_floats * sizeof *flat);
        if (err == DGM_OK) err = dgm_coll_broadcast(grid, DGM_AXIS_TP, r, received, theirs->n_floats * (int64_t)sizeof *received);
        if (err == DGM_OK) err = copy_units(theirs, received, whole, whole_flat);
        dgm_params_destroy(theirs);
    }
    free(received);
    return err;
}
