/* Who owns which parameters: the flat block cut over the replicas for the sharded optimizer (Rajbhandari et al. 2020, "ZeRO").
 *
 * Gradients become final stage by stage (params.h).  Neighbouring stages form a bucket, and every bucket is cut into one part per
 * replica, so that all replicas take part in the reduction of each bucket while the backward pass goes on.  A replica's slice is its part
 * of every bucket.  Which replica owns what changes no bit. */
#ifndef DGM_SLICES_H
#define DGM_SLICES_H

#include "dgm/params.h"

typedef struct {
    int n_buckets, n_parts;
    int64_t *start; /* [n_buckets, n_parts + 1] part r of bucket b is floats [start[b][r], start[b][r + 1]) of the flat block; block edges */
    int *n_final;   /* [n_buckets] how many stages are final, in their order, when the bucket is; ascending */
} dgm_slices;

/* Parts much smaller would leave replicas without a block and cost more messages than they hide. */
enum { DGM_SLICES_PART_FLOATS = 1 << 17 };

/* Bucket 0 is the embeddings.  Others are whole stages, as many as make parts of at least part_floats on average. */
dgm_err dgm_slices_init(const dgm_params *params, int n_parts, int64_t part_floats, dgm_slices *out);
void dgm_slices_fini(dgm_slices *slices);

static inline const int64_t *dgm_slices_of_bucket(const dgm_slices *s, int bucket) { return s->start + (int64_t)bucket * (s->n_parts + 1); }

/* The stretches that make up slice `part`, ascending, neighbours joined, none empty: ranges[n_buckets] out; returns how many. */
int dgm_slices_ranges(const dgm_slices *slices, int part, dgm_range *ranges);

/* Floats in n ranges together. */
int64_t dgm_ranges_floats(const dgm_range *ranges, int n);

#endif
