/* Lines are cut into words and counted; everything else happens once, on the table of distinct words: normal form, the choice of
 * characters, the cut into runs within which merges may join, the search for merges (bpe_merges.c). */
#include "dgm/bpe_learn.h"

#include "dgm/bpe_merges.h"
#include "dgm/unicode.h"
#include "dgm/word_sample.h"

#include <stdlib.h>
#include <string.h>

static const double default_coverage = 0.9999;
static const int64_t default_phrase_bytes = 32 << 20; /* learning then takes about 0.6 GB besides that of the words */

struct dgm_bpe_learner {
    dgm_bpe_learn_options options;
    dgm_word_count *words;    /* as they stand between spaces */
    dgm_word_sample *phrases; /* those that are rather phrases */
};

dgm_err dgm_bpe_learner_create(const dgm_bpe_learn_options *options, dgm_bpe_learner **out)
{
    double coverage = options->character_coverage;
    if (options->vocab_size < DGM_VOCAB_N_FIXED + 2 || options->vocab_size > DGM_VOCAB_MAX)
        return DGM_FAIL(DGM_ERR_USAGE, "vocab_size is %d; expected %d to %d", options->vocab_size, DGM_VOCAB_N_FIXED + 2,
                        (int)DGM_VOCAB_MAX);
    if (!(coverage >= 0 && coverage <= 1))
        return DGM_FAIL(DGM_ERR_USAGE, "character_coverage is %g; expected more than 0 and at most 1, or 0 for %g", coverage,
                        default_coverage);
    dgm_bpe_learner *l = calloc(1, sizeof *l);
    if (l == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "learner");
    l->options = *options;
    if (coverage == 0) l->options.character_coverage = default_coverage;
    dgm_err err = dgm_word_count_create(&l->words);
    if (err == DGM_OK) err = dgm_word_sample_create(options->phrase_bytes > 0 ? options->phrase_bytes : default_phrase_bytes, &l->phrases);
    if (err != DGM_OK) {
        dgm_bpe_learner_destroy(l);
        return err;
    }
    *out = l;
    return DGM_OK;
}

void dgm_bpe_learner_destroy(dgm_bpe_learner *l)
{
    if (l == NULL) return;
    dgm_word_sample_destroy(l->phrases);
    dgm_word_count_destroy(l->words);
    free(l);
}

dgm_err dgm_bpe_learner_add_line(dgm_bpe_learner *l, const char *line, size_t bytes)
{
    for (size_t start = 0, end; start < bytes; start = end + 1) {
        const char *space = memchr(line + start, ' ', bytes - start);
        end = space != NULL ? (size_t)(space - line) : bytes;
        size_t n = end - start;
        if (n == 0) continue;
        if (dgm_word_is_phrase(line + start, n)) DGM_TRY(dgm_word_sample_add(l->phrases, line + start, n));
        else DGM_TRY(dgm_word_count_add(l->words, line + start, n, 1));
    }
    return DGM_OK;
}

/* ---- characters ---- */

typedef struct { int64_t times; int32_t code; } character;

static bool may_be_piece(int32_t code)
{
    return code != ' ' && code != DGM_SPACE_MARK_CODE && dgm_unicode_class_of(code) != DGM_UNICODE_CONTROL;
}

/* Adds the characters of all words of a table, in normal form, to times[DGM_N_CODES]. */
static dgm_err count_of_words(const dgm_word_count *words, int64_t *times)
{
    dgm_err err = DGM_OK;
    dgm_text normal = {0};
    for (int64_t w = 0; err == DGM_OK && w < dgm_word_count_n(words); w++) {
        size_t bytes;
        int64_t n;
        const char *word = dgm_word_count_at(words, w, &bytes, &n);
        err = dgm_word_characters(word, bytes, n, &normal, times);
    }
    dgm_text_fini(&normal);
    return err;
}

/* Of the whole text, whatever of it has been kept. */
static dgm_err count_characters(const dgm_bpe_learner *l, int64_t *times)
{
    const int64_t *gone = dgm_word_sample_characters(l->phrases);
    for (int32_t code = 0; gone != NULL && code < DGM_N_CODES; code++) times[code] += gone[code];
    DGM_TRY(count_of_words(l->words, times));
    return count_of_words(dgm_word_sample_kept(l->phrases), times);
}

static int by_frequency(const void *a, const void *b)
{
    const character *x = a, *y = b;
    if (x->times != y->times) return x->times > y->times ? -1 : 1;
    return x->code < y->code ? -1 : x->code > y->code;
}

static size_t put_utf8(int32_t code, char out[4])
{
    uint32_t c = (uint32_t)code;
    if (c < 0x80) return out[0] = (char)c, 1;
    if (c < 0x800) return out[0] = (char)(0xC0 | c >> 6), out[1] = (char)(0x80 | (c & 0x3F)), 2;
    if (c < 0x10000)
        return out[0] = (char)(0xE0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 0x3F)), out[2] = (char)(0x80 | (c & 0x3F)), 3;
    out[0] = (char)(0xF0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F)), out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* How many of list[n], most frequent first, get a piece. */
static dgm_err choose_characters(const dgm_bpe_learn_options *options, const character *list, int64_t n, int64_t *n_chosen)
{
    int64_t room = options->vocab_size - DGM_VOCAB_N_FIXED - 1, total = 0, covered = 0, chosen = 0;
    if (n == 0) return DGM_FAIL(DGM_ERR_INPUT, "no text to learn a tokenizer from");
    if (options->kind == DGM_TOKENIZER_CHARACTER) {
        *n_chosen = DGM_MIN(n, room);
        return DGM_OK;
    }
    for (int64_t i = 0; i < n; i++) total += list[i].times;
    while (chosen < n && (double)covered < options->character_coverage * (double)total) covered += list[chosen++].times;
    if (chosen > room)
        return DGM_FAIL(DGM_ERR_USAGE, "vocab_size %d is too small: %d special and byte tokens, the space mark and %lld characters need "
                        "at least %lld (fewer with a character coverage below %g)", options->vocab_size, (int)DGM_VOCAB_N_FIXED,
                        (long long)chosen, (long long)(DGM_VOCAB_N_FIXED + 1 + chosen), options->character_coverage);
    *n_chosen = chosen;
    return DGM_OK;
}

/* Adds the space mark and the chosen characters to `vocab`; ids[DGM_N_CODES] becomes the id of every character, -1 for none. */
static dgm_err add_characters(const dgm_bpe_learner *l, dgm_vocab *vocab, int32_t *ids)
{
    int32_t id;
    int64_t n = 0, n_chosen = 0;
    dgm_err err;
    int64_t *times = calloc(DGM_N_CODES, sizeof *times);
    character *list = malloc(DGM_N_CODES * sizeof *list);
    if (times == NULL || list == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "counts of characters");
        goto fail;
    }
    DGM_GOTO(count_characters(l, times));
    for (int32_t code = 0; code < DGM_N_CODES; code++)
        if (times[code] > 0 && may_be_piece(code)) list[n++] = (character){times[code], code};
    qsort(list, (size_t)n, sizeof *list, by_frequency);
    DGM_GOTO(choose_characters(&l->options, list, n, &n_chosen));
    memset(ids, 0xFF, DGM_N_CODES * sizeof *ids);
    DGM_GOTO(dgm_vocab_add(vocab, DGM_SPACE_MARK, DGM_SPACE_MARK_BYTES, &id));
    for (int64_t i = 0; i < n_chosen; i++) {
        char utf8[4];
        size_t bytes = put_utf8(list[i].code, utf8);
        DGM_GOTO(dgm_vocab_add(vocab, utf8, bytes, &ids[list[i].code]));
    }
fail:
    free(list);
    free(times);
    return err;
}

/* ---- runs: the parts of words within which merges may join ---- */

/* Counts the run that ends, if it has a pair, and begins an empty one.  It is kept as the bytes of its ids. */
static dgm_err end_run(dgm_ids *run, int64_t times, dgm_word_count *runs)
{
    size_t bytes = (size_t)run->n * sizeof *run->ids;
    bool has_pair = run->n >= 2;
    dgm_ids_clear(run);
    return has_pair ? dgm_word_count_add(runs, (const char *)run->ids, bytes, times) : DGM_OK;
}

/* Cuts a word, the space mark before it, where the class of character changes and at characters without a piece. */
static dgm_err count_runs(const dgm_text *word, int64_t times, const int32_t *ids, int32_t mark, dgm_ids *run, dgm_word_count *runs)
{
    dgm_unicode_class run_class = DGM_UNICODE_MARK; /* MARK: any class may follow */
    dgm_ids_clear(run);
    DGM_TRY(dgm_ids_append(run, &mark, 1));
    for (size_t at = 0, length; at < word->bytes; at += length) {
        int32_t code = 0;
        length = dgm_unicode_next(word->text + at, word->bytes - at, &code);
        DGM_ASSERT(length > 0);
        dgm_unicode_class class = dgm_unicode_class_of(code);
        if (class == DGM_UNICODE_MARK) class = run_class; /* goes with what is before it */
        bool fits = class == run_class || run_class == DGM_UNICODE_MARK;
        if (ids[code] < 0 || !fits) DGM_TRY(end_run(run, times, runs));
        run_class = ids[code] < 0 ? DGM_UNICODE_MARK : class;
        if (ids[code] >= 0) DGM_TRY(dgm_ids_append(run, &ids[code], 1));
    }
    return end_run(run, times, runs);
}

/* Each word stands for 2^shift like it. */
static dgm_err add_runs(const dgm_word_count *words, int shift, const int32_t *ids, int32_t mark, dgm_word_count *runs)
{
    dgm_err err = DGM_OK;
    dgm_text normal = {0};
    dgm_ids run = {0};
    for (int64_t w = 0; w < dgm_word_count_n(words); w++) {
        size_t bytes;
        int64_t times;
        const char *word = dgm_word_count_at(words, w, &bytes, &times);
        dgm_text_clear(&normal);
        DGM_GOTO(dgm_unicode_nfc(word, bytes, &normal));
        DGM_GOTO(count_runs(&normal, times << shift, ids, mark, &run, runs));
    }
fail:
    dgm_text_fini(&normal);
    dgm_ids_fini(&run);
    return err;
}

static void words_fini(dgm_piece_words *words)
{
    free(words->pieces);
    free(words->starts);
    free(words->times);
}

/* The counted runs laid end to end. */
static dgm_err lay_out(const dgm_word_count *runs, dgm_piece_words *words)
{
    size_t bytes, total = 0;
    int64_t times;
    *words = (dgm_piece_words){.n = dgm_word_count_n(runs)};
    for (int64_t i = 0; i < words->n; i++) dgm_word_count_at(runs, i, &bytes, &times), total += bytes;
    words->pieces = malloc(total + 1);
    words->starts = malloc((size_t)(words->n + 1) * sizeof *words->starts);
    words->times = malloc((size_t)(words->n + 1) * sizeof *words->times);
    if (words->pieces == NULL || words->starts == NULL || words->times == NULL) {
        words_fini(words);
        return DGM_FAIL(DGM_ERR_NOMEM, "%lld distinct words", (long long)words->n);
    }
    words->starts[0] = 0;
    for (int64_t i = 0; i < words->n; i++) {
        const char *run = dgm_word_count_at(runs, i, &bytes, &words->times[i]);
        memcpy(words->pieces + words->starts[i], run, bytes);
        words->starts[i + 1] = words->starts[i] + (int64_t)(bytes / sizeof *words->pieces);
    }
    return DGM_OK;
}

static dgm_err learn_merges(const dgm_bpe_learner *l, const int32_t *ids, dgm_vocab *vocab, dgm_merge **merges, int64_t *n_merges)
{
    dgm_piece_words words;
    dgm_word_count *runs;
    DGM_TRY(dgm_word_count_create(&runs));
    const int32_t mark = dgm_vocab_find(vocab, DGM_SPACE_MARK, DGM_SPACE_MARK_BYTES);
    dgm_err err = add_runs(l->words, 0, ids, mark, runs);
    if (err == DGM_OK) err = add_runs(dgm_word_sample_kept(l->phrases), dgm_word_sample_shift(l->phrases), ids, mark, runs);
    if (err == DGM_OK) err = lay_out(runs, &words);
    dgm_word_count_destroy(runs);
    if (err != DGM_OK) return err;
    err = dgm_bpe_find_merges(&words, vocab, l->options.vocab_size, merges, n_merges);
    words_fini(&words);
    if (err != DGM_OK || dgm_vocab_size(vocab) == l->options.vocab_size) return err;
    free(*merges);
    return DGM_FAIL(DGM_ERR_USAGE, "vocab_size %d is more than the text can give: at most %d (no pair of pieces that is left occurs twice)",
                    l->options.vocab_size, dgm_vocab_size(vocab));
}

dgm_err dgm_bpe_learner_learn(dgm_bpe_learner *l, dgm_tokenizer **out)
{
    dgm_err err;
    dgm_vocab *vocab = NULL;
    dgm_merge *merges = NULL;
    int64_t n_merges = 0;
    int32_t *ids = malloc(DGM_N_CODES * sizeof *ids);
    if (ids == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "ids of characters");
    DGM_GOTO(dgm_vocab_create(&vocab));
    DGM_GOTO(add_characters(l, vocab, ids));
    if (l->options.kind == DGM_TOKENIZER_BPE) DGM_GOTO(learn_merges(l, ids, vocab, &merges, &n_merges));
    free(ids);
    err = dgm_tokenizer_create(vocab, merges, n_merges, out);
    free(merges);
    return err;
fail:
    free(ids);
    dgm_vocab_destroy(vocab);
    return err;
}
