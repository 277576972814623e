/* Two buckets are under way at a time, so that the one which is needed first does not share the network with all the others.
 * Buckets are started and finished in order: messages between two ranks match by their order alone. */
#include "dgm/allgather.h"

#include "mpi_call.h"

#include <stdlib.h>
#include <string.h>

enum {
    TAG_ALLGATHER = 22,
    WINDOW = 2,        /* buckets under way */
    CHUNK = 1 << 18    /* floats in a message: networks like several of moderate size better than one long one */
};

struct dgm_allgather {
    dgm_mpi_axis at;
    int n_buckets;
    const int64_t *part_start;
    int *order;
    float *x;
    int n_started, n_done;
    MPI_Request *request; /* [WINDOW, max_requests] */
    int max_requests, n_requests[WINDOW];
};

static const int64_t *parts_of(const dgm_allgather *g, int bucket) { return g->part_start + (int64_t)bucket * (g->at.size + 1); }

static int n_messages(const int64_t *part) { return (int)((part[1] - part[0] + CHUNK - 1) / CHUNK); }

/* Of this rank for one bucket: every part that comes, and its own to all others. */
static int n_requests_of(const dgm_allgather *g, int bucket)
{
    const int64_t *start = parts_of(g, bucket);
    int n = (g->at.size - 2) * n_messages(start + g->at.rank);
    for (int q = 0; q < g->at.size; q++) n += n_messages(start + q);
    return n;
}

dgm_err dgm_allgather_create(const dgm_grid *grid, int n_buckets, const int64_t *part_start, const int *order, dgm_allgather **out)
{
    dgm_allgather *g = calloc(1, sizeof *g);
    if (g == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "gathering of parameters");
    *g = (dgm_allgather){.at = dgm_mpi_axis_of(grid, DGM_AXIS_DP), .n_buckets = n_buckets, .part_start = part_start};
    g->n_started = g->n_done = n_buckets;
    g->order = malloc((size_t)n_buckets * sizeof *order);
    for (int b = 0; b < n_buckets && g->at.size > 1; b++) g->max_requests = (int)DGM_MAX(g->max_requests, n_requests_of(g, b));
    g->request = malloc((size_t)DGM_MAX(WINDOW * g->max_requests, 1) * sizeof *g->request);
    if (g->order == NULL || g->request == NULL) {
        dgm_allgather_destroy(g);
        return DGM_FAIL(DGM_ERR_NOMEM, "gathering of parameters");
    }
    memcpy(g->order, order, (size_t)n_buckets * sizeof *order);
    *out = g;
    return DGM_OK;
}

static MPI_Request *requests_of(const dgm_allgather *g, int i) { return g->request + (int64_t)(i % WINDOW) * g->max_requests; }

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
    const int64_t *start = parts_of(g, g->order[i]);
    MPI_Request *request = requests_of(g, i);
    int *n = &g->n_requests[i % WINDOW], me = g->at.rank;
    *n = 0;
    for (int step = 1; step < g->at.size; step++) {
        int q = (me - step + g->at.size) % g->at.size;
        for (int64_t at = start[q]; at < start[q + 1]; at += CHUNK)
            DGM_MPI(MPI_Irecv(g->x + at, (int)DGM_MIN(start[q + 1] - at, CHUNK), MPI_FLOAT, q, TAG_ALLGATHER, g->at.comm, &request[(*n)++]));
    }
    for (int64_t at = start[me]; at < start[me + 1]; at += CHUNK)
        for (int step = 1; step < g->at.size; step++)
            DGM_MPI(MPI_Isend(g->x + at, (int)DGM_MIN(start[me + 1] - at, CHUNK), MPI_FLOAT, (me + step) % g->at.size, TAG_ALLGATHER, g->at.comm,
                              &request[(*n)++]));
    DGM_ASSERT(*n <= g->max_requests);
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
