/* Bump allocation of 64-byte aligned blocks that are released all at once: a step's activations live here.
 *
 * An arena grows by whole chunks while it is new; a reset joins them.  Once it has seen its largest step, a reset and refill allocates nothing. */
#ifndef DGM_ARENA_H
#define DGM_ARENA_H

#include "dgm/error.h"

typedef struct dgm_arena dgm_arena;
typedef struct { void *chunk; int64_t used; } dgm_arena_mark;

dgm_err dgm_arena_create(int64_t chunk_bytes, dgm_arena **out);
void dgm_arena_destroy(dgm_arena *arena); /* accepts NULL */

/* `bytes` >= 0, not cleared.  Valid until a reset or a rewind past it.  Ends the program through the fatal handler when memory
 * cannot be had: inner kernels have no way to go on without it. */
void *dgm_arena_alloc(dgm_arena *arena, int64_t bytes);
static inline float *dgm_arena_floats(dgm_arena *arena, int64_t n) { return dgm_arena_alloc(arena, n * (int64_t)sizeof(float)); }

/* Everything allocated after `mark` is released by the rewind; chunks are kept.  No mark outlives a reset. */
dgm_arena_mark dgm_arena_here(const dgm_arena *arena);
void dgm_arena_rewind(dgm_arena *arena, dgm_arena_mark mark);
void dgm_arena_reset(dgm_arena *arena);

int64_t dgm_arena_reserved_bytes(const dgm_arena *arena); /* all chunks, used or not */

#endif
