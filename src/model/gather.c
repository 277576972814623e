/* A unit has one global block number and the same stored form in every layout.  So the flat block of tp 1 is a common map: seen as a
 * matrix of one column, every layout of the parameters is a list of stretches of it, and a move is one call.  The pieces of a group
 * that a rank holds lie end to end here as there: they join into long stretches, which are sent from place to place without packing. */
#include "dgm/gather.h"

#include "dgm/coll.h"
#include "dgm/relayout.h"

#include <stdlib.h>
#include <string.h>

/* Adds a tp rank's own stretches of the map to the layout. */
static dgm_err add_stretches(const dgm_params *map, const dgm_params *params, int rank, dgm_layout *layout)
{
    int m = 0;
    for (int i = 0; i < params->n_units; i++) {
        const dgm_unit *u = &params->units[i];
        while (map->units[m].global_block < u->global_block) m++;
        DGM_ASSERT(m < map->n_units && map->units[m].tensor == u->tensor);
        if (!u->replicated) DGM_TRY(dgm_layout_add(layout, rank, (dgm_tile){map->units[m].offset, 0, u->rows * u->cols, 1, u->offset, 1, 1}));
    }
    return DGM_OK;
}

/* The layout, over the ranks of grid->tp, of the models cut for `tp_size` whose rank r holds the part of tp rank (first + r) mod tp_size. */
static dgm_err map_layout(const dgm_grid *grid, const dgm_params *map, const dgm_hparams *hp, int tp_size, int first, dgm_layout **out)
{
    dgm_layout *layout = NULL;
    DGM_TRY(dgm_layout_create(map->n_floats, 1, grid->tp_size, &layout));
    for (int r = 0; r < grid->tp_size; r++) {
        dgm_params *part = NULL;
        dgm_err err = dgm_params_create(hp, (first + r) % tp_size, tp_size, &part);
        if (err == DGM_OK) err = add_stretches(map, part, r, layout);
        dgm_params_destroy(part);
        if (err != DGM_OK) {
            dgm_layout_destroy(layout);
            return err;
        }
    }
    *out = layout;
    return DGM_OK;
}

static void copy_replicated(const dgm_params *from, const float *from_flat, const dgm_params *to, float *to_flat)
{
    for (int f = 0, t = 0; f < from->n_units; f++) {
        const dgm_unit *u = &from->units[f];
        if (!u->replicated) continue;
        while (to->units[t].global_block != u->global_block) t++; /* check() has seen that it is there */
        memcpy(to_flat + to->units[t].offset, from_flat + u->offset, (size_t)(u->rows * u->cols) * sizeof *to_flat);
    }
}

static dgm_err check(const dgm_grid *grid, const dgm_params *from, const dgm_params *to)
{
    bool same = from->n_tensors == to->n_tensors && from->n_global_blocks == to->n_global_blocks;
    for (int i = 0; same && i < from->n_tensors; i++)
        same = from->tensors[i].rows == to->tensors[i].rows && from->tensors[i].cols == to->tensors[i].cols && from->tensors[i].split == to->tensors[i].split;
    if (!same || from->hp.virtual_tp != to->hp.virtual_tp) return DGM_FAIL(DGM_ERR_SHAPE, "moving the parameters of a model into the layout of another one");
    if (from->tp_size == grid->tp_size && from->tp_rank == grid->tp_rank && to->tp_rank == grid->rank % to->tp_size) return DGM_OK;
    return DGM_FAIL(DGM_ERR_SHAPE, "moving parameters of tp rank %d of %d to tp rank %d of %d: this is rank %d, tp rank %d of %d", from->tp_rank,
                    from->tp_size, to->tp_rank, to->tp_size, grid->rank, grid->tp_rank, grid->tp_size);
}

dgm_err dgm_params_relayout(const dgm_grid *grid, const dgm_params *from, const float *from_flat, const dgm_params *to, float *to_flat)
{
    dgm_params *map = NULL;
    dgm_layout *source = NULL, *target = NULL;
    dgm_err err = check(grid, from, to);
    if (err == DGM_OK) err = dgm_params_create(&from->hp, 0, 1, &map);
    if (err == DGM_OK) err = map_layout(grid, map, &from->hp, from->tp_size, 0, &source);
    if (err == DGM_OK) err = map_layout(grid, map, &to->hp, to->tp_size, grid->dp_rank * grid->tp_size, &target);
    err = dgm_coll_agree(grid, DGM_AXIS_TP, err);
    if (err == DGM_OK) err = dgm_relayout(grid, DGM_AXIS_TP, source, from_flat, target, to_flat);
    if (err == DGM_OK) copy_replicated(from, from_flat, to, to_flat);
    dgm_layout_destroy(source);
    dgm_layout_destroy(target);
    dgm_params_destroy(map);
    return err;
}

/* The tiles of tensor `tensor` among the units of one rank. */
static dgm_err add_tensor(const dgm_params *params, int tensor, int rank, dgm_layout *layout)
{
    for (int i = 0; i < params->n_units; i++) {
        const dgm_unit *u = &params->units[i];
        if (u->tensor != tensor || (u->replicated && rank > 0)) continue;
        DGM_TRY(dgm_layout_add(layout, rank, (dgm_tile){u->row0, u->col0, u->rows, u->cols, u->offset, u->transposed ? 1 : u->cols,
                                                        u->transposed ? u->rows : 1}));
    }
    return DGM_OK;
}

dgm_err dgm_params_tensor_layout(const dgm_params *params, int tensor, dgm_layout **out)
{
    if (tensor < 0 || tensor >= params->n_tensors)
        return DGM_FAIL(DGM_ERR_SHAPE, "tensor %d of a model of %d", tensor, params->n_tensors);
    dgm_layout *layout = NULL;
    DGM_TRY(dgm_layout_create(params->tensors[tensor].rows, params->tensors[tensor].cols, params->tp_size, &layout));
    for (int r = 0; r < params->tp_size; r++) {
        dgm_params *part = NULL;
        dgm_err err = dgm_params_create(&params->hp, r, params->tp_size, &part);
        if (err == DGM_OK) err = add_tensor(part, tensor, r, layout);
        dgm_params_destroy(part);
        if (err != DGM_OK) {
            dgm_layout_destroy(layout);
            return err;
        }
    }
    *out = layout;
    return DGM_OK;
}
