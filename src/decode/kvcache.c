#include "dgm/kvcache.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_PAGES = 64 };

dgm_err dgm_kvcache_init(dgm_kvcache *cache, int n_models, const dgm_kvcache_shape *shapes)
{
    size_t n = (size_t)n_models;
    *cache = (dgm_kvcache){.n_models = n_models, .first_page = -1};
    cache->shapes = malloc(n * sizeof *cache->shapes);
    cache->first = malloc(n * sizeof *cache->first);
    if (cache->shapes == NULL || cache->first == NULL) {
        dgm_kvcache_fini(cache);
        return DGM_FAIL(DGM_ERR_NOMEM, "keys and values of %d models", n_models);
    }
    for (int m = 0; m < n_models; m++) {
        cache->shapes[m] = shapes[m];
        cache->first[m] = cache->page_floats;
        cache->page_floats += shapes[m].n_layers * 2 * DGM_KVCACHE_PAGE * shapes[m].d_model;
    }
    return DGM_OK;
}

void dgm_kvcache_fini(dgm_kvcache *cache)
{
    for (int32_t i = 0; i < cache->n_pages; i++) free(cache->page[i]);
    free(cache->shapes);
    free(cache->first);
    free(cache->page);
    free(cache->next);
    free(cache->before);
    free(cache->n_users);
    *cache = (dgm_kvcache){.first_page = -1};
}

/* Room for the records of more pages. */
static dgm_err reserve(dgm_kvcache *cache)
{
    if (cache->n_pages < cache->capacity) return DGM_OK;
    int64_t n = DGM_MAX((int64_t)cache->capacity * 2, (int64_t)FIRST_PAGES), n_slots = n * DGM_KVCACHE_PAGE;
    if (n_slots > INT32_MAX / 2) return DGM_FAIL(DGM_ERR_NOMEM, "more than %d cached positions", INT32_MAX / 4);
    float **page = realloc(cache->page, (size_t)n * sizeof *page);
    if (page != NULL) cache->page = page;
    int32_t *next = realloc(cache->next, (size_t)n * sizeof *next);
    if (next != NULL) cache->next = next;
    int32_t *before = realloc(cache->before, (size_t)n_slots * sizeof *before);
    if (before != NULL) cache->before = before;
    int32_t *n_users = realloc(cache->n_users, (size_t)n_slots * sizeof *n_users);
    if (n_users != NULL) cache->n_users = n_users;
    if (page == NULL || next == NULL || before == NULL || n_users == NULL)
        return DGM_FAIL(DGM_ERR_NOMEM, "records of %lld positions: lower --batch-tokens or --beam", (long long)n_slots);
    cache->capacity = (int32_t)n;
    return DGM_OK;
}

/* A page that nobody has. */
static dgm_err make_page(dgm_kvcache *cache)
{
    DGM_TRY(reserve(cache));
    float *page = aligned_alloc(64, (size_t)cache->page_floats * sizeof *page); /* 16 slots of floats: a multiple of 64 bytes */
    if (page == NULL)
        return DGM_FAIL(DGM_ERR_NOMEM, "keys and values of %lld positions: lower --batch-tokens or --beam",
                        ((long long)cache->n_pages + 1) * DGM_KVCACHE_PAGE);
    cache->page[cache->n_pages] = page;
    cache->next[cache->n_pages] = cache->first_page;
    cache->first_page = cache->n_pages++;
    return DGM_OK;
}

/* Gives the share a page more, its slots to be used in order. */
static dgm_err grow(dgm_kvcache *cache, dgm_kvcache_share *share)
{
    if (cache->first_page < 0) DGM_TRY(make_page(cache));
    int32_t page = cache->first_page;
    cache->first_page = cache->next[page];
    cache->next[page] = share->first_page;
    share->first_page = page;
    for (int32_t i = DGM_KVCACHE_PAGE - 1; i >= 0; i--) {
        int32_t slot = page * DGM_KVCACHE_PAGE + i;
        cache->before[slot] = share->first_free;
        cache->n_users[slot] = 0;
        share->first_free = slot;
    }
    return DGM_OK;
}

void dgm_kvcache_leave(dgm_kvcache *cache, dgm_kvcache_share *share)
{
    for (int32_t page = share->first_page, next; page >= 0; page = next) {
        for (int32_t slot = page * DGM_KVCACHE_PAGE; slot < (page + 1) * DGM_KVCACHE_PAGE; slot++) cache->n_used -= cache->n_users[slot] > 0;
        next = cache->next[page];
        cache->next[page] = cache->first_page;
        cache->first_page = page;
    }
    *share = dgm_kvcache_enter();
}

dgm_err dgm_kvcache_take(dgm_kvcache *cache, dgm_kvcache_share *share, int32_t before, int32_t *slot)
{
    if (share->first_free < 0) DGM_TRY(grow(cache, share));
    *slot = share->first_free;
    share->first_free = cache->before[*slot];
    cache->before[*slot] = before;
    cache->n_users[*slot] = 1;
    if (before >= 0) cache->n_users[before]++;
    cache->n_used++;
    return DGM_OK;
}

void dgm_kvcache_retain(dgm_kvcache *cache, int32_t slot) { cache->n_users[slot]++; }

void dgm_kvcache_release(dgm_kvcache *cache, dgm_kvcache_share *share, int32_t slot)
{
    while (slot >= 0 && --cache->n_users[slot] == 0) {
        int32_t before = cache->before[slot];
        cache->before[slot] = share->first_free;
        share->first_free = slot;
        cache->n_used--;
        slot = before;
    }
}
