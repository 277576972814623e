/* Keys and values that decoding has computed already, so that each position is computed once.
 *
 * One position of one hypothesis has a slot: its keys and values in all decoder layers.  Slots form a tree: hypotheses that grew from
 * the same one share the slots of what they have in common, so that reordering a beam moves no keys and values; a hypothesis is the
 * list of its slots from the first position on (its path).  A slot goes back to the pool when neither a hypothesis nor another slot
 * grows from it any more; beams agree on all but their last few tokens, so about one path per sentence stays alive. */
#ifndef DGM_KVCACHE_H
#define DGM_KVCACHE_H

#include "dgm/error.h"

typedef struct {
    int64_t n_layers, d_model;
    int64_t slot_floats; /* n_layers * 2 * d_model: per layer the keys of all heads, then the values */
    int32_t n_slots;     /* that there is memory for; grows */
    float *kv;           /* [n_slots, slot_floats] */
    int32_t *before;     /* [n_slots] slot of the position before, -1 at the first one; next free slot while it is free */
    int32_t *n_users;    /* [n_slots] hypotheses that end here and slots that grow from here */
    int32_t first_free;  /* -1: none */
    int64_t n_used;
} dgm_kvcache;

dgm_err dgm_kvcache_init(dgm_kvcache *cache, int64_t n_layers, int64_t d_model);
void dgm_kvcache_fini(dgm_kvcache *cache); /* accepts a zeroed one */

/* A slot with one user that grows from slot `before` (-1: from none).  Pointers into kv are void afterwards. */
dgm_err dgm_kvcache_take(dgm_kvcache *cache, int32_t before, int32_t *slot);

/* One user more, or one less; what nobody uses any more goes back to the pool. */
void dgm_kvcache_retain(dgm_kvcache *cache, int32_t slot);
void dgm_kvcache_release(dgm_kvcache *cache, int32_t slot);

/* Keys of `slot` in `layer`, [d_model], heads in order; the values follow. */
static inline float *dgm_kvcache_at(const dgm_kvcache *cache, int32_t slot, int64_t layer)
{
    return cache->kv + slot * cache->slot_floats + layer * 2 * cache->d_model;
}

#endif
