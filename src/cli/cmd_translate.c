/* dragoman translate: source lines on standard input, target lines on standard output, in the same order.
 *
 * Rank 0 reads and writes; lines are translated some thousands at a time on all ranks, so that memory does not grow with the input. */
#include "dgm/cli.h"
#include "dgm/coll.h"
#include "dgm/corpus.h"
#include "dgm/log.h"
#include "dgm/timer.h"
#include "dgm/translator.h"

#include <stdio.h>
#include <stdlib.h>

static const dgm_option options[] = {
    {"model", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "MODEL", "model file, checkpoint or run folder"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

enum { LINES_AT_ONCE = 4096 };

typedef struct {
    const dgm_grid *grid;
    dgm_translate_options options;
    bool print_n_best;
    dgm_translator *translator;
    /* rank 0 */
    dgm_corpus *input;
    dgm_tokenizer_state *tokenizer;
    dgm_text text;
    int64_t n_lines, n_tokens; /* done; tokens of the best translations, </s> included */
    bool at_end;
    /* all ranks */
    dgm_sentence_list sentences;
    dgm_hypotheses *found; /* [LINES_AT_ONCE] */
} job;

/* The next lines; a blank one has no tokens. */
static dgm_err read_lines(job *j)
{
    dgm_sentence_list_clear(&j->sentences);
    while (!j->at_end && j->sentences.n < LINES_AT_ONCE) {
        dgm_line line;
        bool more;
        DGM_TRY(dgm_corpus_next(j->input, &line, &more));
        j->at_end = !more;
        if (!more) break;
        DGM_TRY(dgm_corpus_refuse(&line));
        DGM_TRY(dgm_sentence_list_encode(&j->sentences, j->tokenizer, line.text,
                                         dgm_translate_is_blank(line.text, line.n_bytes) ? 0 : line.n_bytes, j->options.max_src_tokens,
                                         line.file, line.number));
    }
    return DGM_OK;
}

static dgm_err print_line(job *j, const dgm_hypotheses *list)
{
    int n = j->print_n_best ? DGM_MIN(list->n, j->options.search.beam.n_best) : 1;
    if (list->n == 0) return DGM_FAIL(DGM_ERR_INTERNAL, "line %lld has no translation", (long long)j->n_lines + 1);
    for (int i = 0; i < n; i++) {
        dgm_text_clear(&j->text);
        if (j->print_n_best) DGM_TRY(dgm_text_printf(&j->text, "%lld ||| ", (long long)j->n_lines));
        DGM_TRY(dgm_translate_text(j->translator->tgt_tokenizer, &list->best[i], &j->text));
        if (j->print_n_best) DGM_TRY(dgm_text_printf(&j->text, " ||| %.6f", list->best[i].score));
        DGM_TRY(dgm_text_append(&j->text, "\n", 1));
        fwrite(j->text.text, 1, j->text.bytes, stdout);
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
    if (err == DGM_OK && (fflush(stdout) != 0 || ferror(stdout)))
        err = DGM_FAIL(DGM_ERR_IO, "standard output: translations could not be written");
    return err;
}

static dgm_err translate_all(job *j)
{
    double start = dgm_timer_now();
    for (;;) {
        DGM_TRY(dgm_coll_agree(j->grid, DGM_AXIS_WORLD, j->grid->rank == 0 ? read_lines(j) : DGM_OK));
        DGM_TRY(dgm_sentence_list_broadcast(j->grid, &j->sentences));
        if (j->sentences.n == 0) break;
        DGM_TRY(dgm_translate_sentences(j->grid, j->translator->search, &j->options, j->sentences.sentence, j->sentences.n, j->found));
        DGM_TRY(dgm_coll_agree(j->grid, DGM_AXIS_WORLD, j->grid->rank == 0 ? print_lines(j) : DGM_OK));
    }
    double seconds = dgm_timer_now() - start;
    dgm_log(DGM_LOG_INFO, "%lld lines, %lld tokens in %.1f s: %.0f tokens/s", (long long)j->n_lines, (long long)j->n_tokens, seconds,
            (double)j->n_tokens / DGM_MAX(seconds, 1e-9));
    return DGM_OK;
}

static dgm_err open_input(job *j)
{
    const char *path = "-", *name = "standard input";
    DGM_TRY(dgm_tokenizer_state_create(j->translator->src_tokenizer, &j->tokenizer));
    return dgm_corpus_open(&path, &name, 1, &j->input);
}

static dgm_err prepare_job(const dgm_config *config, job *j)
{
    DGM_TRY(dgm_config_require(config, "model"));
    DGM_TRY(dgm_translate_options_read(config, &j->options));
    j->print_n_best = dgm_config_has(config, "n_best");
    DGM_TRY(dgm_translate_more_read(config, &j->options));
    DGM_TRY(dgm_translator_open(dgm_config_text(config, "model"), j->grid, &j->translator));
    j->found = calloc(LINES_AT_ONCE, sizeof *j->found);
    dgm_err err = j->found != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%d lines", LINES_AT_ONCE);
    if (err == DGM_OK && j->grid->rank == 0) err = open_input(j);
    return dgm_coll_agree(j->grid, DGM_AXIS_WORLD, err);
}

static dgm_err run(dgm_config *config)
{
    job j = {0};
    dgm_grid *grid;
    DGM_TRY(dgm_grid_create(MPI_COMM_WORLD, 1, &grid));
    j.grid = grid;
    dgm_err err = prepare_job(config, &j);
    if (err == DGM_OK) err = translate_all(&j);
    free(j.found);
    dgm_sentence_list_fini(&j.sentences);
    dgm_text_fini(&j.text);
    dgm_corpus_close(j.input);
    dgm_tokenizer_state_destroy(j.tokenizer);
    dgm_translator_close(j.translator);
    dgm_grid_destroy(grid);
    return err;
}

int dgm_cmd_translate(int argc, char **argv)
{
    static const dgm_option *const tables[] = {options, dgm_translate_option_table, dgm_translate_more_table};
    static const dgm_cli_command command = {.name = "translate", .synopsis = "--model MODEL [options] < in > out",
        .summary = "Translates lines of standard input, which may be compressed.  Beam search; a line's translation depends on that line\n"
                   "alone, not on its neighbours, the number of ranks or the batch size.  An empty line stays empty.",
        .tables = tables, .n_tables = 3, .uses_mpi = true, .run = run};
    return dgm_cli_run(&command, argc, argv);
}
