/* Two buckets are under way at a time, so that the one which is needed first does not share the network with all the others.
 * Buckets are started and finished in order: messages between two ranks match by their order alone. */
#include "dgm/allgather.h"

#include "mpi_call.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_ALLGATHER = 22, WINDOW = 2 };

struct dgm_allgather {
    dgm_mpi_axis at;
    int n_buckets;
    const int64_t *part_start;
    int *order;
    float *x;
    int n_started, n_done;
    MPI_Request *request; /* [WINDOW, 2 dp_size] */
    int n_requests[WINDOW];
};

dgm_err dgm_allgather_create(const dgm_grid *grid, int n_buckets, const int64_t *part_start, const int *order, dgm_allgather **out)
{
    for (int b = 0; b < n_buckets; b++)
        for (int q = 0; q < grid->dp_size; q++) {
            const int64_t *part = part_start + (int64_t)b * (grid->dp_size + 1) + q;
            if (part[1] - part[0] > INT_MAX)
                return DGM_FAIL(DGM_ERR_USAGE, "%lld parameters of one replica are more than MPI counts: expected at most %d, use more ranks",
                                (long long)(part[1] - part[0]), INT_MAX);
        }
    dgm_allgather *g = calloc(1, sizeof *g);
    if (g == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "gathering of parameters");
    *g = (dgm_allgather){.at = dgm_mpi_axis_of(grid, DGM_AXIS_DP), .n_buckets = n_buckets, .part_start = part_start};
    g->n_started = g->n_done = n_buckets;
    g->order = malloc((size_t)n_buckets * sizeof *order);
    g->request = malloc((size_t)(2 * WINDOW * g->at.size) * sizeof *g->request);
    if (g->order == NULL || g->request == NULL) {
        dgm_allgather_destroy(g);
        return DGM_FAIL(DGM_ERR_NOMEM, "gathering of parameters");
    }
    memcpy(g->order, order, (size_t)n_buckets * sizeof *order);
    *out = g;
    return DGM_OK;
}

static MPI_Request *requests_of(const dgm_allgather *g, int i) { return g->request + 2 * (i % WINDOW) * g->at.size; }

void dgm_allgather_destroy(dgm_allgather *gather)
{
    if (gather == NULL) return;
    DGM_ASSERT(!dgm_allgather_is_busy(gather)); /* MPI would write into what is released */
    free(gather->order);
    free(gather->request);
    free(gather);
}

static dgm_err start_bucket(dgm_allgather *g, int i)
{
    const int64_t *start = g->part_start + (int64_t)g->order[i] * (g->at.size + 1);
    MPI_Request *request = requests_of(g, i);
    int *n = &g->n_requests[i % WINDOW], me = g->at.rank;
    *n = 0;
    for (int step = 1; step < g->at.size; step++) {
        int q = (me - step + g->at.size) % g->at.size;
        if (start[q + 1] > start[q])
            DGM_MPI(MPI_Irecv(g->x + start[q], (int)(start[q + 1] - start[q]), MPI_FLOAT, q, TAG_ALLGATHER, g->at.comm, &request[(*n)++]));
    }
    for (int step = 1; step < g->at.size && start[me + 1] > start[me]; step++)
        DGM_MPI(MPI_Isend(g->x + start[me], (int)(start[me + 1] - start[me]), MPI_FLOAT, (me + step) % g->at.size, TAG_ALLGATHER, g->at.comm,
                          &request[(*n)++]));
    return DGM_OK;
}

static dgm_err start_more(dgm_allgather *g)
{
    while (g->n_started < g->n_buckets && g->n_started - g->n_done < WINDOW) {
        int i = g->n_started++;
        DGM_TRY(start_bucket(g, i));
    }
    return DGM_OK;
}

dgm_err dgm_allgather_begin(dgm_allgather *gather, float *x)
{
    DGM_ASSERT(!dgm_allgather_is_busy(gather));
    gather->x = x;
    if (gather->at.size == 1) return DGM_OK;
    gather->n_started = gather->n_done = 0;
    return start_more(gather);
}

dgm_err dgm_allgather_poll(dgm_allgather *gather)
{
    dgm_allgather *g = gather;
    while (g->n_done < g->n_started) {
        int arrived = 0;
        DGM_MPI(MPI_Testall(g->n_requests[g->n_done % WINDOW], requests_of(g, g->n_done), &arrived, MPI_STATUSES_IGNORE));
        if (!arrived) return DGM_OK;
        g->n_done++;
        DGM_TRY(start_more(g));
    }
    return DGM_OK;
}

bool dgm_allgather_is_busy(const dgm_allgather *gather) { return gather->n_done < gather->n_buckets; }

dgm_err dgm_allgather_wait(dgm_allgather *gather, int n)
{
    dgm_allgather *g = gather;
    while (g->n_done < n) {
        DGM_MPI(MPI_Waitall(g->n_requests[g->n_done % WINDOW], requests_of(g, g->n_done), MPI_STATUSES_IGNORE));
        g->n_done++;
        DGM_TRY(start_more(g));
    }
    return DGM_OK;
}
