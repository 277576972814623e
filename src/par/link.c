/* Ping-pong and exchange, timed until the last rank is done. */
#include "dgm/link.h"

#include "dgm/timer.h"
#include "mpi_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_PING = 31, BATCHES = 10, ROUND_TRIPS = 100, EXCHANGE_BYTES = 4 << 20, EXCHANGES = 4, TRIES = 5 };
static const double PATIENCE_S = 0.3; /* enough of one measurement, however slow the network */

/* Rank 0 says in each message whether another batch follows. */
static dgm_err ping(const dgm_grid *grid, double *best)
{
    int64_t word = 1;
    int other = grid->rank == 0 ? grid->size - 1 : 0;
    double began = dgm_timer_now();
    *best = 0;
    for (int batch = 0; word != 0; batch++) {
        double start = dgm_timer_now();
        for (int i = 0; i < ROUND_TRIPS; i++) {
            if (grid->rank == 0) {
                bool last = i == ROUND_TRIPS - 1;
                word = !last || (batch + 1 < BATCHES && dgm_timer_now() - began < PATIENCE_S);
                DGM_MPI(MPI_Send(&word, 1, MPI_INT64_T, other, TAG_PING, grid->world));
                DGM_MPI(MPI_Recv(&word, 1, MPI_INT64_T, other, TAG_PING, grid->world, MPI_STATUS_IGNORE));
            } else {
                DGM_MPI(MPI_Recv(&word, 1, MPI_INT64_T, other, TAG_PING, grid->world, MPI_STATUS_IGNORE));
                DGM_MPI(MPI_Send(&word, 1, MPI_INT64_T, other, TAG_PING, grid->world));
            }
        }
        double one_way = (dgm_timer_now() - start) / (2 * ROUND_TRIPS);
        if (batch == 0 || one_way < *best) *best = one_way;
    }
    return DGM_OK;
}

static dgm_err exchange(const dgm_grid *grid, char *out, char *in, double *bytes_per_s)
{
    int other = grid->size - 1 - grid->rank;
    double began = dgm_timer_now(), seconds, spent = 0;
    *bytes_per_s = 0;
    for (int i = 0; i < TRIES && spent < PATIENCE_S; i++) {
        DGM_TRY(dgm_coll_barrier(grid, DGM_AXIS_WORLD));
        double start = dgm_timer_now();
        for (int k = 0; k < EXCHANGES && other != grid->rank; k++)
            DGM_TRY(dgm_mpi_exchange(grid->world, other, out, EXCHANGE_BYTES, other, in, EXCHANGE_BYTES));
        DGM_TRY(dgm_coll_span(grid, start, dgm_timer_now(), &seconds));
        *bytes_per_s = DGM_MAX(*bytes_per_s, (double)EXCHANGES * EXCHANGE_BYTES / seconds);
        DGM_TRY(dgm_coll_span(grid, began, dgm_timer_now(), &spent));
    }
    return DGM_OK;
}

dgm_err dgm_link_measure(const dgm_grid *grid, dgm_link *out)
{
    *out = (dgm_link){0};
    if (grid->size == 1) return DGM_OK;
    char *buffer = calloc(2, EXCHANGE_BYTES);
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, buffer != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "messages to measure the network"));
    if (err == DGM_OK && (grid->rank == 0 || grid->rank == grid->size - 1)) err = ping(grid, &out->latency_s);
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    if (err == DGM_OK) err = dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, &out->latency_s, sizeof out->latency_s);
    if (err == DGM_OK) err = exchange(grid, buffer, buffer + EXCHANGE_BYTES, &out->bytes_per_s);
    free(buffer);
    return err;
}

dgm_err dgm_link_allreduce(const dgm_grid *grid, float *x, int64_t n, double *seconds)
{
    enum { PART = DGM_MPI_CHUNK / 4 * 64 };
    DGM_TRY(dgm_coll_barrier(grid, DGM_AXIS_WORLD));
    double start = dgm_timer_now();
    for (int64_t at = 0; at < n && grid->dp_size > 1; at += PART)
        DGM_MPI(MPI_Allreduce(MPI_IN_PLACE, x + at, (int)DGM_MIN(n - at, PART), MPI_FLOAT, MPI_SUM, grid->dp));
    return dgm_coll_span(grid, start, dgm_timer_now(), seconds);
}

void dgm_link_mpi_version(char *out, size_t bytes)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int n = 0;
    MPI_Get_library_version(text, &n);
    text[strcspn(text, ",\n")] = '\0';
    snprintf(out, bytes, "%s", text);
}
