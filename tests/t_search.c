/* Searching many sentences at once: against whole forward passes, and against searching each sentence alone. */
#include "dgm/grid.h"
#include "dgm/search.h"
#include "dgm/transformer.h"
#include "dgm/vocab.h"
#include "tap.h"
#include "toy_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 23, VOCAB = 97, D = 32, MAX_TOKENS = 64 };

static int32_t source_ids[N][MAX_TOKENS];
static dgm_sentence sources[N];

static void make_sources(int64_t vocab)
{
    for (int i = 0; i < N; i++) {
        sources[i] = (dgm_sentence){.ids = source_ids[i], .n = (i * 7) % 13};
        toy_sentence(2, (uint64_t)i, vocab, sources[i].n, source_ids[i]);
    }
}

/* Log-probabilities [n + 1, VOCAB] of what follows each of the prefixes of ids[n], by a forward pass over the whole. */
static void all_log_probs(const toy_model *m, dgm_transformer *t, const dgm_sentence *src, const int32_t *ids, int64_t n, double *log_prob)
{
    static float source[MAX_TOKENS * D], hidden[MAX_TOKENS * D];
    static toy_packed packed_src, packed_tgt;
    toy_pack(&packed_src, src->ids, src->n, false);
    toy_pack(&packed_tgt, ids, n, true);
    if (dgm_transformer_encode(t, &packed_src.packed, &m->weights, source) != DGM_OK ||
        dgm_transformer_decode(t, &packed_src.packed, source, &packed_tgt.packed, &m->weights, hidden) != DGM_OK)
        abort();
    for (int64_t r = 0; r <= n; r++) {
        double sum = 0, *row = log_prob + r * VOCAB;
        for (int64_t j = 0; j < VOCAB; j++) {
            row[j] = 0;
            for (int64_t i = 0; i < D; i++) row[j] += (double)hidden[r * D + i] * (double)m->weights.embedding[j * D + i];
            sum += exp(row[j]);
        }
        for (int64_t j = 0; j < VOCAB; j++) row[j] -= log(sum);
    }
}

/* Greedy decoding by whole forward passes. */
static int64_t greedy(const toy_model *m, dgm_transformer *t, const dgm_sentence *src, int64_t longest, int32_t *ids)
{
    static double log_prob[MAX_TOKENS * VOCAB];
    for (int64_t n = 0; n < longest; n++) {
        all_log_probs(m, t, src, ids, n, log_prob);
        const double *row = log_prob + n * VOCAB;
        int32_t best = n > 0 ? DGM_TOKEN_END : DGM_VOCAB_N_SPECIAL; /* at least one token */
        for (int32_t j = DGM_VOCAB_N_SPECIAL; j < VOCAB; j++)
            if (row[j] > row[best]) best = j;
        if (best == DGM_TOKEN_END) return n;
        ids[n] = best;
    }
    return longest;
}

static dgm_search_options options_of(int beam, int n_best)
{
    dgm_search_options o = dgm_search_defaults();
    o.beam.beam = beam, o.beam.n_best = n_best, o.beam.max_length_factor = 1, o.beam.max_length_plus = 5;
    return o;
}

static bool same_hypothesis(const dgm_hypothesis *a, const dgm_hypothesis *b)
{
    return a->n == b->n && memcmp(a->ids, b->ids, (size_t)a->n * sizeof *a->ids) == 0 && a->log_prob == b->log_prob && a->score == b->score;
}

static bool same_list(const dgm_hypotheses *a, const dgm_hypotheses *b)
{
    bool same = a->n == b->n;
    for (int i = 0; same && i < a->n; i++) same = same_hypothesis(&a->best[i], &b->best[i]);
    return same;
}

static void test_against_forward(toy_model *m, const char *name)
{
    dgm_search *s = NULL;
    dgm_transformer *t = NULL;
    dgm_hypotheses found[N];
    int differ = 0, compared = 0;
    double worst = 0;
    if (dgm_search_create(m->params, &m->weights, &s) != DGM_OK || dgm_transformer_create(m->params, dgm_grid_single(), &t) != DGM_OK) abort();
    dgm_search_options o = options_of(1, 1);
    tap_err(dgm_search_run(s, &o, 64, sources, N, found), DGM_OK, "%s: greedy", name);
    for (int i = 0; i < N; i++) {
        int32_t ids[MAX_TOKENS];
        int64_t n = sources[i].n == 0 ? 0 : greedy(m, t, &sources[i], sources[i].n + 5, ids);
        differ += found[i].best[0].n != n || memcmp(found[i].best[0].ids, ids, (size_t)n * sizeof *ids) != 0;
        dgm_hypotheses_fini(&found[i]);
    }
    tap_int(differ, 0, "%s: beam 1 gives what greedy decoding by whole forward passes gives", name);

    o = options_of(6, 6);
    tap_err(dgm_search_run(s, &o, 64, sources, N, found), DGM_OK, "%s: beam 6", name);
    for (int i = 0; i < N; i++) {
        static double log_prob[MAX_TOKENS * VOCAB];
        for (int k = 0; sources[i].n > 0 && k < found[i].n; k++, compared++) {
            const dgm_hypothesis *h = &found[i].best[k];
            double sum = 0;
            all_log_probs(m, t, &sources[i], h->ids, h->n, log_prob);
            for (int64_t j = 0; j <= h->n; j++) sum += log_prob[j * VOCAB + (j < h->n ? h->ids[j] : DGM_TOKEN_END)];
            worst = fmax(worst, fabs(sum - h->log_prob));
        }
        dgm_hypotheses_fini(&found[i]);
    }
    tap_near(worst, 0, 1e-4, "%s: log-probabilities of %d hypotheses by whole forward passes", name, compared);
    dgm_transformer_destroy(t);
    dgm_search_destroy(s);
}

/* The same bits whatever stands beside a sentence. */
static void test_company(toy_model *m)
{
    dgm_search *s = NULL;
    dgm_hypotheses together[N], backwards[N], alone;
    dgm_sentence reversed[N];
    int differ = 0;
    if (dgm_search_create(m->params, &m->weights, &s) != DGM_OK) abort();
    dgm_search_options o = options_of(4, 2);
    for (int i = 0; i < N; i++) reversed[i] = sources[N - 1 - i];
    tap_err(dgm_search_run(s, &o, 1000, sources, N, together), DGM_OK, "all at once");
    tap_err(dgm_search_run(s, &o, 17, reversed, N, backwards), DGM_OK, "in another order, a few at a time");
    for (int i = 0; i < N; i++) {
        if (dgm_search_run(s, &o, 1, &sources[i], 1, &alone) != DGM_OK) abort();
        differ += !same_list(&together[i], &alone) || !same_list(&together[i], &backwards[N - 1 - i]);
        dgm_hypotheses_fini(&alone);
    }
    tap_int(differ, 0, "translations and scores have the same bits alone, together and in another order");
    int short_lists = 0;
    for (int i = 0; i < N; i++) short_lists += together[i].n < (sources[i].n == 0 ? 1 : 2);
    tap_int(short_lists, 0, "each has the two that were asked for");
    tap_int(together[0].best[0].n, 0, "a sentence without tokens has a translation without tokens");
    for (int i = 0; i < N; i++) dgm_hypotheses_fini(&together[i]), dgm_hypotheses_fini(&backwards[i]);
    dgm_search_destroy(s);
}

/* Training validates with one search while the weights change. */
static void test_changed_weights(void)
{
    toy_model a, b;
    dgm_search *s = NULL, *fresh = NULL;
    dgm_hypotheses found[N], want[N];
    int differ = 0;
    toy_model_init(&a, DGM_NORM_POST, DGM_ACTIVATION_RELU, true, VOCAB, 41);
    toy_model_init(&b, DGM_NORM_POST, DGM_ACTIVATION_RELU, true, VOCAB, 42);
    dgm_search_options o = options_of(3, 1);
    if (dgm_search_create(a.params, &a.weights, &s) != DGM_OK || dgm_search_create(b.params, &b.weights, &fresh) != DGM_OK) abort();
    memcpy(a.flat, b.flat, (size_t)a.params->n_floats * sizeof *a.flat);
    dgm_search_load(s);
    tap_err(dgm_search_run(s, &o, 100, sources, N, found), DGM_OK, "weights that changed after the search was made");
    if (dgm_search_run(fresh, &o, 100, sources, N, want) != DGM_OK) abort();
    for (int i = 0; i < N; i++) {
        differ += !same_list(&found[i], &want[i]);
        dgm_hypotheses_fini(&found[i]), dgm_hypotheses_fini(&want[i]);
    }
    tap_int(differ, 0, "are the ones that are used");
    dgm_search_destroy(s), dgm_search_destroy(fresh);
    toy_model_fini(&a), toy_model_fini(&b);
}

static void test_errors(toy_model *m)
{
    dgm_search *s = NULL;
    dgm_hypotheses found[N];
    int32_t ids[2] = {5, VOCAB + 5};
    dgm_sentence bad[2] = {{.ids = ids, .n = 1}, {.ids = ids, .n = 2}};
    dgm_search_options o = options_of(4, 1);
    if (dgm_search_create(m->params, &m->weights, &s) != DGM_OK) abort();
    tap_err(dgm_search_run(s, &o, 100, bad, 2, found), DGM_ERR_INPUT, "an id that is not in the vocabulary");
    tap_error_says("sentence 2: token id");
    m->weights.embedding[20 * D] = NAN;
    dgm_search_load(s);
    tap_err(dgm_search_run(s, &o, 100, sources, N, found), DGM_ERR_NUMERIC, "weights that are not finite");
    dgm_search_destroy(s);
}

int main(void)
{
    toy_model post, pre;
    toy_model_init(&post, DGM_NORM_POST, DGM_ACTIVATION_RELU, true, VOCAB, 21);
    toy_model_init(&pre, DGM_NORM_PRE, DGM_ACTIVATION_GELU, false, VOCAB, 22);
    make_sources(VOCAB);
    test_against_forward(&post, "post-norm");
    test_against_forward(&pre, "pre-norm");
    test_company(&post);
    test_changed_weights();
    test_errors(&post);
    toy_model_fini(&post);
    toy_model_fini(&pre);
    return tap_done();
}
