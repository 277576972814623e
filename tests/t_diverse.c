/* Diverse groups (Vijayakumar et al. 2018) against a naive version over whole forward passes. */
#include "dgm/vocab.h"
#include "tap.h"
#include "toy_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int32_t ids[TOY_SEARCH_TOKENS]; double sum; } naive_hypothesis;
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
static void naive_step(const toy_search *m, const dgm_sentence *src, const dgm_search_options *o, int64_t n, int64_t longest, int width,
                       naive_group *g, int *taken, dgm_hypotheses *done)
{
    static naive_candidate all[8 * TOY_SEARCH_VOCAB];
    naive_group next = {.n_done = g->n_done};
    double log_prob[TOY_SEARCH_VOCAB];
    int n_all = 0;
    for (int i = 0; i < g->n_live; i++) {
        toy_search_log_probs(m, src, g->live[i].ids, n, 1, log_prob);
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
            if (dgm_hypotheses_add(done, h.ids, n, all[c].sum, all[c].sum / toy_search_penalty(&o->beam, n + 1)) != DGM_OK) abort();
        } else {
            h.ids[n] = all[c].token, h.sum = all[c].sum;
            next.live[next.n_live++] = h;
        }
    }
    if (next.n_done >= width) next.n_live = 0;
    *g = next;
    for (int i = 0; i < g->n_live; i++) taken[g->live[i].ids[n]]++;
}

static void naive_diverse(const toy_search *m, const dgm_sentence *src, const dgm_search_options *o, dgm_hypotheses *done)
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
        int taken[TOY_SEARCH_VOCAB] = {0};
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

static void compare_diverse(toy_search *m, int beam, int groups, double strength)
{
    dgm_search_options o = dgm_search_defaults();
    dgm_hypotheses found[TOY_SEARCH_N], plain[TOY_SEARCH_N], want;
    int differ = 0, firsts = 0, plain_firsts = 0;
    o.beam.beam = o.beam.n_best = beam, o.beam.max_length_factor = 1, o.beam.max_length_plus = 4;
    if (dgm_search_run(m->search, &o, 100, toy_sources, TOY_SEARCH_N, plain) != DGM_OK) abort();
    o.diverse_groups = groups, o.diverse_strength = strength;
    tap_err(dgm_search_run(m->search, &o, 100, toy_sources, TOY_SEARCH_N, found), DGM_OK, "beam %d in %d groups, strength %g", beam, groups,
            strength);
    for (int i = 0; i < TOY_SEARCH_N; i++) {
        if (dgm_hypotheses_init(&want, beam) != DGM_OK) abort();
        naive_diverse(m, &toy_sources[i], &o, &want);
        differ += !same_tokens(&found[i], &want);
        firsts += n_first_tokens(&found[i]), plain_firsts += n_first_tokens(&plain[i]);
        dgm_hypotheses_fini(&found[i]), dgm_hypotheses_fini(&want), dgm_hypotheses_fini(&plain[i]);
    }
    tap_int(differ, 0, "finds what the naive version finds for %d sentences", TOY_SEARCH_N);
    if (strength > 1) tap_ok(firsts > plain_firsts, "first tokens are more diverse (%d against %d)", firsts, plain_firsts);
}

static void test_diverse(void)
{
    toy_search m;
    toy_search_init(&m, 1, TOY_SEARCH_VOCAB, 61);
    toy_search_sources(TOY_SEARCH_VOCAB);
    compare_diverse(&m, 6, 3, 0.5);
    compare_diverse(&m, 4, 4, 3);
    compare_diverse(&m, 6, 2, 0);
    toy_search_fini(&m);
}

int main(void)
{
    test_diverse();
    return tap_done();
}
