/* Starts and ends commands so that every failure has one message, one exit code, and leaves no rank waiting for ever.
 *
 * At the end all ranks meet in one reduction of their error codes.  Ranks that come with an error wait for the others only so
 * long: when these do not come, they hang in a collective that the failed rank will never enter, and MPI_Abort ends them. */
#include "dgm/cli.h"

#include "dgm/gemm.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/rounding.h"
#include "dgm/stop.h"
#include "dgm/timer.h"

#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double MEETING_S = 5;

static const char *own_name = "dragoman";
static bool mpi_runs;

#ifdef __SANITIZE_ADDRESS__
/* Open MPI's plugins stay loaded, so that the leak checker can tell by name what is theirs (tests/lsan.supp). */
int dlclose(void *handle);
int dlclose(void *handle) { return (void)handle, 0; }
#endif

static void print_error(const char *message, int rank)
{
    dgm_log_progress_end();
    if (*message == '\0') return; /* what went wrong is the command's answer */
    if (rank < 0) fprintf(stderr, "dragoman %s: %s\n", own_name, message);
    else fprintf(stderr, "dragoman %s: rank %d: %s\n", own_name, rank, message);
    fflush(stderr);
}

static void die(const char *message)
{
    int rank = -1;
    if (mpi_runs) MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    print_error(message, rank);
    if (mpi_runs) MPI_Abort(MPI_COMM_WORLD, 1);
    abort();
}

/* ---- MPI ---- */

/* A Slurm step of several tasks in which each is alone would train the same model several times over. */
static dgm_err check_slurm(bool alone)
{
    const char *tasks = getenv("SLURM_STEP_NUM_TASKS");
    if (!alone || tasks == NULL || atoi(tasks) <= 1 || getenv("OMPI_COMM_WORLD_SIZE") != NULL) return DGM_OK;
    return DGM_FAIL(DGM_ERR_USAGE, "Slurm started %s tasks, but each of them is alone in its MPI world: start them with srun --mpi=pmix", tasks);
}

static dgm_err start_mpi(void)
{
    bool launched = getenv("PMIX_RANK") != NULL || getenv("PMI_RANK") != NULL;
    DGM_TRY(check_slurm(!launched)); /* before MPI_Init, whose own message would not say what to do */
    int provided, rank, size;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
        return DGM_FAIL(DGM_ERR_INTERNAL, "MPI could not be started");
    mpi_runs = true;
    dgm_rounding_reset(); /* after plugins of all kinds have been loaded */
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    dgm_log_set_rank(rank, size);
    if (provided < MPI_THREAD_FUNNELED) return DGM_FAIL(DGM_ERR_INTERNAL, "this MPI does not allow threads beside the one that calls it");
    return check_slurm(size == 1);
}

/* Errors that follow from another rank's count less than the cause itself. */
static int weight(dgm_err err) { return err == DGM_OK ? 0 : err == DGM_ERR_PEER ? 1 : err == DGM_ERR_STOPPED ? 2 : 2 + (int)err; }

/* All ranks learn the weightiest error and the lowest rank that has it prints.  A rank that has an error does not come back when
 * the others do not come.  Returns the error of all.  Collective on the world. */
static dgm_err meet(dgm_err err)
{
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    /* The largest key wins: weight, then the lowest rank, then the code itself. */
    int64_t mine[2] = {((int64_t)weight(err) * size + (size - 1 - rank)) * 16 + (int)err, err == DGM_OK}, worst[2];
    MPI_Request requests[2];
    MPI_Iallreduce(&mine[0], &worst[0], 1, MPI_INT64_T, MPI_MAX, MPI_COMM_WORLD, &requests[0]);
    MPI_Iallreduce(&mine[1], &worst[1], 1, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD, &requests[1]);
    int done = 0;
    for (double start = dgm_timer_now(); err != DGM_OK && !done && dgm_timer_now() - start < MEETING_S; usleep(500))
        MPI_Testall(2, requests, &done, MPI_STATUSES_IGNORE);
    if (err != DGM_OK && !done) {
        print_error(dgm_error_text(), rank);
        MPI_Abort(MPI_COMM_WORLD, dgm_error_exit_code(err));
    }
    MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    dgm_err all = (dgm_err)(worst[0] % 16);
    if (all != DGM_OK && worst[0] == mine[0]) print_error(dgm_error_text(), worst[1] > 0 ? rank : -1);
    return all;
}

/* ---- running a command ---- */

/* A command without MPI does its work once for each process that mpirun starts. */
static void warn_of_copies(const dgm_cli_command *command)
{
    const char *size = getenv("OMPI_COMM_WORLD_SIZE"), *rank = getenv("OMPI_COMM_WORLD_RANK");
    if (size == NULL || atoi(size) < 2 || rank == NULL || atoi(rank) != 0) return;
    dgm_log(DGM_LOG_WARN, "%s is one process: if mpirun has started it %d times, each does the same and prints it; start it without mpirun",
            command->name, atoi(size));
}

/* A full disk behind stdout must not look like success. */
static dgm_err flush_results(dgm_err err)
{
    return err != DGM_OK ? err : dgm_io_flush(stdout, "standard output");
}

static int run_with_mpi(const dgm_cli_command *command, dgm_config *config, dgm_err err)
{
    dgm_err start = start_mpi();
    if (!mpi_runs) {
        const char *task = getenv("SLURM_PROCID"); /* alone in its world, one of several tasks: one message is enough */
        if (task == NULL || atoi(task) == 0) print_error(dgm_error_text(), -1);
        return dgm_error_exit_code(start);
    }
    err = meet(err != DGM_OK ? err : start);
    if (err == DGM_OK) err = meet(flush_results(command->run(config)));
    MPI_Finalize();
    mpi_runs = false;
    return dgm_error_exit_code(err);
}

int dgm_cli_run(const dgm_cli_command *command, int argc, char **argv)
{
    int status;
    dgm_config *config = NULL;
    if (command->stops) dgm_stop_catch(); /* first of all: a signal may come at any moment */
    own_name = command->name;
    dgm_rounding_reset(); /* options are numbers, too */
    dgm_error_set_fatal_handler(die);
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error like a full disk, told with the path */
    dgm_err err = dgm_config_create(command->tables, command->n_tables, &config);
    if (err == DGM_OK) err = dgm_config_parse(config, argc, argv, command->max_operands);
    bool help = err == DGM_OK && dgm_config_help_asked(config);
    if (help) dgm_config_print_help(config, stdout, command->name, command->synopsis, command->summary, command->unlisted);
    if (err == DGM_OK && !help) err = dgm_gemm_check_environment();
    if (!help && command->uses_mpi) {
        status = run_with_mpi(command, config, err);
    } else {
        if (!help) warn_of_copies(command);
        if (err == DGM_OK && !help) err = command->run(config);
        err = flush_results(err);
        if (err != DGM_OK) print_error(dgm_error_text(), -1);
        status = dgm_error_exit_code(err);
    }
    dgm_config_destroy(config);
    return status;
}
