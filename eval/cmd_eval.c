/* dragoman eval: what a model is worth on sentence pairs: its loss on the references, and the score of its translations; the same for every
 * checkpoint of a run; the singular values of its matrices. */
#include "dgm/cli.h"
#include "dgm/output.h"
#include "dgm/coll.h"
#include "dgm/each.h"
#include "dgm/evaluate.h"
#include "dgm/io.h"
#include "dgm/json_text.h"
#include "dgm/log.h"
#include "dgm/placement.h"
#include "dgm/run_record.h"
#include "dgm/sacrebleu_names.h"
#include "dgm/spectra.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const dgm_option options[] = {
    {"model", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "MODEL", "model file, checkpoint or run folder"},
    {"src", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "source lines"},
    {"ref", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "references; of several the loss is that of the first, the scores use them all"},
    {"label_smoothing", DGM_OPTION_REAL, "0.1", 0, 0.99, NULL, "E", "of the smoothed loss"},
    {"hyp_out", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "where the translations go, if they are wanted"},
    {"line_scores", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "where the log-probability of each reference goes, and its number of tokens"},
    {"token_scores", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "where the log-probability of each of its tokens goes, a line of JSON each"},
    {"width", DGM_OPTION_INT, "1", 0, 15, NULL, "N", "decimals of the printed scores"},
    {"each", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "RUN", "every checkpoint of a run and its result, instead of one model"},
    {"data", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "DATA", "with --each and without --src: where the run's data is now"},
    {"spectra", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "MODEL", "the singular values of a model's matrices instead; needs no sentences"},
    {"svg", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "with --each or --spectra: where a drawing of the curves goes"},
    {"json_out", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "where JSON with all digits goes, besides what is printed"},
    {"json", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "print JSON with all digits"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static const char *const outputs[][2] = {{"hyp_out", "--hyp-out"}, {"json_out", "--json-out"}, {"svg", "--svg"},
                                         {"line_scores", "--line-scores"}, {"token_scores", "--token-scores"}};
enum { N_OUTPUTS = sizeof outputs / sizeof *outputs };

/* Standard output is for the scores. */
static dgm_err check_outputs(const dgm_config *config)
{
    for (int i = 0; i < N_OUTPUTS; i++) {
        const char *path = dgm_config_text(config, outputs[i][0]);
        if (path != NULL && strcmp(path, "-") == 0)
            return DGM_FAIL(DGM_ERR_USAGE, "%s -: standard output is for the scores; name a file%s", outputs[i][1], i == 0 ? ", or use translate" : "");
    }
    return DGM_OK;
}

static dgm_err check_inputs_stay(const dgm_config *config, const char *option, const char *path)
{
    static const char *const inputs[][2] = {{"model", "--model"}, {"src", "--src"}, {"each", "--each"}, {"data", "--data"}, {"spectra", "--spectra"}};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        const char *input = dgm_config_text(config, inputs[i][0]);
        if (input != NULL) DGM_TRY(dgm_output_check(option, path, inputs[i][1], input));
    }
    for (int i = 0; i < dgm_config_count(config, "ref"); i++) DGM_TRY(dgm_output_check(option, path, "--ref", dgm_config_item(config, "ref", i)));
    return DGM_OK;
}

/* Results must have a place to go to before there is work for them, and nothing that is read may be lost for it. */
static dgm_err check_places(const dgm_config *config)
{
    for (int i = 0; i < N_OUTPUTS; i++) {
        const char *path = dgm_config_text(config, outputs[i][0]);
        if (path == NULL) continue;
        DGM_TRY(dgm_io_check_place(outputs[i][1], path, true));
        DGM_TRY(check_inputs_stay(config, outputs[i][1], path));
        for (int k = 0; k < i; k++) {
            const char *other = dgm_config_text(config, outputs[k][0]);
            if (other != NULL) DGM_TRY(dgm_output_check_apart(outputs[i][1], path, outputs[k][1], other));
        }
    }
    return DGM_OK;
}

static dgm_err read_options(const dgm_config *config, dgm_evaluate_options *out)
{
    *out = (dgm_evaluate_options){.label_smoothing = dgm_config_real(config, "label_smoothing"), .width = (int)dgm_config_int(config, "width"),
                                  .hyp_out = dgm_config_text(config, "hyp_out"), .line_scores = dgm_config_text(config, "line_scores"),
                                  .token_scores = dgm_config_text(config, "token_scores")};
    DGM_TRY(dgm_translate_options_read(config, &out->translate));
    return dgm_metric_choice_read(config, false, &out->metrics);
}

/* ---- one model ---- */

static dgm_err model_json(const dgm_config *config, const dgm_eval_pairs *pairs, const dgm_evaluation *e, dgm_text *out)
{
    const char *model = dgm_config_text(config, "model");
    json_t *json = json_object();
    int failed = json_object_set_new(json, "model", dgm_json_name(model));
    failed |= json_object_set_new(json, "src", dgm_json_name(pairs->src.name));
    dgm_err err = failed ? DGM_FAIL(DGM_ERR_NOMEM, "JSON of the evaluation") : dgm_evaluation_json(e, (int)dgm_config_int(config, "width"), json);
    char *text = err == DGM_OK ? json_dumps(json, JSON_INDENT(1)) : NULL;
    if (err == DGM_OK) err = text != NULL ? dgm_text_printf(out, "%s\n", text) : DGM_FAIL(DGM_ERR_NOMEM, "JSON of the evaluation");
    free(text);
    json_decref(json);
    return err;
}

static void print_model(const dgm_config *config, const dgm_evaluation *e)
{
    printf("lines                  %lld\n"
           "source tokens          %lld\n"
           "reference tokens       %lld\n"
           "reference words        %lld\n"
           "label-smoothed loss    %.4f per token (smoothing %g)\n"
           "neg. log-likelihood    %.4f per token\n"
           "perplexity             %.3f per token, %.3f per word\n",
           (long long)e->n_lines, (long long)e->n_src_tokens, (long long)e->n_ref_tokens, (long long)e->n_ref_words, e->loss, e->label_smoothing,
           e->nll, e->perplexity, e->perplexity_per_word);
    dgm_metric_print_all(stdout, "", e->score, e->n_scores, &(dgm_metric_style){.width = (int)dgm_config_int(config, "width")});
}

static dgm_err show_model(const dgm_config *config, const dgm_eval_pairs *pairs, const dgm_evaluation *e)
{
    const char *path = dgm_config_text(config, "json_out");
    dgm_text json = {0};
    dgm_err err = model_json(config, pairs, e, &json);
    if (err == DGM_OK && path != NULL) err = dgm_io_write_file(path, json.text, json.bytes);
    if (err == DGM_OK && dgm_config_flag(config, "json")) fwrite(json.text, 1, json.bytes, stdout);
    else if (err == DGM_OK) print_model(config, e);
    dgm_text_fini(&json);
    return err == DGM_OK && ferror(stdout) ? dgm_io_flush(stdout, "standard output") : err;
}

static dgm_err evaluate(const dgm_config *config, const dgm_grid *grid, dgm_eval_pairs *pairs, dgm_translator **translator)
{
    dgm_evaluate_options how;
    dgm_evaluation e;
    DGM_TRY(dgm_config_require(config, "model"));
    DGM_TRY(dgm_config_require(config, "src"));
    DGM_TRY(dgm_config_require(config, "ref"));
    DGM_TRY(dgm_metric_check_confidence(config, false));
    DGM_TRY(dgm_metric_check_seed(config, dgm_config_flag(config, "confidence")));
    DGM_TRY(read_options(config, &how));
    DGM_TRY(dgm_error_context(dgm_translator_open(dgm_config_text(config, "model"), grid, translator), "--model"));
    DGM_TRY(dgm_eval_pairs_read(config, grid, pairs));
    DGM_TRY(dgm_evaluate(*translator, pairs, &how, grid, &e));
    dgm_log(DGM_LOG_INFO, "%lld line%s translated in %.1f s: %.0f lines/s", (long long)e.n_lines, e.n_lines == 1 ? "" : "s", e.translate_s,
            (double)e.n_lines / DGM_MAX(e.translate_s, 1e-9));
    return dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? show_model(config, pairs, &e) : DGM_OK);
}

static dgm_err run_pairs(const dgm_config *config, const dgm_grid *grid)
{
    dgm_eval_pairs pairs = {0};
    dgm_translator *translator = NULL;
    dgm_err err = evaluate(config, grid, &pairs, &translator);
    dgm_eval_pairs_fini(&pairs);
    dgm_translator_close(translator);
    return err;
}

/* ---- every checkpoint of a run ---- */

static dgm_err check_each(const dgm_config *config)
{
    static const char *const others[][2] = {{"model", "--model"}, {"hyp_out", "--hyp-out"}, {"line_scores", "--line-scores"},
                                            {"token_scores", "--token-scores"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (dgm_config_given(config, others[i][0]))
            return DGM_FAIL(DGM_ERR_USAGE, "--each is about all checkpoints of a run, %s about one model: leave one of them out", others[i][1]);
    if (!dgm_config_has(config, "src") && !dgm_config_has(config, "ref")) return DGM_OK;
    DGM_TRY(dgm_config_require(config, "src"));
    DGM_TRY(dgm_config_require(config, "ref"));
    if (!dgm_config_given(config, "data")) return DGM_OK;
    return DGM_FAIL(DGM_ERR_USAGE, "--data and --src: the pairs are those of the validation part of DATA or those of files, not both");
}

/* Where the run's DATA is: where --data says, in the run, or where it lay in training.  The caller frees *path; *hash as in run.json. */
static dgm_err find_data(const dgm_config *config, const char *run, char **path, char **hash)
{
    const char *given = dgm_config_text(config, "data");
    json_t *record = NULL;
    DGM_TRY(dgm_run_record_read(run, &record));
    char *own = dgm_io_join(run, "data"), *was = dgm_run_record_text(record, NULL, "data_path");
    dgm_err err = DGM_OK;
    *hash = dgm_run_record_text(record, NULL, "data");
    *path = given != NULL ? strdup(given) : own != NULL && dgm_io_is_dir(own) ? strdup(own) : was != NULL ? strdup(was) : NULL;
    if (*path == NULL || *hash == NULL) err = DGM_FAIL(DGM_ERR_INPUT, "%s/run.json does not say which data the run had: give --src and --ref", run);
    else if (!dgm_io_is_dir(*path))
        err = DGM_FAIL(DGM_ERR_INPUT, "%s: the run's data is not there: say where it is with --data, or give --src and --ref", *path);
    json_decref(record);
    free(own);
    free(was);
    return err;
}

/* The same of DATA that --data did not name. */
static dgm_err check_data_stays(const dgm_config *config, const char *data)
{
    for (int i = 0; i < N_OUTPUTS; i++) {
        const char *path = dgm_config_text(config, outputs[i][0]);
        if (path != NULL) DGM_TRY(dgm_output_check(outputs[i][1], path, "the data", data));
    }
    return DGM_OK;
}

static dgm_err open_data(const dgm_config *config, const dgm_grid *grid, dgm_eval_pairs *pairs)
{
    const char *run = dgm_config_text(config, "each");
    char *path = NULL, *hash = NULL;
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, find_data(config, run, &path, &hash));
    if (err == DGM_OK) err = dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? check_data_stays(config, path) : DGM_OK);
    if (err == DGM_OK) err = dgm_eval_pairs_open(path, grid, pairs);
    if (err == DGM_OK && strcmp(dgm_dataset_hash(pairs->dataset), hash) != 0)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s is not the data of %s: the SHA-256 of its manifest is %s, run.json has %s; say where the data is with "
                                      "--data, or give --src and --ref", path, run, dgm_dataset_hash(pairs->dataset), hash);
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    free(path);
    free(hash);
    return err;
}

static dgm_err each(const dgm_config *config, const dgm_grid *grid, dgm_eval_pairs *pairs)
{
    const char *run = dgm_config_text(config, "each");
    bool json = dgm_config_flag(config, "json");
    dgm_evaluate_options how;
    DGM_TRY(check_each(config));
    DGM_TRY(dgm_metric_check_confidence(config, true));
    DGM_TRY(dgm_metric_check_seed(config, dgm_config_flag(config, "confidence") || !dgm_config_given(config, "confidence")));
    DGM_TRY(read_options(config, &how));
    if (!dgm_config_given(config, "confidence")) how.metrics.n_resamples = dgm_config_int(config, "confidence_n");
    DGM_TRY(dgm_each_check(run, grid));
    DGM_TRY(dgm_config_has(config, "src") ? dgm_eval_pairs_read(config, grid, pairs) : open_data(config, grid, pairs));
    const dgm_each_output output = {.table = json ? NULL : stdout, .json = json ? stdout : NULL, .json_path = dgm_config_text(config, "json_out"),
                                    .svg_path = dgm_config_text(config, "svg")};
    return dgm_each_run(run, pairs, &how, grid, &output);
}

static dgm_err run_each(const dgm_config *config, const dgm_grid *grid)
{
    dgm_eval_pairs pairs = {0};
    dgm_err err = each(config, grid, &pairs);
    dgm_eval_pairs_fini(&pairs);
    return err;
}

/* ---- singular values ---- */

static dgm_err save_spectra_json(const dgm_spectra *spectra, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    dgm_err err = out != NULL ? dgm_spectra_print_json(spectra, out) : DGM_FAIL(DGM_ERR_NOMEM, "JSON of the singular values");
    if (out != NULL && fclose(out) != 0 && err == DGM_OK) err = DGM_FAIL(DGM_ERR_NOMEM, "JSON of the singular values");
    if (err == DGM_OK) err = dgm_io_write_file(path, text, bytes);
    free(text);
    return err;
}

static dgm_err show_spectra(const dgm_config *config, const dgm_spectra *spectra)
{
    const char *svg = dgm_config_text(config, "svg"), *json = dgm_config_text(config, "json_out");
    if (svg != NULL) DGM_TRY(dgm_spectra_save_svg(spectra, svg));
    if (json != NULL) DGM_TRY(save_spectra_json(spectra, json));
    return dgm_config_flag(config, "json") ? dgm_spectra_print_json(spectra, stdout) : dgm_spectra_print(spectra, stdout);
}

/* Singular values are of no sentences: none of the options about them would change a thing. */
static dgm_err check_alone(const dgm_config *config)
{
    static const dgm_option *const tables[] = {options, dgm_metric_option_table, dgm_translate_option_table};
    for (int t = 0; t < 3; t++) {
        for (const dgm_option *o = tables[t]; o->name != NULL; o++) {
            bool taken = strcmp(o->name, "spectra") == 0 || strcmp(o->name, "json") == 0 || strcmp(o->name, "json_out") == 0 || strcmp(o->name, "svg") == 0;
            char dashed[64];
            if (taken || !dgm_config_given(config, o->name)) continue;
            dgm_config_dashed(o->name, dashed, sizeof dashed);
            return DGM_FAIL(DGM_ERR_USAGE, "--%s: --spectra looks at matrices alone: it takes --json, --json-out and --svg only", dashed);
        }
    }
    return DGM_OK;
}

static dgm_err run_spectra(const dgm_config *config, const dgm_grid *grid)
{
    dgm_spectra *spectra = NULL;
    DGM_TRY(check_alone(config));
    DGM_TRY(dgm_error_context(dgm_spectra_measure(grid, dgm_config_text(config, "spectra"), &spectra), "--spectra"));
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? show_spectra(config, spectra) : DGM_OK);
    dgm_spectra_destroy(spectra);
    return err;
}

/* ---- which of them ---- */

static dgm_err run(dgm_config *config)
{
    dgm_grid *grid;
    bool spectra = dgm_config_has(config, "spectra"), each_of = dgm_config_has(config, "each");
    DGM_TRY(check_outputs(config));
    if (dgm_config_has(config, "svg") && !spectra && !each_of) return DGM_FAIL(DGM_ERR_USAGE, "--svg goes with --spectra and with --each");
    if (dgm_config_has(config, "data") && !each_of && !spectra)
        return DGM_FAIL(DGM_ERR_USAGE, "--data goes with --each; a model is evaluated on files: --src and --ref");
    DGM_TRY(dgm_grid_create(MPI_COMM_WORLD, 1, &grid));
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? check_places(config) : DGM_OK);
    if (err == DGM_OK && !spectra) err = dgm_placement_check_kernels(grid); /* singular values are of no product of ours */
    if (err == DGM_OK) err = spectra ? run_spectra(config, grid) : each_of ? run_each(config, grid) : run_pairs(config, grid);
    dgm_grid_destroy(grid);
    return err;
}

int dgm_cmd_eval(int argc, char **argv)
{
    static const dgm_option *const tables[] = {options, dgm_metric_option_table, dgm_translate_option_table};
    static const dgm_cli_command command = {.name = "eval",
        .synopsis = "--model MODEL --src FILE --ref FILE... [options]\n"
                    "       dragoman eval --each RUN [--src FILE --ref FILE...] [--svg FILE] [--json-out FILE] [options]\n"
                    "       dragoman eval --spectra MODEL [--svg FILE] [--json-out FILE] [--json]",
        .summary = "Evaluates a model: translates FILE and scores the translations as score does, and measures the loss of the references.\n"
                   "Tokens count </s>; words are what white space parts in the reference.  Per token and per word are the same sum\n"
                   "divided by different counts.  Files may be compressed (.zst, .gz, .xz).\n"
                   "--each evaluates every checkpoint of a run, and its result, on FILE or the run's own validation part: a line each,\n"
                   "with 95 % intervals of the scores (--no-confidence: none).",
        .tables = tables, .n_tables = 3, .uses_mpi = true, .run = run};
    char **own = argv;
    dgm_err err = dgm_sacrebleu_names(argc, argv, false, &own);
    int code = dgm_cli_run(&command, argc, own);
    if (err == DGM_OK) free(own);
    return code;
}
