/* TER: cases worked out by hand, an example from the paper, shifts that a direct implementation found, and the distance in its band
 * against the whole matrix. */
#include "dgm/beam_distance.h"
#include "dgm/rng.h"
#include "dgm/ter.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dgm_mt_span line_of(const char *text) { return (dgm_mt_span){text, strlen(text)}; }

static dgm_ter_counts count(const char *hyp, const char *const *refs, int n_refs)
{
    dgm_ter *ter = NULL;
    dgm_ter_counts counts = {-1, -1};
    dgm_mt_span lines[4];
    for (int r = 0; r < n_refs; r++) lines[r] = line_of(refs[r]);
    if (dgm_ter_create(&(dgm_mt_tercom_options){0}, &ter) != DGM_OK || dgm_ter_count(ter, line_of(hyp), lines, n_refs, &counts) != DGM_OK)
        tap_ok(false, "counting failed: %s", dgm_error_text());
    dgm_ter_destroy(ter);
    return counts;
}

static int64_t edits(const char *hyp, const char *ref) { return count(hyp, &ref, 1).edits; }

static double score(const char *hyp, const char *ref)
{
    dgm_ter_counts counts = count(hyp, &ref, 1);
    return dgm_ter_compute(&counts, 1);
}

static void test_edits(void)
{
    tap_int(edits("a b c d", "a b c d"), 0, "a perfect translation");
    tap_int(edits("x y z", "a b c"), 3, "substitutions");
    tap_int(edits("", "a b"), 2, "an empty hypothesis: insertions");
    tap_int(edits("a b", ""), 2, "an empty reference: deletions");
    tap_int(edits("a x b", "a b"), 1, "a deletion");
    tap_int(edits("d e f g h a b c", "a b c d e f g h"), 1, "a phrase that moves is one edit, however long");
    tap_int(edits("b a d c", "a b c d"), 2, "two words that move");
    tap_int(edits("A B", "a b"), 0, "in lower case");
    tap_near(score("a b", ""), 100, 0, "100 against an empty reference");
    tap_near(score("", ""), 0, 0, "0 for two empty lines");
    tap_near(score("a b c d e f", "x y"), 300, 1e-12, "more than 100");
    /* Snover et al. 2006, section 3: one shift, two substitutions, one insertion; 4/13 */
    tap_near(score("THIS WEEK THE SAUDIS denied information published in the new york times",
                   "SAUDI ARABIA denied THIS WEEK information published in the AMERICAN new york times"), 400. / 13, 1e-12, "the paper's example");
}

static void test_references(void)
{
    const char *refs[] = {"a b c", "a b c d e f"};
    dgm_ter_counts c = count("a b x", refs, 2);
    tap_int(c.edits, 1, "the fewest edits of any reference");
    tap_int(c.ref_words, 9, "the words of all references");
    tap_near(dgm_ter_compute(&c, 2), 100 / 4.5, 1e-12, "over their mean length");
    const char *with_empty[] = {"", "a"};
    c = count("a b", with_empty, 2);
    tap_ok(c.edits == 1 && c.ref_words == 1, "an empty reference is one, too");
}

/* Lines of numbers; what a direct implementation (whole matrices, nothing kept from one candidate to the next) found. */
static void test_long_lines(void)
{
    static const struct { int n_hyp, n_ref, words; int64_t edits; } cases[] = {
        {90, 120, 11, 98}, {200, 60, 7, 167}, {30, 150, 5, 138}, {120, 120, 97, 118}, {2, 140, 3, 139}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char hyp[2048] = "", ref[2048] = "";
        for (int i = 0, at = 0; i < cases[k].n_hyp; i++) at += sprintf(hyp + at, "%d ", (i * i + i) % cases[k].words);
        for (int i = 0, at = 0; i < cases[k].n_ref; i++) at += sprintf(ref + at, "%d ", (i * i + 3 * i) % cases[k].words);
        tap_int(edits(hyp, ref), cases[k].edits, "%d words against %d, of %d different ones", cases[k].n_hyp, cases[k].n_ref, cases[k].words);
    }
}

/* Where the choice among shifts decides; the numbers, too, are a direct implementation's. */
static void test_choices(void)
{
    tap_int(edits("d e a b d c b d", "d b a d e b d c"), 4, "of shifts that gain as much the longest");
    tap_int(edits("c e a a b d e e d", "e a b a c e e d d"), 4, "then the one that begins first");
    tap_int(edits("d e e e d e c", "e e c e e d d"), 3, "then the one that goes least far");
    tap_int(edits("b a b b b c", "b b e c a b b"), 4, "a shift to a place inside its own phrase");
    const char *ten = "p q r s t u v w x y", *rest = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20";
    char hyp[128], ref[128];
    snprintf(hyp, sizeof hyp, "%s %s", rest, ten), snprintf(ref, sizeof ref, "%s %s", ten, rest);
    tap_int(edits(hyp, ref), 1, "ten words move at once");
    snprintf(hyp, sizeof hyp, "%s %s z", rest, ten), snprintf(ref, sizeof ref, "%s z %s", ten, rest);
    tap_int(edits(hyp, ref), 2, "eleven in two steps");
    tap_int(edits("b b a a a a a a a a b b b b a a b b a a a a b b a b b a a b b b b b",
                  "b a b a b b b a a b b b b b a a a b b a a a a b a b b b a a a b b b"), 10, "900 candidates are not enough to end the search");
    tap_int(edits("b b a a b b b b a b b a b b a b b a b b a b b b b a a a a a a",
                  "a b b b b b b a b a a b b a b a a b b b a a b b a b a b a b b"), 8, "1,000 are");
}

/* ---- the distance ---- */

enum { MAX_WORDS = 90, FAR = 1 << 28 };

static int naive_distance(const int32_t *hyp, int n_hyp, const int32_t *ref, int n_ref)
{
    static int cost[MAX_WORDS + 1][MAX_WORDS + 1];
    double ratio = n_hyp > 0 ? (double)n_ref / n_hyp : 1;
    double beam = 25 < ratio / 2 ? ceil(ratio / 2 + 25) : 25;
    for (int i = 0; i <= n_hyp; i++)
        for (int j = 0; j <= n_ref; j++) {
            double diagonal = floor(i * ratio);
            bool inside = i == 0 || (j >= diagonal - beam && (j < diagonal + beam || i == n_hyp));
            int best = i == 0 && j == 0 ? 0 : FAR;
            if (i > 0) best = DGM_MIN(best, cost[i - 1][j] + 1);
            if (j > 0) best = DGM_MIN(best, cost[i][j - 1] + 1);
            if (i > 0 && j > 0) best = DGM_MIN(best, cost[i - 1][j - 1] + (hyp[i - 1] != ref[j - 1]));
            cost[i][j] = inside ? best : FAR;
        }
    return cost[n_hyp][n_ref];
}

/* Whether the edits lead from one to the other at the cost that was said. */
static bool is_way(const dgm_edit *way, int32_t n, const int32_t *hyp, int n_hyp, const int32_t *ref, int n_ref, int32_t cost)
{
    int i = 0, j = 0;
    for (int32_t k = n - 1; k >= 0; k--) {
        if (way[k] != DGM_EDIT_INSERT && i == n_hyp) return false;
        if (way[k] != DGM_EDIT_DELETE && j == n_ref) return false;
        if (way[k] == DGM_EDIT_KEEP && hyp[i] != ref[j]) return false;
        if (way[k] == DGM_EDIT_SUBSTITUTE && hyp[i] == ref[j]) return false;
        cost -= way[k] != DGM_EDIT_KEEP;
        i += way[k] != DGM_EDIT_INSERT;
        j += way[k] != DGM_EDIT_DELETE;
    }
    return cost == 0 && i == n_hyp && j == n_ref;
}

static void test_distance(void)
{
    enum { TRIALS = 300 };
    dgm_rng rng = dgm_rng_make(2, DGM_RNG_TEST);
    dgm_beam_distance d = {0};
    int n_wrong = 0, n_wrong_try = 0, n_wrong_way = 0;
    for (uint64_t t = 0; t < TRIALS; t++) {
        int32_t hyp[MAX_WORDS], ref[MAX_WORDS], n_same;
        dgm_edit way[2 * MAX_WORDS];
        uint64_t words = t % 3 == 0 ? 2 : t % 3 == 1 ? 8 : 60;
        int n_hyp = (int)dgm_rng_below(rng, MAX_WORDS, 0, t), n_ref = 1 + (int)dgm_rng_below(rng, t % 2 ? MAX_WORDS : 20, 1, t);
        for (int i = 0; i < MAX_WORDS; i++) {
            ref[i] = (int32_t)dgm_rng_below(rng, words, (uint64_t)(100 + i), t);
            hyp[i] = i % 3 == 0 ? ref[i] : (int32_t)dgm_rng_below(rng, words, (uint64_t)(300 + i), t);
        }
        if (dgm_beam_distance_begin(&d, n_hyp, ref, n_ref) != DGM_OK) n_wrong++;
        int32_t cost = dgm_beam_distance_set(&d, hyp, 0);
        n_wrong += cost != naive_distance(hyp, n_hyp, ref, n_ref);
        n_wrong_way += !is_way(way, dgm_beam_distance_trace(&d, hyp, way), hyp, n_hyp, ref, n_ref, cost);
        n_same = (int32_t)dgm_rng_below(rng, (uint64_t)n_hyp + 1, 2, t);
        for (int i = n_same; i < n_hyp; i++) hyp[i] = (int32_t)dgm_rng_below(rng, words, (uint64_t)(500 + i), t);
        n_wrong_try += dgm_beam_distance_try(&d, hyp, n_same) != naive_distance(hyp, n_hyp, ref, n_ref);
        n_wrong_try += dgm_beam_distance_set(&d, hyp, n_same) != naive_distance(hyp, n_hyp, ref, n_ref);
    }
    tap_int(n_wrong, 0, "distances of %d random lines", TRIALS);
    tap_int(n_wrong_try, 0, "distances that begin with rows of another");
    tap_int(n_wrong_way, 0, "the edits that lead there");
    dgm_beam_distance_fini(&d);
}

static void test_report(void)
{
    dgm_metric_score s;
    char text[256];
    dgm_ter_counts c = {.edits = 3, .ref_words = 12};
    dgm_ter_report(&(dgm_mt_tercom_options){.normalized = true, .no_punct = true, .asian_support = true, .case_sensitive = true}, &c, 1, &s);
    tap_text(s.signature, "nrefs:1|case:mixed|tok:tercom|norm:yes|punct:no|asian:yes|version:dragoman-0.1", "signature");
    dgm_metric_short_signature(&s, text, sizeof text);
    tap_text(text, "#:1|c:mixed|t:tercom|nr:yes|pn:no|as:yes|v:dragoman-0.1", "short signature");
    tap_near(s.score, 25, 1e-12, "score");
    dgm_ter_report(&(dgm_mt_tercom_options){0}, &c, 1, &s);
    tap_text(s.signature, "nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:dragoman-0.1", "signature of the defaults");
}

int main(void)
{
    test_edits();
    test_references();
    test_long_lines();
    test_choices();
    test_distance();
    test_report();
    return tap_done();
}
