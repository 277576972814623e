/* Searching the translations of many sentences at once with one model or several (beam.h says how one sentence is searched).
 *
 * Sentences of similar length are encoded together; the live hypotheses of all sentences under way are the rows of each decoder step; a
 * sentence that ends makes room, and when half the room is free the next sentences join.  None of this shows in the results: every
 * kernel on the way gives a row the same bits whatever stands beside it, so a translation depends on its own sentence alone. */
#ifndef DGM_SEARCH_H
#define DGM_SEARCH_H

#include "dgm/beam.h"
#include "dgm/ensemble.h"
#include "dgm/params.h"

typedef struct {
    const int32_t *ids; /* [n], without </s> */
    int64_t n;
    const int32_t *prefix; /* [n_prefix] every hypothesis begins with these */
    int64_t n_prefix;
} dgm_sentence;

typedef struct {
    dgm_beam_options beam;
    int no_repeat_ngram;     /* no run of so many tokens comes twice in a hypothesis; forced ones aside; 0: off */
    int diverse_groups;      /* groups that the beam falls into (Vijayakumar et al. 2018); divides it */
    double diverse_strength; /* cost, in nats, of a token for each hypothesis of an earlier group that took it at the same position */
    bool sample;             /* draw n_best independent samples instead of searching; the beam does not matter */
    dgm_sample_options sampling;
    dgm_ensemble_kind ensemble;
} dgm_search_options;

/* dgm_beam_defaults, one group, strength 0.5, no sampling, mean of probabilities. */
dgm_search_options dgm_search_defaults(void);
dgm_err dgm_search_check(const dgm_search_options *options); /* DGM_ERR_USAGE */

typedef struct dgm_search dgm_search;

/* params must be of tp size 1; it and weights must outlive the search.  Not collective. */
dgm_err dgm_search_create(const dgm_params *params, const dgm_weights *weights, dgm_search **out);

/* The same with n_models <= DGM_ENSEMBLE_MAX models of equal vocabulary sizes. */
typedef struct {
    const dgm_params *params;
    const dgm_weights *weights;
} dgm_search_model;
dgm_err dgm_search_create_ensemble(int n_models, const dgm_search_model *models, dgm_search **out);
void dgm_search_destroy(dgm_search *search); /* accepts NULL */

/* Takes over weights that have changed since the search was made or the last call: the search computes with copies. */
void dgm_search_load(dgm_search *search);

/* out[i] becomes the finished hypotheses of sentences[i], best first, at most as many as the beam and at least n_best where the vocabulary has
 * that many; with diverse groups those of all groups, each once, so that there may be fewer, by their scores, which know no cost; release each with dgm_hypotheses_fini.  A
 * sentence without tokens has one: no tokens, score 0.
 *   max_rows  source tokens encoded together and hypotheses decoded together (more where one sentence needs more)
 * DGM_ERR_USAGE as dgm_search_check; DGM_ERR_INPUT when an id is outside the vocabulary.  After an error no out[i] holds memory.
 * Not collective. */
dgm_err dgm_search_run(dgm_search *search, const dgm_search_options *options, int64_t max_rows, const dgm_sentence *sentences, int64_t n,
                       dgm_hypotheses *out);

/* Positions computed so far, all sentences and hypotheses counted: for speed figures. */
int64_t dgm_search_n_rows(const dgm_search *search);

#endif
