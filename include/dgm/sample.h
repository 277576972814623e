/* Drawing the next token at random.
 *
 * A draw is a function of (seed, sentence, number of the sample, position) and of the model's distribution: never of what stands beside the
 * sentence, of its line number, of ranks or of the order of calls.  Equal source lines therefore get equal samples; another seed, or
 * more samples of one line, give others. */
#ifndef DGM_SAMPLE_H
#define DGM_SAMPLE_H

#include "dgm/error.h"

typedef struct {
    double temperature; /* > 0: logits of each model are divided by it */
    int top_k;          /* only the top_k most likely tokens (Fan et al. 2018); 0: all */
    double top_p;       /* only the most likely ones that have top_p of the probability together (Holtzman et al. 2020); 1: all */
    uint64_t seed;
} dgm_sample_options;

dgm_sample_options dgm_sample_defaults(void); /* temperature 1, all tokens, seed 1 */
dgm_err dgm_sample_check(const dgm_sample_options *options); /* DGM_ERR_USAGE */

/* The key of a sentence: of its source tokens. */
uint64_t dgm_sample_key(const int32_t *ids, int64_t n);

/* The uniform number in [0, 1) of one draw. */
double dgm_sample_uniform(uint64_t seed, uint64_t key, int number, int64_t position);

/* Draws from weights: the token at which the running sum of the weights that count passes u times their sum.
 *   weight [n]   in/out  >= 0, 0 where a token may not come; those that top_k and top_p leave out become 0.  Among equal weights lower
 *                        ids are more likely to stay.
 *   scratch [n]
 * -1 when no weight is positive.  top_k counts before top_p. */
int32_t dgm_sample_draw(const dgm_sample_options *options, double u, int64_t n, float *weight, int32_t *scratch);

#endif
