/* Beam search over a toy model whose next-token distribution is a random function of the tokens so far: against greedy decoding, against all
 * sequences there are, and on ties, limits of length and the length penalty. */
#include "dgm/beam.h"
#include "dgm/rng.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_TOKENS = 4, FIRST = 4, MAX_BEAM = 600, MAX_LENGTH = 12 };

typedef struct { uint64_t seed; double end_bias; bool flat; } toy;

/* Log-probabilities of tokens FIRST .. FIRST + N_TOKENS - 1 and, last, of the end. */
static void toy_scores(const toy *t, const int32_t *ids, int64_t n, double *log_prob)
{
    dgm_rng rng = dgm_rng_make(t->seed, DGM_RNG_TEST);
    uint64_t prefix = 1;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) prefix = prefix * 31 + (uint64_t)ids[i];
    for (uint64_t k = 0; k <= N_TOKENS; k++) {
        double logit = t->flat ? 0 : 3 * dgm_rng_normal(rng, prefix, k);
        log_prob[k] = logit + (k == N_TOKENS ? t->end_bias : 0);
        sum += exp(log_prob[k]);
    }
    for (int k = 0; k <= N_TOKENS; k++) log_prob[k] -= log(sum);
}

/* The list dgm_beam_advance wants of one hypothesis. */
static void toy_list(const toy *t, const int32_t *ids, int64_t n, int beam, int32_t *token, double *log_prob, double *end)
{
    double p[N_TOKENS + 1];
    bool used[N_TOKENS] = {false};
    toy_scores(t, ids, n, p);
    *end = p[N_TOKENS];
    for (int i = 0; i < beam; i++) {
        int best = -1;
        for (int k = 0; k < N_TOKENS; k++)
            if (!used[k] && (best < 0 || p[k] > p[best])) best = k;
        token[i] = best < 0 ? -1 : FIRST + best;
        log_prob[i] = best < 0 ? 0 : p[best];
        if (best >= 0) used[best] = true;
    }
}

/* Runs one search to its end; returns the number of steps. */
static int64_t run(const toy *t, const dgm_beam_options *options, dgm_hypotheses *out)
{
    static int32_t token[MAX_BEAM * MAX_BEAM];
    static double log_prob[MAX_BEAM * MAX_BEAM], end[MAX_BEAM];
    dgm_beam b;
    if (dgm_beam_init(&b, options, 0, 0) != DGM_OK) abort();
    while (b.n_live > 0) {
        for (int i = 0; i < b.n_live; i++)
            toy_list(t, b.ids + i * b.max_length, b.length, options->beam, token + i * options->beam, log_prob + i * options->beam, end + i);
        if (dgm_beam_advance(&b, token, log_prob, NULL, end) != DGM_OK) abort();
    }
    int64_t steps = b.length;
    *out = b.done;
    b.done = (dgm_hypotheses){0};
    dgm_beam_fini(&b);
    return steps;
}

static dgm_beam_options options_of(int beam, int n_best, double alpha, int64_t longest, int64_t shortest)
{
    return (dgm_beam_options){beam, n_best, alpha, DGM_LENGTH_PAPER, 0, longest, shortest};
}

static void test_greedy(void)
{
    int differ = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        toy t = {.seed = seed};
        int32_t ids[MAX_LENGTH];
        int64_t n = 0;
        double p[N_TOKENS + 1], sum = 0;
        for (;; n++) {
            int best = N_TOKENS;
            toy_scores(&t, ids, n, p);
            for (int k = 0; k < N_TOKENS; k++)
                if (p[k] > p[best]) best = k;
            if (n == MAX_LENGTH) best = N_TOKENS;
            sum += p[best];
            if (best == N_TOKENS) break;
            ids[n] = FIRST + best;
        }
        dgm_hypotheses found;
        dgm_beam_options o = options_of(1, 1, 0.6, MAX_LENGTH, 0);
        run(&t, &o, &found);
        differ += found.n != 1 || found.best[0].n != n || memcmp(found.best[0].ids, ids, (size_t)n * sizeof *ids) != 0 ||
                  fabs(found.best[0].log_prob - sum) > 1e-12;
        dgm_hypotheses_fini(&found);
    }
    tap_int(differ, 0, "beam 1 is greedy decoding, 50 models");
}

typedef struct { const toy *t; double alpha; int64_t longest, shortest; dgm_hypotheses best; } brute;

static void all_sequences(brute *b, int32_t *ids, int64_t n, double sum)
{
    double p[N_TOKENS + 1];
    toy_scores(b->t, ids, n, p);
    if (n >= b->shortest) {
        double log_prob = sum + p[N_TOKENS];
        if (dgm_hypotheses_add(&b->best, ids, n, log_prob, log_prob / pow((5 + (double)n + 1) / 6, b->alpha)) != DGM_OK) abort();
    }
    for (int k = 0; n < b->longest && k < N_TOKENS; k++) {
        ids[n] = FIRST + k;
        all_sequences(b, ids, n + 1, sum + p[k]);
    }
}

static void compare_brute(double alpha, int64_t shortest, int n_best)
{
    int differ = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        toy t = {.seed = 100 + seed, .end_bias = -1};
        brute b = {.t = &t, .alpha = alpha, .longest = 4, .shortest = shortest};
        int32_t ids[4];
        dgm_hypotheses found;
        if (dgm_hypotheses_init(&b.best, n_best) != DGM_OK) abort();
        all_sequences(&b, ids, 0, 0);
        dgm_beam_options o = options_of(MAX_BEAM, n_best, alpha, 4, shortest); /* 341 sequences: none is ever pushed out */
        run(&t, &o, &found);
        bool same = found.n >= n_best;
        for (int i = 0; same && i < n_best; i++) {
            const dgm_hypothesis *x = &found.best[i], *y = &b.best.best[i];
            same = x->n == y->n && memcmp(x->ids, y->ids, (size_t)y->n * sizeof *y->ids) == 0 && fabs(x->score - y->score) < 1e-12;
        }
        differ += !same;
        dgm_hypotheses_fini(&found);
        dgm_hypotheses_fini(&b.best);
    }
    tap_int(differ, 0, "a beam as wide as all sequences finds the best %d of them, alpha %g, at least %lld tokens, 20 models", n_best, alpha,
            (long long)shortest);
}

static void test_lengths(void)
{
    toy never = {.seed = 3, .end_bias = -50}, soon = {.seed = 3, .end_bias = 50};
    dgm_hypotheses found;
    dgm_beam_options o = options_of(3, 1, 0.6, 7, 0);
    run(&never, &o, &found);
    tap_int(found.best[0].n, 7, "a model that never ends is ended at the maximum");
    dgm_hypotheses_fini(&found);
    run(&soon, &o, &found);
    tap_int(found.best[0].n, 0, "a model that ends at once gives no tokens");
    dgm_hypotheses_fini(&found);
    o.min_length = 3;
    run(&soon, &o, &found);
    tap_int(found.best[0].n, 3, "unless a minimum is asked for");
    dgm_hypotheses_fini(&found);
    o.min_length = 100;
    run(&soon, &o, &found);
    tap_int(found.best[0].n, 7, "a minimum above the maximum is the maximum");
    dgm_hypotheses_fini(&found);
}

static void test_penalty(void)
{
    tap_near(dgm_hypothesis_penalty(DGM_LENGTH_PAPER, 0.6, 1), 1, 1e-15, "a length of 1 is not penalised");
    tap_near(dgm_hypothesis_penalty(DGM_LENGTH_PAPER, 1, 13), 3, 1e-15, "alpha 1: (5 + 13) / 6");
    tap_near(dgm_hypothesis_penalty(DGM_LENGTH_PAPER, 0, 13), 1, 1e-15, "alpha 0: none");
    tap_near(dgm_hypothesis_penalty(DGM_LENGTH_AVERAGE, 1, 13), 13, 1e-15, "average: the number of tokens");
    tap_near(dgm_hypothesis_penalty(DGM_LENGTH_AVERAGE, 0.5, 16), 4, 1e-15, "average with alpha 1/2: its root");
    int64_t tokens[2] = {0, 0};
    for (uint64_t seed = 0; seed < 40; seed++)
        for (int k = 0; k < 2; k++) {
            toy t = {.seed = seed};
            dgm_hypotheses found;
            dgm_beam_options o = options_of(4, 1, k == 0 ? 0 : 2, MAX_LENGTH, 0);
            run(&t, &o, &found);
            tokens[k] += found.best[0].n;
            dgm_hypotheses_fini(&found);
        }
    tap_ok(tokens[1] > tokens[0], "a larger alpha gives longer translations (%lld against %lld tokens)", (long long)tokens[1],
           (long long)tokens[0]);
}

static void test_ties(void)
{
    toy t = {.flat = true, .end_bias = -2};
    dgm_hypotheses found;
    dgm_beam_options o = options_of(3, 3, 0, 2, 2);
    run(&t, &o, &found);
    bool sorted = found.n == 3;
    for (int i = 0; i < found.n; i++) sorted = sorted && found.best[i].ids[0] == FIRST + i && found.best[i].ids[1] == FIRST;
    tap_ok(sorted, "equal sums: lower token ids first, then the earlier hypothesis");
    dgm_hypotheses_fini(&found);
}

static void test_stop(void)
{
    int later = 0, differ = 0, worse = 0, sooner = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        toy t = {.seed = seed};
        dgm_hypotheses one, all;
        dgm_beam_options o = options_of(5, 1, 0.6, MAX_LENGTH, 0);
        int64_t steps = run(&t, &o, &one);
        o.n_best = 5;
        int64_t all_steps = run(&t, &o, &all);
        later += steps > all_steps;
        sooner += steps < all_steps;
        differ += one.best[0].n != all.best[0].n || one.best[0].score != all.best[0].score ||
                  memcmp(one.best[0].ids, all.best[0].ids, (size_t)one.best[0].n * sizeof(int32_t)) != 0;
        for (int i = 1; i < all.n; i++) worse += all.best[i].score > all.best[i - 1].score;
        worse += all.n < 5;
        dgm_hypotheses_fini(&one);
        dgm_hypotheses_fini(&all);
    }
    tap_int(differ, 0, "the best of five is the best of one, 100 models");
    tap_int(later, 0, "asking for fewer results never takes more steps");
    tap_ok(sooner > 0, "and sometimes fewer (%d times)", sooner);
    tap_int(worse, 0, "there are as many results as were asked for, sorted by score");
}

static void test_options(void)
{
    dgm_beam_options o = dgm_beam_defaults();
    tap_err(dgm_beam_check(&o), DGM_OK, "the defaults are valid");
    o.n_best = 6;
    tap_err(dgm_beam_check(&o), DGM_ERR_USAGE, "more results than the beam holds");
    tap_error_says("--n-best 6: expected 1 to the beam of 5");
    o = dgm_beam_defaults(), o.beam = 0;
    tap_err(dgm_beam_check(&o), DGM_ERR_USAGE, "beam 0");
    o = dgm_beam_defaults(), o.length_penalty = NAN;
    tap_err(dgm_beam_check(&o), DGM_ERR_USAGE, "a length penalty that is no number");
}

int main(void)
{
    test_greedy();
    compare_brute(0.6, 0, 1);
    compare_brute(0, 0, 1);
    compare_brute(1.5, 2, 1);
    compare_brute(0.6, 0, 10);
    test_lengths();
    test_penalty();
    test_ties();
    test_stop();
    test_options();
    return tap_done();
}
