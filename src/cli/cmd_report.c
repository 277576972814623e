/* dragoman report: one page of HTML about one or several runs.  Rank 0 reads the runs and writes the page; all ranks translate. */
#include "dgm/cli.h"
#include "dgm/coll.h"
#include "dgm/io.h"
#include "dgm/output.h"
#include "dgm/placement.h"
#include "dgm/report.h"

#include <stdlib.h>
#include <string.h>

static const dgm_option options[] = {
    {"out", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "where the page goes"},
    {"each", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "what eval --each RUN --json-out FILE wrote about the runs: BLEU of their checkpoints, with intervals"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static dgm_err check_operands(const dgm_config *config)
{
    int n = dgm_config_n_operands(config);
    if (n == 0) return DGM_FAIL(DGM_ERR_USAGE, "expected the folder of a run, or of several, before the options: dragoman report RUN... --out report.html");
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(dgm_config_operand(config, i), dgm_config_operand(config, k)) == 0)
                return DGM_FAIL(DGM_ERR_USAGE, "%s is given twice", dgm_config_operand(config, i));
    DGM_TRY(dgm_config_require(config, "out"));
    if (strcmp(dgm_config_text(config, "out"), "-") == 0) return DGM_FAIL(DGM_ERR_USAGE, "--out -: the page appears whole or not at all; name a file");
    return DGM_OK;
}

/* Whether an option of translations asks for anything: --samples 0 and --no-lowercase do not, --no-translations itself neither. */
static bool asks_for_something(const dgm_config *config, const dgm_option *option)
{
    bool counts = strcmp(option->name, "samples") == 0 || strcmp(option->name, "attention") == 0;
    return counts ? dgm_config_int(config, option->name) > 0 : option->kind != DGM_OPTION_FLAG || dgm_config_flag(config, option->name);
}

/* What would be left out silently. */
static dgm_err check_options(const dgm_config *config)
{
    static const dgm_option *const of_translations[] = {dgm_report_test_options, dgm_metric_option_table, dgm_translate_option_table};
    if (dgm_config_given(config, "confidence") && !dgm_config_flag(config, "confidence"))
        return DGM_FAIL(DGM_ERR_USAGE, "--no-confidence: the scores of a report always have their intervals; leave it out");
    if (dgm_config_flag(config, "translations")) return DGM_OK;
    for (size_t t = 0; t < sizeof of_translations / sizeof *of_translations; t++)
        for (const dgm_option *o = of_translations[t]; o->name != NULL; o++) {
            char dashed[64];
            if (!dgm_config_given(config, o->name) || !asks_for_something(config, o)) continue;
            dgm_config_dashed(o->name, dashed, sizeof dashed);
            return DGM_FAIL(DGM_ERR_USAGE, "--%s is about translations, which --no-translations leaves out: give one of the two", dashed);
        }
    return DGM_OK;
}

/* Runs of one name in different folders are known by their paths. */
static dgm_err name_apart(int n, dgm_report_run *runs)
{
    bool twice[DGM_REPORT_MAX_RUNS] = {false};
    for (int r = 0; r < n; r++)
        for (int other = 0; other < n; other++) twice[r] = twice[r] || (other != r && strcmp(runs[r].name, runs[other].name) == 0);
    for (int r = 0; r < n; r++) {
        char *path = twice[r] ? strdup(runs[r].path) : NULL;
        if (!twice[r]) continue;
        if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "name of run %s", runs[r].path);
        free(runs[r].name);
        runs[r].name = path;
    }
    return DGM_OK;
}

static dgm_err check_inputs_stay(const dgm_config *config, int n)
{
    const char *out = dgm_config_text(config, "out"), *src = dgm_config_text(config, "src");
    for (int r = 0; r < n; r++) DGM_TRY(dgm_output_check("--out", out, "the run", dgm_config_operand(config, r)));
    if (src != NULL) DGM_TRY(dgm_output_check("--out", out, "--src", src));
    for (int i = 0; i < dgm_config_count(config, "ref"); i++) DGM_TRY(dgm_output_check("--out", out, "--ref", dgm_config_item(config, "ref", i)));
    for (int i = 0; i < dgm_config_count(config, "each"); i++) DGM_TRY(dgm_output_check("--out", out, "--each", dgm_config_item(config, "each", i)));
    return DGM_OK;
}

static dgm_err open_runs(const dgm_config *config, int n, dgm_report_run *runs)
{
    DGM_TRY(dgm_io_check_place("--out", dgm_config_text(config, "out"), true));
    DGM_TRY(check_inputs_stay(config, n));
    for (int r = 0; r < n; r++) DGM_TRY(dgm_report_run_open(dgm_config_operand(config, r), &runs[r]));
    for (int r = 0; r < n; r++)
        if (runs[r].data_path != NULL) DGM_TRY(dgm_output_check("--out", dgm_config_text(config, "out"), "the data", runs[r].data_path));
    for (int i = 0; i < dgm_config_count(config, "each"); i++) DGM_TRY(dgm_report_each_read(dgm_config_item(config, "each", i), n, runs));
    return name_apart(n, runs);
}

static dgm_err write_page(const dgm_report *report, const char *path)
{
    dgm_html page = {0};
    dgm_err err = dgm_report_write(report, &page);
    if (err == DGM_OK) err = dgm_io_write_file(path, page.text.text, page.text.bytes);
    dgm_html_fini(&page);
    return err;
}

static dgm_err make_report(const dgm_config *config, const dgm_grid *grid)
{
    dgm_err err;
    bool first = grid->rank == 0;
    dgm_report_run runs[DGM_REPORT_MAX_RUNS] = {{0}};
    dgm_report report = {.n_runs = dgm_config_n_operands(config), .runs = runs};
    dgm_report_test *test = NULL;
    char *why = NULL;
    DGM_GOTO(dgm_coll_agree(grid, DGM_AXIS_WORLD, first ? open_runs(config, report.n_runs, runs) : DGM_OK));
    DGM_GOTO(dgm_report_test_make(grid, config, runs, report.n_runs, &test, &why));
    report.test = test, report.no_test = why;
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, first ? write_page(&report, dgm_config_text(config, "out")) : DGM_OK);
fail:
    dgm_report_test_destroy(test);
    free(why);
    for (int r = 0; r < DGM_REPORT_MAX_RUNS; r++) dgm_report_run_fini(&runs[r]);
    return err;
}

static dgm_err run(dgm_config *config)
{
    dgm_grid *grid;
    DGM_TRY(check_operands(config));
    DGM_TRY(check_options(config));
    if (!dgm_config_given(config, "metrics")) DGM_TRY(dgm_config_set(config, "metrics", "bleu chrf ter"));
    DGM_TRY(dgm_grid_create(MPI_COMM_WORLD, 1, &grid));
    dgm_err err = dgm_placement_check_kernels(grid); /* it translates */
    if (err == DGM_OK) err = make_report(config, grid);
    dgm_grid_destroy(grid);
    return err;
}

int dgm_cmd_report(int argc, char **argv)
{
    static const dgm_option *const tables[] = {options, dgm_report_test_options, dgm_metric_option_table, dgm_translate_option_table};
    static const char *const unlisted[] = {"confidence", NULL}; /* there are intervals in any case */
    static const dgm_cli_command command = {.name = "report", .synopsis = "RUN... --out FILE [--src FILE --ref FILE...] [options]",
        .summary = "Writes one page of HTML about one or several runs: settings and how they differ, the data's audit, curves, scores with intervals and\n"
                   "paired tests (always), translations side by side, attention.  The page is one file without scripts and loads nothing.  What a run does not\n"
                   "have yet is said on the page.  Without --src and --ref the runs translate the validation part of their common DATA.",
        .tables = tables, .n_tables = 4, .unlisted = unlisted, .max_operands = DGM_REPORT_MAX_RUNS, .uses_mpi = true, .run = run};
    return dgm_cli_run(&command, argc, argv);
}
