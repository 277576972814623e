/* Byte-pair merges (Sennrich et al. 2016): the pieces of one word are joined pair by pair, best merge first. */
#ifndef DGM_BPE_H
#define DGM_BPE_H

#include "dgm/buffer.h"
#include "dgm/vocab.h"

typedef struct {
    int32_t left, right; /* ids of two pieces; they become the piece whose text is left's followed by right's */
} dgm_merge;

typedef struct dgm_bpe dgm_bpe;

/* Copies merges[n], best first.  DGM_ERR_INPUT when an id is out of range, special or a byte, a pair comes twice, or the joined
 * text is no ordinary piece of `vocab`. */
dgm_err dgm_bpe_create(const dgm_vocab *vocab, const dgm_merge *merges, int64_t n, dgm_bpe **out);
void dgm_bpe_destroy(dgm_bpe *bpe); /* accepts NULL */

int64_t dgm_bpe_n_merges(const dgm_bpe *bpe);
const dgm_merge *dgm_bpe_merge(const dgm_bpe *bpe, int64_t rank); /* 0 is the best */
int32_t dgm_bpe_joined(const dgm_bpe *bpe, int64_t rank);         /* id of what the merge makes */

/* Room for the merging of one word; one per thread.  Zero-initialise ({0}) and release with dgm_bpe_work_fini. */
typedef struct {
    int32_t *links;    /* [2 * capacity] next, then previous */
    uint64_t *queue;   /* [3 * capacity] merges that may be made */
    int32_t *snapshot; /* [capacity] what a tracer is shown */
    int64_t capacity;
} dgm_bpe_work;
void dgm_bpe_work_fini(dgm_bpe_work *work);

typedef void (*dgm_bpe_tracer)(void *context, int64_t rank, const int32_t *pieces, int64_t n);

/* Merges word[*n] in place: while there is one, the pair with the lowest rank, and of those the leftmost, is joined.  O(n log n).
 * `tracer` (may be NULL) sees the pieces after each merge. */
dgm_err dgm_bpe_apply(const dgm_bpe *bpe, dgm_bpe_work *work, int32_t *word, int64_t *n, dgm_bpe_tracer tracer, void *context);

/* Whether a merge that could be made now is left out of this step's choice. */
typedef bool (*dgm_bpe_dropper)(void *context);

/* dgm_bpe_apply with merges left out (Provilkov et al. 2020, Algorithm 1): each time, the best of the possible merges that `drop`
 * leaves is made, until it leaves none.  `drop` is asked about the possible merges from the best on (of one rank from left to right)
 * until it leaves one, and about all of them afresh after each merge. */
dgm_err dgm_bpe_apply_dropping(const dgm_bpe *bpe, dgm_bpe_work *work, int32_t *word, int64_t *n, dgm_bpe_dropper drop, void *context);

#endif
