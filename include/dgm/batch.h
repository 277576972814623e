/* What the model computes on: sentences packed end to end, grouped in leaves.  Nothing is padded.
 *
 * The global batch of a step is cut, by content alone, into virtual_dp leaves of nearly equal tokens (a power of two, in tree order).  A replica
 * works through its leaves in rounds; each round is an aligned subtree of the tree of leaves and is computed as one batch. */
#ifndef DGM_BATCH_H
#define DGM_BATCH_H

#include "dgm/error.h"

typedef struct {
    int64_t n_sent;
    int64_t n_rows;           /* tokens, the end token (source) or begin token (target input) included */
    const int64_t *start;     /* [n_sent + 1] row where each sentence begins */
    const int64_t *leaf;      /* [n_leaves + 1] row where each leaf begins */
    const int32_t *ids;       /* [n_rows] source tokens and </s>; for the target <s> and tokens (the decoder's input) */
    const uint32_t *sentence; /* [n_rows] index of the row's sentence in the step's global batch: names its random bits */
    const uint32_t *position; /* [n_rows] position in its sentence, from 0 */
} dgm_packed;

typedef struct {
    int n_leaves;           /* power of two; leaves may be empty */
    int first_leaf;         /* tree position of the first of them, a multiple of n_leaves */
    const int64_t *leaf_sent; /* [n_leaves + 1] first sentence of each leaf */
    const uint32_t *sentence; /* [n_sent] index of each sentence in the step's global batch */
    dgm_packed src, tgt;
    const int32_t *tgt_out; /* [tgt.n_rows] tokens and </s>: what the decoder must say at each row */
} dgm_batch;

/* All rounds of one replica in one step. */
typedef struct {
    int64_t n_tgt_tokens; /* over the whole global batch: what the loss is divided by */
    int64_t n_src_tokens; /* over the whole global batch */
    int64_t n_sentences;  /* over the whole global batch */
    int n_rounds;
    const dgm_batch *rounds;
} dgm_step_batch;

/* One sentence pair as it lies in memory: token ids without begin and end tokens. */
typedef struct {
    const int32_t *src, *tgt;
    int32_t n_src, n_tgt;
} dgm_pair;

/* Owns the memory of a step's batches; reused from step to step, growing only. */
typedef struct dgm_batch_builder dgm_batch_builder;

dgm_err dgm_batch_builder_create(dgm_batch_builder **out);
void dgm_batch_builder_destroy(dgm_batch_builder *builder); /* accepts NULL */

/* Cuts the global batch pairs[n_pairs] into virtual_dp leaves, keeps those of leaves [leaf_lo, leaf_hi) and packs them in rounds: aligned
 * subtrees of at most micro_batch_tokens rows on the larger side (0: no limit); a single leaf is never cut.
 * The order of pairs names the sentences' random bits.  `out` is valid until the next call or the destruction of the builder.
 * Not collective; leaves depend on (pairs, virtual_dp) alone. */
dgm_err dgm_batch_build(dgm_batch_builder *builder, const dgm_pair *pairs, int64_t n_pairs, int virtual_dp, int leaf_lo, int leaf_hi,
                        int64_t micro_batch_tokens, dgm_step_batch *out);

#endif
