/* Beam search over many sentences at once with one model (beam.h says how one sentence is searched).
 *
 * Sentences of similar length are encoded together; the live hypotheses of all sentences under way are the rows of each decoder step; a
 * sentence that ends makes room, and when half the room is free the next sentences join.  None of this shows in the results: every
 * kernel on the way gives a row the same bits whatever stands beside it, so a translation depends on its own sentence alone. */
#ifndef DGM_SEARCH_H
#define DGM_SEARCH_H

#include "dgm/beam.h"
#include "dgm/params.h"

typedef struct {
    const int32_t *ids; /* [n], without </s> */
    int64_t n;
} dgm_sentence;

typedef struct dgm_search dgm_search;

/* params must be of tp size 1; it and weights must outlive the search.  Not collective. */
dgm_err dgm_search_create(const dgm_params *params, const dgm_weights *weights, dgm_search **out);
void dgm_search_destroy(dgm_search *search); /* accepts NULL */

/* Takes over weights that have changed since the search was made or the last call: the search computes with copies. */
void dgm_search_load(dgm_search *search);

/* out[i] becomes the finished hypotheses of sentences[i], best first, at most options->beam and at least n_best where the vocabulary has that
 * many; release each with dgm_hypotheses_fini.  A sentence without tokens has one: no tokens, score 0.
 *   max_rows  source tokens encoded together and hypotheses decoded together (more where one sentence needs more)
 * DGM_ERR_USAGE as dgm_beam_check; DGM_ERR_INPUT when an id is outside the vocabulary.  After an error no out[i] holds memory.
 * Not collective. */
dgm_err dgm_search_run(dgm_search *search, const dgm_beam_options *options, int64_t max_rows, const dgm_sentence *sentences, int64_t n,
                       dgm_hypotheses *out);

/* Positions computed so far, all sentences and hypotheses counted: for speed figures. */
int64_t dgm_search_n_rows(const dgm_search *search);

#endif
