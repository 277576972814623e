/* dragoman translate: source lines on standard input, target lines on standard output or in a file, in the same order.
 *
 * Rank 0 reads and writes; lines are translated some thousands at a time on all ranks, so that memory does not grow with the input.  With
 * --flush as many as there are without waiting, so that who writes a line gets its translation. */
#include "dgm/cli.h"
#include "dgm/coll.h"
#include "dgm/corpus.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/out_file.h"
#include "dgm/output.h"
#include "dgm/placement.h"
#include "dgm/timer.h"
#include "dgm/translator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const dgm_option options[] = {
    {"model", DGM_OPTION_LIST, NULL, 0, 0, NULL, "MODEL", "model file, checkpoint or run folder; several translate together"},
    {"prefix", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "how the translation of each line begins, a line each; may be blank"},
    {"out", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "where the translations go, all or none of them; if not given, to standard output"},
    {"flush", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "answer lines as they come, without waiting for more"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

/* The first lines are few, so that progress shows early. */
enum { FIRST_LINES = 256, MOST_LINES = 4096 };

typedef struct {
    const dgm_grid *grid;
    dgm_translate_options options;
    bool print_n_best, flush;
    dgm_translator *translator;
    int64_t at_once; /* lines */
    /* rank 0 */
    dgm_corpus *input, *prefix_input; /* the second NULL without --prefix */
    const char *prefix_path;
    dgm_tokenizer_state *tokenizer, *prefix_tokenizer;
    dgm_text text;
    int64_t n_lines, n_tokens; /* done; tokens of the best translations, </s> included */
    dgm_out_file out;
    bool at_end;
    dgm_err late; /* of a line that could not be read, while those before it are translated */
    char *late_text;
    double started, shown; /* when it began, when progress was shown last */
    /* all ranks */
    dgm_sentence_list sentences, prefixes;
    dgm_hypotheses *found; /* [MOST_LINES] */
} job;

/* ---- reading ---- */

/* The beginning of line `number`; one for each line and no more.  Its tokens are bounded by the bytes that a line may have. */
static dgm_err read_prefix(job *j, int64_t number)
{
    dgm_line line;
    bool more;
    DGM_TRY(dgm_corpus_next(j->prefix_input, &line, &more));
    if (!more) return DGM_FAIL(DGM_ERR_INPUT, "--prefix %s: it ends before line %lld of standard input", j->prefix_path, (long long)number);
    DGM_TRY(dgm_corpus_refuse(&line));
    dgm_translate_text_of(&line.text, &line.n_bytes, line.number);
    return dgm_sentence_list_encode(&j->prefixes, j->prefix_tokenizer, line.text, line.n_bytes, INT64_MAX, line.file, line.number);
}

static dgm_err check_end(job *j)
{
    dgm_line line;
    bool more = false;
    if (j->prefix_input != NULL) DGM_TRY(dgm_corpus_next(j->prefix_input, &line, &more));
    if (more)
        return DGM_FAIL(DGM_ERR_INPUT, "%s has more lines than standard input, which has %lld", line.file,
                        (long long)dgm_corpus_file_read(j->input, 0)->n_lines);
    return DGM_OK;
}

/* The next line; a blank one has no tokens. */
static dgm_err read_line(job *j)
{
    dgm_line line;
    bool more;
    DGM_TRY(dgm_corpus_next(j->input, &line, &more));
    j->at_end = !more;
    if (!more) return check_end(j);
    DGM_TRY(dgm_corpus_refuse(&line));
    dgm_translate_text_of(&line.text, &line.n_bytes, line.number);
    DGM_TRY(dgm_sentence_list_encode(&j->sentences, j->tokenizer, line.text, line.n_bytes, j->options.max_src_tokens, line.file, line.number));
    if (j->prefix_input == NULL) return DGM_OK;
    dgm_err err = read_prefix(j, line.number);
    if (err != DGM_OK) dgm_sentence_list_drop_last(&j->sentences);
    return err;
}

static dgm_err fail_late(const job *j)
{
    bool kept = j->out.unfinished == NULL; /* on standard output, or in a pipe */
    return DGM_FAIL(j->late, "%s (the %lld line%s before that: translated%s)", j->late_text, (long long)j->n_lines, j->n_lines == 1 ? "" : "s",
                    kept ? "" : ", and gone with the file: --out is written whole or not at all");
}

/* A line that cannot be read ends the translation, but not before the lines in front of it are answered. */
static dgm_err put_off(job *j, dgm_err err)
{
    if ((err != DGM_ERR_INPUT && err != DGM_ERR_IO) || j->sentences.n + j->n_lines == 0) return err;
    j->late_text = strdup(dgm_error_text());
    if (j->late_text == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "an error message");
    j->late = err;
    return j->sentences.n > 0 ? DGM_OK : fail_late(j);
}

static dgm_err read_lines(job *j)
{
    bool waits = false;
    if (j->late != DGM_OK) return fail_late(j);
    dgm_sentence_list_clear(&j->sentences);
    dgm_sentence_list_clear(&j->prefixes);
    while (!j->at_end && j->sentences.n < j->at_once && !waits) {
        dgm_err err = read_line(j);
        if (err == DGM_OK && j->flush && !j->at_end) err = dgm_corpus_waits(j->input, &waits);
        if (err != DGM_OK) return put_off(j, err);
    }
    return DGM_OK;
}

/* ---- writing ---- */

static dgm_err print_line(job *j, const dgm_hypotheses *list)
{
    int n = j->print_n_best ? DGM_MIN(list->n, j->options.search.beam.n_best) : 1;
    if (list->n == 0) return DGM_FAIL(DGM_ERR_INTERNAL, "line %lld has no translation", (long long)j->n_lines + 1);
    for (int i = 0; i < n; i++) {
        dgm_text_clear(&j->text);
        if (j->print_n_best) DGM_TRY(dgm_text_printf(&j->text, "%lld ||| ", (long long)j->n_lines));
        DGM_TRY(dgm_translate_text(j->translator->tgt_tokenizer, &list->best[i], &j->text));
        double score = list->best[i].score; /* a strong length penalty makes it small */
        if (j->print_n_best) DGM_TRY(dgm_text_printf(&j->text, score > -0.01 && score < 0 ? " ||| %.6g" : " ||| %.6f", score));
        DGM_TRY(dgm_text_append(&j->text, "\n", 1));
        fwrite(j->text.text, 1, j->text.bytes, j->out.stream);
    }
    j->n_tokens += list->best[0].n + (list->best[0].n > 0);
    j->n_lines++;
    return DGM_OK;
}

static dgm_err print_lines(job *j)
{
    dgm_err err = DGM_OK;
    for (int64_t i = 0; i < j->sentences.n; i++) {
        if (err == DGM_OK) err = print_line(j, &j->found[i]);
        dgm_hypotheses_fini(&j->found[i]);
    }
    return err == DGM_OK ? dgm_out_file_flush(&j->out) : err;
}

/* Every second on a terminal, twice a minute in a log; with the share done where standard input is a file. */
static void show_progress(job *j)
{
    struct stat input;
    double now = dgm_timer_now(), seconds = now - j->started;
    off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
    char share[32] = "";
    if (j->at_end || now - j->shown < (isatty(STDERR_FILENO) ? 1 : 30)) return;
    j->shown = now;
    if (at >= 0 && fstat(STDIN_FILENO, &input) == 0 && S_ISREG(input.st_mode) && input.st_size > 0)
        snprintf(share, sizeof share, " (%.0f%%)", 100 * (double)at / (double)input.st_size);
    dgm_log_progress("%lld line%s%s  %.0f lines/s  %.0f tokens/s", (long long)j->n_lines, j->n_lines == 1 ? "" : "s", share,
                     (double)j->n_lines / seconds, (double)j->n_tokens / seconds);
}

/* ---- the command ---- */

static dgm_err translate_lines(job *j)
{
    DGM_TRY(dgm_sentence_list_broadcast(j->grid, &j->sentences));
    DGM_TRY(dgm_sentence_list_broadcast(j->grid, &j->prefixes));
    if (j->prefixes.n > 0) dgm_sentence_list_prefix(&j->sentences, &j->prefixes);
    DGM_TRY(dgm_translate_sentences(j->grid, j->translator->search, &j->options, j->sentences.sentence, j->sentences.n, j->found));
    return dgm_coll_agree(j->grid, DGM_AXIS_WORLD, j->grid->rank == 0 ? print_lines(j) : DGM_OK);
}

static dgm_err translate_all(job *j)
{
    j->started = j->shown = dgm_timer_now();
    for (;; j->at_once = DGM_MIN(2 * j->at_once, (int64_t)MOST_LINES)) {
        DGM_TRY(dgm_coll_agree(j->grid, DGM_AXIS_WORLD, j->grid->rank == 0 ? read_lines(j) : DGM_OK));
        DGM_TRY(translate_lines(j));
        if (j->sentences.n == 0) break;
        if (j->grid->rank == 0) show_progress(j);
    }
    DGM_TRY(dgm_coll_agree(j->grid, DGM_AXIS_WORLD, j->grid->rank == 0 ? dgm_out_file_commit(&j->out) : DGM_OK));
    double seconds = dgm_timer_now() - j->started;
    dgm_log(DGM_LOG_INFO, "%lld line%s, %lld token%s in %.1f s: %.0f tokens/s", (long long)j->n_lines, j->n_lines == 1 ? "" : "s", (long long)j->n_tokens,
            j->n_tokens == 1 ? "" : "s", seconds, (double)j->n_tokens / DGM_MAX(seconds, 1e-9));
    return DGM_OK;
}

static dgm_err open_input(const dgm_config *config, job *j)
{
    const char *path = "-", *name = "standard input", *prefix = dgm_config_text(config, "prefix");
    DGM_TRY(dgm_tokenizer_state_create(j->translator->src_tokenizer, &j->tokenizer));
    if (prefix != NULL) {
        j->prefix_path = prefix;
        DGM_TRY(dgm_tokenizer_state_create(j->translator->tgt_tokenizer, &j->prefix_tokenizer));
        DGM_TRY(dgm_error_context(dgm_corpus_open(&prefix, NULL, 1, &j->prefix_input), "--prefix"));
    }
    return dgm_corpus_open(&path, &name, 1, &j->input);
}

static dgm_err open_models(const dgm_config *config, job *j)
{
    const char *paths[DGM_ENSEMBLE_MAX];
    int n = dgm_config_count(config, "model");
    for (int m = 0; m < DGM_MIN(n, (int)DGM_ENSEMBLE_MAX); m++) paths[m] = dgm_config_item(config, "model", m);
    return dgm_error_context(dgm_translator_open_ensemble(n, paths, j->grid, &j->translator), "--model");
}

/* Nothing that is read is written over. */
static dgm_err open_output(const dgm_config *config, job *j)
{
    const char *out = dgm_config_text(config, "out"), *prefix = dgm_config_text(config, "prefix");
    struct stat input, file;
    if (out == NULL) return dgm_out_file_open(NULL, &j->out);
    DGM_TRY(dgm_io_check_place("--out", out, true));
    for (int m = 0; m < dgm_config_count(config, "model"); m++) DGM_TRY(dgm_output_check("--out", out, "--model", dgm_config_item(config, "model", m)));
    if (prefix != NULL) DGM_TRY(dgm_output_check("--out", out, "--prefix", prefix));
    if (fstat(STDIN_FILENO, &input) == 0 && stat(out, &file) == 0 && S_ISREG(file.st_mode) && input.st_dev == file.st_dev && input.st_ino == file.st_ino)
        return DGM_FAIL(DGM_ERR_USAGE, "--out %s would be written over standard input: give another name", out);
    return dgm_out_file_open(out, &j->out);
}

static dgm_err check_job(const dgm_config *config)
{
    const char *prefix = dgm_config_text(config, "prefix"), *out = dgm_config_text(config, "out");
    if (prefix != NULL && strcmp(prefix, "-") == 0)
        return DGM_FAIL(DGM_ERR_USAGE, "--prefix -: standard input has the lines to translate; name another file");
    if (dgm_config_flag(config, "sample") && dgm_config_given(config, "diverse_groups"))
        return DGM_FAIL(DGM_ERR_USAGE, "samples are independent of each other: give either --sample or --diverse-groups");
    if (out != NULL && strcmp(out, "-") == 0) return DGM_FAIL(DGM_ERR_USAGE, "--out -: for standard output leave it out");
    if (out != NULL && dgm_config_flag(config, "flush"))
        return DGM_FAIL(DGM_ERR_USAGE, "--flush and --out: lines are answered as they come on standard output; a file appears whole at the end: choose one");
    return DGM_OK;
}

static dgm_err prepare_job(const dgm_config *config, job *j)
{
    DGM_TRY(dgm_config_require(config, "model"));
    DGM_TRY(check_job(config));
    DGM_TRY(dgm_translate_options_read(config, &j->options));
    DGM_TRY(dgm_translate_more_read(config, &j->options));
    j->print_n_best = dgm_config_has(config, "n_best");
    j->flush = dgm_config_flag(config, "flush");
    j->at_once = FIRST_LINES;
    DGM_TRY(dgm_coll_agree(j->grid, DGM_AXIS_WORLD, j->grid->rank == 0 ? open_output(config, j) : DGM_OK));
    DGM_TRY(open_models(config, j));
    j->found = calloc(MOST_LINES, sizeof *j->found);
    dgm_err err = j->found != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%d lines", MOST_LINES);
    if (err == DGM_OK && j->grid->rank == 0) err = open_input(config, j);
    return dgm_coll_agree(j->grid, DGM_AXIS_WORLD, err);
}

static dgm_err run(dgm_config *config)
{
    job j = {0};
    dgm_grid *grid;
    DGM_TRY(dgm_grid_create(MPI_COMM_WORLD, 1, &grid));
    j.grid = grid;
    dgm_err err = dgm_placement_check_kernels(grid);
    if (err == DGM_OK) err = prepare_job(config, &j);
    if (err == DGM_OK) err = translate_all(&j);
    dgm_out_file_drop(&j.out);
    free(j.found);
    free(j.late_text);
    dgm_sentence_list_fini(&j.sentences);
    dgm_sentence_list_fini(&j.prefixes);
    dgm_text_fini(&j.text);
    dgm_corpus_close(j.input);
    dgm_corpus_close(j.prefix_input);
    dgm_tokenizer_state_destroy(j.tokenizer);
    dgm_tokenizer_state_destroy(j.prefix_tokenizer);
    dgm_translator_close(j.translator);
    dgm_grid_destroy(grid);
    return err;
}

int dgm_cmd_translate(int argc, char **argv)
{
    static const dgm_option *const tables[] = {options, dgm_translate_option_table, dgm_translate_more_table};
    static const dgm_cli_command command = {.name = "translate", .synopsis = "--model MODEL... [--out FILE] [options] < in",
        .summary = "Translates lines of standard input, which may be compressed.  Beam search, or samples; a line's translation depends on that\n"
                   "line alone, not on its neighbours, the number of ranks or the batch size.  An empty line stays empty.",
        .tables = tables, .n_tables = 3, .uses_mpi = true, .run = run};
    return dgm_cli_run(&command, argc, argv);
}
