/* The search for merges: which pairs of neighbouring pieces, joined one after the other, cover counted words best. */
#ifndef DGM_BPE_MERGES_H
#define DGM_BPE_MERGES_H

#include "dgm/bpe.h"

/* Words as pieces, each with how often it occurs. */
typedef struct {
    int32_t *pieces; /* [starts[n]]; overwritten by the search */
    int64_t *starts; /* [n + 1] */
    int64_t *times;  /* [n], 1 or more */
    int64_t n;       /* below 2^31 */
} dgm_piece_words;

/* Adds pieces to `vocab` by merges until it has vocab_size or no pair occurs twice; the rules are those in bpe_learn.h.
 * merges[n_merges], best first, belong to the caller (free). */
dgm_err dgm_bpe_find_merges(dgm_piece_words *words, dgm_vocab *vocab, int32_t vocab_size, dgm_merge **merges, int64_t *n_merges);

#endif
