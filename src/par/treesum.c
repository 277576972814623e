/* Sums of floats between the tp ranks along the fixed tree of tree.h: the order of the additions is given by the pieces alone, so the
 * bits are those of one process, and the traffic is that of the best reduce-scatter and gather. */
#include "dgm/elem.h"
#include "mpi_call.h"

#include <string.h>

/* Recursive halving, partners at distance 1, 2, 4, ..., then the same way back.  After the pass at distance s a rank holds its share of the
 * sum over an aligned group of 2 s ranks, the group of lower ranks being the left operand: the tree's additions. */
dgm_err dgm_coll_tree_sum_tp(const dgm_grid *grid, float *x, int64_t n, float *workspace)
{
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, DGM_AXIS_TP);
    if (at.size == 1 || n == 0) return DGM_OK;
    DGM_ASSERT((at.size & (at.size - 1)) == 0);
    int64_t lo[32], hi[32];
    int level = 0;
    lo[0] = 0;
    hi[0] = n;
    for (int s = 1; s < at.size; s *= 2, level++) {
        int partner = at.rank ^ s;
        bool keep_low = (at.rank & s) == 0;
        int64_t mid = lo[level] + (hi[level] - lo[level]) / 2;
        lo[level + 1] = keep_low ? lo[level] : mid;
        hi[level + 1] = keep_low ? mid : hi[level];
        int64_t mine = lo[level + 1], n_mine = hi[level + 1] - mine;
        int64_t theirs = keep_low ? mid : lo[level], n_theirs = hi[level] - lo[level] - n_mine;
        DGM_TRY(dgm_mpi_exchange(at.comm, partner, x + theirs, n_theirs * 4, partner, workspace, n_mine * 4));
        dgm_elem_add(n_mine, workspace, x + mine); /* a + b and b + a have the same bits */
    }
    for (int s = at.size / 2; s >= 1; s /= 2, level--) {
        int partner = at.rank ^ s;
        int64_t mine = lo[level], n_mine = hi[level] - mine;
        int64_t theirs = (at.rank & s) == 0 ? hi[level] : lo[level - 1], n_theirs = hi[level - 1] - lo[level - 1] - n_mine;
        DGM_TRY(dgm_mpi_exchange(at.comm, partner, x + mine, n_mine * 4, partner, x + theirs, n_theirs * 4));
    }
    return DGM_OK;
}

dgm_err dgm_coll_sum_tp(const dgm_grid *grid, float *x, int64_t n)
{
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, DGM_AXIS_TP);
    if (at.size == 1) return DGM_OK;
    for (int64_t done = 0; done < n; done += DGM_MPI_CHUNK)
        DGM_MPI(MPI_Allreduce(MPI_IN_PLACE, x + done, (int)DGM_MIN(n - done, DGM_MPI_CHUNK), MPI_FLOAT, MPI_SUM, at.comm));
    return DGM_OK;
}
