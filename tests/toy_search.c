/* Naive on purpose: every prefix by a forward pass of its own. */
#include "toy_search.h"

#include "dgm/grid.h"
#include "dgm/vocab.h"

#include <math.h>
#include <stdlib.h>

enum { D = 32 };

void toy_search_init(toy_search *m, int n, int64_t vocab, uint64_t seed)
{
    dgm_search_model members[2];
    *m = (toy_search){.n = n, .vocab = vocab};
    for (int i = 0; i < n; i++) {
        toy_model_init(&m->model[i], i == 0 ? DGM_NORM_POST : DGM_NORM_PRE, DGM_ACTIVATION_RELU, true, vocab, seed + (uint64_t)i);
        if (dgm_transformer_create(m->model[i].params, dgm_grid_single(), &m->transformer[i]) != DGM_OK) abort();
        members[i] = (dgm_search_model){m->model[i].params, &m->model[i].weights};
    }
    if (dgm_search_create_ensemble(n, members, &m->search) != DGM_OK) abort();
}

void toy_search_fini(toy_search *m)
{
    dgm_search_destroy(m->search);
    for (int i = 0; i < m->n; i++) {
        dgm_transformer_destroy(m->transformer[i]);
        toy_model_fini(&m->model[i]);
    }
}

/* Logits of what follows ids[n], by one model. */
static void logits_of(const toy_search *m, int i, const dgm_sentence *src, const int32_t *ids, int64_t n, double *logit)
{
    static float source[TOY_SEARCH_TOKENS * D], hidden[TOY_SEARCH_TOKENS * D];
    static toy_packed packed_src, packed_tgt;
    const dgm_weights *w = &m->model[i].weights;
    toy_pack(&packed_src, src->ids, src->n, false);
    toy_pack(&packed_tgt, ids, n, true);
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

/* Log-probabilities of what follows ids[n], by all toy_search together, their logits divided by the temperature. */
void toy_search_log_probs(const toy_search *m, const dgm_sentence *src, const int32_t *ids, int64_t n, double temperature, double *log_prob)
{
    double p[TOY_SEARCH_VOCAB];
    for (int64_t j = 0; j < m->vocab; j++) log_prob[j] = 0;
    for (int i = 0; i < m->n; i++) {
        logits_of(m, i, src, ids, n, p);
        for (int64_t j = 0; j < m->vocab; j++) p[j] /= temperature;
        softmax_of(m->vocab, p);
        for (int64_t j = 0; j < m->vocab; j++) log_prob[j] += (m->kind == DGM_ENSEMBLE_LOG_PROBABILITIES ? log(p[j]) : p[j]) / m->n;
    }
    for (int64_t j = 0; j < m->vocab && m->kind == DGM_ENSEMBLE_PROBABILITIES; j++) log_prob[j] = log(log_prob[j]);
}

int32_t toy_source_ids[TOY_SEARCH_N][TOY_SEARCH_TOKENS];
dgm_sentence toy_sources[TOY_SEARCH_N];

void toy_search_sources(int64_t vocab)
{
    for (int i = 0; i < TOY_SEARCH_N; i++) {
        toy_sources[i] = (dgm_sentence){.ids = toy_source_ids[i], .n = 1 + (i * 5) % 8};
        toy_sentence(6, (uint64_t)i, vocab, toy_sources[i].n, toy_source_ids[i]);
    }
}

double toy_search_penalty(const dgm_beam_options *o, int64_t length)
{
    return pow(o->length_kind == DGM_LENGTH_AVERAGE ? (double)length : (5 + (double)length) / 6, o->length_penalty);
}

bool toy_search_repeats(const int32_t *ids, int64_t n, int32_t w, int n_gram)
{
    for (int64_t i = 0; n_gram > 0 && i + n_gram <= n; i++) {
        bool same = ids[i + n_gram - 1] == w;
        for (int k = 0; k < n_gram - 1; k++) same = same && ids[i + k] == ids[n - n_gram + 1 + k];
        if (same) return true;
    }
    return false;
}
