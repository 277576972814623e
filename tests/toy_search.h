/* Small models with random weights, alone or two together, their search, and what they say by whole forward passes: what tests of searches share. */
#ifndef DGM_TOY_SEARCH_H
#define DGM_TOY_SEARCH_H

#include "dgm/search.h"
#include "dgm/transformer.h"
#include "toy_model.h"

enum { TOY_SEARCH_TOKENS = 32, TOY_SEARCH_VOCAB = 97, TOY_SEARCH_N = 9 }; /* at most so many tokens and pieces; sentences */

typedef struct {
    int n;
    toy_model model[2];
    dgm_transformer *transformer[2];
    dgm_search *search;
    int64_t vocab;
    dgm_ensemble_kind kind; /* of toy_search_log_probs */
} toy_search;

/* One or two models (n), post-norm and pre-norm, of `vocab` pieces.  Aborts on failure, as all here. */
void toy_search_init(toy_search *m, int n, int64_t vocab, uint64_t seed);
void toy_search_fini(toy_search *m);

/* Log-probabilities of what follows ids[n], by all models together, their logits divided by the temperature. */
void toy_search_log_probs(const toy_search *m, const dgm_sentence *src, const int32_t *ids, int64_t n, double temperature, double *log_prob);

/* Sentences of 1 to 8 pieces, without prefixes. */
extern int32_t toy_source_ids[TOY_SEARCH_N][TOY_SEARCH_TOKENS];
extern dgm_sentence toy_sources[TOY_SEARCH_N];
void toy_search_sources(int64_t vocab);

double toy_search_penalty(const dgm_beam_options *o, int64_t length);
/* Whether ids[n] w has a run of n_gram tokens that ends in w twice. */
bool toy_search_repeats(const int32_t *ids, int64_t n, int32_t w, int n_gram);

#endif
