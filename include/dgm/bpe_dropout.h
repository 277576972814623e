/* BPE-dropout (Provilkov, Emelianenko and Voita 2020, "BPE-Dropout: Simple and Effective Subword Regularization"): each time a training
 * sentence is seen, its words are cut into other pieces, by merges of which each is left out with some probability at each step.
 *
 * What is cut anew are token ids, not text: a piece is spelled in characters again, and words begin at each U+2581, as they did when the
 * text was encoded.  Bytes stay as they are.  The random bits follow from (seed, side, epoch, place in the epoch), so that every rank, and
 * a run that goes on, cuts a sentence the same way. */
#ifndef DGM_BPE_DROPOUT_H
#define DGM_BPE_DROPOUT_H

#include "dgm/tokenizer.h"

typedef struct dgm_bpe_dropout dgm_bpe_dropout;

/* rate in [0, 1]: the probability that a merge is left out; 0 gives the ids as encoded, 1 characters.  `side` tells source (0) from
 * target (1), whose bits are independent.  The tokenizer must outlive it.  DGM_ERR_USAGE when it has no merges. */
dgm_err dgm_bpe_dropout_create(const dgm_tokenizer *tokenizer, double rate, uint64_t seed, int side, dgm_bpe_dropout **out);
void dgm_bpe_dropout_destroy(dgm_bpe_dropout *dropout); /* accepts NULL */

/* Appends ids[n], cut anew, to `out`.  Not collective; the same for the same arguments. */
dgm_err dgm_bpe_dropout_apply(dgm_bpe_dropout *dropout, int64_t epoch, int64_t place, const int32_t *ids, int64_t n, dgm_ids *out);

#endif
