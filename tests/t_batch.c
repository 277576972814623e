/* Leaves depend on the sentences alone, are balanced, and every layout of them packs the same rows. */
#include "dgm/batch.h"
#include "dgm/rng.h"
#include "dgm/tree.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

enum { N = 300, MAX_LEN = 40 };

static int32_t text[N][2][MAX_LEN];
static dgm_pair pairs[N];

static void make_pairs(void)
{
    dgm_rng rng = dgm_rng_make(1, DGM_RNG_TEST);
    for (int i = 0; i < N; i++) {
        dgm_pair *p = &pairs[i];
        *p = (dgm_pair){text[i][0], text[i][1], (int32_t)dgm_rng_below(rng, MAX_LEN + 1, (uint64_t)i, 0),
                        (int32_t)dgm_rng_below(rng, MAX_LEN + 1, (uint64_t)i, 1)};
        for (int k = 0; k < MAX_LEN; k++) {
            text[i][0][k] = 300 + i * MAX_LEN + k;
            text[i][1][k] = 50000 + i * MAX_LEN + k;
        }
    }
}

/* Every row of a round against the sentence it names. */
static bool round_is_right(const dgm_batch *b, int64_t *seen)
{
    bool right = b->first_leaf % b->n_leaves == 0 && b->src.n_sent == b->tgt.n_sent && b->leaf_sent[0] == 0 &&
                 b->leaf_sent[b->n_leaves] == b->src.n_sent && b->src.start[b->src.n_sent] == b->src.n_rows &&
                 b->tgt.start[b->tgt.n_sent] == b->tgt.n_rows;
    for (int v = 0; right && v <= b->n_leaves; v++)
        right = b->src.leaf[v] == b->src.start[b->leaf_sent[v]] && b->tgt.leaf[v] == b->tgt.start[b->leaf_sent[v]];
    for (int64_t s = 0; right && s < b->src.n_sent; s++) {
        uint32_t name = b->sentence[s];
        const dgm_pair *p = &pairs[name];
        int64_t sr = b->src.start[s], tr = b->tgt.start[s];
        seen[name]++;
        right = b->src.start[s + 1] - sr == p->n_src + 1 && b->tgt.start[s + 1] - tr == p->n_tgt + 1;
        for (int i = 0; right && i <= p->n_src; i++)
            right = b->src.ids[sr + i] == (i < p->n_src ? p->src[i] : 2) && b->src.sentence[sr + i] == name &&
                    b->src.position[sr + i] == (uint32_t)i;
        for (int i = 0; right && i <= p->n_tgt; i++)
            right = b->tgt.ids[tr + i] == (i > 0 ? p->tgt[i - 1] : 1) && b->tgt_out[tr + i] == (i < p->n_tgt ? p->tgt[i] : 2) &&
                    b->tgt.sentence[tr + i] == name && b->tgt.position[tr + i] == (uint32_t)i;
    }
    return right;
}

/* leaf_of[sentence] and the place in the leaf, over all replicas. */
static bool collect(int virtual_dp, int n_replicas, int64_t limit, int64_t *leaf_of, int64_t *place, int64_t *most_rows)
{
    dgm_batch_builder *builder = NULL;
    bool right = dgm_batch_builder_create(&builder) == DGM_OK;
    int64_t seen[N] = {0};
    int next_leaf = 0;
    for (int r = 0; right && r < n_replicas; r++) {
        int lo, hi;
        dgm_step_batch step;
        dgm_tree_range(virtual_dp, r, n_replicas, &lo, &hi);
        right = dgm_batch_build(builder, pairs, N, virtual_dp, lo, hi, limit, &step) == DGM_OK && step.n_sentences == N;
        for (int k = 0; right && k < step.n_rounds; k++) {
            const dgm_batch *b = &step.rounds[k];
            right = round_is_right(b, seen) && b->first_leaf == next_leaf;
            next_leaf += b->n_leaves;
            int64_t rows = DGM_MAX(b->src.n_rows, b->tgt.n_rows);
            if (b->n_leaves > 1) *most_rows = DGM_MAX(*most_rows, rows);
            for (int v = 0; right && v < b->n_leaves; v++)
                for (int64_t s = b->leaf_sent[v]; s < b->leaf_sent[v + 1]; s++) {
                    leaf_of[b->sentence[s]] = b->first_leaf + v;
                    place[b->sentence[s]] = s - b->leaf_sent[v];
                }
        }
    }
    for (int i = 0; right && i < N; i++) right = seen[i] == 1;
    dgm_batch_builder_destroy(builder);
    return right && next_leaf == virtual_dp;
}

static void test_layouts(void)
{
    static const int replicas[] = {1, 2, 3, 4, 5, 8, 16};
    static const int64_t limits[] = {0, 1, 700, 3000};
    int64_t leaf_of[N], place[N], leaf0[N], place0[N], most = 0;
    tap_ok(collect(16, 1, 0, leaf0, place0, &most), "one replica, one round: every sentence once, every row right");
    for (size_t r = 0; r < sizeof replicas / sizeof *replicas; r++)
        for (size_t m = 0; m < sizeof limits / sizeof *limits; m++) {
            most = 0;
            bool right = collect(16, replicas[r], limits[m], leaf_of, place, &most) && memcmp(leaf_of, leaf0, sizeof leaf0) == 0 &&
                         memcmp(place, place0, sizeof place0) == 0 && (limits[m] == 0 || most <= limits[m]);
            tap_ok(right, "%d replicas, rounds of at most %lld rows: the same leaves", replicas[r], (long long)limits[m]);
        }
}

static void test_balance(void)
{
    dgm_batch_builder *builder = NULL;
    dgm_step_batch step;
    tap_err(dgm_batch_builder_create(&builder), DGM_OK, "builder");
    tap_err(dgm_batch_build(builder, pairs, N, 8, 0, 8, 0, &step), DGM_OK, "build");
    int64_t least = INT64_MAX, most = 0, n_src = 0, n_tgt = 0;
    const dgm_batch *b = &step.rounds[0];
    bool falling = true;
    for (int v = 0; v < 8; v++) {
        int64_t w = b->src.leaf[v + 1] - b->src.leaf[v] + b->tgt.leaf[v + 1] - b->tgt.leaf[v];
        least = DGM_MIN(least, w);
        most = DGM_MAX(most, w);
        for (int64_t s = b->leaf_sent[v] + 1; s < b->leaf_sent[v + 1]; s++) {
            const dgm_pair *p = &pairs[b->sentence[s - 1]], *q = &pairs[b->sentence[s]];
            if (p->n_src + p->n_tgt < q->n_src + q->n_tgt) falling = false;
        }
    }
    for (int i = 0; i < N; i++) n_src += pairs[i].n_src + 1, n_tgt += pairs[i].n_tgt + 1;
    tap_int(step.n_src_tokens, n_src, "source tokens of the global batch");
    tap_int(step.n_tgt_tokens, n_tgt, "target tokens of the global batch");
    tap_ok((double)most <= 1.02 * (double)least, "leaves of %lld to %lld tokens", (long long)least, (long long)most);
    tap_ok(falling, "a leaf holds its sentences by falling length");
    dgm_batch_builder_destroy(builder);
}

static void test_edges(void)
{
    dgm_batch_builder *builder = NULL;
    dgm_step_batch step;
    tap_err(dgm_batch_builder_create(&builder), DGM_OK, "builder");
    tap_err(dgm_batch_build(builder, pairs, 0, 8, 0, 8, 100, &step), DGM_OK, "no sentence at all");
    tap_ok(step.n_rounds == 1 && step.rounds[0].src.n_rows == 0 && step.n_tgt_tokens == 0, "eight empty leaves in one round");
    tap_err(dgm_batch_build(builder, pairs, 2, 8, 4, 8, 0, &step), DGM_OK, "fewer sentences than leaves");
    tap_ok(step.n_rounds == 1 && step.rounds[0].src.n_sent == 0 && step.n_sentences == 2, "leaves 4 to 7 are empty");
    tap_err(dgm_batch_build(builder, pairs, N, 8, 3, 3, 0, &step), DGM_OK, "a replica without leaves");
    tap_int(step.n_rounds, 0, "it has no rounds");
    tap_err(dgm_batch_build(builder, pairs, N, 6, 0, 6, 0, &step), DGM_ERR_SHAPE, "6 leaves");
    tap_error_says("power of two");
    tap_err(dgm_batch_build(builder, pairs, N, 8, 4, 9, 0, &step), DGM_ERR_SHAPE, "leaf 8 of 8");
    dgm_pair bad = {text[0][0], text[0][1], 3, -1};
    tap_err(dgm_batch_build(builder, &bad, 1, 8, 0, 8, 0, &step), DGM_ERR_SHAPE, "a negative length");
    dgm_batch_builder_destroy(builder);
}

static void test_reuse(void)
{
    dgm_batch_builder *builder = NULL;
    dgm_step_batch a, b;
    tap_err(dgm_batch_builder_create(&builder), DGM_OK, "builder");
    tap_err(dgm_batch_build(builder, pairs, N, 8, 0, 8, 700, &a), DGM_OK, "largest step");
    const void *ids = a.rounds[0].src.ids, *rounds = a.rounds;
    tap_err(dgm_batch_build(builder, pairs, N / 2, 8, 0, 8, 700, &b), DGM_OK, "a smaller step");
    tap_ok(b.rounds[0].src.ids == ids && (const void *)b.rounds == rounds, "lies in the memory of the larger one");
    dgm_batch_builder_destroy(builder);
}

int main(void)
{
    make_pairs();
    test_layouts();
    test_balance();
    test_edges();
    test_reuse();
    return tap_done();
}
