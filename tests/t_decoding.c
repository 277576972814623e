/* What a search can be told, against a naive version over whole forward passes: a beam as wide as all sequences there are, with bans, prefixes and
 * ensembles; every search alone and in company; limits. */
#include "dgm/vocab.h"
#include "tap.h"
#include "toy_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- all sequences ---- */

typedef struct {
    const toy_search *m;
    const dgm_sentence *src;
    const dgm_search_options *o;
    int64_t longest;
    dgm_hypotheses all;
} brute;

static void all_sequences(brute *b, int32_t *ids, int64_t n, double sum)
{
    double log_prob[TOY_SEARCH_VOCAB];
    const dgm_beam_options *o = &b->o->beam;
    toy_search_log_probs(b->m, b->src, ids, n, 1, log_prob);
    if (n >= o->min_length && n >= b->src->n_prefix) {
        double whole = sum + log_prob[DGM_TOKEN_END];
        if (dgm_hypotheses_add(&b->all, ids, n, whole, whole / toy_search_penalty(o, n + 1)) != DGM_OK) abort();
    }
    for (int32_t w = DGM_VOCAB_N_SPECIAL; n < b->longest && w < b->m->vocab; w++) {
        if (n < b->src->n_prefix ? w != b->src->prefix[n] : toy_search_repeats(ids, n, w, b->o->no_repeat_ngram)) continue;
        ids[n] = w;
        all_sequences(b, ids, n + 1, sum + log_prob[w]);
    }
}

static void compare_all(toy_search *m, dgm_search_options o, const int32_t *prefix, int64_t n_prefix, const char *name)
{
    int differ = 0;
    double worst = 0;
    int64_t n_all = 0;
    m->kind = o.ensemble;
    o.beam.beam = o.beam.n_best = 128; /* at most 85 sequences: none is ever pushed out */
    o.beam.max_length_factor = 0, o.beam.max_length_plus = 3;
    for (int i = 0; i < 4; i++) {
        dgm_hypotheses found;
        dgm_sentence s = toy_sources[i];
        int32_t ids[TOY_SEARCH_TOKENS];
        s.prefix = prefix, s.n_prefix = n_prefix;
        brute b = {.m = m, .src = &s, .o = &o, .longest = 3};
        if (dgm_hypotheses_init(&b.all, 128) != DGM_OK || dgm_search_run(m->search, &o, 100, &s, 1, &found) != DGM_OK) {
            tap_note("%s", dgm_error_text());
            abort();
        }
        all_sequences(&b, ids, 0, 0);
        n_all += b.all.n;
        differ += found.n != b.all.n;
        for (int k = 0; k < DGM_MIN(found.n, b.all.n); k++) {
            const dgm_hypothesis *x = &found.best[k], *y = &b.all.best[k];
            differ += x->n != y->n || memcmp(x->ids, y->ids, (size_t)y->n * sizeof *y->ids) != 0;
            worst = fmax(worst, fmax(fabs(x->score - y->score), fabs(x->log_prob - y->log_prob)));
        }
        dgm_hypotheses_fini(&found);
        dgm_hypotheses_fini(&b.all);
    }
    tap_int(differ, 0, "%s: a beam as wide as all %lld sequences of 4 sentences finds them in order", name, (long long)n_all);
    tap_near(worst, 0, 1e-5, "%s: with their scores", name);
}

static void test_exhaustive(void)
{
    toy_search alone, two;
    dgm_search_options o = dgm_search_defaults();
    const int32_t prefix[] = {6, 4};
    toy_search_init(&alone, 1, 8, 51);
    toy_search_init(&two, 2, 8, 51);
    toy_search_sources(8);
    compare_all(&alone, o, NULL, 0, "the paper's length penalty");
    o.beam.length_kind = DGM_LENGTH_AVERAGE, o.beam.length_penalty = 1;
    compare_all(&alone, o, NULL, 0, "average length penalty");
    o.beam.length_penalty = 0, o.beam.min_length = 2;
    compare_all(&alone, o, NULL, 0, "no length penalty, at least 2 tokens");
    o = dgm_search_defaults(), o.no_repeat_ngram = 1;
    compare_all(&alone, o, NULL, 0, "no token twice");
    o.no_repeat_ngram = 2;
    compare_all(&alone, o, NULL, 0, "no two tokens twice");
    o.no_repeat_ngram = 0;
    compare_all(&alone, o, prefix, 1, "a prefix of one token");
    compare_all(&alone, o, prefix, 2, "a prefix of two tokens");
    compare_all(&two, o, NULL, 0, "mean of the probabilities of two models");
    o.ensemble = DGM_ENSEMBLE_LOG_PROBABILITIES;
    compare_all(&two, o, NULL, 0, "mean of the log-probabilities of two models");
    o.no_repeat_ngram = 1;
    compare_all(&two, o, prefix, 1, "two models, a prefix, no token twice");
    toy_search_fini(&alone);
    toy_search_fini(&two);
}

/* ---- alone and in company ---- */

static bool same_list(const dgm_hypotheses *a, const dgm_hypotheses *b)
{
    bool same = a->n == b->n;
    for (int k = 0; same && k < a->n; k++)
        same = a->best[k].n == b->best[k].n && memcmp(a->best[k].ids, b->best[k].ids, (size_t)a->best[k].n * sizeof(int32_t)) == 0 &&
               a->best[k].log_prob == b->best[k].log_prob && a->best[k].score == b->best[k].score;
    return same;
}

static void compare_company(toy_search *m, dgm_search_options o, const char *name)
{
    dgm_hypotheses together[TOY_SEARCH_N], backwards[TOY_SEARCH_N], alone;
    dgm_sentence reversed[TOY_SEARCH_N];
    int differ = 0;
    o.beam.max_length_factor = 1, o.beam.max_length_plus = 6;
    for (int i = 0; i < TOY_SEARCH_N; i++) reversed[i] = toy_sources[TOY_SEARCH_N - 1 - i];
    if (dgm_search_run(m->search, &o, 1000, toy_sources, TOY_SEARCH_N, together) != DGM_OK ||
        dgm_search_run(m->search, &o, 13, reversed, TOY_SEARCH_N, backwards) != DGM_OK)
        abort();
    for (int i = 0; i < TOY_SEARCH_N; i++) {
        if (dgm_search_run(m->search, &o, 1, &toy_sources[i], 1, &alone) != DGM_OK) abort();
        differ += !same_list(&together[i], &alone) || !same_list(&together[i], &backwards[TOY_SEARCH_N - 1 - i]);
        dgm_hypotheses_fini(&alone);
    }
    for (int i = 0; i < TOY_SEARCH_N; i++) dgm_hypotheses_fini(&together[i]), dgm_hypotheses_fini(&backwards[i]);
    tap_int(differ, 0, "%s: the same bits alone, together and in another order", name);
}

static void test_company(void)
{
    toy_search m, two;
    dgm_search_options o = dgm_search_defaults();
    const int32_t prefix[] = {50};
    toy_search_init(&m, 1, TOY_SEARCH_VOCAB, 91);
    toy_search_init(&two, 2, TOY_SEARCH_VOCAB, 91);
    toy_search_sources(TOY_SEARCH_VOCAB);
    o.beam.beam = 6, o.beam.n_best = 4, o.no_repeat_ngram = 2;
    compare_company(&m, o, "no two tokens twice");
    o.diverse_groups = 3;
    compare_company(&m, o, "diverse groups");
    for (int i = 0; i < TOY_SEARCH_N; i += 2) toy_sources[i].prefix = prefix, toy_sources[i].n_prefix = 1;
    compare_company(&m, o, "prefixes of some");
    compare_company(&two, o, "two models");
    o.diverse_groups = 1, o.sample = true, o.sampling.top_p = 0.9;
    compare_company(&m, o, "samples");
    compare_company(&two, o, "samples of two models");
    toy_search_fini(&m);
    toy_search_fini(&two);
}

/* ---- limits ---- */

static void test_limits(void)
{
    toy_search m;
    dgm_search_options o = dgm_search_defaults();
    dgm_hypotheses found;
    const int32_t prefix[] = {4, 5, 6, 7, 4, 5}, bad[] = {8};
    toy_search_init(&m, 1, 8, 51);
    toy_search_sources(8);
    dgm_sentence s = {.ids = toy_source_ids[2], .n = 2, .prefix = prefix, .n_prefix = 6};
    o.beam.max_length_factor = 0, o.beam.max_length_plus = 3;
    tap_err(dgm_search_run(m.search, &o, 100, &s, 1, &found), DGM_OK, "a prefix longer than the longest translation");
    tap_ok(found.best[0].n == 6 && memcmp(found.best[0].ids, prefix, sizeof prefix) == 0, "is the translation");
    dgm_hypotheses_fini(&found);
    s.n_prefix = 0, o.no_repeat_ngram = 1, o.beam.min_length = 10, o.beam.max_length_plus = 20;
    tap_err(dgm_search_run(m.search, &o, 100, &s, 1, &found), DGM_OK, "more tokens asked for than there are without repeating one");
    tap_int(found.best[0].n, 4, "all of them");
    dgm_hypotheses_fini(&found);
    o.sample = true;
    tap_err(dgm_search_run(m.search, &o, 100, &s, 1, &found), DGM_OK, "the same of a sample");
    tap_int(found.best[0].n, 4, "all of them");
    dgm_hypotheses_fini(&found);
    s.prefix = bad, s.n_prefix = 1;
    tap_err(dgm_search_run(m.search, &o, 100, &s, 1, &found), DGM_ERR_INPUT, "a prefix outside of the vocabulary");
    toy_search_fini(&m);

    o = dgm_search_defaults(), o.diverse_groups = 3;
    tap_err(dgm_search_check(&o), DGM_ERR_USAGE, "groups that do not divide the beam");
    tap_error_says("--diverse-groups 3: expected a number that divides the beam of 5");
    o = dgm_search_defaults(), o.sample = true, o.diverse_groups = 5;
    tap_err(dgm_search_check(&o), DGM_ERR_USAGE, "samples in groups");
    o = dgm_search_defaults(), o.sample = true, o.sampling.top_p = 0;
    tap_err(dgm_search_check(&o), DGM_ERR_USAGE, "top_p 0");
    tap_error_says("--top-p 0: expected more than 0 and at most 1");
    o = dgm_search_defaults(), o.sample = true, o.sampling.temperature = NAN;
    tap_err(dgm_search_check(&o), DGM_ERR_USAGE, "a temperature that is no number");
    o = dgm_search_defaults(), o.sample = true, o.beam.n_best = 100;
    tap_err(dgm_search_check(&o), DGM_OK, "samples may be more than the beam");
}

int main(void)
{
    test_exhaustive();
    test_company();
    test_limits();
    return tap_done();
}
