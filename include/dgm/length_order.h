/* Sentences by length: what lies together in a batch is about equally long, and the longest come first, so that little is left to wait
 * for at the end. */
#ifndef DGM_LENGTH_ORDER_H
#define DGM_LENGTH_ORDER_H

#include "dgm/error.h"

/* order[n]: 0 .. n - 1 by falling length, equal lengths by index. */
dgm_err dgm_length_order(const int64_t *length, int64_t n, int64_t *order);

#endif
