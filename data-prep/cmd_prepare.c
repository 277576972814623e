/* dragoman prepare: one rank does the work while the others sleep until the end that all share. */
#include "dgm/cli.h"
#include "dgm/coll.h"
#include "dgm/log.h"
#include "dgm/prepare.h"

#include <mpi.h>

static const dgm_option options[] = {
    {"out", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "DATA", "the folder to make"},
    {"overwrite", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "replace a DATA folder of that name"},
    {"config", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "options as `name = value` lines; the command line wins"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static dgm_err prepare(const dgm_config *config)
{
    dgm_prepare_options prepared;
    dgm_prepare_report report;
    dgm_err err = dgm_prepare_options_init(config, &prepared);
    prepared.out = dgm_config_text(config, "out");
    prepared.overwrite = dgm_config_flag(config, "overwrite");
    if (err == DGM_OK) err = dgm_prepare(&prepared, &report);
    if (err == DGM_OK) {
        dgm_prepare_log(&report);
        dgm_log(DGM_LOG_INFO, "%s is ready: train with dragoman train --data %s --out RUN", prepared.out, prepared.out);
    }
    dgm_prepare_options_fini(&prepared);
    return err;
}

static dgm_err run(dgm_config *config)
{
    dgm_grid *world;
    DGM_TRY(dgm_grid_create(MPI_COMM_WORLD, 1, &world));
    dgm_err err = world->rank == 0 ? prepare(config) : DGM_OK;
    dgm_err rested = dgm_coll_rest(world, DGM_AXIS_WORLD);
    dgm_grid_destroy(world);
    return err != DGM_OK ? err : rested;
}

int dgm_cmd_prepare(int argc, char **argv)
{
    static const dgm_option *const tables[] = {dgm_prepare_option_table, options};
    static const dgm_cli_command command = {
        .name = "prepare",
        .synopsis = "--src FILE... --tgt FILE... --valid-src FILE... --valid-tgt FILE... --out DATA [options]",
        .summary = "Audits parallel text, learns or loads a tokenizer, and writes what train reads: compressed token ids and a manifest.\n"
                   "Files may be plain or .zst, .gz, .xz; - is standard input.",
        .tables = tables,
        .n_tables = 2,
        .uses_mpi = true,
        .run = run};
    return dgm_cli_run(&command, argc, argv);
}
