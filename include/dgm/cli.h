/* What all commands share: options, --help, start and end of MPI, the printed error and the exit code, catching the wish to stop.
 *
 * A command is a table and a function:
 *
 *     static dgm_err run(dgm_config *config) { ... return DGM_OK; }
 *
 *     int dgm_cmd_train(int argc, char **argv)
 *     {
 *         static const dgm_option *const tables[] = {dgm_hparams_options, options};
 *         static const dgm_cli_command command = {.name = "train", .synopsis = "--data DATA --out RUN [options]",
 *             .summary = "Trains a model.", .tables = tables, .n_tables = 2, .uses_mpi = true, .run = run};
 *         return dgm_cli_run(&command, argc, argv);
 *     }
 *
 * with a line in the table of main.c. */
#ifndef DGM_CLI_H
#define DGM_CLI_H

#include "dgm/config.h"

typedef struct {
    const char *name;
    const char *synopsis; /* behind "usage: dragoman NAME " */
    const char *summary;  /* a sentence or more for --help */
    const dgm_option *const *tables;
    int n_tables;
    const char *const *unlisted; /* ended by NULL: options that --help leaves out, since they have no effect here; NULL: none */
    int max_operands;
    bool uses_mpi; /* otherwise MPI_Init is never called */
    bool stops;    /* SIGTERM and SIGUSR1 are caught from the start on: run looks at dgm_stop_asked (stop.h) */
    dgm_err (*run)(dgm_config *config);
} dgm_cli_command;

/* Reads the options (argv[0] is the command's name), starts MPI if the command uses it, calls run on every rank and returns
 * the exit code of the process, the same on all ranks; the error has been printed as "dragoman NAME: message".
 *
 * Errors on which the ranks have agreed (dgm_coll_agree) are printed once and all ranks end in order.  A rank that fails while
 * the others wait elsewhere prints its message after a few seconds and ends all of them through MPI_Abort with its exit code;
 * a failed assertion does so at once. */
int dgm_cli_run(const dgm_cli_command *command, int argc, char **argv);

/* One function per command, in the order of main.c; returns the exit code. */
int dgm_cmd_prepare(int argc, char **argv);
int dgm_cmd_tokenize(int argc, char **argv);
int dgm_cmd_detokenize(int argc, char **argv);
int dgm_cmd_train(int argc, char **argv);
int dgm_cmd_bench(int argc, char **argv);
int dgm_cmd_average(int argc, char **argv);
int dgm_cmd_translate(int argc, char **argv);
int dgm_cmd_eval(int argc, char **argv);
int dgm_cmd_score(int argc, char **argv);
int dgm_cmd_compare(int argc, char **argv);
int dgm_cmd_report(int argc, char **argv);
int dgm_cmd_demo_corpus(int argc, char **argv);

#endif
