/* Chunks form a list in the order they were made; `current` moves along it.  What does not fit behind the current chunk's blocks goes to the next one, so
 * that several chunks waste their ends, and more with every turn of another size: a reset makes one chunk of them, a little larger than the
 * largest turn.  A loop whose largest turn has been seen allocates no more.  Chunks are whole huge pages. */
#include "dgm/arena.h"

#include "dgm/pages.h"

#include <stdlib.h>

enum { ALIGN = 64 };
static const int64_t HUGE_PAGE = 2 << 20;

typedef struct chunk {
    struct chunk *next;
    char *data;
    int64_t size, used;
    int64_t before; /* bytes in use in the chunks before it */
} chunk;

struct dgm_arena {
    chunk *first, *current;
    int64_t chunk_bytes;
    int64_t most; /* bytes in use at once, so far */
};

static chunk *chunk_create(int64_t bytes)
{
    chunk *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->size = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    c->data = dgm_pages_alloc((size_t)c->size);
    if (c->data == NULL) {
        free(c);
        return NULL;
    }
    return c;
}

static void chunks_destroy(chunk *first)
{
    for (chunk *c = first, *next; c != NULL; c = next) {
        next = c->next;
        free(c->data);
        free(c);
    }
}

dgm_err dgm_arena_create(int64_t chunk_bytes, dgm_arena **out)
{
    dgm_arena *a = calloc(1, sizeof *a);
    if (a == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "arena");
    a->chunk_bytes = DGM_MAX(chunk_bytes, HUGE_PAGE);
    a->first = a->current = chunk_create(a->chunk_bytes);
    if (a->first == NULL) {
        free(a);
        return DGM_FAIL(DGM_ERR_NOMEM, "arena of %lld bytes", (long long)chunk_bytes);
    }
    *out = a;
    return DGM_OK;
}

void dgm_arena_destroy(dgm_arena *arena)
{
    if (arena == NULL) return;
    chunks_destroy(arena->first);
    free(arena);
}

void *dgm_arena_alloc(dgm_arena *arena, int64_t bytes)
{
    DGM_ASSERT(bytes >= 0);
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    chunk *c = arena->current;
    while (c->used + bytes > c->size) {
        if (c->next == NULL) {
            c->next = chunk_create(DGM_MAX(arena->chunk_bytes, bytes));
            if (c->next == NULL) dgm_error_die("out of memory for activations: lower --micro-batch-tokens (train, bench) or --batch-tokens (translate, eval)");
        }
        c->next->before = c->before + c->used;
        c = arena->current = c->next;
        c->used = 0;
    }
    void *p = c->data + c->used;
    c->used += bytes;
    arena->most = DGM_MAX(arena->most, c->before + c->used);
    return p;
}

dgm_arena_mark dgm_arena_here(const dgm_arena *arena)
{
    return (dgm_arena_mark){arena->current, arena->current->used};
}

void dgm_arena_rewind(dgm_arena *arena, dgm_arena_mark mark)
{
    arena->current = mark.chunk;
    arena->current->used = mark.used;
}

void dgm_arena_reset(dgm_arena *arena)
{
    if (arena->first->next != NULL) {
        chunk *one = chunk_create(arena->most + arena->most / 64);
        if (one != NULL) { /* otherwise the chunks stay: memory of both is wanted for a moment, though not written to */
            chunks_destroy(arena->first);
            arena->first = one;
        }
    }
    arena->current = arena->first;
    arena->first->used = 0;
}

int64_t dgm_arena_reserved_bytes(const dgm_arena *arena)
{
    int64_t total = 0;
    for (const chunk *c = arena->first; c != NULL; c = c->next) total += c->size;
    return total;
}
