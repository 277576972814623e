/* TAP on several ranks: a check holds if it holds on every rank of the world, and rank 0 prints it. */
#ifndef DGM_TAP_MPI_H
#define DGM_TAP_MPI_H

#include "tap.h"

#include <mpi.h>

static inline bool tap_mpi_all(bool holds)
{
    int mine = holds, all = 0;
    MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD);
    return all != 0;
}

/* Starts MPI; returns this rank of the world. */
static inline int tap_mpi_begin(int *argc, char ***argv)
{
    int rank = 0;
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    tap_set_parallel(tap_mpi_all, rank == 0);
    return rank;
}

static inline int tap_mpi_done(void)
{
    int status = tap_done();
    MPI_Finalize();
    return status;
}

/* A communicator of the first n ranks of the world; MPI_COMM_NULL on the others.  Free it where it is not null. */
static inline MPI_Comm tap_mpi_group(int n)
{
    int rank = 0;
    MPI_Comm comm;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_split(MPI_COMM_WORLD, rank < n ? 0 : MPI_UNDEFINED, rank, &comm);
    return comm;
}

#endif
