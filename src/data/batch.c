/* Cuts a global batch into leaves and packs them.
 *
 * Leaves must be nearly equal, because the slowest rank sets the pace, and must depend on the sentences alone, because they fix the
 * additions of a step.  Longest-processing-time-first (Graham 1969: at most 4/3 of the best cut, far closer with many sentences) is
 * both: sentences from heavy to light, each to the leaf that is lightest so far.  A leaf therefore holds its sentences by falling
 * length, which keeps neighbours in attention alike.
 *
 * Nothing here calls malloc once the largest step has been seen; qsort may, so the sort is written out. */
#include "dgm/batch.h"

#include "dgm/tree.h"
#include "dgm/vocab.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    void *data;
    int64_t bytes;
} block;

typedef struct { /* room for all rounds of one side, end to end */
    block start, leaf, ids, sentence, position;
} side_blocks;

struct dgm_batch_builder {
    block keys, scratch;  /* [n_pairs] uint64_t: sentences by falling weight */
    block leaf_of, order; /* [n_pairs] uint32_t, int64_t: leaf of each sentence; sentences by leaf */
    block weight, first;  /* [virtual_dp], [virtual_dp + 1]: tokens of each leaf, its first place in order */
    block rounds;         /* [leaves of the replica] dgm_batch */
    block leaf_sent, sentence, tgt_out;
    side_blocks src, tgt;
};

typedef struct { /* where the next round is written, counted in elements */
    int64_t sent, src_row, tgt_row, leaf;
    int n_rounds;
} cursor;

dgm_err dgm_batch_builder_create(dgm_batch_builder **out)
{
    dgm_batch_builder *b = calloc(1, sizeof *b);
    if (b == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "batch builder");
    *out = b;
    return DGM_OK;
}

static void side_fini(side_blocks *s)
{
    free(s->start.data);
    free(s->leaf.data);
    free(s->ids.data);
    free(s->sentence.data);
    free(s->position.data);
}

void dgm_batch_builder_destroy(dgm_batch_builder *b)
{
    if (b == NULL) return;
    side_fini(&b->tgt);
    side_fini(&b->src);
    free(b->tgt_out.data);
    free(b->sentence.data);
    free(b->leaf_sent.data);
    free(b->rounds.data);
    free(b->first.data);
    free(b->weight.data);
    free(b->order.data);
    free(b->leaf_of.data);
    free(b->scratch.data);
    free(b->keys.data);
    free(b);
}

/* Contents are not kept.  A quarter is added, so that slowly growing steps do not allocate each time. */
static dgm_err reserve(block *b, int64_t n, size_t size)
{
    int64_t bytes = n * (int64_t)size;
    if (b->data != NULL && bytes <= b->bytes) return DGM_OK;
    bytes += bytes / 4 + 64;
    void *data = malloc((size_t)bytes);
    if (data == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "batch: %lld bytes", (long long)bytes);
    free(b->data);
    b->data = data;
    b->bytes = bytes;
    return DGM_OK;
}

/* Bottom-up merge sort; returns whichever of the two arrays holds the result. */
static const uint64_t *sort_keys(uint64_t *a, uint64_t *b, int64_t n)
{
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t lo = 0; lo < n; lo += 2 * width) {
            int64_t mid = DGM_MIN(lo + width, n), hi = DGM_MIN(lo + 2 * width, n);
            for (int64_t i = lo, j = mid, k = lo; k < hi; k++) b[k] = j >= hi || (i < mid && a[i] <= a[j]) ? a[i++] : a[j++];
        }
        uint64_t *t = a;
        a = b;
        b = t;
    }
    return a;
}

static dgm_err check(const dgm_pair *pairs, int64_t n_pairs, int virtual_dp, int leaf_lo, int leaf_hi)
{
    if (virtual_dp < 1 || (virtual_dp & (virtual_dp - 1)) != 0)
        return DGM_FAIL(DGM_ERR_SHAPE, "batch: virtual_dp is %d, expected a power of two", virtual_dp);
    if (leaf_lo < 0 || leaf_hi < leaf_lo || leaf_hi > virtual_dp)
        return DGM_FAIL(DGM_ERR_SHAPE, "batch: leaves %d to %d of %d", leaf_lo, leaf_hi, virtual_dp);
    if (n_pairs < 0 || n_pairs > UINT32_MAX) return DGM_FAIL(DGM_ERR_SHAPE, "batch: %lld sentences", (long long)n_pairs);
    for (int64_t i = 0; i < n_pairs; i++)
        if (pairs[i].n_src < 0 || pairs[i].n_tgt < 0)
            return DGM_FAIL(DGM_ERR_SHAPE, "batch: sentence %lld has %d source and %d target tokens", (long long)i, pairs[i].n_src,
                            pairs[i].n_tgt);
    return DGM_OK;
}

/* Fills b->order with the sentences leaf by leaf and b->first with where each leaf begins. */
static dgm_err cut_leaves(dgm_batch_builder *b, const dgm_pair *pairs, int64_t n, int virtual_dp)
{
    DGM_TRY(reserve(&b->keys, n, sizeof(uint64_t)));
    DGM_TRY(reserve(&b->scratch, n, sizeof(uint64_t)));
    DGM_TRY(reserve(&b->leaf_of, n, sizeof(uint32_t)));
    DGM_TRY(reserve(&b->order, n, sizeof(int64_t)));
    DGM_TRY(reserve(&b->weight, virtual_dp, sizeof(int64_t)));
    DGM_TRY(reserve(&b->first, virtual_dp + 1, sizeof(int64_t)));
    uint64_t *keys = b->keys.data;
    uint32_t *leaf_of = b->leaf_of.data;
    int64_t *order = b->order.data, *weight = b->weight.data, *first = b->first.data;

    for (int64_t i = 0; i < n; i++) {
        uint32_t w = (uint32_t)pairs[i].n_src + (uint32_t)pairs[i].n_tgt + 1; /* one less than the tokens, to fit 32 bits */
        keys[i] = (uint64_t)(UINT32_MAX - w) << 32 | (uint64_t)i;
    }
    const uint64_t *sorted = sort_keys(keys, b->scratch.data, n);
    memset(weight, 0, (size_t)virtual_dp * sizeof *weight);
    memset(first, 0, (size_t)(virtual_dp + 1) * sizeof *first);
    for (int64_t k = 0; k < n; k++) {
        int lightest = 0;
        for (int v = 1; v < virtual_dp; v++)
            if (weight[v] < weight[lightest]) lightest = v;
        leaf_of[(uint32_t)sorted[k]] = (uint32_t)lightest;
        weight[lightest] += (int64_t)(UINT32_MAX - (uint32_t)(sorted[k] >> 32)) + 1;
        first[lightest + 1]++;
    }
    for (int v = 0; v < virtual_dp; v++) first[v + 1] += first[v];
    for (int64_t k = 0; k < n; k++) { /* first[v] runs to the end of its leaf and is set back below */
        uint32_t i = (uint32_t)sorted[k];
        order[first[leaf_of[i]]++] = i;
    }
    memmove(first + 1, first, (size_t)virtual_dp * sizeof *first);
    first[0] = 0;
    return DGM_OK;
}

static dgm_err reserve_side(side_blocks *s, int64_t n_sent, int64_t n_rows, int64_t n_leaves)
{
    DGM_TRY(reserve(&s->start, n_sent + n_leaves, sizeof(int64_t))); /* at most one round per leaf, one closing entry per round */
    DGM_TRY(reserve(&s->leaf, 2 * n_leaves, sizeof(int64_t)));
    DGM_TRY(reserve(&s->ids, n_rows, sizeof(int32_t)));
    DGM_TRY(reserve(&s->sentence, n_rows, sizeof(uint32_t)));
    return reserve(&s->position, n_rows, sizeof(uint32_t));
}

static void leaf_rows(const dgm_batch_builder *b, const dgm_pair *pairs, int lo, int hi, int64_t *n_src, int64_t *n_tgt)
{
    const int64_t *order = b->order.data, *first = b->first.data;
    *n_src = *n_tgt = 0;
    for (int64_t k = first[lo]; k < first[hi]; k++) {
        *n_src += (int64_t)pairs[order[k]].n_src + 1;
        *n_tgt += (int64_t)pairs[order[k]].n_tgt + 1;
    }
}

/* One sentence: `before` (or -1) and its ids, then `after` (or -1). */
static void put_ids(int32_t *to, int32_t before, const int32_t *ids, int32_t n, int32_t after)
{
    if (before >= 0) *to++ = before;
    if (n > 0) memcpy(to, ids, (size_t)n * sizeof *ids);
    if (after >= 0) to[n] = after;
}

static void put_names(const side_blocks *s, int64_t row, int64_t n, uint32_t sentence)
{
    uint32_t *name = (uint32_t *)s->sentence.data + row, *position = (uint32_t *)s->position.data + row;
    for (int64_t i = 0; i < n; i++) {
        name[i] = sentence;
        position[i] = (uint32_t)i;
    }
}

static dgm_packed packed_at(const side_blocks *s, const cursor *at, int64_t row)
{
    return (dgm_packed){.start = (int64_t *)s->start.data + at->sent + at->n_rounds,
                        .leaf = (int64_t *)s->leaf.data + at->leaf + at->n_rounds,
                        .ids = (int32_t *)s->ids.data + row,
                        .sentence = (uint32_t *)s->sentence.data + row,
                        .position = (uint32_t *)s->position.data + row};
}

static void pack_round(dgm_batch_builder *b, const dgm_pair *pairs, dgm_tree_node node, cursor *at)
{
    const int64_t *order = b->order.data, *first = b->first.data;
    int64_t *src_start = (int64_t *)b->src.start.data + at->sent + at->n_rounds;
    int64_t *tgt_start = (int64_t *)b->tgt.start.data + at->sent + at->n_rounds;
    int64_t *src_leaf = (int64_t *)b->src.leaf.data + at->leaf + at->n_rounds;
    int64_t *tgt_leaf = (int64_t *)b->tgt.leaf.data + at->leaf + at->n_rounds;
    int64_t *leaf_sent = (int64_t *)b->leaf_sent.data + at->leaf + at->n_rounds;
    uint32_t *sentence = (uint32_t *)b->sentence.data + at->sent;
    int32_t *tgt_out = (int32_t *)b->tgt_out.data + at->tgt_row;
    int64_t s = 0, src_row = 0, tgt_row = 0;
    dgm_packed src = packed_at(&b->src, at, at->src_row), tgt = packed_at(&b->tgt, at, at->tgt_row);

    for (int leaf = 0; leaf < node.n; leaf++) {
        leaf_sent[leaf] = s;
        src_leaf[leaf] = src_row;
        tgt_leaf[leaf] = tgt_row;
        for (int64_t k = first[node.lo + leaf]; k < first[node.lo + leaf + 1]; k++, s++) {
            const dgm_pair *p = &pairs[order[k]];
            sentence[s] = (uint32_t)order[k];
            src_start[s] = src_row;
            tgt_start[s] = tgt_row;
            put_ids((int32_t *)b->src.ids.data + at->src_row + src_row, -1, p->src, p->n_src, DGM_TOKEN_END);
            put_ids((int32_t *)b->tgt.ids.data + at->tgt_row + tgt_row, DGM_TOKEN_BEGIN, p->tgt, p->n_tgt, -1);
            put_ids(tgt_out + tgt_row, -1, p->tgt, p->n_tgt, DGM_TOKEN_END);
            put_names(&b->src, at->src_row + src_row, (int64_t)p->n_src + 1, sentence[s]);
            put_names(&b->tgt, at->tgt_row + tgt_row, (int64_t)p->n_tgt + 1, sentence[s]);
            src_row += (int64_t)p->n_src + 1;
            tgt_row += (int64_t)p->n_tgt + 1;
        }
    }
    leaf_sent[node.n] = src.n_sent = tgt.n_sent = s;
    src_leaf[node.n] = src_start[s] = src.n_rows = src_row;
    tgt_leaf[node.n] = tgt_start[s] = tgt.n_rows = tgt_row;
    ((dgm_batch *)b->rounds.data)[at->n_rounds] = (dgm_batch){
        .n_leaves = node.n, .first_leaf = node.lo, .leaf_sent = leaf_sent, .sentence = sentence, .src = src, .tgt = tgt, .tgt_out = tgt_out};
    at->n_rounds++;
    at->sent += s;
    at->src_row += src_row;
    at->tgt_row += tgt_row;
    at->leaf += node.n;
}

/* The subtree as one round if it fits, else its two halves. */
static void pack_node(dgm_batch_builder *b, const dgm_pair *pairs, dgm_tree_node node, int64_t limit, cursor *at)
{
    int64_t n_src, n_tgt;
    leaf_rows(b, pairs, node.lo, node.lo + node.n, &n_src, &n_tgt);
    if (limit <= 0 || node.n == 1 || DGM_MAX(n_src, n_tgt) <= limit) {
        pack_round(b, pairs, node, at);
        return;
    }
    int half = node.n / 2;
    pack_node(b, pairs, (dgm_tree_node){node.lo, half}, limit, at);
    pack_node(b, pairs, (dgm_tree_node){node.lo + half, half}, limit, at);
}

dgm_err dgm_batch_build(dgm_batch_builder *b, const dgm_pair *pairs, int64_t n_pairs, int virtual_dp, int leaf_lo, int leaf_hi,
                        int64_t micro_batch_tokens, dgm_step_batch *out)
{
    DGM_TRY(check(pairs, n_pairs, virtual_dp, leaf_lo, leaf_hi));
    DGM_TRY(cut_leaves(b, pairs, n_pairs, virtual_dp));
    int64_t n_src, n_tgt, n_leaves = leaf_hi - leaf_lo;
    const int64_t *first = b->first.data;
    int64_t n_sent = first[leaf_hi] - first[leaf_lo];
    leaf_rows(b, pairs, leaf_lo, leaf_hi, &n_src, &n_tgt);
    DGM_TRY(reserve_side(&b->src, n_sent, n_src, n_leaves));
    DGM_TRY(reserve_side(&b->tgt, n_sent, n_tgt, n_leaves));
    DGM_TRY(reserve(&b->tgt_out, n_tgt, sizeof(int32_t)));
    DGM_TRY(reserve(&b->sentence, n_sent, sizeof(uint32_t)));
    DGM_TRY(reserve(&b->leaf_sent, 2 * n_leaves, sizeof(int64_t)));
    DGM_TRY(reserve(&b->rounds, n_leaves, sizeof(dgm_batch)));

    dgm_tree_node nodes[DGM_TREE_MAX_NODES];
    int n_nodes = dgm_tree_cover(leaf_lo, leaf_hi, nodes);
    cursor at = {0};
    for (int i = 0; i < n_nodes; i++) pack_node(b, pairs, nodes[i], micro_batch_tokens, &at);

    leaf_rows(b, pairs, 0, virtual_dp, &n_src, &n_tgt);
    *out = (dgm_step_batch){
        .n_tgt_tokens = n_tgt, .n_src_tokens = n_src, .n_sentences = n_pairs, .n_rounds = at.n_rounds, .rounds = b->rounds.data};
    return DGM_OK;
}
