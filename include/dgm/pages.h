/* Large blocks of memory on huge pages, where the system has them: on pages of 4 KiB a pass over a model's parameters waits for addresses
 * to be looked up, in a virtual machine twice over. */
#ifndef DGM_PAGES_H
#define DGM_PAGES_H

#include <stddef.h>

/* bytes of memory, contents undefined, aligned to 64 bytes; from 2 MiB on, whole huge pages.  NULL: there is not so much.  For free(). */
void *dgm_pages_alloc(size_t bytes);

/* The same, all zero. */
void *dgm_pages_calloc(size_t bytes);

#endif
