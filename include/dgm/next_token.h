/* What may come next: the product of decoder states with the output matrix, and what a search wants of it.
 *
 * The logits of some tens of thousands of tokens are made in blocks that stay in the cache and looked through at once; a softmax over the
 * vocabulary is never stored.  A row's results depend on that row alone. */
#ifndef DGM_NEXT_TOKEN_H
#define DGM_NEXT_TOKEN_H

#include "dgm/panels.h"

typedef struct dgm_next_token dgm_next_token;

/* `output` [vocab_size rows of d_model] must outlive it; its contents may change.  Not collective. */
dgm_err dgm_next_token_create(const dgm_panels *output, dgm_next_token **out);
void dgm_next_token_destroy(dgm_next_token *next); /* accepts NULL */

/* The most likely next tokens, by the softmax over the whole vocabulary.
 *   hidden [n_rows, d_model]         in   decoder states
 *   token, log_prob [n_rows, n_top]  out  best first, equal ones by lower id; never <pad>, <s>, <unk>, </s>; -1 where there are no more
 *   end [n_rows]                     out  log-probability of </s>
 * DGM_ERR_NUMERIC when a row's numbers are not finite. */
dgm_err dgm_next_token_best(dgm_next_token *next, int64_t n_rows, const float *hidden, int n_top, int32_t *token, double *log_prob,
                            double *end);

#endif
