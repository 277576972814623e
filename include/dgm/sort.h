/* Sorting without allocation: qsort of the C library takes memory, which a training step must not. */
#ifndef DGM_SORT_H
#define DGM_SORT_H

#include <stdint.h>

/* keys[n] ascending; scratch [n].  Radix sort, bytes that are equal in all keys are passed over. */
void dgm_sort_u64(int64_t n, uint64_t *keys, uint64_t *scratch);

#endif
