/* A program for tests/cli_ending.sh: commands that end in every way a command can. */
#include "dgm/cli.h"
#include "dgm/stop.h"

#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static dgm_err run(dgm_config *config)
{
    const char *how = dgm_config_text(config, "how");
    int rank, mpi;
    MPI_Initialized(&mpi);
    if (mpi) MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (strcmp(how, "well") == 0) {
        if (!mpi || rank == 0) puts("result");
        return DGM_OK;
    }
    if (strcmp(how, "together") == 0) return DGM_FAIL(DGM_ERR_INPUT, "all of us: line 3");
    if (strcmp(how, "some") == 0 && rank == 0) return DGM_FAIL(DGM_ERR_PEER, "somebody else");
    if (strcmp(how, "some") == 0) return rank == 1 ? DGM_FAIL(DGM_ERR_NUMERIC, "the cause") : DGM_OK;
    if (strcmp(how, "alone") == 0 && rank == 1) return DGM_FAIL(DGM_ERR_NUMERIC, "I alone");
    if (strcmp(how, "assert") == 0) DGM_ASSERT(mpi && rank != 1);
    if (strcmp(how, "early") == 0) return dgm_stop_asked() ? DGM_FAIL(DGM_ERR_STOPPED, "stopped") : DGM_FAIL(DGM_ERR_INTERNAL, "the signal was lost");
    if (strcmp(how, "stop") == 0) {
        if (dgm_stop_asked()) return DGM_FAIL(DGM_ERR_INTERNAL, "asked before anybody did");
        if (!mpi || rank == 0) raise(SIGUSR1), raise(SIGTERM);
        int asked = dgm_stop_asked();
        if (mpi) MPI_Allreduce(MPI_IN_PLACE, &asked, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
        return asked ? DGM_FAIL(DGM_ERR_STOPPED, "stopped and saved") : DGM_FAIL(DGM_ERR_INTERNAL, "the signal was lost");
    }
    if (mpi) MPI_Barrier(MPI_COMM_WORLD); /* the failed rank never comes */
    return DGM_OK;
}

/* A signal that comes before MPI has started. */
static bool early;

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
    if (early) raise(SIGUSR1);
    return PMPI_Init_thread(argc, argv, required, provided);
}

int main(int argc, char **argv)
{
    early = argc > 3 && strcmp(argv[3], "early") == 0;
    static const dgm_option options[] = {
        {"how", DGM_OPTION_TEXT, "well", 0, 0, NULL, "WAY", "the way to end"},
        {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
    };
    static const dgm_option *const tables[] = {options};
    dgm_cli_command command = {.name = "ending", .synopsis = "[--how WAY]", .summary = "Ends.", .tables = tables, .n_tables = 1, .stops = true, .run = run};
    command.uses_mpi = argc > 1 && strcmp(argv[1], "mpi") == 0;
    return dgm_cli_run(&command, argc - 1, argv + 1);
}
