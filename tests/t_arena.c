/* The arena: blocks do not overlap, rewinds release, and turns of many sizes cost no more memory than the largest of them. */
#include "dgm/arena.h"
#include "naive.h"
#include "tap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4 << 20, PAGE = 2 << 20, MAX_BLOCKS = 64 };

/* A turn: blocks until `bytes` are in use, each filled with its number, then looked at again.  Returns whether all were intact. */
static bool turn(dgm_arena *arena, int64_t bytes)
{
    unsigned char *block[MAX_BLOCKS];
    int64_t size[MAX_BLOCKS];
    int n = 0;
    bool good = true;
    dgm_arena_reset(arena);
    for (int64_t left = bytes; left > 0 && n < MAX_BLOCKS; n++) {
        size[n] = n == MAX_BLOCKS - 1 ? left : DGM_MIN(left, naive_pick(1, 3 << 20));
        block[n] = dgm_arena_alloc(arena, size[n]);
        good = good && (uintptr_t)block[n] % 64 == 0;
        memset(block[n], n, (size_t)size[n]);
        left -= size[n];
    }
    for (int i = 0; i < n; i++)
        for (int64_t j = 0; j < size[i]; j += 61) good = good && block[i][j] == i;
    return good;
}

int main(void)
{
    dgm_arena *arena;
    tap_ok(dgm_arena_create(CHUNK, &arena) == DGM_OK, "an arena");
    tap_int(dgm_arena_reserved_bytes(arena), CHUNK, "has one chunk");

    char *first = dgm_arena_alloc(arena, 100);
    dgm_arena_mark mark = dgm_arena_here(arena);
    char *second = dgm_arena_alloc(arena, 1);
    tap_int(second - first, 128, "blocks of 64 bytes follow each other");
    dgm_arena_alloc(arena, 3 * CHUNK);
    dgm_arena_rewind(arena, mark);
    tap_ok(dgm_arena_alloc(arena, 1) == (void *)second, "a rewind goes back over chunks");

    /* Turns of other sizes each time, the largest in the middle. */
    bool good = true;
    enum { TURNS = 40, LARGEST = 41 << 20 };
    for (int t = 0; t < TURNS; t++) good = turn(arena, t == TURNS / 2 ? LARGEST : naive_pick(1 << 20, LARGEST)) && good;
    tap_ok(good, "%d turns of many sizes: every block kept what was written to it", TURNS);
    dgm_arena_reset(arena);
    int64_t reserved = dgm_arena_reserved_bytes(arena);
    tap_ok(reserved >= LARGEST && reserved <= LARGEST + LARGEST / 32 + PAGE, "they took %lld bytes for %lld of the largest", (long long)reserved, (long long)LARGEST);
    void *before = dgm_arena_alloc(arena, 1);
    good = turn(arena, LARGEST);
    dgm_arena_reset(arena);
    tap_ok(good && dgm_arena_reserved_bytes(arena) == reserved && dgm_arena_alloc(arena, 1) == before, "the largest once more allocates nothing");
    dgm_arena_destroy(arena);
    dgm_arena_destroy(NULL);
    return tap_done();
}
