/* What may come next: the product of decoder states with the output matrix, and what a search wants of it.
 *
 * The logits of some tens of thousands of tokens are made in blocks that stay in the cache and looked through at once; a softmax over the
 * vocabulary is never stored, except for several models and for draws (ensemble.h).  A row's results depend on that row alone. */
#ifndef DGM_NEXT_TOKEN_H
#define DGM_NEXT_TOKEN_H

#include "dgm/ensemble.h"

typedef struct dgm_next_token dgm_next_token;

/* outputs[n_models], each [vocab_size rows of its d_model], must outlive it; their contents may change.  Not collective. */
dgm_err dgm_next_token_create(int n_models, const dgm_panels *const *outputs, dgm_next_token **out);
void dgm_next_token_destroy(dgm_next_token *next); /* accepts NULL */

/* How models are brought together from now on. */
void dgm_next_token_set_kind(dgm_next_token *next, dgm_ensemble_kind kind);

/* The most likely next tokens, by the softmax over the whole vocabulary.
 *   hidden[m] [n_rows, d_model of m] in   decoder states of each model
 *   wanted [n_rows]                  in   a token whose log-probability is asked for, -1: none; NULL: none of any row
 *   token, log_prob [n_rows, n_top]  out  best first, equal ones by lower id; never <pad>, <s>, <unk>, </s>; -1 where there are no more
 *   wanted_log_prob [n_rows]         out
 *   end [n_rows]                     out  log-probability of </s>
 * DGM_ERR_NUMERIC when a row's numbers are not finite. */
dgm_err dgm_next_token_best(dgm_next_token *next, int64_t n_rows, const float *const *hidden, const int32_t *wanted, int n_top,
                            int32_t *token, double *log_prob, double *wanted_log_prob, double *end);

/* Draws a token for each row: dgm_ensemble_draw for any number of rows. */
dgm_err dgm_next_token_draw(dgm_next_token *next, const dgm_sample_options *options, int64_t n_rows, const float *const *hidden,
                            const dgm_draw *draws, int32_t *token, double *log_prob);

#endif
