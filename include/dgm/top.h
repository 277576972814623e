/* The largest of a row of numbers, found while the row passes in pieces: candidates of a beam, out of a whole vocabulary. */
#ifndef DGM_TOP_H
#define DGM_TOP_H

#include <stdint.h>

/* Lists the n_top largest, largest first, equal ones by lower id.  Begin with value[] = -INFINITY and id[] = -1.
 *   x [n]              in      numbers with ids first, first + 1, ...; pieces are passed by ascending ids
 *   value, id [n_top]  in/out
 * -INFINITY is never listed; with a NaN among x the list means nothing. */
void dgm_top_update(int64_t n, const float *x, int32_t first, int n_top, float *value, int32_t *id);

#endif
