/* Keys and values that decoding has computed already, so that each position is computed once.
 *
 * One position of one hypothesis has a slot: its keys and values in all decoder layers.  Slots form a tree: hypotheses that grew from
 * the same one share the slots of what they have in common, so that reordering a beam moves no keys and values; a hypothesis is the
 * list of its slots from the first position on (its path).  A slot is free again when neither a hypothesis nor another slot grows from
 * it any more; beams agree on all but their last few tokens, so about one path per sentence stays alive.
 *
 * Memory comes in pages of 16 slots, and a page belongs to one sentence: what a hypothesis looks back at lies together, layer by layer.
 * (Slots of sixty sentences taking turns would lie a power of two apart and push each other out of the cache.) */
#ifndef DGM_KVCACHE_H
#define DGM_KVCACHE_H

#include "dgm/error.h"

enum { DGM_KVCACHE_PAGE = 16 };

typedef struct { int64_t n_layers, d_model; } dgm_kvcache_shape; /* of one model */

typedef struct {
    int n_models;
    dgm_kvcache_shape *shapes; /* [n_models] */
    int64_t *first;     /* [n_models] float of a page at which the model begins */
    int64_t page_floats;
    int32_t n_pages, capacity; /* pages that there is memory for; grows */
    float **page;       /* [n_pages] of, per model, [n_layers, 2, 16, d_model]: keys of all heads, then values; they do not move */
    int32_t *next;      /* [n_pages] the sentence's next page, or the next one that nobody has; -1 ends the list */
    int32_t first_page; /* that nobody has; -1: none */
    int32_t *before;    /* [n_pages * 16] slot of the position before, -1 at the first one; the sentence's next free slot while it is free */
    int32_t *n_users;   /* [n_pages * 16] hypotheses that end here and slots that grow from here */
    int64_t n_used;     /* slots */
} dgm_kvcache;

/* What one sentence has of it. */
typedef struct {
    int32_t first_page, first_free; /* -1: none */
} dgm_kvcache_share;

/* shapes[n_models] is copied.  Several models that decode together share slots: each has a part of every page. */
dgm_err dgm_kvcache_init(dgm_kvcache *cache, int n_models, const dgm_kvcache_shape *shapes);
void dgm_kvcache_fini(dgm_kvcache *cache); /* accepts a zeroed one; shares are void */

/* A share without slots needs no release; dgm_kvcache_leave gives back all that it has, used or not. */
static inline dgm_kvcache_share dgm_kvcache_enter(void) { return (dgm_kvcache_share){-1, -1}; }
void dgm_kvcache_leave(dgm_kvcache *cache, dgm_kvcache_share *share);

/* A slot with one user that grows from slot `before` (-1: from none). */
dgm_err dgm_kvcache_take(dgm_kvcache *cache, dgm_kvcache_share *share, int32_t before, int32_t *slot);

/* One user more, or one less; what nobody uses any more is free for the sentence. */
void dgm_kvcache_retain(dgm_kvcache *cache, int32_t slot);
void dgm_kvcache_release(dgm_kvcache *cache, dgm_kvcache_share *share, int32_t slot);

/* Keys of `slot` in layer 0 of a model, [d_model], heads in order.  Those of layer l are dgm_kvcache_layer floats on, and the values of each
 * layer dgm_kvcache_values floats behind its keys. */
static inline float *dgm_kvcache_at(const dgm_kvcache *cache, int model, int32_t slot)
{
    return cache->page[slot / DGM_KVCACHE_PAGE] + cache->first[model] + slot % DGM_KVCACHE_PAGE * cache->shapes[model].d_model;
}
static inline int64_t dgm_kvcache_values(const dgm_kvcache *cache, int model) { return DGM_KVCACHE_PAGE * cache->shapes[model].d_model; }
static inline int64_t dgm_kvcache_layer(const dgm_kvcache *cache, int model, int64_t layer) { return 2 * layer * dgm_kvcache_values(cache, model); }

#endif
