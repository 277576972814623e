#include "dgm/length_order.h"

#include <stdlib.h>

typedef struct { int64_t length, index; } entry;

static int longer_first(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->length != y->length) return x->length > y->length ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

dgm_err dgm_length_order(const int64_t *length, int64_t n, int64_t *order)
{
    entry *all = malloc((size_t)DGM_MAX(n, 1) * sizeof *all);
    if (all == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld sentences", (long long)n);
    for (int64_t i = 0; i < n; i++) all[i] = (entry){length[i], i};
    qsort(all, (size_t)n, sizeof *all, longer_first);
    for (int64_t i = 0; i < n; i++) order[i] = all[i].index;
    free(all);
    return DGM_OK;
}
