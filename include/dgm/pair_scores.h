/* Forced decoding: what the model gives each reference and each of its tokens, written to files. */
#ifndef DGM_PAIR_SCORES_H
#define DGM_PAIR_SCORES_H

#include "dgm/score_pairs.h"
#include "dgm/search.h"
#include "dgm/tokenizer.h"

typedef struct {
    const char *line_path, *token_path; /* NULL: not wanted */
    dgm_pair_loss *lines;               /* [n], for dgm_score_pairs; NULL: not wanted */
    double *tokens;                     /* [sum of n_tgt + 1] */
} dgm_pair_scores;

/* Memory for what is wanted of refs[n]; the paths must outlive it. */
dgm_err dgm_pair_scores_init(const char *line_path, const char *token_path, const dgm_sentence *refs, int64_t n, dgm_pair_scores *out);
void dgm_pair_scores_fini(dgm_pair_scores *scores); /* accepts a zeroed one */

/* Writes what is wanted, whole files or none.  A line for each pair:
 *   line_path   log-probability of the reference and its </s> in nats, tab, number of tokens, </s> included
 *   token_path  {"line": N, "tokens": ["...", ..., "</s>"], "log_probs": [...]}, lines counted from 1 */
dgm_err dgm_pair_scores_write(const dgm_pair_scores *scores, const dgm_tokenizer *tokenizer, const dgm_sentence *refs, int64_t n);

#endif
