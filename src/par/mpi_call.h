/* What every file that calls MPI uses: errors turned into dgm_err, byte counts beyond int, the communicator of an axis.
 * For src/par/ only; nothing above it includes this. */
#ifndef DGM_MPI_CALL_H
#define DGM_MPI_CALL_H

#include "dgm/coll.h"

/* MPI-3 counts are int: longer data goes in pieces of this many bytes. */
enum { DGM_MPI_CHUNK = 1 << 22 };

typedef struct {
    MPI_Comm comm;
    int rank, size;
} dgm_mpi_axis;

dgm_mpi_axis dgm_mpi_axis_of(const dgm_grid *grid, dgm_axis axis);

/* DGM_ERR_PEER with MPI's own words. */
dgm_err dgm_mpi_fail(int code, const char *call, const char *file, int line);

#define DGM_MPI(call)                                                                                                             \
    do {                                                                                                                          \
        int dgm_mpi_code_ = (call);                                                                                               \
        if (dgm_mpi_code_ != MPI_SUCCESS) return dgm_mpi_fail(dgm_mpi_code_, #call, __FILE__, __LINE__);                          \
    } while (0)

/* Sends out[out_bytes] to rank `to` while receiving in[in_bytes] from rank `from`.  Either may be 0 bytes: then nothing is sent
 * that way.  Both ends must name the same number of bytes. */
dgm_err dgm_mpi_exchange(MPI_Comm comm, int to, const void *out, int64_t out_bytes, int from, void *in, int64_t in_bytes);

/* Part r of `data`, bytes [start[r] * unit, start[r + 1] * unit), goes from rank r to all. */
dgm_err dgm_mpi_gather_parts(dgm_mpi_axis at, void *data, const int64_t *start, int64_t unit);

#endif
