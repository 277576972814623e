/* Samples: draws against the distribution they are drawn from, by Pearson's chi-square; bans and prefixes. */
#include "dgm/vocab.h"
#include "tap.h"
#include "toy_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What draws of one token (or none) are distributed as: the naive version of temperature, top_k and top_p. */
static void expected(const toy_search *m, const dgm_sentence *src, const dgm_sample_options *o, double *p)
{
    double total = 0;
    toy_search_log_probs(m, src, NULL, 0, o->temperature, p);
    for (int64_t j = 0; j < m->vocab; j++) {
        bool possible = j == DGM_TOKEN_END || j >= DGM_VOCAB_N_SPECIAL;
        total += p[j] = possible ? exp(p[j]) : 0;
    }
    for (int step = 0; step < 2; step++) { /* top_k, then top_p of what is left */
        double kept[TOY_SEARCH_VOCAB] = {0}, sum = 0;
        for (int64_t k = 0; k < m->vocab; k++) {
            int64_t best = 0;
            if (step == 0 ? o->top_k > 0 && k >= o->top_k : sum >= o->top_p * total - 1e-12) break;
            for (int64_t j = 1; j < m->vocab; j++)
                if (p[j] > p[best]) best = j;
            sum += kept[best] = p[best];
            p[best] = 0;
        }
        for (int64_t j = 0; j < m->vocab; j++) p[j] = kept[j];
        total = sum;
    }
    for (int64_t j = 0; j < m->vocab; j++) p[j] /= total;
}

/* Pearson's statistic of 20,000 draws.  limit: its 99.9 % quantile. */
static void compare_draws(toy_search *m, dgm_sample_options sampling, dgm_ensemble_kind kind, double limit, const char *name)
{
    enum { AT_ONCE = 1000, TIMES = 20 };
    dgm_search_options o = dgm_search_defaults();
    double p[TOY_SEARCH_VOCAB], count[TOY_SEARCH_VOCAB] = {0}, statistic = 0, log_prob[TOY_SEARCH_VOCAB], worst = 0;
    int impossible = 0, n_possible = 0;
    o.sample = true, o.sampling = sampling, o.ensemble = m->kind = kind;
    o.beam.n_best = AT_ONCE, o.beam.min_length = 0, o.beam.max_length_factor = 0, o.beam.max_length_plus = 1;
    toy_search_log_probs(m, &toy_sources[1], NULL, 0, 1, log_prob);
    for (uint64_t seed = 1; seed <= TIMES; seed++) {
        dgm_hypotheses found;
        o.sampling.seed = seed;
        if (dgm_search_run(m->search, &o, 100, &toy_sources[1], 1, &found) != DGM_OK) abort();
        for (int i = 0; i < found.n; i++) {
            const dgm_hypothesis *h = &found.best[i];
            count[h->n > 0 ? h->ids[0] : DGM_TOKEN_END]++;
            if (h->n == 0) worst = fmax(worst, fabs(h->log_prob - log_prob[DGM_TOKEN_END]));
        }
        dgm_hypotheses_fini(&found);
    }
    expected(m, &toy_sources[1], &sampling, p);
    for (int64_t j = 0; j < m->vocab; j++) {
        double want = p[j] * AT_ONCE * TIMES;
        impossible += want == 0 && count[j] > 0;
        n_possible += want > 0;
        if (want > 0) statistic += (count[j] - want) * (count[j] - want) / want;
    }
    tap_int(impossible, 0, "%s: 20000 draws, none of them impossible", name);
    tap_ok(statistic < limit, "%s: chi-square of %d outcomes is %.1f, below %.1f", name, n_possible, statistic, limit);
    tap_near(worst, 0, 1e-5, "%s: log-probabilities are the model's own", name);
}

static void test_samples(void)
{
    toy_search m, two;
    dgm_sample_options o = dgm_sample_defaults();
    toy_search_init(&m, 1, 12, 71);
    toy_search_init(&two, 2, 12, 71);
    toy_search_sources(12);
    compare_draws(&m, o, DGM_ENSEMBLE_PROBABILITIES, 26.12, "all tokens");
    o.temperature = 0.6;
    compare_draws(&m, o, DGM_ENSEMBLE_PROBABILITIES, 26.12, "temperature 0.6");
    compare_draws(&two, o, DGM_ENSEMBLE_PROBABILITIES, 26.12, "two models, probabilities");
    compare_draws(&two, o, DGM_ENSEMBLE_LOG_PROBABILITIES, 26.12, "two models, log-probabilities");
    o.temperature = 1, o.top_k = 4;
    compare_draws(&m, o, DGM_ENSEMBLE_PROBABILITIES, 16.27, "the 4 likeliest");
    o.top_k = 0, o.top_p = 0.5;
    compare_draws(&m, o, DGM_ENSEMBLE_PROBABILITIES, 13.82, "half of the probability");
    o.top_k = 5, o.top_p = 0.7, o.temperature = 2;
    compare_draws(&m, o, DGM_ENSEMBLE_PROBABILITIES, 16.27, "70 % of the 5 likeliest, temperature 2");
    toy_search_fini(&m);
    toy_search_fini(&two);
}

/* Samples of a line differ from each other and from seed to seed, and keep to bans and prefixes. */
static void test_sample_kinds(void)
{
    toy_search m;
    dgm_search_options o = dgm_search_defaults();
    dgm_hypotheses a[TOY_SEARCH_N], b[TOY_SEARCH_N];
    const int32_t prefix[] = {40, 41};
    int same = 0, all = 0, begins = 0, repeated = 0;
    toy_search_init(&m, 1, TOY_SEARCH_VOCAB, 81);
    toy_search_sources(TOY_SEARCH_VOCAB);
    for (int i = 0; i < TOY_SEARCH_N; i++) toy_sources[i].prefix = prefix, toy_sources[i].n_prefix = 2;
    o.sample = true, o.beam.n_best = 6, o.no_repeat_ngram = 1;
    if (dgm_search_run(m.search, &o, 100, toy_sources, TOY_SEARCH_N, a) != DGM_OK) abort();
    o.sampling.seed = 2;
    if (dgm_search_run(m.search, &o, 100, toy_sources, TOY_SEARCH_N, b) != DGM_OK) abort();
    for (int i = 0; i < TOY_SEARCH_N; i++) {
        for (int k = 0; k < a[i].n; k++, all++) {
            const dgm_hypothesis *h = &a[i].best[k];
            begins += h->n >= 2 && h->ids[0] == 40 && h->ids[1] == 41;
            for (int64_t j = 0; j < h->n; j++) repeated += toy_search_repeats(h->ids, j, h->ids[j], 1);
            same += k > 0 && h->n == a[i].best[0].n && memcmp(h->ids, a[i].best[0].ids, (size_t)h->n * sizeof *h->ids) == 0;
            same += h->n == b[i].best[k].n && memcmp(h->ids, b[i].best[k].ids, (size_t)h->n * sizeof *h->ids) == 0;
        }
        dgm_hypotheses_fini(&a[i]), dgm_hypotheses_fini(&b[i]);
    }
    tap_int(all, 6 * TOY_SEARCH_N, "six samples of each of %d sentences", TOY_SEARCH_N);
    tap_int(begins, all, "all begin with the prefix");
    tap_int(repeated, 0, "none has a token twice");
    tap_ok(same <= all / 10, "they differ from each other and from seed to seed (%d are alike)", same);
    toy_search_fini(&m);
}

int main(void)
{
    test_samples();
    test_sample_kinds();
    return tap_done();
}
