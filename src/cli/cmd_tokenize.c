/* dragoman tokenize and detokenize: lines of text to pieces or ids, and back; with --trace, how the pieces come about. */
#include "dgm/cli.h"
#include "dgm/corpus.h"
#include "dgm/io.h"
#include "dgm/tokenizer_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_OPTION {"model", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "M", "a model, a folder with one, a DATA folder or a tokenizer.json"}
#define SIDE_OPTION(fallback) \
    {"side", DGM_OPTION_CHOICE, fallback, 0, 0, "src|tgt", "SIDE", "whose tokenizer, where the two languages have one each"}

static const dgm_option tokenize_options[] = {
    MODEL_OPTION,
    SIDE_OPTION("src"),
    {"ids", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "print ids instead of pieces"},
    {"trace", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "show each word's characters and the merges that join them"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static const dgm_option detokenize_options[] = {
    MODEL_OPTION,
    SIDE_OPTION("tgt"),
    {"ids", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "the lines are ids, not pieces"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

typedef struct {
    const dgm_config *config;
    dgm_tokenizer *tokenizer;
    dgm_tokenizer_state *state;
    dgm_ids ids;
    dgm_text text;
    bool has_ids; /* --ids */
} job;

static dgm_err load(const dgm_config *config, dgm_tokenizer **out)
{
    DGM_TRY(dgm_config_require(config, "model"));
    return dgm_tokenizer_find(dgm_config_text(config, "model"), dgm_config_text(config, "side"), out);
}

/* ---- the two commands on one line ---- */

static void print_pieces(const dgm_tokenizer *tokenizer, const int32_t *ids, int64_t n)
{
    for (int64_t i = 0; i < n; i++) printf("%s%s", i > 0 ? " " : "", dgm_tokenizer_piece(tokenizer, ids[i]));
    putchar('\n');
}

static void print_step(void *context, int64_t rank, const int32_t *pieces, int64_t n)
{
    const job *j = context;
    char step[32] = "word";
    if (rank >= 0) snprintf(step, sizeof step, "merge %lld", (long long)rank);
    printf("%-12s ", step);
    print_pieces(j->tokenizer, pieces, n);
}

static dgm_err tokenize_line(job *j, const char *line, size_t bytes)
{
    bool traces = dgm_config_flag(j->config, "trace");
    dgm_ids_clear(&j->ids);
    DGM_TRY(dgm_tokenizer_trace(j->state, line, bytes, &j->ids, traces ? print_step : NULL, j));
    if (traces) printf("%-12s ", "line");
    if (!j->has_ids) {
        print_pieces(j->tokenizer, j->ids.ids, j->ids.n);
        return DGM_OK;
    }
    for (int64_t i = 0; i < j->ids.n; i++) printf("%s%d", i > 0 ? " " : "", j->ids.ids[i]);
    putchar('\n');
    return DGM_OK;
}

/* The id that a word of input stands for. */
static dgm_err read_token(const job *j, const char *word, size_t bytes, int32_t *id)
{
    const int32_t size = dgm_tokenizer_vocab_size(j->tokenizer);
    if (!j->has_ids) {
        *id = dgm_vocab_find(dgm_tokenizer_vocab(j->tokenizer), word, bytes);
        return *id >= 0 ? DGM_OK : DGM_FAIL(DGM_ERR_INPUT, "\"%.*s\" is no piece of the vocabulary", (int)DGM_MIN(bytes, (size_t)100), word);
    }
    char digits[16], *end;
    size_t n = DGM_MIN(bytes, sizeof digits - 1);
    memcpy(digits, word, n);
    digits[n] = '\0';
    long value = strtol(digits, &end, 10);
    if (strspn(digits, "0123456789") != bytes || value >= size)
        return DGM_FAIL(DGM_ERR_INPUT, "\"%.*s\" is no id; expected 0 to %d", (int)DGM_MIN(bytes, (size_t)100), word, size - 1);
    *id = (int32_t)value;
    return DGM_OK;
}

static dgm_err detokenize_line(job *j, const char *line, size_t bytes)
{
    dgm_ids_clear(&j->ids);
    dgm_text_clear(&j->text);
    for (size_t start = 0, end; start < bytes; start = end + 1) {
        const char *space = memchr(line + start, ' ', bytes - start);
        end = space != NULL ? (size_t)(space - line) : bytes;
        int32_t id = 0;
        if (end == start) continue;
        DGM_TRY(read_token(j, line + start, end - start, &id));
        DGM_TRY(dgm_ids_append(&j->ids, &id, 1));
    }
    DGM_TRY(dgm_tokenizer_decode(j->tokenizer, j->ids.ids, j->ids.n, &j->text));
    for (size_t i = 0; i < j->text.bytes; i++)
        if (j->text.text[i] == '\n' || j->text.text[i] == '\0') j->text.text[i] = ' '; /* one line in, one line of text out */
    fwrite(j->text.text, 1, j->text.bytes, stdout);
    putchar('\n');
    return DGM_OK;
}

/* ---- all lines ---- */

static dgm_err each_line(job *j, bool is_text, dgm_err (*one)(job *, const char *, size_t))
{
    static const char *const input[] = {"-"}, *const name[] = {"standard input"};
    dgm_err err;
    dgm_corpus *lines = NULL;
    dgm_line line;
    bool more;
    DGM_TRY(dgm_corpus_open(input, name, 1, &lines));
    for (;;) {
        DGM_GOTO(dgm_corpus_next(lines, &line, &more));
        if (!more) break;
        DGM_GOTO(dgm_corpus_refuse(&line));
        if (is_text) dgm_corpus_strip(&line.text, &line.n_bytes, line.number == 1); /* as for training and translating */
        err = one(j, line.text, line.n_bytes);
        if (err == DGM_OK && ferror(stdout)) DGM_GOTO(dgm_io_flush(stdout, "standard output"));
        if (err != DGM_OK) {
            err = dgm_error_context(err, "%s, line %lld", line.file, (long long)line.number);
            break;
        }
    }
fail:
    dgm_corpus_close(lines);
    return err;
}

static dgm_err run(const dgm_config *config, dgm_err (*one)(job *, const char *, size_t))
{
    job j = {.config = config, .has_ids = dgm_config_flag(config, "ids")};
    dgm_err err = load(config, &j.tokenizer);
    if (err == DGM_OK) err = dgm_tokenizer_state_create(j.tokenizer, &j.state);
    if (err == DGM_OK) err = each_line(&j, one == tokenize_line, one);
    dgm_text_fini(&j.text);
    dgm_ids_fini(&j.ids);
    dgm_tokenizer_state_destroy(j.state);
    dgm_tokenizer_destroy(j.tokenizer);
    return err;
}

static dgm_err run_tokenize(dgm_config *config) { return run(config, tokenize_line); }
static dgm_err run_detokenize(dgm_config *config) { return run(config, detokenize_line); }

int dgm_cmd_tokenize(int argc, char **argv)
{
    static const dgm_option *const tables[] = {tokenize_options};
    static const dgm_cli_command command = {.name = "tokenize", .synopsis = "--model M [options] < TEXT",
        .summary = "Lines of text to pieces, one line each, with spaces between; U+2581 in a piece stands for a space.",
        .tables = tables, .n_tables = 1, .run = run_tokenize};
    return dgm_cli_run(&command, argc, argv);
}

int dgm_cmd_detokenize(int argc, char **argv)
{
    static const dgm_option *const tables[] = {detokenize_options};
    static const dgm_cli_command command = {.name = "detokenize", .synopsis = "--model M [options] < PIECES",
        .summary = "Lines of pieces, as tokenize prints them, to text.",
        .tables = tables, .n_tables = 1, .run = run_detokenize};
    return dgm_cli_run(&command, argc, argv);
}
