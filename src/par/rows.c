/* Rows of an embedding's gradient travel to the replica that owns their part of the table: only the rows a batch used, not the
 * whole table. */
#include "mpi_call.h"

#include <stdlib.h>

struct dgm_coll_rows {
    int64_t capacity_rows, capacity_floats, capacity_ranks;
    int32_t *a, *b;
    float *row;
    int64_t *count; /* [dp_size] rows for each owner, then [dp_size] rows from each replica, then [dp_size + 1] where they begin */
};

dgm_err dgm_coll_rows_create(dgm_coll_rows **out)
{
    dgm_coll_rows *rows = calloc(1, sizeof *rows);
    if (rows == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "row exchange");
    *out = rows;
    return DGM_OK;
}

void dgm_coll_rows_destroy(dgm_coll_rows *rows)
{
    if (rows == NULL) return;
    free(rows->a);
    free(rows->b);
    free(rows->row);
    free(rows->count);
    free(rows);
}

/* Room for n elements where there was room for *capacity; what was there is lost.  Grows by halves so that it soon stops growing. */
static dgm_err grow(void **data, int64_t n, size_t bytes)
{
    free(*data);
    *data = malloc((size_t)n * bytes);
    return *data != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld elements of %zu bytes for rows from other ranks", (long long)n, bytes);
}

static dgm_err reserve(dgm_coll_rows *rows, int64_t n, int64_t d)
{
    if (n > rows->capacity_rows) {
        int64_t room = n + n / 2;
        rows->capacity_rows = 0;
        DGM_TRY(grow((void **)&rows->a, room, sizeof *rows->a));
        DGM_TRY(grow((void **)&rows->b, room, sizeof *rows->b));
        rows->capacity_rows = room;
    }
    if (n * d > rows->capacity_floats) {
        int64_t room = n * d + n * d / 2;
        rows->capacity_floats = 0;
        DGM_TRY(grow((void **)&rows->row, room, sizeof *rows->row));
        rows->capacity_floats = room;
    }
    return DGM_OK;
}

/* Everybody's counts, and where each replica's rows will begin here. */
static dgm_err exchange_counts(dgm_coll_rows *rows, dgm_mpi_axis at, const int64_t *owner_start)
{
    int64_t *to = rows->count, *from = to + at.size, *start = from + at.size;
    for (int q = 0; q < at.size; q++) to[q] = owner_start[q + 1] - owner_start[q];
    DGM_MPI(MPI_Alltoall(to, 1, MPI_INT64_T, from, 1, MPI_INT64_T, at.comm));
    start[0] = 0;
    for (int q = 0; q < at.size; q++) start[q + 1] = start[q] + from[q];
    return DGM_OK;
}

typedef struct {
    dgm_mpi_axis at;
    const int64_t *out_start, *in_start;
} routes;

static dgm_err send_column(const routes *r, const void *out, void *in, int64_t unit)
{
    const char *from_here = out;
    char *to_here = in;
    int me = r->at.rank;
    for (int k = 0; k < r->at.size; k++) {
        int to = (me + k) % r->at.size, from = (me - k + r->at.size) % r->at.size;
        DGM_TRY(dgm_mpi_exchange(r->at.comm, to, from_here + r->out_start[to] * unit, (r->out_start[to + 1] - r->out_start[to]) * unit,
                                 from, to_here + r->in_start[from] * unit, (r->in_start[from + 1] - r->in_start[from]) * unit));
    }
    return DGM_OK;
}

dgm_err dgm_coll_rows_exchange(const dgm_grid *grid, dgm_coll_rows *rows, int64_t d, const int32_t *label_a, const int32_t *label_b,
                               const float *row, const int64_t *owner_start, int64_t *n_got, const int32_t **got_a, const int32_t **got_b,
                               const float **got_row)
{
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, DGM_AXIS_DP);
    if (at.size == 1) {
        *n_got = owner_start[1] - owner_start[0];
        *got_a = label_a + owner_start[0];
        *got_b = label_b + owner_start[0];
        *got_row = row + owner_start[0] * d;
        return DGM_OK;
    }
    dgm_err err = DGM_OK;
    if (at.size > rows->capacity_ranks) {
        err = grow((void **)&rows->count, 3 * at.size + 1, sizeof *rows->count);
        rows->capacity_ranks = err == DGM_OK ? at.size : 0;
    }
    DGM_TRY(dgm_coll_agree(grid, DGM_AXIS_DP, err));
    DGM_TRY(exchange_counts(rows, at, owner_start));
    routes r = {at, owner_start, rows->count + 2 * at.size};
    DGM_TRY(dgm_coll_agree(grid, DGM_AXIS_DP, reserve(rows, r.in_start[at.size], d)));
    DGM_TRY(send_column(&r, label_a, rows->a, (int64_t)sizeof *label_a));
    DGM_TRY(send_column(&r, label_b, rows->b, (int64_t)sizeof *label_b));
    DGM_TRY(send_column(&r, row, rows->row, d * (int64_t)sizeof *row));
    *n_got = r.in_start[at.size];
    *got_a = rows->a;
    *got_b = rows->b;
    *got_row = rows->row;
    return DGM_OK;
}
