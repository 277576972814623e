/* Least significant byte first; each pass is stable. */
#include "dgm/sort.h"

#include <string.h>

void dgm_sort_u64(int64_t n, uint64_t *keys, uint64_t *scratch)
{
    uint64_t *from = keys, *to = scratch;
    for (int shift = 0; shift < 64; shift += 8) {
        int64_t count[256] = {0}, at = 0;
        for (int64_t i = 0; i < n; i++) count[from[i] >> shift & 255]++;
        if (n == 0 || count[from[0] >> shift & 255] == n) continue;
        for (int b = 0; b < 256; b++) {
            int64_t here = count[b];
            count[b] = at;
            at += here;
        }
        for (int64_t i = 0; i < n; i++) to[count[from[i] >> shift & 255]++] = from[i];
        uint64_t *t = from;
        from = to;
        to = t;
    }
    if (from != keys) memcpy(keys, from, (size_t)n * sizeof *keys);
}
