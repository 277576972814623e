/* dragoman average: one model that is the mean of several, usually the last checkpoints of a run.  Needs no MPI. */
#include "dgm/average.h"
#include "dgm/cli.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/output.h"

#include <stdlib.h>

enum { MAX_MODELS = 1000 };

static const dgm_option options[] = {
    {"out", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "the model file to write"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static dgm_err run(dgm_config *config)
{
    DGM_TRY(dgm_config_require(config, "out"));
    int n = dgm_config_n_operands(config);
    if (n <= 0) return DGM_FAIL(DGM_ERR_USAGE, "no models given: name the checkpoints or model files to average");
    DGM_TRY(dgm_io_check_place("--out", dgm_config_text(config, "out"), false));
    for (int i = 0; i < n; i++) DGM_TRY(dgm_output_check("--out", dgm_config_text(config, "out"), "a model to average", dgm_config_operand(config, i)));
    const char **models = calloc((size_t)n, sizeof *models);
    if (models == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d models", n);
    for (int i = 0; i < n; i++) models[i] = dgm_config_operand(config, i);
    dgm_err err = dgm_average(models, n, dgm_config_text(config, "out"));
    free(models);
    if (err == DGM_OK) dgm_log(DGM_LOG_INFO, "mean of %d models: %s", n, dgm_config_text(config, "out"));
    return err;
}

int dgm_cmd_average(int argc, char **argv)
{
    static const dgm_option *const tables[] = {options};
    static const dgm_cli_command command = {.name = "average",
                                            .synopsis = "--out M CHECKPOINT...",
                                            .summary = "Writes the mean of several models of one training: checkpoint folders or model files.",
                                            .tables = tables,
                                            .n_tables = 1,
                                            .max_operands = MAX_MODELS,
                                            .run = run};
    return dgm_cli_run(&command, argc, argv);
}
