/* Collectives that move bytes or add integers, cut into pieces whose size fits MPI's int; agreement on errors. */
#include "dgm/coll.h"

#include "dgm/rounding.h"
#include "mpi_call.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TAG_EXCHANGE = 11, TAG_COLLECT = 12 };

dgm_mpi_axis dgm_mpi_axis_of(const dgm_grid *grid, dgm_axis axis)
{
    switch (axis) {
    case DGM_AXIS_DP: return (dgm_mpi_axis){grid->dp, grid->dp_rank, grid->dp_size};
    case DGM_AXIS_TP: return (dgm_mpi_axis){grid->tp, grid->tp_rank, grid->tp_size};
    case DGM_AXIS_NODE: return (dgm_mpi_axis){grid->node, grid->node_rank, grid->node_size};
    case DGM_AXIS_WORLD: break;
    }
    return (dgm_mpi_axis){grid->world, grid->rank, grid->size};
}

dgm_err dgm_mpi_fail(int code, const char *call, const char *file, int line)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    MPI_Error_string(code, text, &n);
    return dgm_error_set(DGM_ERR_PEER, file, line, "%.40s: %s (another rank was lost, or the network failed)", call, text);
}

/* ---- long data ---- */

/* Messages of MESSAGE bytes, WINDOW of them under way each way: one at a time would leave the network idle while both ends meet. */
enum { MESSAGE = 1 << 20, WINDOW = 8 };

typedef struct {
    MPI_Comm comm;
    MPI_Request request[WINDOW][2];
    int64_t n; /* messages each way so far */
} window;

/* The next part; either may be 0 bytes.  Waits for the one whose place it takes. */
static dgm_err window_put(window *w, int to, const char *out, int64_t out_bytes, int from, char *in, int64_t in_bytes)
{
    MPI_Request *slot = w->request[w->n % WINDOW];
    if (w->n >= WINDOW) DGM_MPI(MPI_Waitall(2, slot, MPI_STATUSES_IGNORE));
    slot[0] = slot[1] = MPI_REQUEST_NULL;
    w->n++;
    if (in_bytes > 0) DGM_MPI(MPI_Irecv(in, (int)in_bytes, MPI_BYTE, from, TAG_EXCHANGE, w->comm, &slot[0]));
    if (out_bytes > 0) DGM_MPI(MPI_Isend(out, (int)out_bytes, MPI_BYTE, to, TAG_EXCHANGE, w->comm, &slot[1]));
    return DGM_OK;
}

static dgm_err window_put_all(window *w, int to, const char *out, int64_t out_bytes, int from, char *in, int64_t in_bytes)
{
    for (int64_t at = 0; at < DGM_MAX(out_bytes, in_bytes); at += MESSAGE) {
        int64_t n_out = DGM_MAX(0, DGM_MIN(out_bytes - at, MESSAGE)), n_in = DGM_MAX(0, DGM_MIN(in_bytes - at, MESSAGE));
        DGM_TRY(window_put(w, to, n_out > 0 ? out + at : NULL, n_out, from, n_in > 0 ? in + at : NULL, n_in));
    }
    return DGM_OK;
}

static dgm_err window_end(window *w)
{
    for (int64_t i = 0; i < DGM_MIN(w->n, (int64_t)WINDOW); i++) DGM_MPI(MPI_Waitall(2, w->request[i], MPI_STATUSES_IGNORE));
    return DGM_OK;
}

dgm_err dgm_mpi_exchange(MPI_Comm comm, int to, const void *out, int64_t out_bytes, int from, void *in, int64_t in_bytes)
{
    window w = {.comm = comm};
    DGM_TRY(window_put_all(&w, to, out, out_bytes, from, in, in_bytes));
    return window_end(&w);
}

dgm_err dgm_mpi_gather_parts(dgm_mpi_axis at, void *data, const int64_t *start, int64_t unit)
{
    char *base = data;
    window w = {.comm = at.comm};
    for (int k = 1; k < at.size; k++) { /* every pair once, each rank sending and receiving all the time */
        int to = (at.rank + k) % at.size, from = (at.rank - k + at.size) % at.size;
        DGM_TRY(window_put_all(&w, to, base + start[at.rank] * unit, (start[at.rank + 1] - start[at.rank]) * unit, from, base + start[from] * unit,
                               (start[from + 1] - start[from]) * unit));
    }
    return window_end(&w);
}

dgm_err dgm_coll_agree(const dgm_grid *grid, dgm_axis axis, dgm_err err)
{
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, axis);
    int mine[] = {err == DGM_OK ? INT_MAX : at.rank, (int)err, -(int)err}, least[] = {INT_MAX, 0, 0};
    if (at.size > 1) DGM_MPI(MPI_Allreduce(mine, least, 3, MPI_INT, MPI_MIN, at.comm));
    dgm_rounding_reset();
    if (at.size == 1) return err;
    const int lowest = least[0];
    const bool everywhere = least[1] == -least[2]; /* the same failure, of no rank in particular */
    if (lowest == INT_MAX) return DGM_OK;
    struct {
        int code, world_rank;
        char text[2048];
    } news = {0};
    if (at.rank == lowest) {
        news.code = (int)err;
        news.world_rank = grid->rank;
        snprintf(news.text, sizeof news.text, "%s", dgm_error_text());
    }
    DGM_MPI(MPI_Bcast(&news, (int)sizeof news, MPI_BYTE, lowest, at.comm));
    if (everywhere || strncmp(news.text, "rank ", 5) == 0) /* or agreed on before, on another axis: it names its rank already */
        return DGM_FAIL((dgm_err)news.code, "%s", news.text);
    return DGM_FAIL((dgm_err)news.code, "rank %d: %s", news.world_rank, news.text);
}

dgm_err dgm_coll_barrier(const dgm_grid *grid, dgm_axis axis)
{
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, axis);
    if (at.size > 1) DGM_MPI(MPI_Barrier(at.comm));
    return DGM_OK;
}

/* MPI's own waiting asks without pause: here the pauses grow to a fiftieth of a second. */
dgm_err dgm_coll_rest(const dgm_grid *grid, dgm_axis axis)
{
    enum { FIRST_US = 50, LONGEST_US = 20000 };
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, axis);
    if (at.size == 1) return DGM_OK;
    MPI_Request request;
    int all_here = 0;
    DGM_MPI(MPI_Ibarrier(at.comm, &request));
    for (useconds_t pause = FIRST_US;; pause = DGM_MIN(2 * pause, (useconds_t)LONGEST_US)) {
        DGM_MPI(MPI_Test(&request, &all_here, MPI_STATUS_IGNORE));
        if (all_here) return DGM_OK;
        usleep(pause);
    }
}

dgm_err dgm_coll_broadcast(const dgm_grid *grid, dgm_axis axis, int root, void *data, int64_t bytes)
{
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, axis);
    if (at.size == 1) return DGM_OK;
    for (int64_t done = 0; done < bytes; done += DGM_MPI_CHUNK)
        DGM_MPI(MPI_Bcast((char *)data + done, (int)DGM_MIN(bytes - done, DGM_MPI_CHUNK), MPI_BYTE, root, at.comm));
    return DGM_OK;
}

dgm_err dgm_coll_gather_all(const dgm_grid *grid, dgm_axis axis, void *data, int64_t bytes)
{
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, axis);
    if (at.size == 1) return DGM_OK;
    if (bytes <= DGM_MPI_CHUNK) {
        DGM_MPI(MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, data, (int)bytes, MPI_BYTE, at.comm));
        return DGM_OK;
    }
    char *base = data;
    for (int k = 1; k < at.size; k++) {
        int to = (at.rank + k) % at.size, from = (at.rank - k + at.size) % at.size;
        DGM_TRY(dgm_mpi_exchange(at.comm, to, base + at.rank * bytes, bytes, from, base + from * bytes, bytes));
    }
    return DGM_OK;
}

dgm_err dgm_coll_gather_parts(const dgm_grid *grid, dgm_axis axis, void *data, const int64_t *start)
{
    return dgm_mpi_gather_parts(dgm_mpi_axis_of(grid, axis), data, start, 1);
}

static dgm_err reduce_counts(const dgm_grid *grid, dgm_axis axis, int64_t *count, int64_t n, MPI_Op op)
{
    enum { PART = DGM_MPI_CHUNK / 8 };
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, axis);
    if (at.size == 1) return DGM_OK;
    for (int64_t done = 0; done < n; done += PART)
        DGM_MPI(MPI_Allreduce(MPI_IN_PLACE, count + done, (int)DGM_MIN(n - done, PART), MPI_INT64_T, op, at.comm));
    return DGM_OK;
}

/* The operations are named only where there is MPI to do them: a single process may not have started it. */
dgm_err dgm_coll_sum_counts(const dgm_grid *grid, dgm_axis axis, int64_t *count, int64_t n)
{
    return reduce_counts(grid, axis, count, n, MPI_SUM);
}

dgm_err dgm_coll_max_counts(const dgm_grid *grid, dgm_axis axis, int64_t *count, int64_t n)
{
    return reduce_counts(grid, axis, count, n, MPI_MAX);
}

dgm_err dgm_coll_span(const dgm_grid *grid, double start_s, double end_s, double *seconds)
{
    int64_t ns[2] = {-(int64_t)(start_s * 1e9), (int64_t)(end_s * 1e9)};
    DGM_TRY(dgm_coll_max_counts(grid, DGM_AXIS_NODE, ns, 2));
    int64_t took = DGM_MAX(ns[0] + ns[1], 1);
    DGM_TRY(dgm_coll_max_counts(grid, DGM_AXIS_WORLD, &took, 1));
    *seconds = (double)took * 1e-9;
    return DGM_OK;
}

/* Room for everybody's bytes on the root, or the same failure on all ranks. */
static dgm_err make_room(const dgm_grid *grid, dgm_axis axis, bool is_root, int64_t total, char **room)
{
    *room = is_root ? malloc((size_t)DGM_MAX(total, 1)) : NULL;
    dgm_err err = is_root && *room == NULL ? DGM_FAIL(DGM_ERR_NOMEM, "%lld bytes to collect from all ranks", (long long)total) : DGM_OK;
    return dgm_coll_agree(grid, axis, err);
}

static dgm_err receive_parts(dgm_mpi_axis at, char *room, const int64_t *start)
{
    for (int r = 0; r < at.size; r++) {
        if (r == at.rank) continue;
        for (int64_t done = start[r]; done < start[r + 1]; done += DGM_MPI_CHUNK)
            DGM_MPI(MPI_Recv(room + done, (int)DGM_MIN(start[r + 1] - done, DGM_MPI_CHUNK), MPI_BYTE, r, TAG_COLLECT, at.comm,
                             MPI_STATUS_IGNORE));
    }
    return DGM_OK;
}

dgm_err dgm_coll_collect(const dgm_grid *grid, dgm_axis axis, int root, const void *data, int64_t bytes, char **out, int64_t *start)
{
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, axis);
    bool is_root = at.rank == root;
    int64_t alone[2];
    if (at.size == 1 && start == NULL) start = alone;
    if (is_root) start[0] = 0;
    if (at.size == 1)
        start[1] = bytes;
    else
        DGM_MPI(MPI_Gather(&bytes, 1, MPI_INT64_T, is_root ? start + 1 : NULL, 1, MPI_INT64_T, root, at.comm));
    for (int r = 0; is_root && r < at.size; r++) start[r + 1] += start[r];
    char *room;
    dgm_err err = make_room(grid, axis, is_root, is_root ? start[at.size] : 0, &room);
    if (err == DGM_OK && is_root) {
        if (bytes > 0) memcpy(room + start[root], data, (size_t)bytes);
        err = receive_parts(at, room, start);
    }
    for (int64_t done = 0; err == DGM_OK && !is_root && done < bytes; done += DGM_MPI_CHUNK)
        DGM_MPI(MPI_Send((const char *)data + done, (int)DGM_MIN(bytes - done, DGM_MPI_CHUNK), MPI_BYTE, root, TAG_COLLECT, at.comm));
    if (err != DGM_OK) {
        free(room);
        return err;
    }
    *out = room;
    return DGM_OK;
}
