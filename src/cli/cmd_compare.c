/* dragoman compare: where two runs, or two models, part.  Needs no MPI. */
#include "dgm/cli.h"
#include "dgm/compare.h"
#include "dgm/json_text.h"

static const dgm_option options[] = {
    {"json", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "print the answer as JSON"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static dgm_err run(dgm_config *config)
{
    dgm_comparison comparison;
    if (dgm_config_n_operands(config) != 2) return DGM_FAIL(DGM_ERR_USAGE, "expected two runs, or two models or checkpoints: dragoman compare RUN_A RUN_B");
    DGM_TRY(dgm_compare(dgm_config_operand(config, 0), dgm_config_operand(config, 1), &comparison));
    dgm_err err = DGM_OK;
    if (dgm_config_flag(config, "json")) err = dgm_json_print(dgm_comparison_to_json(&comparison), JSON_INDENT(2), stdout);
    else dgm_comparison_print(&comparison, stdout);
    if (err == DGM_OK && !dgm_comparison_identical(&comparison)) /* the answer has said it */
        err = DGM_FAIL(dgm_comparison_possible(&comparison) ? DGM_ERR_DIFFERENT : DGM_ERR_INPUT, "%s", "");
    dgm_comparison_fini(&comparison);
    return err;
}

int dgm_cmd_compare(int argc, char **argv)
{
    static const dgm_option *const tables[] = {options};
    static const dgm_cli_command command = {.name = "compare",
                                            .synopsis = "RUN_A RUN_B",
                                            .summary = "Says whether two runs are the same, and if not where they part: the first step and tensor "
                                                       "(with train --trace-hash), number of the metrics, and what differs in settings, data and machines. "
                                                       "Takes two model files or checkpoints as well. Exit code 1: they differ; 3: nothing could be compared.",
                                            .tables = tables,
                                            .n_tables = 1,
                                            .max_operands = 2,
                                            .run = run};
    return dgm_cli_run(&command, argc, argv);
}
