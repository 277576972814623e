/* Buckets follow the order in which the backward pass finishes stages; parts begin at block edges, as near to an even cut as these allow. */
#include "dgm/slices.h"

#include <stdlib.h>

/* The n-th stage to become final. */
static int stage_at(const dgm_params *p, int n) { return n == 0 ? 0 : p->n_stages - n; }

dgm_err dgm_slices_init(const dgm_params *params, int n_parts, int64_t part_floats, dgm_slices *out)
{
    dgm_slices s = {.n_parts = n_parts};
    s.start = malloc((size_t)params->n_stages * (size_t)(n_parts + 1) * sizeof *s.start);
    s.n_final = malloc((size_t)params->n_stages * sizeof *s.n_final);
    if (s.start == NULL || s.n_final == NULL) {
        dgm_slices_fini(&s);
        return DGM_FAIL(DGM_ERR_NOMEM, "slices of %d replicas", n_parts);
    }
    for (int n = 0; n < params->n_stages;) {
        int stage = stage_at(params, n++);
        int64_t lo = params->stage_start[stage], hi = params->stage_start[stage + 1];
        while (stage != 0 && n < params->n_stages && hi - lo < part_floats * n_parts) lo = params->stage_start[stage_at(params, n++)];
        s.n_final[s.n_buckets] = n;
        dgm_params_cut(params, lo, hi, n_parts, s.start + (int64_t)s.n_buckets++ * (n_parts + 1));
    }
    *out = s;
    return DGM_OK;
}

void dgm_slices_fini(dgm_slices *slices)
{
    free(slices->start);
    free(slices->n_final);
    *slices = (dgm_slices){0};
}

int dgm_slices_ranges(const dgm_slices *slices, int part, dgm_range *ranges)
{
    int n = 0;
    for (int k = 0; k < slices->n_buckets; k++) { /* bucket 0 lies lowest, then the last, and so on down */
        const int64_t *start = dgm_slices_of_bucket(slices, k == 0 ? 0 : slices->n_buckets - k);
        int64_t lo = start[part], hi = start[part + 1];
        if (lo == hi) continue;
        if (n > 0 && ranges[n - 1].hi == lo) ranges[n - 1].hi = hi;
        else ranges[n++] = (dgm_range){lo, hi};
    }
    return n;
}

int64_t dgm_ranges_floats(const dgm_range *ranges, int n)
{
    int64_t total = 0;
    for (int i = 0; i < n; i++) total += ranges[i].hi - ranges[i].lo;
    return total;
}
