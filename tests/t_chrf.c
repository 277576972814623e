/* chrF: cases worked out by hand, and n-grams counted by sorting against counting them one by one. */
#include "dgm/chrf.h"
#include "dgm/ngrams.h"
#include "dgm/rng.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

static dgm_mt_span line_of(const char *text) { return (dgm_mt_span){text, strlen(text)}; }

static double score_of(dgm_chrf_options o, const char *hyp, const char *const *refs, int n_refs)
{
    dgm_chrf *chrf = NULL;
    dgm_mt_span lines[4];
    int64_t counts[3 * DGM_CHRF_MAX_ORDER];
    double score = -1;
    for (int r = 0; r < n_refs; r++) lines[r] = line_of(refs[r]);
    if (dgm_chrf_create(&o, &chrf) == DGM_OK && dgm_chrf_count(chrf, line_of(hyp), lines, n_refs, counts) == DGM_OK)
        score = dgm_chrf_compute(&o, counts);
    dgm_chrf_destroy(chrf);
    return score;
}

static double score(dgm_chrf_options o, const char *hyp, const char *ref) { return score_of(o, hyp, &ref, 1); }

static double f_score(double p, double r, double beta) { return 100 * (1 + beta * beta) * p * r / (beta * beta * p + r); }

static void test_scores(void)
{
    dgm_chrf_options o = DGM_CHRF_DEFAULTS;
    tap_near(score(o, "the cat", "the cat"), 100, 1e-12, "a perfect translation");
    tap_near(score(o, "xyz", "abc"), 0, 0, "nothing right");
    tap_near(score(o, "", "abc"), 0, 0, "an empty hypothesis");
    tap_near(score(o, "abc", ""), 0, 0, "an empty reference");
    tap_near(score(o, "", ""), 0, 0, "two empty lines");
    /* orders 1..4: 3/4 2/3 1/2 0/1; too short for 5 and 6 */
    tap_near(score(o, "abcd", "abce"), 100 * (3. / 4 + 2. / 3 + 1. / 2) / 4, 1e-12, "the mean over the orders that there are");
    o.eps_smoothing = true;
    tap_near(score(o, "abcd", "abce"), 100 * (3. / 4 + 2. / 3 + 1. / 2) / 6, 1e-12, "epsilon smoothing: the mean over all orders");
    o = (dgm_chrf_options){.char_order = 1, .beta = 1};
    tap_near(score(o, "ab", "abcd"), f_score(1, 0.5, 1), 1e-12, "beta 1");
    o.beta = 2;
    tap_near(score(o, "ab", "abcd"), f_score(1, 0.5, 2), 1e-12, "beta 2: recall counts more");
    o.beta = 0;
    tap_near(score(o, "ab", "abcd"), 100, 1e-12, "beta 0: precision alone");
    o = (dgm_chrf_options){.char_order = 3, .beta = 2};
    tap_near(score(o, "a b\xC2\xA0" "c", "abc"), 100, 1e-12, "white space is left out");
    o.whitespace = true; /* orders 1 2 3: 2/3 and 2/2, 0/2 and 0/1, the reference is too short */
    tap_near(score(o, "a b", "ab"), f_score(1. / 3, 1. / 2, 2), 1e-12, "unless it is asked for");
    o = (dgm_chrf_options){.char_order = 2, .beta = 2};
    tap_near(score(o, "\xC3\xA9\xF0\x9F\x98\x80", "\xC3\xA9\xF0\x9F\x98\x80"), 100, 1e-12, "characters, not bytes");
    tap_near(score(o, "\xC3\xA9", "\xC3\xA8"), 0, 0, "two letters that share a byte share nothing");
    tap_near(score(o, "\xC3\x84" "B", "\xC3\xA4" "b"), 0, 0, "case counts");
    o.lowercase = true;
    tap_near(score(o, "\xC3\x84" "B", "\xC3\xA4" "b"), 100, 1e-12, "unless lower case is asked for");
    tap_near(score(o, "aaaa", "aa"), f_score((2. / 4 + 1. / 3) / 2, 1, 2), 1e-12, "matches are clipped");
}

static void test_words(void)
{
    dgm_chrf_options o = {.word_order = 2, .beta = 2};
    /* the|cat|. and the|cats: 1/3 and 1/2, 0/2 and 0/1 */
    tap_near(score(o, "the cat.", "the cats"), f_score(1. / 6, 1. / 4, 2), 1e-12, "words, punctuation apart");
    o.word_order = 1;
    /* "(hi)" is "(hi" and ")", "(hi" is "(" and "hi", a lone ")" is itself */
    tap_near(score(o, "(hi)", "(hi )"), f_score(1. / 2, 1. / 3, 2), 1e-12, "punctuation at the end is split off, at the beginning otherwise");
    tap_near(score(o, "(hi)", "x )"), 50, 1e-12, "not at both");
    tap_near(score(o, "\xC3\xA9.", "\xC3\xA9 ."), 100, 1e-12, "a word of one letter gives up its full stop");
    tap_near(score(o, "\xE2\x80\x9Cx", "x"), 0, 0, "only ASCII punctuation is split off");
    o = (dgm_chrf_options){.char_order = 1, .word_order = 1, .beta = 2};
    tap_near(score(o, "ab c", "ab d"), 100 * (2. / 3 + 1. / 2) / 2, 1e-12, "characters and words together");
}

static void test_references(void)
{
    dgm_chrf_options o = {.char_order = 1, .beta = 2};
    const char *refs[] = {"xy", "abc", "abcd"};
    tap_near(score_of(o, "ab", refs, 3), f_score(1, 2. / 3, 2), 1e-12, "of several references the one with the best score");
    dgm_chrf *chrf = NULL;
    const char *same[] = {"ax", "abuvwxyz"}; /* 1/4 and 1/2, 1/2 and 1/4: the same F1 */
    o.beta = 1;
    dgm_mt_span lines[] = {line_of(same[0]), line_of(same[1])};
    int64_t counts[3], first[3];
    tap_err(dgm_chrf_create(&o, &chrf), DGM_OK, "a counter");
    tap_err(dgm_chrf_count(chrf, line_of("abcd"), lines, 2, counts), DGM_OK, "counting");
    tap_err(dgm_chrf_count(chrf, line_of("abcd"), lines, 1, first), DGM_OK, "counting");
    tap_same(counts, first, sizeof counts, "of equals the first");
    tap_ok(counts[0] == 4 && counts[1] == 2 && counts[2] == 1, "n-grams of the hypothesis, of the reference, matches");
    dgm_chrf_destroy(chrf);
    o.char_order = 0;
    tap_err(dgm_chrf_create(&o, &chrf), DGM_ERR_USAGE, "no order at all");
}

static void test_report(void)
{
    dgm_chrf_options o = {.char_order = 6, .word_order = 2, .beta = 3, .lowercase = true, .whitespace = true, .eps_smoothing = true};
    int64_t counts[24] = {0};
    dgm_metric_score s;
    char text[256];
    dgm_chrf_report(&o, counts, 2, &s);
    tap_text(s.name, "chrF3++", "name");
    tap_text(s.signature, "nrefs:2|case:lc|eff:no|nc:6|nw:2|space:yes|version:dragoman-0.1", "signature");
    dgm_metric_short_signature(&s, text, sizeof text);
    tap_text(text, "#:2|c:lc|e:no|nc:6|nw:2|s:yes|v:dragoman-0.1", "short signature");
}

/* ---- n-grams ---- */

static bool same_gram(const int32_t *a, const int32_t *b, int n) { return memcmp(a, b, (size_t)n * sizeof *a) == 0; }

static int64_t occurrences(const dgm_id_list *list, const int32_t *gram, int n)
{
    int64_t count = 0;
    for (int64_t i = 0; i + n <= list->n; i++) count += same_gram(list->id + i, gram, n);
    return count;
}

/* Each n-gram of the hypothesis where it stands first, clipped by the reference that has it most often. */
static int64_t naive_matches(const dgm_id_list *hyp, const dgm_id_list *refs, int n_refs, int n)
{
    int64_t sum = 0;
    for (int64_t i = 0; i + n <= hyp->n; i++) {
        bool seen = false;
        int64_t most = 0;
        for (int64_t k = 0; k < i; k++) seen |= same_gram(hyp->id + k, hyp->id + i, n);
        for (int r = 0; r < n_refs; r++) most = DGM_MAX(most, occurrences(&refs[r], hyp->id + i, n));
        if (!seen) sum += DGM_MIN(most, occurrences(hyp, hyp->id + i, n));
    }
    return sum;
}

static void test_ngrams(void)
{
    enum { TRIALS = 200, MAX_TEXTS = 4, MAX_LENGTH = 40, MAX_ORDER = 8 };
    dgm_rng rng = dgm_rng_make(1, DGM_RNG_TEST);
    dgm_ngrams ngrams = {0};
    int n_wrong = 0;
    for (uint64_t t = 0; t < TRIALS; t++) {
        int32_t ids[MAX_TEXTS][MAX_LENGTH], n_ids = 1 + (int32_t)dgm_rng_below(rng, t % 2 ? 3 : 30, 0, t);
        int n_refs = 1 + (int)dgm_rng_below(rng, MAX_TEXTS - 1, 1, t), order = 1 + (int)dgm_rng_below(rng, MAX_ORDER, 2, t);
        dgm_id_list list[MAX_TEXTS];
        int64_t match[MAX_ORDER];
        for (int k = 0; k <= n_refs; k++) {
            list[k] = (dgm_id_list){.id = ids[k], .n = (int64_t)dgm_rng_below(rng, MAX_LENGTH, 10 + (uint64_t)k, t)};
            for (int i = 0; i < MAX_LENGTH; i++) ids[k][i] = (int32_t)dgm_rng_below(rng, (uint64_t)n_ids, (uint64_t)(100 + 50 * k + i), t);
        }
        if (dgm_ngrams_match(&ngrams, order, n_ids, &list[0], &list[1], n_refs, match) != DGM_OK) n_wrong++;
        for (int n = 1; n <= order; n++) n_wrong += match[n - 1] != naive_matches(&list[0], &list[1], n_refs, n);
    }
    tap_int(n_wrong, 0, "matches of %d random texts of all orders", TRIALS);
    dgm_ngrams_fini(&ngrams);
}

int main(void)
{
    test_scores();
    test_words();
    test_references();
    test_report();
    test_ngrams();
    return tap_done();
}
