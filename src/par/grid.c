/* The tp ranks of a replica are adjacent, so that they share a node: they talk several times a layer, replicas once a step. */
#include "dgm/grid.h"

#include "mpi_call.h"

#include <stdio.h>
#include <stdlib.h>

dgm_err dgm_grid_check(int tp, int size, int64_t n_pieces)
{
    char divisors[256] = "";
    if (tp < 1) return DGM_FAIL(DGM_ERR_USAGE, "--tp %d: expected at least 1", tp);
    if (size % tp == 0 && n_pieces % tp == 0) return DGM_OK;
    for (int d = 1, at = 0; d <= size && at < (int)sizeof divisors; d++)
        if (size % d == 0 && n_pieces % d == 0) at += snprintf(divisors + at, sizeof divisors - (size_t)at, "%s%d", at > 0 ? ", " : "", d);
    if (n_pieces % tp != 0)
        return DGM_FAIL(DGM_ERR_USAGE, "--tp %d: expected a divisor of virtual_tp = %lld, the pieces that a layer is cut into, and of the number of ranks, %d: "
                        "give one of %s", tp, (long long)n_pieces, size, divisors);
    if (size < tp)
        return DGM_FAIL(DGM_ERR_USAGE, "--tp %d does not divide the number of ranks, %d: start %d ranks or a multiple of it, or give a smaller --tp "
                        "(of %s)", tp, size, tp, divisors);
    return DGM_FAIL(DGM_ERR_USAGE, "--tp %d does not divide the number of ranks, %d: start %d or %d ranks, or give another --tp (of %s)", tp, size,
                    size - size % tp, size - size % tp + tp, divisors);
}

static dgm_err split(dgm_grid *grid, MPI_Comm comm, int tp)
{
    DGM_MPI(MPI_Comm_dup(comm, &grid->world));
    DGM_MPI(MPI_Comm_set_errhandler(grid->world, MPI_ERRORS_RETURN));
    DGM_MPI(MPI_Comm_rank(grid->world, &grid->rank));
    DGM_MPI(MPI_Comm_size(grid->world, &grid->size));
    DGM_TRY(dgm_grid_check(tp, grid->size, 0));
    DGM_MPI(MPI_Comm_split_type(grid->world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &grid->node));
    DGM_MPI(MPI_Comm_set_errhandler(grid->node, MPI_ERRORS_RETURN));
    DGM_MPI(MPI_Comm_rank(grid->node, &grid->node_rank));
    DGM_MPI(MPI_Comm_size(grid->node, &grid->node_size));
    grid->tp_size = tp;
    grid->dp_size = grid->size / tp;
    grid->dp_rank = grid->rank / tp;
    grid->tp_rank = grid->rank % tp;
    DGM_MPI(MPI_Comm_split(grid->world, grid->tp_rank, grid->dp_rank, &grid->dp));
    DGM_MPI(MPI_Comm_split(grid->world, grid->dp_rank, grid->tp_rank, &grid->tp));
    DGM_MPI(MPI_Comm_set_errhandler(grid->dp, MPI_ERRORS_RETURN));
    DGM_MPI(MPI_Comm_set_errhandler(grid->tp, MPI_ERRORS_RETURN));
    return DGM_OK;
}

dgm_err dgm_grid_create(MPI_Comm comm, int tp, dgm_grid **out)
{
    dgm_grid *grid = calloc(1, sizeof *grid);
    if (grid == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "process grid");
    grid->world = grid->dp = grid->tp = grid->node = MPI_COMM_NULL;
    dgm_err err = split(grid, comm, tp);
    if (err != DGM_OK) {
        dgm_grid_destroy(grid);
        return err;
    }
    *out = grid;
    return DGM_OK;
}

void dgm_grid_destroy(dgm_grid *grid)
{
    if (grid == NULL) return;
    if (grid->tp != MPI_COMM_NULL) MPI_Comm_free(&grid->tp);
    if (grid->dp != MPI_COMM_NULL) MPI_Comm_free(&grid->dp);
    if (grid->node != MPI_COMM_NULL) MPI_Comm_free(&grid->node);
    if (grid->world != MPI_COMM_NULL) MPI_Comm_free(&grid->world);
    free(grid);
}

const dgm_grid *dgm_grid_single(void)
{
    static const dgm_grid single = {.world = MPI_COMM_NULL, .dp = MPI_COMM_NULL, .tp = MPI_COMM_NULL, .node = MPI_COMM_NULL,
                                    .size = 1, .dp_size = 1, .tp_size = 1, .node_size = 1};
    return &single;
}
