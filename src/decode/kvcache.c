#include "dgm/kvcache.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 256 };

dgm_err dgm_kvcache_init(dgm_kvcache *cache, int64_t n_layers, int64_t d_model)
{
    *cache = (dgm_kvcache){.n_layers = n_layers, .d_model = d_model, .slot_floats = n_layers * 2 * d_model, .first_free = -1};
    return DGM_OK;
}

void dgm_kvcache_fini(dgm_kvcache *cache)
{
    free(cache->kv);
    free(cache->before);
    free(cache->n_users);
    *cache = (dgm_kvcache){.first_free = -1};
}

static dgm_err grow(dgm_kvcache *cache)
{
    int64_t n = DGM_MAX((int64_t)cache->n_slots * 2, (int64_t)FIRST_SLOTS);
    if (n > INT32_MAX / 2) return DGM_FAIL(DGM_ERR_NOMEM, "more than %d cached positions", INT32_MAX / 4);
    int32_t *before = realloc(cache->before, (size_t)n * sizeof *before);
    if (before != NULL) cache->before = before;
    int32_t *n_users = realloc(cache->n_users, (size_t)n * sizeof *n_users);
    if (n_users != NULL) cache->n_users = n_users;
    /* Aligned by hand: rows of keys must not straddle cache lines, and realloc promises 16 bytes only. */
    size_t slot_bytes = (size_t)cache->slot_floats * sizeof(float);
    float *kv = aligned_alloc(64, ((size_t)n * slot_bytes + 63) / 64 * 64);
    if (before == NULL || n_users == NULL || kv == NULL) {
        free(kv);
        return DGM_FAIL(DGM_ERR_NOMEM, "keys and values of %lld positions: lower --batch-tokens or --beam", (long long)n);
    }
    if (cache->n_slots > 0) memcpy(kv, cache->kv, (size_t)cache->n_slots * slot_bytes);
    free(cache->kv);
    cache->kv = kv;
    for (int64_t slot = n - 1; slot >= cache->n_slots; slot--) {
        before[slot] = cache->first_free;
        cache->first_free = (int32_t)slot;
    }
    cache->n_slots = (int32_t)n;
    return DGM_OK;
}

dgm_err dgm_kvcache_take(dgm_kvcache *cache, int32_t before, int32_t *slot)
{
    if (cache->first_free < 0) DGM_TRY(grow(cache));
    *slot = cache->first_free;
    cache->first_free = cache->before[*slot];
    cache->before[*slot] = before;
    cache->n_users[*slot] = 1;
    if (before >= 0) cache->n_users[before]++;
    cache->n_used++;
    return DGM_OK;
}

void dgm_kvcache_retain(dgm_kvcache *cache, int32_t slot) { cache->n_users[slot]++; }

void dgm_kvcache_release(dgm_kvcache *cache, int32_t slot)
{
    while (slot >= 0 && --cache->n_users[slot] == 0) {
        int32_t before = cache->before[slot];
        cache->before[slot] = cache->first_free;
        cache->first_free = slot;
        cache->n_used--;
        slot = before;
    }
}
