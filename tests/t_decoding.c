/* What a search can be told, against naive versions over whole forward passes: a beam as wide as all sequences there are, diverse groups,
 * bans, prefixes, ensembles, samples against the distribution they are drawn from; and every one of them alone and in company. */
#include "dgm/grid.h"
#include "dgm/search.h"
#include "dgm/transformer.h"
#include "dgm/vocab.h"
#include "tap.h"
#include "toy_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { D = 32, MAX_TOKENS = 32, MAX_VOCAB = 97, N = 9 };

/* ---- the models, and what they say ---- */

typedef struct {
    int n;
    toy_model model[2];
    dgm_transformer *transformer[2];
    dgm_search *search;
    int64_t vocab;
    dgm_ensemble_kind kind;
} models;

static void models_init(models *m, int n, int64_t vocab, uint64_t seed)
{
    dgm_search_model members[2];
    *m = (models){.n = n, .vocab = vocab};
    for (int i = 0; i < n; i++) {
        toy_model_init(&m->model[i], i == 0 ? DGM_NORM_POST : DGM_NORM_PRE, DGM_ACTIVATION_RELU, true, vocab, seed + (uint64_t)i);
        if (dgm_transformer_create(m->model[i].params, dgm_grid_single(), &m->transformer[i]) != DGM_OK) abort();
        members[i] = (dgm_search_model){m->model[i].params, &m->model[i].weights};
    }
    if (dgm_search_create_ensemble(n, members, &m->search) != DGM_OK) abort();
}

static void models_fini(models *m)
{
    dgm_search_destroy(m->search);
    for (int i = 0; i < m->n; i++) {
        dgm_transformer_destroy(m->transformer[i]);
        toy_model_fini(&m->model[i]);
    }
}

typedef struct {
    dgm_packed packed;
    int64_t bounds[2];
    int32_t ids[MAX_TOKENS + 1];
    uint32_t sentence[MAX_TOKENS + 1], position[MAX_TOKENS + 1];
} one;

static const dgm_packed *pack(one *p, const int32_t *ids, int64_t n, bool begin)
{
    *p = (one){.bounds = {0, n + 1}};
    for (int64_t j = 0; j <= n; j++) {
        p->ids[j] = begin ? (j == 0 ? DGM_TOKEN_BEGIN : ids[j - 1]) : (j == n ? DGM_TOKEN_END : ids[j]);
        p->position[j] = (uint32_t)j;
    }
    p->packed = (dgm_packed){1, n + 1, p->bounds, p->bounds, p->ids, p->sentence, p->position};
    return &p->packed;
}

/* Logits of what follows ids[n], by one model. */
static void logits_of(const models *m, int i, const dgm_sentence *src, const int32_t *ids, int64_t n, double *logit)
{
    static float source[MAX_TOKENS * D], hidden[MAX_TOKENS * D];
    static one packed_src, packed_tgt;
    const dgm_weights *w = &m->model[i].weights;
    pack(&packed_src, src->ids, src->n, false);
    pack(&packed_tgt, ids, n, true);
    if (dgm_transformer_encode(m->transformer[i], &packed_src.packed, w, source) != DGM_OK ||
        dgm_transformer_decode(m->transformer[i], &packed_src.packed, source, &packed_tgt.packed, w, hidden) != DGM_OK)
        abort();
    for (int64_t j = 0; j < m->vocab; j++) {
        logit[j] = 0;
        for (int64_t k = 0; k < D; k++) logit[j] += (double)hidden[n * D + k] * (double)w->embedding[j * D + k];
    }
}

static void softmax_of(int64_t n, double *x)
{
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += x[j] = exp(x[j]);
    for (int64_t j = 0; j < n; j++) x[j] /= sum;
}

/* Log-probabilities of what follows ids[n], by all models together, their logits divided by the temperature. */
static void log_probs(const models *m, const dgm_sentence *src, const int32_t *ids, int64_t n, double temperature, double *log_prob)
{
    double p[MAX_VOCAB];
    for (int64_t j = 0; j < m->vocab; j++) log_prob[j] = 0;
    for (int i = 0; i < m->n; i++) {
        logits_of(m, i, src, ids, n, p);
        for (int64_t j = 0; j < m->vocab; j++) p[j] /= temperature;
        softmax_of(m->vocab, p);
        for (int64_t j = 0; j < m->vocab; j++) log_prob[j] += (m->kind == DGM_ENSEMBLE_LOG_PROBABILITIES ? log(p[j]) : p[j]) / m->n;
    }
    for (int64_t j = 0; j < m->vocab && m->kind == DGM_ENSEMBLE_PROBABILITIES; j++) log_prob[j] = log(log_prob[j]);
}

static int32_t source_ids[N][MAX_TOKENS];
static dgm_sentence sources[N];

static void make_sources(int64_t vocab)
{
    for (int i = 0; i < N; i++) {
        sources[i] = (dgm_sentence){.ids = source_ids[i], .n = 1 + (i * 5) % 8};
        toy_sentence(6, (uint64_t)i, vocab, sources[i].n, source_ids[i]);
    }
}

static double penalty(const dgm_beam_options *o, int64_t length)
{
    return pow(o->length_kind == DGM_LENGTH_AVERAGE ? (double)length : (5 + (double)length) / 6, o->length_penalty);
}

/* Whether ids[n] w has a run of n_gram tokens that ends in w twice. */
static bool repeats(const int32_t *ids, int64_t n, int32_t w, int n_gram)
{
    for (int64_t i = 0; n_gram > 0 && i + n_gram <= n; i++) {
        bool same = ids[i + n_gram - 1] == w;
        for (int k = 0; k < n_gram - 1; k++) same = same && ids[i + k] == ids[n - n_gram + 1 + k];
        if (same) return true;
    }
    return false;
}

/* ---- all sequences ---- */

typedef struct {
    const models *m;
    const dgm_sentence *src;
    const dgm_search_options *o;
    int64_t longest;
    dgm_hypotheses all;
} brute;

static void all_sequences(brute *b, int32_t *ids, int64_t n, double sum)
{
    double log_prob[MAX_VOCAB];
    const dgm_beam_options *o = &b->o->beam;
    log_probs(b->m, b->src, ids, n, 1, log_prob);
    if (n >= o->min_length && n >= b->src->n_prefix) {
        double whole = sum + log_prob[DGM_TOKEN_END];
        if (dgm_hypotheses_add(&b->all, ids, n, whole, whole / penalty(o, n + 1)) != DGM_OK) abort();
    }
    for (int32_t w = DGM_VOCAB_N_SPECIAL; n < b->longest && w < b->m->vocab; w++) {
        if (n < b->src->n_prefix ? w != b->src->prefix[n] : repeats(ids, n, w, b->o->no_repeat_ngram)) continue;
        ids[n] = w;
        all_sequences(b, ids, n + 1, sum + log_prob[w]);
    }
}

static void compare_all(models *m, dgm_search_options o, const int32_t *prefix, int64_t n_prefix, const char *name)
{
    int differ = 0;
    double worst = 0;
    int64_t n_all = 0;
    m->kind = o.ensemble;
    o.beam.beam = o.beam.n_best = 128; /* at most 85 sequences: none is ever pushed out */
    o.beam.max_length_factor = 0, o.beam.max_length_plus = 3;
    for (int i = 0; i < 4; i++) {
        dgm_hypotheses found;
        dgm_sentence s = sources[i];
        int32_t ids[MAX_TOKENS];
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
    models alone, two;
    dgm_search_options o = dgm_search_defaults();
    const int32_t prefix[] = {6, 4};
    models_init(&alone, 1, 8, 51);
    models_init(&two, 2, 8, 51);
    make_sources(8);
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
    models_fini(&alone);
    models_fini(&two);
}

/* ---- diverse groups ---- */

typedef struct { int32_t ids[MAX_TOKENS]; double sum; } naive_hypothesis;
typedef struct { double order, sum; int32_t token; int from; } naive_candidate;
typedef struct { naive_hypothesis live[8]; int n_live, n_done; } naive_group;

static int by_order(const void *a, const void *b)
{
    const naive_candidate *x = a, *y = b;
    if (x->order != y->order) return x->order > y->order ? -1 : 1;
    int32_t s = x->token == DGM_TOKEN_END ? -1 : x->token, t = y->token == DGM_TOKEN_END ? -1 : y->token;
    return s != t ? (s < t ? -1 : 1) : x->from - y->from;
}

/* One step of one group of `width`; taken: how often earlier groups chose each token at this position. */
static void naive_step(const models *m, const dgm_sentence *src, const dgm_search_options *o, int64_t n, int64_t longest, int width,
                       naive_group *g, int *taken, dgm_hypotheses *done)
{
    static naive_candidate all[8 * MAX_VOCAB];
    naive_group next = {.n_done = g->n_done};
    double log_prob[MAX_VOCAB];
    int n_all = 0;
    for (int i = 0; i < g->n_live; i++) {
        log_probs(m, src, g->live[i].ids, n, 1, log_prob);
        for (int32_t w = DGM_TOKEN_END; w < m->vocab; w++) {
            double sum = g->live[i].sum + log_prob[w];
            if (w == DGM_TOKEN_END ? n >= o->beam.min_length : w >= DGM_VOCAB_N_SPECIAL && n < longest)
                all[n_all++] = (naive_candidate){w == DGM_TOKEN_END ? sum : sum - o->diverse_strength * taken[w], sum, w, i};
        }
    }
    qsort(all, (size_t)n_all, sizeof *all, by_order);
    for (int c = 0; c < n_all && next.n_live < width; c++) {
        naive_hypothesis h = g->live[all[c].from];
        if (all[c].token == DGM_TOKEN_END) {
            if (c >= width) continue;
            next.n_done++;
            if (dgm_hypotheses_add(done, h.ids, n, all[c].sum, all[c].sum / penalty(&o->beam, n + 1)) != DGM_OK) abort();
        } else {
            h.ids[n] = all[c].token, h.sum = all[c].sum;
            next.live[next.n_live++] = h;
        }
    }
    if (next.n_done >= width) next.n_live = 0;
    *g = next;
    for (int i = 0; i < g->n_live; i++) taken[g->live[i].ids[n]]++;
}

static void naive_diverse(const models *m, const dgm_sentence *src, const dgm_search_options *o, dgm_hypotheses *done)
{
    static naive_group groups[8];
    int width = o->beam.beam / o->diverse_groups, n_live = 1;
    int64_t longest = src->n + o->beam.max_length_plus;
    dgm_hypotheses of_group[8];
    for (int g = 0; g < o->diverse_groups; g++) {
        groups[g] = (naive_group){.n_live = 1};
        if (dgm_hypotheses_init(&of_group[g], width) != DGM_OK) abort();
    }
    for (int64_t n = 0; n_live > 0; n++) {
        int taken[MAX_VOCAB] = {0};
        n_live = 0;
        for (int g = 0; g < o->diverse_groups; g++) {
            if (groups[g].n_live > 0) naive_step(m, src, o, n, longest, width, &groups[g], taken, &of_group[g]);
            n_live += groups[g].n_live;
        }
    }
    for (int g = 0; g < o->diverse_groups; g++) {
        for (int i = 0; i < of_group[g].n; i++) {
            const dgm_hypothesis *h = &of_group[g].best[i];
            bool twice = false; /* by an earlier group */
            for (int k = 0; k < done->n; k++)
                twice = twice || (done->best[k].n == h->n && memcmp(done->best[k].ids, h->ids, (size_t)h->n * sizeof *h->ids) == 0);
            if (twice) continue;
            if (dgm_hypotheses_add(done, h->ids, h->n, h->log_prob, h->score) != DGM_OK) abort();
        }
        dgm_hypotheses_fini(&of_group[g]);
    }
}

static bool same_tokens(const dgm_hypotheses *a, const dgm_hypotheses *b)
{
    bool same = a->n == b->n;
    for (int k = 0; same && k < a->n; k++)
        same = a->best[k].n == b->best[k].n && memcmp(a->best[k].ids, b->best[k].ids, (size_t)a->best[k].n * sizeof(int32_t)) == 0 &&
               fabs(a->best[k].score - b->best[k].score) < 1e-5;
    return same;
}

static int n_first_tokens(const dgm_hypotheses *list)
{
    int n = 0;
    for (int i = 0; i < list->n; i++) {
        bool seen = list->best[i].n == 0;
        for (int k = 0; k < i; k++) seen = seen || (list->best[k].n > 0 && list->best[i].n > 0 && list->best[k].ids[0] == list->best[i].ids[0]);
        n += !seen;
    }
    return n;
}

static void compare_diverse(models *m, int beam, int groups, double strength)
{
    dgm_search_options o = dgm_search_defaults();
    dgm_hypotheses found[N], plain[N], want;
    int differ = 0, firsts = 0, plain_firsts = 0;
    o.beam.beam = o.beam.n_best = beam, o.beam.max_length_factor = 1, o.beam.max_length_plus = 4;
    if (dgm_search_run(m->search, &o, 100, sources, N, plain) != DGM_OK) abort();
    o.diverse_groups = groups, o.diverse_strength = strength;
    tap_err(dgm_search_run(m->search, &o, 100, sources, N, found), DGM_OK, "beam %d in %d groups, strength %g", beam, groups, strength);
    for (int i = 0; i < N; i++) {
        if (dgm_hypotheses_init(&want, beam) != DGM_OK) abort();
        naive_diverse(m, &sources[i], &o, &want);
        differ += !same_tokens(&found[i], &want);
        firsts += n_first_tokens(&found[i]), plain_firsts += n_first_tokens(&plain[i]);
        dgm_hypotheses_fini(&found[i]), dgm_hypotheses_fini(&want), dgm_hypotheses_fini(&plain[i]);
    }
    tap_int(differ, 0, "finds what the naive version finds for %d sentences", N);
    if (strength > 1) tap_ok(firsts > plain_firsts, "first tokens are more diverse (%d against %d)", firsts, plain_firsts);
}

static void test_diverse(void)
{
    models m;
    models_init(&m, 1, MAX_VOCAB, 61);
    make_sources(MAX_VOCAB);
    compare_diverse(&m, 6, 3, 0.5);
    compare_diverse(&m, 4, 4, 3);
    compare_diverse(&m, 6, 2, 0);
    models_fini(&m);
}

/* ---- samples ---- */

/* What draws of one token (or none) are distributed as: the naive version of temperature, top_k and top_p. */
static void expected(const models *m, const dgm_sentence *src, const dgm_sample_options *o, double *p)
{
    double total = 0;
    log_probs(m, src, NULL, 0, o->temperature, p);
    for (int64_t j = 0; j < m->vocab; j++) {
        bool possible = j == DGM_TOKEN_END || j >= DGM_VOCAB_N_SPECIAL;
        total += p[j] = possible ? exp(p[j]) : 0;
    }
    for (int step = 0; step < 2; step++) { /* top_k, then top_p of what is left */
        double kept[MAX_VOCAB] = {0}, sum = 0;
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
static void compare_draws(models *m, dgm_sample_options sampling, dgm_ensemble_kind kind, double limit, const char *name)
{
    enum { AT_ONCE = 1000, TIMES = 20 };
    dgm_search_options o = dgm_search_defaults();
    double p[MAX_VOCAB], count[MAX_VOCAB] = {0}, statistic = 0, log_prob[MAX_VOCAB], worst = 0;
    int impossible = 0, n_possible = 0;
    o.sample = true, o.sampling = sampling, o.ensemble = m->kind = kind;
    o.beam.n_best = AT_ONCE, o.beam.min_length = 0, o.beam.max_length_factor = 0, o.beam.max_length_plus = 1;
    log_probs(m, &sources[1], NULL, 0, 1, log_prob);
    for (uint64_t seed = 1; seed <= TIMES; seed++) {
        dgm_hypotheses found;
        o.sampling.seed = seed;
        if (dgm_search_run(m->search, &o, 100, &sources[1], 1, &found) != DGM_OK) abort();
        for (int i = 0; i < found.n; i++) {
            const dgm_hypothesis *h = &found.best[i];
            count[h->n > 0 ? h->ids[0] : DGM_TOKEN_END]++;
            if (h->n == 0) worst = fmax(worst, fabs(h->log_prob - log_prob[DGM_TOKEN_END]));
        }
        dgm_hypotheses_fini(&found);
    }
    expected(m, &sources[1], &sampling, p);
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
    models m, two;
    dgm_sample_options o = dgm_sample_defaults();
    models_init(&m, 1, 12, 71);
    models_init(&two, 2, 12, 71);
    make_sources(12);
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
    models_fini(&m);
    models_fini(&two);
}

/* Samples of a line differ from each other and from seed to seed, and keep to bans and prefixes. */
static void test_sample_kinds(void)
{
    models m;
    dgm_search_options o = dgm_search_defaults();
    dgm_hypotheses a[N], b[N];
    const int32_t prefix[] = {40, 41};
    int same = 0, all = 0, begins = 0, repeated = 0;
    models_init(&m, 1, MAX_VOCAB, 81);
    make_sources(MAX_VOCAB);
    for (int i = 0; i < N; i++) sources[i].prefix = prefix, sources[i].n_prefix = 2;
    o.sample = true, o.beam.n_best = 6, o.no_repeat_ngram = 1;
    if (dgm_search_run(m.search, &o, 100, sources, N, a) != DGM_OK) abort();
    o.sampling.seed = 2;
    if (dgm_search_run(m.search, &o, 100, sources, N, b) != DGM_OK) abort();
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < a[i].n; k++, all++) {
            const dgm_hypothesis *h = &a[i].best[k];
            begins += h->n >= 2 && h->ids[0] == 40 && h->ids[1] == 41;
            for (int64_t j = 0; j < h->n; j++) repeated += repeats(h->ids, j, h->ids[j], 1);
            same += k > 0 && h->n == a[i].best[0].n && memcmp(h->ids, a[i].best[0].ids, (size_t)h->n * sizeof *h->ids) == 0;
            same += h->n == b[i].best[k].n && memcmp(h->ids, b[i].best[k].ids, (size_t)h->n * sizeof *h->ids) == 0;
        }
        dgm_hypotheses_fini(&a[i]), dgm_hypotheses_fini(&b[i]);
    }
    tap_int(all, 6 * N, "six samples of each of %d sentences", N);
    tap_int(begins, all, "all begin with the prefix");
    tap_int(repeated, 0, "none has a token twice");
    tap_ok(same <= all / 10, "they differ from each other and from seed to seed (%d are alike)", same);
    models_fini(&m);
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

static void compare_company(models *m, dgm_search_options o, const char *name)
{
    dgm_hypotheses together[N], backwards[N], alone;
    dgm_sentence reversed[N];
    int differ = 0;
    o.beam.max_length_factor = 1, o.beam.max_length_plus = 6;
    for (int i = 0; i < N; i++) reversed[i] = sources[N - 1 - i];
    if (dgm_search_run(m->search, &o, 1000, sources, N, together) != DGM_OK || dgm_search_run(m->search, &o, 13, reversed, N, backwards) != DGM_OK)
        abort();
    for (int i = 0; i < N; i++) {
        if (dgm_search_run(m->search, &o, 1, &sources[i], 1, &alone) != DGM_OK) abort();
        differ += !same_list(&together[i], &alone) || !same_list(&together[i], &backwards[N - 1 - i]);
        dgm_hypotheses_fini(&alone);
    }
    for (int i = 0; i < N; i++) dgm_hypotheses_fini(&together[i]), dgm_hypotheses_fini(&backwards[i]);
    tap_int(differ, 0, "%s: the same bits alone, together and in another order", name);
}

static void test_company(void)
{
    models m, two;
    dgm_search_options o = dgm_search_defaults();
    const int32_t prefix[] = {50};
    models_init(&m, 1, MAX_VOCAB, 91);
    models_init(&two, 2, MAX_VOCAB, 91);
    make_sources(MAX_VOCAB);
    o.beam.beam = 6, o.beam.n_best = 4, o.no_repeat_ngram = 2;
    compare_company(&m, o, "no two tokens twice");
    o.diverse_groups = 3;
    compare_company(&m, o, "diverse groups");
    for (int i = 0; i < N; i += 2) sources[i].prefix = prefix, sources[i].n_prefix = 1;
    compare_company(&m, o, "prefixes of some");
    compare_company(&two, o, "two models");
    o.diverse_groups = 1, o.sample = true, o.sampling.top_p = 0.9;
    compare_company(&m, o, "samples");
    compare_company(&two, o, "samples of two models");
    models_fini(&m);
    models_fini(&two);
}

/* ---- limits ---- */

static void test_limits(void)
{
    models m;
    dgm_search_options o = dgm_search_defaults();
    dgm_hypotheses found;
    const int32_t prefix[] = {4, 5, 6, 7, 4, 5}, bad[] = {8};
    models_init(&m, 1, 8, 51);
    make_sources(8);
    dgm_sentence s = {.ids = source_ids[2], .n = 2, .prefix = prefix, .n_prefix = 6};
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
    models_fini(&m);

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
    test_diverse();
    test_samples();
    test_sample_kinds();
    test_company();
    test_limits();
    return tap_done();
}
