/* dragoman eval: what a model is worth on sentence pairs: its loss on the references, and the score of its translations. */
#include "dgm/cli.h"
#include "dgm/coll.h"
#include "dgm/corpus.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/pair_scores.h"
#include "dgm/score_pairs.h"
#include "dgm/scoring.h"
#include "dgm/spectra.h"
#include "dgm/timer.h"
#include "dgm/translator.h"

#include <math.h>
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
    {"spectra", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "MODEL", "the singular values of a model's matrices instead; needs no sentences"},
    {"svg", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "with --spectra: where a drawing of their decay goes"},
    {"json", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "JSON with all digits"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

enum { SCORE_ROWS = 1024, MAX_REF_TOKENS = DGM_CORPUS_MAX_LINE }; /* a reference may have as many as a line can */

typedef struct {
    const dgm_config *config;
    const dgm_grid *grid;
    dgm_translate_options options;
    dgm_metric_choice metrics;
    dgm_translator *translator;
    /* rank 0 */
    dgm_lines src, *refs;
    int n_refs;
    dgm_text hyps;      /* all translations, a line each */
    int64_t n_words;    /* of the first reference */
    dgm_metric_score scores[DGM_N_METRICS];
    /* all ranks */
    dgm_sentence_list src_tokens, ref_tokens;
    int64_t n_lines;
    dgm_pair_loss loss;
    dgm_pair_scores forced; /* of each line and token, where they are wanted */
} evaluation;

/* ---- reading, on rank 0 ---- */

static dgm_err check_files(const dgm_config *config)
{
    const char *hyp_out = dgm_config_text(config, "hyp_out");
    if (hyp_out != NULL && strcmp(hyp_out, "-") == 0)
        return DGM_FAIL(DGM_ERR_USAGE, "--hyp-out -: standard output is for the scores; name a file, or use translate");
    int n = strcmp(dgm_config_text(config, "src"), "-") == 0;
    for (int i = 0; i < dgm_config_count(config, "ref"); i++) n += strcmp(dgm_config_item(config, "ref", i), "-") == 0;
    return n <= 1 ? DGM_OK : DGM_FAIL(DGM_ERR_USAGE, "standard input (-) can be read once, not %d times", n);
}

static dgm_err read_files(evaluation *e)
{
    int n = dgm_config_count(e->config, "ref");
    DGM_TRY(dgm_lines_read(dgm_config_text(e->config, "src"), false, &e->src));
    e->refs = calloc((size_t)n, sizeof *e->refs);
    if (e->refs == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d references", n);
    for (; e->n_refs < n; e->n_refs++) {
        DGM_TRY(dgm_lines_read(dgm_config_item(e->config, "ref", e->n_refs), false, &e->refs[e->n_refs]));
        dgm_err err = dgm_lines_check_aligned(&e->src, &e->refs[e->n_refs]);
        if (err != DGM_OK) {
            e->n_refs++; /* it holds memory */
            return err;
        }
    }
    return e->src.n > 0 ? DGM_OK : DGM_FAIL(DGM_ERR_INPUT, "%s is empty: there is nothing to evaluate", e->src.name);
}

/* Of a source a blank line has no tokens, as in translate; a reference is what it is. */
static dgm_err encode(const dgm_tokenizer *tokenizer, const dgm_lines *lines, bool is_source, int64_t max_tokens, dgm_sentence_list *out)
{
    dgm_tokenizer_state *state = NULL;
    dgm_err err = dgm_tokenizer_state_create(tokenizer, &state);
    for (int64_t i = 0; i < lines->n && err == DGM_OK; i++) {
        size_t n_bytes = lines->line[i].n_bytes;
        if (is_source && dgm_translate_is_blank(lines->line[i].text, n_bytes)) n_bytes = 0;
        err = dgm_sentence_list_encode(out, state, lines->line[i].text, n_bytes, max_tokens, lines->name, i + 1);
    }
    dgm_tokenizer_state_destroy(state);
    return err;
}

static int64_t count_words(const dgm_lines *lines)
{
    int64_t n = 0;
    for (int64_t i = 0; i < lines->n; i++) {
        bool inside = false;
        size_t width;
        for (size_t at = 0; at < lines->line[i].n_bytes; at += width) {
            bool space = dgm_mt_is_white_space(dgm_mt_code_point(lines->line[i].text, lines->line[i].n_bytes, at, &width));
            n += !space && !inside;
            inside = !space;
        }
    }
    return n;
}

static dgm_err read_pairs(evaluation *e)
{
    DGM_TRY(read_files(e));
    DGM_TRY(encode(e->translator->src_tokenizer, &e->src, true, e->options.max_src_tokens, &e->src_tokens));
    DGM_TRY(encode(e->translator->tgt_tokenizer, &e->refs[0], false, MAX_REF_TOKENS, &e->ref_tokens));
    e->n_words = count_words(&e->refs[0]);
    return DGM_OK;
}

/* ---- measuring, on all ranks ---- */

static dgm_err measure_loss(evaluation *e)
{
    dgm_transformer *transformer = NULL;
    dgm_pair *pairs = malloc((size_t)e->n_lines * sizeof *pairs);
    dgm_err err = pairs != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld pairs", (long long)e->n_lines);
    for (int64_t i = 0; err == DGM_OK && i < e->n_lines; i++) {
        const dgm_sentence *s = &e->src_tokens.sentence[i], *r = &e->ref_tokens.sentence[i];
        pairs[i] = (dgm_pair){s->ids, r->ids, (int32_t)s->n, (int32_t)r->n};
    }
    if (err == DGM_OK)
        err = dgm_pair_scores_init(dgm_config_text(e->config, "line_scores"), dgm_config_text(e->config, "token_scores"), pairs, e->n_lines,
                                   &e->forced);
    if (err == DGM_OK) err = dgm_transformer_create(e->translator->models[0].params, dgm_grid_single(), &transformer);
    DGM_GOTO(dgm_coll_agree(e->grid, DGM_AXIS_WORLD, err));
    err = dgm_score_pairs(e->grid, transformer, &e->translator->models[0].weights, (float)dgm_config_real(e->config, "label_smoothing"), SCORE_ROWS,
                          pairs, e->n_lines, &e->loss, e->forced.lines, e->forced.tokens);
fail:
    dgm_transformer_destroy(transformer);
    free(pairs);
    return err;
}

/* The translations as text in e->hyps, and where its lines are; the caller frees `lines`. */
static dgm_err write_translations(evaluation *e, const dgm_hypotheses *found, dgm_mt_span **lines)
{
    dgm_err err = DGM_OK;
    dgm_mt_span *line = calloc((size_t)e->n_lines, sizeof *line);
    if (line == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld translations", (long long)e->n_lines);
    for (int64_t i = 0; err == DGM_OK && i < e->n_lines; i++) {
        size_t start = e->hyps.bytes;
        if (found[i].n > 0) err = dgm_translate_text(e->translator->tgt_tokenizer, &found[i].best[0], &e->hyps);
        line[i].n_bytes = e->hyps.bytes - start;
        if (err == DGM_OK) err = dgm_text_append(&e->hyps, "\n", 1);
    }
    const char *at = e->hyps.text; /* it moves no more */
    for (int64_t i = 0; err == DGM_OK && i < e->n_lines; at += line[i++].n_bytes + 1) line[i].text = at;
    *lines = line;
    return err;
}

static dgm_err score_translations(evaluation *e, const dgm_hypotheses *found)
{
    dgm_scoring scoring = {0};
    dgm_text_counts counts = {0};
    char name[] = "the translations";
    dgm_lines hyp = {.name = name, .n = e->n_lines};
    dgm_err err = write_translations(e, found, &hyp.line);
    if (err == DGM_OK) err = dgm_scoring_init(&scoring, &e->metrics, e->n_refs);
    if (err == DGM_OK) err = dgm_scoring_count(&scoring, &hyp, e->refs, e->metrics.n_resamples > 0, &counts);
    if (err == DGM_OK) err = dgm_scoring_report(&scoring, &counts, e->scores);
    dgm_text_counts_fini(&counts);
    dgm_scoring_fini(&scoring);
    free(hyp.line);
    return err;
}

static dgm_err measure_translations(evaluation *e)
{
    double start = dgm_timer_now();
    dgm_hypotheses *found = calloc((size_t)e->n_lines, sizeof *found);
    dgm_err err = found != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld translations", (long long)e->n_lines);
    DGM_GOTO(dgm_coll_agree(e->grid, DGM_AXIS_WORLD, err));
    DGM_GOTO(dgm_translate_sentences(e->grid, e->translator->search, &e->options, e->src_tokens.sentence, e->n_lines, found));
    err = dgm_coll_agree(e->grid, DGM_AXIS_WORLD, e->grid->rank == 0 ? score_translations(e, found) : DGM_OK);
    double seconds = dgm_timer_now() - start;
    dgm_log(DGM_LOG_INFO, "%lld lines translated in %.1f s: %.0f lines/s", (long long)e->n_lines, seconds,
            (double)e->n_lines / DGM_MAX(seconds, 1e-9));
fail:
    for (int64_t i = 0; found != NULL && i < e->n_lines; i++) dgm_hypotheses_fini(&found[i]);
    free(found);
    return err;
}

/* ---- showing, on rank 0 ---- */

/* NULL in JSON where a number is infinite or has nothing to be of. */
static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static dgm_err show_json(const evaluation *e, double loss, double nll, double per_token, double per_word)
{
    int64_t n_src = e->src_tokens.ids.n + e->n_lines;
    json_t *json = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:o, s:o}", "model", dgm_config_text(e->config, "model"),
                             "src", e->src.name, "lines", (json_int_t)e->n_lines, "src_tokens", (json_int_t)n_src, "ref_tokens",
                             (json_int_t)e->loss.n_tokens, "ref_words", (json_int_t)e->n_words, "label_smoothing",
                             dgm_config_real(e->config, "label_smoothing"), "loss", number(loss), "nll", number(nll), "perplexity",
                             number(per_token), "perplexity_per_word", number(per_word));
    for (int m = 0; json != NULL && m < e->metrics.n_metrics; m++) {
        json_t *score = dgm_metric_json(&e->scores[m], (int)dgm_config_int(e->config, "width"));
        if (json_object_set_new(json, dgm_metric_kind_name(e->metrics.metric[m].kind), score) == 0) continue;
        json_decref(json);
        json = NULL;
    }
    if (json == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "JSON of the evaluation");
    int failed = json_dumpf(json, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(json);
    return failed ? DGM_FAIL(DGM_ERR_IO, "standard output: the evaluation could not be written") : DGM_OK;
}

static dgm_err show(const evaluation *e)
{
    double n = (double)e->loss.n_tokens, loss = e->loss.smoothed / n, nll = e->loss.nll / n;
    double per_token = exp(nll), per_word = e->n_words > 0 ? exp(e->loss.nll / (double)e->n_words) : INFINITY;
    const char *hyp_out = dgm_config_text(e->config, "hyp_out");
    if (hyp_out != NULL) DGM_TRY(dgm_io_write_file(hyp_out, e->hyps.text, e->hyps.bytes));
    DGM_TRY(dgm_pair_scores_write(&e->forced, e->translator->tgt_tokenizer, e->ref_tokens.sentence, e->n_lines));
    if (dgm_config_flag(e->config, "json")) return show_json(e, loss, nll, per_token, per_word);
    printf("lines                  %lld\n"
           "source tokens          %lld\n"
           "reference tokens       %lld\n"
           "reference words        %lld\n"
           "label-smoothed loss    %.4f per token (smoothing %g)\n"
           "neg. log-likelihood    %.4f per token\n"
           "perplexity             %.3f per token, %.3f per word\n",
           (long long)e->n_lines, (long long)(e->src_tokens.ids.n + e->n_lines), (long long)e->loss.n_tokens, (long long)e->n_words, loss,
           dgm_config_real(e->config, "label_smoothing"), nll, per_token, per_word);
    dgm_metric_print_all(stdout, "", e->scores, e->metrics.n_metrics, &(dgm_metric_style){.width = (int)dgm_config_int(e->config, "width")});
    return DGM_OK;
}

static dgm_err evaluate(evaluation *e)
{
    DGM_TRY(dgm_config_require(e->config, "model"));
    DGM_TRY(dgm_config_require(e->config, "src"));
    DGM_TRY(dgm_config_require(e->config, "ref"));
    DGM_TRY(check_files(e->config));
    DGM_TRY(dgm_translate_options_read(e->config, &e->options));
    DGM_TRY(dgm_metric_choice_read(e->config, false, &e->metrics));
    DGM_TRY(dgm_translator_open(dgm_config_text(e->config, "model"), e->grid, &e->translator));
    DGM_TRY(dgm_coll_agree(e->grid, DGM_AXIS_WORLD, e->grid->rank == 0 ? read_pairs(e) : DGM_OK));
    DGM_TRY(dgm_sentence_list_broadcast(e->grid, &e->src_tokens));
    DGM_TRY(dgm_sentence_list_broadcast(e->grid, &e->ref_tokens));
    e->n_lines = e->src_tokens.n;
    DGM_TRY(measure_loss(e));
    DGM_TRY(measure_translations(e));
    return dgm_coll_agree(e->grid, DGM_AXIS_WORLD, e->grid->rank == 0 ? show(e) : DGM_OK);
}

static dgm_err show_spectra(const dgm_config *config, const dgm_spectra *spectra)
{
    const char *svg = dgm_config_text(config, "svg");
    if (svg != NULL) DGM_TRY(dgm_spectra_save_svg(spectra, svg));
    return dgm_config_flag(config, "json") ? dgm_spectra_print_json(spectra, stdout) : dgm_spectra_print(spectra, stdout);
}

static dgm_err run_spectra(const dgm_config *config, const dgm_grid *grid)
{
    static const char *const others[] = {"model", "src", "ref", "hyp_out", "line_scores", "token_scores"};
    dgm_spectra *spectra = NULL;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (dgm_config_given(config, others[i])) return DGM_FAIL(DGM_ERR_USAGE, "--spectra looks at matrices alone: it takes --json and --svg only");
    DGM_TRY(dgm_spectra_measure(grid, dgm_config_text(config, "spectra"), &spectra));
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? show_spectra(config, spectra) : DGM_OK);
    dgm_spectra_destroy(spectra);
    return err;
}

static dgm_err run_pairs(const dgm_config *config, const dgm_grid *grid)
{
    evaluation e = {.config = config, .grid = grid};
    dgm_err err = evaluate(&e);
    for (int r = 0; r < e.n_refs; r++) dgm_lines_fini(&e.refs[r]);
    free(e.refs);
    dgm_lines_fini(&e.src);
    dgm_text_fini(&e.hyps);
    dgm_sentence_list_fini(&e.src_tokens);
    dgm_sentence_list_fini(&e.ref_tokens);
    dgm_pair_scores_fini(&e.forced);
    dgm_translator_close(e.translator);
    return err;
}

static dgm_err run(dgm_config *config)
{
    dgm_grid *grid;
    bool spectra = dgm_config_has(config, "spectra");
    if (dgm_config_has(config, "svg") && !spectra) return DGM_FAIL(DGM_ERR_USAGE, "--svg goes with --spectra");
    DGM_TRY(dgm_grid_create(MPI_COMM_WORLD, 1, &grid));
    dgm_err err = spectra ? run_spectra(config, grid) : run_pairs(config, grid);
    dgm_grid_destroy(grid);
    return err;
}

int dgm_cmd_eval(int argc, char **argv)
{
    static const dgm_option *const tables[] = {options, dgm_metric_option_table, dgm_translate_option_table};
    static const dgm_cli_command command = {.name = "eval", .synopsis = "--model MODEL --src FILE --ref FILE... [options]\n       dragoman eval --spectra MODEL [--json] [--svg FILE]",
        .summary = "Evaluates a model: translates FILE and scores the translations as score does, and measures the loss of the references.\n"
                   "Tokens count </s>; words are what white space parts in the reference.  Per token and per word are the same sum\n"
                   "divided by different counts.  Files may be compressed (.zst, .gz, .xz).",
        .tables = tables, .n_tables = 3, .uses_mpi = true, .run = run};
    return dgm_cli_run(&command, argc, argv);
}
