#include "dgm/pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CACHE_LINE = 64, HUGE_PAGE = 2 << 20 };

void *dgm_pages_alloc(size_t bytes)
{
    size_t unit = bytes < HUGE_PAGE ? CACHE_LINE : HUGE_PAGE;
    if (bytes > SIZE_MAX - unit) return NULL;
    size_t size = (bytes + unit - 1) / unit * unit;
    void *memory = aligned_alloc(unit, size > 0 ? size : unit);
    if (memory != NULL && unit == HUGE_PAGE) (void)madvise(memory, size, MADV_HUGEPAGE); /* advice: its refusal changes speed only */
    return memory;
}

void *dgm_pages_calloc(size_t bytes)
{
    void *memory = dgm_pages_alloc(bytes);
    if (memory != NULL) memset(memory, 0, bytes);
    return memory;
}
