/* Learning: a toy worked out by hand, small random texts against a plain reference, what the text cannot give. */
#include "dgm/audit.h"
#include "dgm/bpe_learn.h"
#include "dgm/stop.h"
#include "dgm/word_sample.h"
#include "tap.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK DGM_SPACE_MARK

static dgm_err learn(dgm_bpe_learn_options options, const char *const *lines, int n, dgm_tokenizer **out)
{
    dgm_bpe_learner *learner;
    dgm_err err = DGM_OK;
    DGM_TRY(dgm_bpe_learner_create(&options, &learner));
    for (int i = 0; i < n && err == DGM_OK; i++) err = dgm_bpe_learner_add_line(learner, lines[i], strlen(lines[i]));
    if (err == DGM_OK) err = dgm_bpe_learner_learn(learner, out);
    dgm_bpe_learner_destroy(learner);
    return err;
}

/* Pieces from 260 on, and merges, as one text: "p q|a b" */
static char *describe(const dgm_tokenizer *tokenizer)
{
    dgm_text text = {0};
    const dgm_bpe *bpe = dgm_tokenizer_bpe(tokenizer);
    dgm_err err = dgm_text_append(&text, "", 0);
    for (int32_t id = DGM_VOCAB_N_FIXED; id < dgm_tokenizer_vocab_size(tokenizer) && err == DGM_OK; id++)
        err = dgm_text_printf(&text, "%s ", dgm_tokenizer_piece(tokenizer, id));
    for (int64_t r = 0; r < dgm_bpe_n_merges(bpe) && err == DGM_OK; r++)
        err = dgm_text_printf(&text, "|%s %s", dgm_tokenizer_piece(tokenizer, dgm_bpe_merge(bpe, r)->left),
                              dgm_tokenizer_piece(tokenizer, dgm_bpe_merge(bpe, r)->right));
    if (err != DGM_OK) exit(1);
    return text.text;
}

static void check_learned(dgm_bpe_learn_options options, const char *const *lines, int n, const char *want, const char *name)
{
    dgm_tokenizer *tokenizer = NULL;
    if (!tap_err(learn(options, lines, n, &tokenizer), DGM_OK, "%s", name)) return;
    char *got = describe(tokenizer);
    tap_text(got, want, "%s: pieces and merges", name);
    free(got);
    dgm_tokenizer_destroy(tokenizer);
}

static void test_toy(void)
{
    /* _ab x 3, _abc x 1.  Characters: a 4, b 4, c 1.  Pairs: (_ a) 4 and (a b) 4, the lower left id first; then (_a b) 4; then (_ab c) 1. */
    static const char *const lines[] = {"ab ab", "", "  abc ab "}, *const swapped[] = {"abc", "ab ab ab"};
    check_learned((dgm_bpe_learn_options){.vocab_size = 266, .character_coverage = 1}, lines, 3,
                  MARK " a b c " MARK "a " MARK "ab |" MARK " a|" MARK "a b", "toy");
    check_learned((dgm_bpe_learn_options){.vocab_size = 266, .character_coverage = 1}, swapped, 2,
                  MARK " a b c " MARK "a " MARK "ab |" MARK " a|" MARK "a b", "the order of lines does not matter");
    check_learned((dgm_bpe_learn_options){.vocab_size = 263, .character_coverage = 0.8}, lines, 3, MARK " a b ", "coverage leaves c to bytes");
    check_learned((dgm_bpe_learn_options){.kind = DGM_TOKENIZER_CHARACTER, .vocab_size = 1000}, lines, 3, MARK " a b c ", "characters alone");
    check_learned((dgm_bpe_learn_options){.kind = DGM_TOKENIZER_CHARACTER, .vocab_size = 262}, lines, 3, MARK " a ", "at most vocab_size of them");

    /* Letters, digits and the rest do not join; a combining mark goes with its letter; control characters are bytes. */
    static const char *const mixed[] = {"x7!", "x7!", "x7!"}, *const combining[] = {"(q\xCC\x88\x01", "(q\xCC\x88\x01"};
    check_learned((dgm_bpe_learn_options){.vocab_size = 265, .character_coverage = 1}, mixed, 3, MARK " ! 7 x " MARK "x |" MARK " x", "classes");
    check_learned((dgm_bpe_learn_options){.vocab_size = 266, .character_coverage = 1}, combining, 2,
                  MARK " ( q \xCC\x88 " MARK "( q\xCC\x88 |" MARK " (|q \xCC\x88", "combining marks");
    /* a a a: two places; the left one is joined.  _aaa: (_ a) 2, (a a) 4, so a a first, then (_ aa) */
    static const char *const run[] = {"aaa", "aaa"};
    check_learned((dgm_bpe_learn_options){.vocab_size = 265, .character_coverage = 1}, run, 2,
                  MARK " a aa " MARK "aa " MARK "aaa |a a|" MARK " aa|" MARK "aa a", "runs of one letter");
    /* No merge makes a token that means something else. */
    static const char *const tags[] = {"<<<s", "<<<s"};
    check_learned((dgm_bpe_learn_options){.vocab_size = 266, .character_coverage = 1}, tags, 2,
                  MARK " < s << " MARK "<< " MARK "<<< |< <|" MARK " <<|" MARK "<< <", "angle brackets");
}

static void check_refused(dgm_bpe_learn_options options, const char *const *lines, int n, dgm_err want, const char *says)
{
    dgm_tokenizer *tokenizer = NULL;
    tap_err(learn(options, lines, n, &tokenizer), want, "vocab_size %d, coverage %g", options.vocab_size, options.character_coverage);
    tap_error_says(says);
}

static void test_refused(void)
{
    static const char *const lines[] = {"ab ab ab abc"}, *const blank[] = {"", "   "}, *const invalid[] = {"ab \xFF"};
    check_refused((dgm_bpe_learn_options){.vocab_size = 263, .character_coverage = 1}, lines, 1, DGM_ERR_USAGE, "need at least 264");
    check_refused((dgm_bpe_learn_options){.vocab_size = 267, .character_coverage = 1}, lines, 1, DGM_ERR_USAGE, "at most 266");
    check_refused((dgm_bpe_learn_options){.vocab_size = 261}, lines, 1, DGM_ERR_USAGE, "vocab_size is 261; expected 262 to");
    check_refused((dgm_bpe_learn_options){.vocab_size = 300, .character_coverage = 1.5}, lines, 1, DGM_ERR_USAGE, "character_coverage is 1.5");
    check_refused((dgm_bpe_learn_options){.vocab_size = 300}, blank, 2, DGM_ERR_INPUT, "no text");
    check_refused((dgm_bpe_learn_options){.vocab_size = 300}, invalid, 1, DGM_ERR_INPUT, "not valid UTF-8");
}

/* ---- a plain learner: everything counted anew for every merge ---- */

enum { MOST_PIECES = 400, MOST_WORDS = 4000, MOST_LENGTH = 24 };

typedef struct {
    char piece[MOST_PIECES][64];
    int n_pieces;
    int word[MOST_WORDS][MOST_LENGTH], length[MOST_WORDS], n_words;
    int64_t times[MOST_PIECES][MOST_PIECES];
    bool barred[MOST_PIECES][MOST_PIECES];
} plain;

static int find(const plain *p, const char *piece)
{
    for (int i = 0; i < p->n_pieces; i++)
        if (strcmp(p->piece[i], piece) == 0) return i;
    return -1;
}

static int class_of(char c) { return isalpha((unsigned char)c) ? 0 : isdigit((unsigned char)c) ? 1 : 2; }

/* Words of ASCII text, cut where the class changes. */
static void plain_words(plain *p, const char *text)
{
    bool in_word = false;
    p->n_words = -1;
    for (const char *c = text; *c != '\0'; c++) {
        bool begins = !in_word, space = *c == ' ' || *c == '\n';
        in_word = !space;
        if (space) continue;
        if (begins || class_of(*c) != class_of(c[-1])) p->length[++p->n_words] = 0;
        int *word = p->word[p->n_words], *length = &p->length[p->n_words];
        if (begins) word[(*length)++] = 0;
        word[(*length)++] = find(p, (char[]){*c, '\0'});
    }
    p->n_words++;
}

static void plain_characters(plain *p, const char *text)
{
    int64_t times[128] = {0};
    for (const char *c = text; *c != '\0'; c++)
        if (*c != ' ' && *c != '\n') times[(int)*c]++;
    strcpy(p->piece[0], MARK);
    p->n_pieces = 1;
    for (;;) {
        int best = 0;
        for (int c = 1; c < 128; c++)
            if (times[c] > times[best]) best = c;
        if (times[best] == 0) return;
        times[best] = 0;
        snprintf(p->piece[p->n_pieces++], 64, "%c", best);
    }
}

/* The best pair that is no piece yet; false when none occurs twice. */
static bool plain_best(plain *p, int *left, int *right)
{
    memset(p->times, 0, sizeof p->times);
    for (int w = 0; w < p->n_words; w++)
        for (int i = 0; i + 1 < p->length[w]; i++) p->times[p->word[w][i]][p->word[w][i + 1]]++;
    for (;;) {
        int64_t most = 1;
        for (int l = 0; l < p->n_pieces; l++)
            for (int r = 0; r < p->n_pieces; r++)
                if (p->times[l][r] > most && !p->barred[l][r]) most = p->times[l][r], *left = l, *right = r;
        if (most < 2) return false;
        char joined[128];
        snprintf(joined, sizeof joined, "%s%s", p->piece[*left], p->piece[*right]);
        if (find(p, joined) < 0) return true;
        p->barred[*left][*right] = true;
    }
}

static void plain_join(plain *p, int left, int right)
{
    int joined = p->n_pieces++;
    char text[128];
    snprintf(text, sizeof text, "%s%s", p->piece[left], p->piece[right]);
    if (strlen(text) >= sizeof p->piece[joined]) exit(1);
    strcpy(p->piece[joined], text);
    for (int w = 0; w < p->n_words; w++) {
        int out = 0;
        for (int in = 0; in < p->length[w]; out++) {
            bool meets = in + 1 < p->length[w] && p->word[w][in] == left && p->word[w][in + 1] == right;
            p->word[w][out] = meets ? joined : p->word[w][in];
            in += meets ? 2 : 1;
        }
        p->length[w] = out;
    }
}

/* The plain learner's tokenizer in the form of `describe`. */
static char *plain_learn(const char *text, int vocab_size)
{
    plain *p = calloc(1, sizeof *p);
    dgm_text list = {0}, merges = {0};
    if (p == NULL || dgm_text_append(&merges, "", 0) != DGM_OK) exit(1);
    plain_characters(p, text);
    plain_words(p, text);
    for (int left = 0, right = 0; p->n_pieces < vocab_size - DGM_VOCAB_N_FIXED && plain_best(p, &left, &right); plain_join(p, left, right))
        if (dgm_text_printf(&merges, "|%s %s", p->piece[left], p->piece[right]) != DGM_OK) exit(1);
    for (int i = 0; i < p->n_pieces; i++)
        if (dgm_text_printf(&list, "%s ", p->piece[i]) != DGM_OK) exit(1);
    if (dgm_text_append(&list, merges.text, merges.bytes) != DGM_OK) exit(1);
    dgm_text_fini(&merges);
    free(p);
    return list.text;
}

/* Words from a few syllables, so that pieces overlap and repeat; with `glue` in place of spaces. */
static void random_text(uint64_t seed, char glue, char *text, size_t room)
{
    static const char *const part[] = {"an", "na", "a", "ana", "b", "ban", "aa", "st", "s", "1", "11", "12", "-", "--", ".", "tt", "t"};
    size_t n = 0;
    for (uint64_t random = seed; n + 16 < room;) {
        for (int k = 0; k < 4; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            const char *next = part[(random >> 33) % (sizeof part / sizeof part[0])];
            memcpy(text + n, next, strlen(next));
            n += strlen(next);
        }
        text[n++] = (random >> 40) % 8 == 0 ? '\n' : glue;
    }
    text[n] = '\0';
}

static void test_against_plain(void)
{
    char text[6000];
    for (uint64_t seed = 1; seed <= 6; seed++) {
        const bool phrases = seed > 4; /* lines without spaces */
        const int vocab_size = 260 + 45 * (int)(phrases ? seed - 4 : seed);
        dgm_tokenizer *tokenizer = NULL;
        dgm_bpe_learn_options options = {.vocab_size = vocab_size, .character_coverage = 1};
        dgm_bpe_learner *learner = NULL;
        random_text(seed, phrases ? '-' : ' ', text, sizeof text);
        char *want = plain_learn(text, vocab_size);
        if (!tap_err(dgm_bpe_learner_create(&options, &learner), DGM_OK, "learner")) return;
        for (const char *line = text; *line != '\0';) {
            size_t bytes = strcspn(line, "\n");
            if (dgm_bpe_learner_add_line(learner, line, bytes) != DGM_OK) exit(1);
            line += bytes + (line[bytes] == '\n');
        }
        if (tap_err(dgm_bpe_learner_learn(learner, &tokenizer), DGM_OK, "random text %d, %d pieces", (int)seed, vocab_size)) {
            char *got = describe(tokenizer);
            tap_text(got, want, "the pieces and merges of the plain learner");
            free(got);
        }
        dgm_tokenizer_destroy(tokenizer);
        dgm_bpe_learner_destroy(learner);
        free(want);
    }
}

/* ---- text without spaces ---- */

enum { N_LINES = 3000, LINE_CHARACTERS = 30, N_CHARACTERS = 40, BUDGET = 20000 };

/* Lines of Han characters, each half as frequent as the one before, drawn in pairs so that there is something to merge. */
static char **han_lines(void)
{
    char **lines = calloc(N_LINES, sizeof *lines);
    uint64_t random = 7;
    for (int i = 0; i < N_LINES; i++) {
        char *at = lines[i] = malloc(3 * LINE_CHARACTERS + 1);
        for (int k = 0; k < LINE_CHARACTERS; k += 2) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            unsigned first = (unsigned)__builtin_ctzll(random >> 20 | 1ull << (N_CHARACTERS - 1)), second = (7 * first + 3) % N_CHARACTERS;
            unsigned code[2] = {0x4E00 + first, 0x4E00 + ((random >> 60) < 12 ? second : (first + 1) % N_CHARACTERS)};
            for (int c = 0; c < 2; c++) {
                *at++ = (char)(0xE0 | code[c] >> 12);
                *at++ = (char)(0x80 | (code[c] >> 6 & 0x3F));
                *at++ = (char)(0x80 | (code[c] & 0x3F));
            }
        }
        *at = '\0';
    }
    return lines;
}

static char *learn_text(dgm_bpe_learn_options options, char **lines, bool backward)
{
    const char *list[N_LINES];
    dgm_tokenizer *tokenizer = NULL;
    for (int i = 0; i < N_LINES; i++) list[i] = lines[backward ? N_LINES - 1 - i : i];
    if (learn(options, list, N_LINES, &tokenizer) != DGM_OK) exit(1);
    char *text = describe(tokenizer);
    dgm_tokenizer_destroy(tokenizer);
    return text;
}

static void check_same(char *a, char *b, const char *name)
{
    tap_text(a, b, "%s", name);
    free(a);
    free(b);
}

static void test_phrases(void)
{
    char **lines = han_lines();
    const dgm_bpe_learn_options all = {.vocab_size = 400, .phrase_bytes = 1 << 30}, few = {.vocab_size = 400, .phrase_bytes = BUDGET};
    const dgm_bpe_learn_options characters = {.kind = DGM_TOKENIZER_CHARACTER, .vocab_size = 400, .phrase_bytes = BUDGET};
    dgm_bpe_learn_options all_characters = characters;
    all_characters.phrase_bytes = 0;
    check_same(learn_text(all, lines, false), learn_text((dgm_bpe_learn_options){.vocab_size = 400}, lines, false), "all is kept while it is little");
    check_same(learn_text(few, lines, false), learn_text(few, lines, true), "a sample does not depend on the order of lines");
    check_same(learn_text(characters, lines, false), learn_text(all_characters, lines, false), "characters are those of the whole text");
    char *of_all = learn_text(all, lines, false), *of_few = learn_text(few, lines, false);
    tap_ok(strcmp(of_all, of_few) != 0, "a small budget leaves something out");
    size_t first = strcspn(strchr(of_all, '|') + 1, "|");
    tap_ok(strncmp(strchr(of_all, '|'), strchr(of_few, '|'), first + 2) == 0, "and the first merge is the same");
    free(of_all);
    free(of_few);

    dgm_word_sample *sample = NULL;
    if (!tap_err(dgm_word_sample_create(BUDGET, &sample), DGM_OK, "a sample")) return;
    int64_t most = 0, n_characters = 0;
    for (int i = 0; i < 2 * N_LINES; i++) {
        if (dgm_word_sample_add(sample, lines[i % N_LINES], strlen(lines[i % N_LINES])) != DGM_OK) exit(1);
        most = DGM_MAX(most, dgm_word_count_bytes(dgm_word_sample_kept(sample)));
    }
    const dgm_word_count *kept = dgm_word_sample_kept(sample);
    const int64_t *gone = dgm_word_sample_characters(sample);
    bool all_twice = true;
    for (int64_t i = 0; i < dgm_word_count_n(kept); i++) {
        size_t bytes;
        int64_t times;
        dgm_word_count_at(kept, i, &bytes, &times);
        all_twice = all_twice && times == 2;
        n_characters += times * (int64_t)bytes / 3;
    }
    for (int32_t code = 0; gone != NULL && code < DGM_N_CODES; code++) n_characters += gone[code];
    tap_ok(most <= BUDGET, "never more than the budget of %d bytes is kept: %lld", BUDGET, (long long)most);
    tap_ok(dgm_word_count_bytes(kept) > BUDGET / 4, "nor much less: %lld", (long long)dgm_word_count_bytes(kept));
    tap_int(dgm_word_sample_shift(sample), 4, "a sixteenth of 270,000 bytes");
    tap_ok(all_twice, "what is kept has been counted from the first time on");
    tap_int(n_characters, 2LL * N_LINES * LINE_CHARACTERS, "characters kept and gone are all there are");
    dgm_word_sample_destroy(sample);

    tap_ok(!dgm_word_is_phrase("Donaudampfschifffahrtsgesellschaft", 34), "a long word is no phrase");
    tap_ok(dgm_word_is_phrase(lines[0], 18) && !dgm_word_is_phrase(lines[0], 15), "Han: from six characters on");
    for (int i = 0; i < N_LINES; i++) free(lines[i]);
    free(lines);
}

/* The last of all: the process stays asked. */
static void test_stopped(void)
{
    static const char *const lines[] = {"a b a b"}, *const nothing[] = {"/dev/null"};
    const dgm_audit_files files = {.src = nothing, .tgt = nothing, .n_src = 1, .n_tgt = 1};
    dgm_tokenizer *tokenizer = NULL;
    dgm_audit *audit = NULL;
    dgm_audit_pair pair;
    dgm_audit_verdict verdict;
    bool more;
    if (!tap_err(dgm_audit_open(&files, &files, &(dgm_audit_rules){0}, &audit), DGM_OK, "text to read")) return;
    dgm_stop_catch();
    raise(SIGTERM);
    tap_err(learn((dgm_bpe_learn_options){.vocab_size = 300}, lines, 1, &tokenizer), DGM_ERR_STOPPED, "learning stops when asked to");
    tap_err(dgm_audit_next(audit, &pair, &verdict, &more), DGM_ERR_STOPPED, "so does reading");
    dgm_audit_close(audit);
}

int main(void)
{
    test_phrases();
    test_toy();
    test_refused();
    test_against_plain();
    test_stopped();
    return tap_done();
}
