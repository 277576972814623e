/* Every number has a name of its own in the counter-based generator, so that pairs do not depend on how many are made. */
#include "dgm/synthetic.h"

#include "dgm/rng.h"

#include <math.h>
#include <stdlib.h>

enum { SHORTEST = 2, LONGEST = 128, FIRST_ID = 4 };
enum { STREAM_SRC_LENGTH = 1 << 20, STREAM_RATIO, STREAM_PIECE }; /* other purposes of the same generator count from 0 */

static int32_t cut(double length) { return (int32_t)DGM_MAX(SHORTEST, DGM_MIN(LONGEST, round(length))); }

static void lengths(dgm_rng rng, int64_t i, dgm_pair *pair)
{
    double src = exp(2.591 + 0.313 * dgm_rng_normal(rng, (uint64_t)i, STREAM_SRC_LENGTH));
    pair->n_src = cut(src);
    pair->n_tgt = cut(src * exp(0.014 + 0.182 * dgm_rng_normal(rng, (uint64_t)i, STREAM_RATIO)));
}

dgm_err dgm_synthetic_dataset(uint64_t seed, int64_t vocab_size, int64_t n_pairs, dgm_dataset **out)
{
    DGM_ASSERT(vocab_size > FIRST_ID && n_pairs >= 1);
    dgm_rng rng = dgm_rng_make(seed, DGM_RNG_CORPUS);
    double n_pieces = (double)(vocab_size - FIRST_ID);
    int64_t n_words = 0;
    dgm_pair *pairs = malloc((size_t)n_pairs * sizeof *pairs);
    if (pairs == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld generated pairs", (long long)n_pairs);
    for (int64_t i = 0; i < n_pairs; i++) {
        lengths(rng, i, &pairs[i]);
        n_words += pairs[i].n_src + pairs[i].n_tgt;
    }
    int32_t *words = malloc((size_t)n_words * sizeof *words), *at = words;
    if (words == NULL) {
        free(pairs);
        return DGM_FAIL(DGM_ERR_NOMEM, "%lld generated pieces", (long long)n_words);
    }
    for (int64_t w = 0; w < n_words; w++) {
        double rank = floor(pow(n_pieces, dgm_rng_uniform(rng, (uint64_t)w, STREAM_PIECE)));
        words[w] = FIRST_ID + (int32_t)DGM_MIN(rank, n_pieces) - 1;
    }
    for (int64_t i = 0; i < n_pairs; i++) {
        pairs[i].src = at;
        pairs[i].tgt = at + pairs[i].n_src;
        at += pairs[i].n_src + pairs[i].n_tgt;
    }
    return dgm_dataset_in_memory(vocab_size, pairs, n_pairs, words, out);
}
