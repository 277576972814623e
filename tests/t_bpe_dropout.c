/* BPE-dropout: merges with some left out against the algorithm of the paper word for word, probabilities against those worked out by
 * hand, and what must stay: the text, the words, and the same cut for the same place. */
#include "dgm/bpe_dropout.h"
#include "dgm/rng.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK DGM_SPACE_MARK

/* Ids from 260: the mark, a to d, then what the merges make, best first.  The one that reaches over the beginning of a word is never made. */
static const char *const singles[] = {MARK, "a", "b", "c", "d"};
static const char *const merges[][2] = {{"a", "b"}, {"b", "c"}, {"ab", "c"}, {"ab", MARK}, {MARK, "a"}, {"c", "d"}, {MARK, "ab"}, {"a", "a"}};
enum { MARK_ID = 260, A, B, C, D, AB, BC, ABC, N_SINGLES = sizeof singles / sizeof singles[0], N_MERGES = sizeof merges / sizeof merges[0] };

static int32_t id_of(dgm_vocab *vocab, const char *left, const char *right)
{
    char piece[32];
    int32_t id = -1;
    int n = snprintf(piece, sizeof piece, "%s%s", left, right);
    if (dgm_vocab_add(vocab, piece, (size_t)n, &id) != DGM_OK) exit(1);
    return id;
}

static dgm_tokenizer *toy(int n_merges)
{
    dgm_tokenizer *tokenizer = NULL;
    dgm_vocab *vocab = NULL;
    dgm_merge list[N_MERGES];
    if (dgm_vocab_create(&vocab) != DGM_OK) exit(1);
    for (int i = 0; i < N_SINGLES; i++) id_of(vocab, singles[i], "");
    for (int i = 0; i < n_merges; i++) {
        list[i] = (dgm_merge){id_of(vocab, merges[i][0], ""), id_of(vocab, merges[i][1], "")};
        id_of(vocab, merges[i][0], merges[i][1]);
    }
    tap_err(dgm_tokenizer_create(vocab, list, n_merges, &tokenizer), DGM_OK, "the toy tokenizer of %d merges", n_merges);
    return tokenizer;
}

/* ---- merging ---- */

typedef struct {
    dgm_rng rng;
    uint32_t word, n_drawn;
    double rate;
} coin;

static bool drop(void *context)
{
    coin *c = context;
    return dgm_rng_uniform(c->rng, c->n_drawn++, c->word) < c->rate;
}

/* Algorithm 1 of the paper: all merges that are possible now, each left out with the rate; the best of the others is made. */
static void plain_dropout(const dgm_bpe *bpe, int32_t *word, int64_t *n, coin *c)
{
    for (bool made = true; made;) {
        made = false;
        for (int64_t rank = 0; rank < dgm_bpe_n_merges(bpe) && !made; rank++)
            for (int64_t i = 0; i + 1 < *n && !made; i++) {
                const dgm_merge *m = dgm_bpe_merge(bpe, rank);
                if (m->left != word[i] || m->right != word[i + 1] || drop(c)) continue;
                word[i] = dgm_bpe_joined(bpe, rank);
                memmove(word + i + 1, word + i + 2, (size_t)(*n - i - 2) * sizeof *word);
                --*n;
                made = true;
            }
    }
}

static void test_merging(const dgm_tokenizer *tokenizer, double rate)
{
    enum { WORDS = 3000, MOST = 40 };
    const dgm_bpe *bpe = dgm_tokenizer_bpe(tokenizer);
    dgm_bpe_work work = {0};
    int64_t n_bad = 0, n_whole = 0;
    for (int w = 0; w < WORDS; w++) {
        int32_t fast[MOST], plain[MOST], whole[MOST];
        int64_t n = 1 + w % MOST, n_plain = n, n_all = n;
        coin one = {dgm_rng_make(1, DGM_RNG_TEST), (uint32_t)w, 0, rate}, other = one;
        for (int64_t i = 0; i < n; i++)
            fast[i] = plain[i] = whole[i] = i == 0 ? MARK_ID : A + (int32_t)dgm_rng_below(one.rng, 4, (uint64_t)i, (uint64_t)w << 32);
        if (dgm_bpe_apply_dropping(bpe, &work, fast, &n, drop, &one) != DGM_OK) n = -1;
        if (dgm_bpe_apply(bpe, &work, whole, &n_all, NULL, NULL) != DGM_OK) n_all = -1;
        plain_dropout(bpe, plain, &n_plain, &other);
        n_bad += n != n_plain || one.n_drawn != other.n_drawn || memcmp(fast, plain, (size_t)n * sizeof *fast) != 0;
        n_whole += n == n_all && memcmp(fast, whole, (size_t)n * sizeof *fast) == 0;
    }
    tap_int(n_bad, 0, "rate %g: of %d words merged otherwise than by the paper's algorithm", rate, WORDS);
    if (rate == 0) tap_int(n_whole, WORDS, "rate 0 leaves nothing out");
    else tap_ok(n_whole < WORDS, "rate %g leaves merges out: %lld of %d words are cut as without", rate, (long long)n_whole, WORDS);
    dgm_bpe_work_fini(&work);
}

/* ---- probabilities ---- */

typedef struct {
    const char *name;
    int32_t ids[4];
    int64_t n;
    double probability;
} outcome;

/* How often each outcome of cutting ids[n] comes, over many places: within five standard deviations. */
static void check_outcomes(dgm_bpe_dropout *d, const int32_t *ids, int64_t n, const outcome *outcomes, int n_outcomes)
{
    enum { TIMES = 40000 };
    int64_t count[8] = {0}, n_other = 0;
    dgm_ids out = {0};
    for (int64_t place = 0; place < TIMES; place++) {
        dgm_ids_clear(&out);
        int which = 0;
        if (dgm_bpe_dropout_apply(d, 3, place, ids, n, &out) != DGM_OK) exit(1);
        while (which < n_outcomes &&
               (outcomes[which].n != out.n || memcmp(outcomes[which].ids, out.ids, (size_t)out.n * sizeof *out.ids) != 0))
            which++;
        if (which < n_outcomes) count[which]++;
        else n_other++;
    }
    tap_int(n_other, 0, "other outcomes");
    for (int i = 0; i < n_outcomes; i++) {
        double p = outcomes[i].probability;
        tap_near((double)count[i] / TIMES, p, 5 * sqrt(p * (1 - p) / TIMES), "%s", outcomes[i].name);
    }
    dgm_ids_fini(&out);
}

static void test_probabilities(const dgm_tokenizer *tokenizer)
{
    dgm_bpe_dropout *d = NULL;
    const double p = 0.3, q = 1 - p;
    if (!tap_err(dgm_bpe_dropout_create(tokenizer, p, 7, 1, &d), DGM_OK, "rate 0.3")) return;
    const outcome one[] = {{"a b joined", {AB}, 1, q}, {"a b apart", {A, B}, 2, p}};
    check_outcomes(d, (int32_t[]){AB}, 1, one, 2);
    /* a b c: a b is made unless it is left out, then b c; after a b, ab c may be. */
    const outcome two[] = {{"abc", {ABC}, 1, q * q}, {"ab c", {AB, C}, 2, q * p}, {"a bc", {A, BC}, 2, p * q}, {"a b c", {A, B, C}, 3, p * p}};
    check_outcomes(d, (int32_t[]){ABC}, 1, two, 4);
    const int32_t two_words[] = {AB, MARK_ID, A, B};
    dgm_ids out = {0};
    int64_t n_marks = 0;
    enum { TIMES = 100 };
    for (int64_t place = 0; place < TIMES; place++) {
        dgm_ids_clear(&out);
        tap_err(dgm_bpe_dropout_apply(d, 0, place, two_words, 4, &out), DGM_OK, "two words");
        for (int64_t i = 0; i < out.n; i++) n_marks += strncmp(dgm_tokenizer_piece(tokenizer, out.ids[i]), MARK, 3) == 0;
    }
    tap_int(n_marks, TIMES, "nothing is joined over the beginning of a word");
    dgm_ids_fini(&out);
    dgm_bpe_dropout_destroy(d);
}

/* ---- sentences ---- */

static const char *const lines[] = {"abc dab  cab abcd aabbccdd", "a z\xE2\x82\xAC" "ab\tcd", "", " ", "x", "abab abab abab abab abab abab abab abab"};
enum { N_LINES = sizeof lines / sizeof lines[0] };

static bool same_ids(const dgm_ids *a, const dgm_ids *b) { return a->n == b->n && (a->n == 0 || memcmp(a->ids, b->ids, (size_t)a->n * sizeof *a->ids) == 0); }

static void cut(const dgm_tokenizer *tokenizer, double rate, int side, int64_t epoch, int64_t place, const dgm_ids *ids, dgm_ids *out)
{
    dgm_bpe_dropout *d = NULL;
    dgm_ids_clear(out);
    if (dgm_bpe_dropout_create(tokenizer, rate, 7, side, &d) != DGM_OK || dgm_bpe_dropout_apply(d, epoch, place, ids->ids, ids->n, out) != DGM_OK) exit(1);
    dgm_bpe_dropout_destroy(d);
}

static void test_sentences(const dgm_tokenizer *tokenizer)
{
    dgm_tokenizer_state *state;
    dgm_ids ids = {0}, out = {0}, again = {0};
    dgm_text text = {0};
    if (!tap_err(dgm_tokenizer_state_create(tokenizer, &state), DGM_OK, "state")) return;
    for (int i = 0; i < N_LINES; i++) {
        dgm_ids_clear(&ids);
        if (dgm_tokenizer_encode(state, lines[i], strlen(lines[i]), &ids) != DGM_OK) exit(1);
        cut(tokenizer, 0, 0, 1, 2, &ids, &out);
        tap_ok(same_ids(&ids, &out), "line %d: rate 0 gives the ids as encoded", i);
        cut(tokenizer, 1, 0, 1, 2, &ids, &out);
        bool single = true;
        for (int64_t k = 0; k < out.n; k++) single &= out.ids[k] < AB;
        dgm_text_clear(&text);
        if (dgm_tokenizer_decode(tokenizer, out.ids, out.n, &text) != DGM_OK) exit(1);
        tap_ok(single, "line %d: rate 1 leaves characters and bytes", i);
        tap_text(text.text, lines[i], "line %d: the text stays", i);
    }
    cut(tokenizer, 0.3, 0, 1, 2, &ids, &out); /* the last line: 32 chances */
    cut(tokenizer, 0.3, 0, 1, 2, &ids, &again);
    tap_ok(same_ids(&out, &again) && out.n > ids.n, "the same place is cut the same way: %lld pieces of %lld", (long long)out.n, (long long)ids.n);
    cut(tokenizer, 0.3, 1, 1, 2, &ids, &again);
    tap_ok(!same_ids(&out, &again), "the target side otherwise");
    cut(tokenizer, 0.3, 0, 2, 2, &ids, &again);
    tap_ok(!same_ids(&out, &again), "another epoch otherwise");
    cut(tokenizer, 0.3, 0, 1, 3, &ids, &again);
    tap_ok(!same_ids(&out, &again), "another place otherwise");
    cut(tokenizer, 0.3, 0, 1, 2 + (INT64_C(1) << 32), &ids, &again);
    tap_ok(!same_ids(&out, &again), "a place of the same lower half otherwise");
    dgm_text_fini(&text);
    dgm_ids_fini(&again);
    dgm_ids_fini(&out);
    dgm_ids_fini(&ids);
    dgm_tokenizer_state_destroy(state);
}

int main(void)
{
    dgm_tokenizer *tokenizer = toy(N_MERGES), *plain = toy(0);
    dgm_bpe_dropout *d = NULL;
    for (int i = 0; i < 4; i++) test_merging(tokenizer, (double[]){0, 0.1, 0.5, 0.9}[i]);
    test_probabilities(tokenizer);
    test_sentences(tokenizer);
    tap_err(dgm_bpe_dropout_create(plain, 0.1, 7, 0, &d), DGM_ERR_USAGE, "a tokenizer without merges");
    tap_error_says("bpe_dropout = 0.1, but the source tokenizer has no merges");
    dgm_tokenizer_destroy(plain);
    dgm_tokenizer_destroy(tokenizer);
    return tap_done();
}
