/* Merges are found by an open-addressing table from (left, right) to the rank.
 *
 * A word is merged with links between its live pieces and a queue of possible merges, (rank, place) in one 64-bit key: the smallest
 * key is the best merge, and the leftmost of it.  Entries that an earlier merge made stale are recognised when they come up,
 * because the two pieces at their place are no longer those of the merge. */
#include "dgm/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dgm_bpe {
    dgm_merge *merges; /* [n] */
    int32_t *joined;   /* [n] */
    int64_t n;
    int32_t *table; /* [table_size] rank, or -1; at most half full */
    size_t table_size;
};

static size_t pair_hash(int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    return (size_t)(h ^ h >> 32);
}

static size_t place_of(const dgm_bpe *bpe, int32_t left, int32_t right)
{
    size_t at = pair_hash(left, right) & (bpe->table_size - 1);
    for (; bpe->table[at] >= 0; at = (at + 1) & (bpe->table_size - 1)) {
        const dgm_merge *m = &bpe->merges[bpe->table[at]];
        if (m->left == left && m->right == right) break;
    }
    return at;
}

static dgm_err check_merge(const dgm_vocab *vocab, const dgm_merge *m, int64_t rank, dgm_text *text, int32_t *joined)
{
    const int32_t side[2] = {m->left, m->right};
    dgm_text_clear(text);
    for (int i = 0; i < 2; i++) {
        if (side[i] < DGM_VOCAB_N_FIXED || side[i] >= dgm_vocab_size(vocab))
            return DGM_FAIL(DGM_ERR_INPUT, "merge %lld: token %d; merges are of pieces %d to %d", (long long)rank, side[i],
                            (int)DGM_VOCAB_N_FIXED, dgm_vocab_size(vocab) - 1);
        size_t bytes;
        const char *piece = dgm_vocab_piece(vocab, side[i], &bytes);
        DGM_TRY(dgm_text_append(text, piece, bytes));
    }
    *joined = dgm_vocab_find(vocab, text->text, text->bytes);
    if (*joined < DGM_VOCAB_N_FIXED)
        return DGM_FAIL(DGM_ERR_INPUT, "merge %lld: \"%s\" and \"%s\" make \"%s\", which %s", (long long)rank,
                        dgm_vocab_piece(vocab, m->left, NULL), dgm_vocab_piece(vocab, m->right, NULL), text->text,
                        *joined < 0 ? "is not in the vocabulary" : "is a special or byte token");
    return DGM_OK;
}

static dgm_err fill(dgm_bpe *bpe, const dgm_vocab *vocab)
{
    dgm_err err = DGM_OK;
    dgm_text text = {0};
    for (int64_t rank = 0; rank < bpe->n; rank++) {
        const dgm_merge *m = &bpe->merges[rank];
        DGM_GOTO(check_merge(vocab, m, rank, &text, &bpe->joined[rank]));
        size_t at = place_of(bpe, m->left, m->right);
        if (bpe->table[at] >= 0) {
            err = DGM_FAIL(DGM_ERR_INPUT, "merge %lld: \"%s\" and \"%s\" are merge %d already", (long long)rank,
                           dgm_vocab_piece(vocab, m->left, NULL), dgm_vocab_piece(vocab, m->right, NULL), bpe->table[at]);
            goto fail;
        }
        bpe->table[at] = (int32_t)rank;
    }
fail:
    dgm_text_fini(&text);
    return err;
}

dgm_err dgm_bpe_create(const dgm_vocab *vocab, const dgm_merge *merges, int64_t n, dgm_bpe **out)
{
    dgm_err err;
    if (n < 0 || n > INT32_MAX / 2) return DGM_FAIL(DGM_ERR_INPUT, "%lld merges; at most %d", (long long)n, INT32_MAX / 2);
    dgm_bpe *bpe = calloc(1, sizeof *bpe);
    if (bpe == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "merges");
    bpe->n = n;
    for (bpe->table_size = 16; bpe->table_size < 2 * (size_t)n; bpe->table_size *= 2) continue;
    bpe->merges = malloc((size_t)(n + 1) * sizeof *bpe->merges);
    bpe->joined = malloc((size_t)(n + 1) * sizeof *bpe->joined);
    bpe->table = malloc(bpe->table_size * sizeof *bpe->table);
    if (bpe->merges == NULL || bpe->joined == NULL || bpe->table == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "%lld merges", (long long)n);
        goto fail;
    }
    if (n > 0) memcpy(bpe->merges, merges, (size_t)n * sizeof *merges);
    memset(bpe->table, 0xFF, bpe->table_size * sizeof *bpe->table);
    DGM_GOTO(fill(bpe, vocab));
    *out = bpe;
    return DGM_OK;
fail:
    dgm_bpe_destroy(bpe);
    return err;
}

void dgm_bpe_destroy(dgm_bpe *bpe)
{
    if (bpe == NULL) return;
    free(bpe->merges);
    free(bpe->joined);
    free(bpe->table);
    free(bpe);
}

int64_t dgm_bpe_n_merges(const dgm_bpe *bpe) { return bpe->n; }

const dgm_merge *dgm_bpe_merge(const dgm_bpe *bpe, int64_t rank)
{
    DGM_ASSERT(rank >= 0 && rank < bpe->n);
    return &bpe->merges[rank];
}

int32_t dgm_bpe_joined(const dgm_bpe *bpe, int64_t rank)
{
    DGM_ASSERT(rank >= 0 && rank < bpe->n);
    return bpe->joined[rank];
}

/* ---- one word ---- */

void dgm_bpe_work_fini(dgm_bpe_work *work)
{
    free(work->links);
    free(work->queue);
    free(work->snapshot);
    *work = (dgm_bpe_work){0};
}

static dgm_err work_reserve(dgm_bpe_work *work, int64_t n)
{
    if (n <= work->capacity) return DGM_OK;
    int64_t capacity = DGM_MAX(n, DGM_MAX(2 * work->capacity, 64));
    dgm_bpe_work_fini(work);
    work->links = malloc((size_t)capacity * 2 * sizeof *work->links);
    work->queue = malloc((size_t)capacity * 3 * sizeof *work->queue); /* n - 1 at first, at most two more for each merge */
    work->snapshot = malloc((size_t)capacity * sizeof *work->snapshot);
    if (work->links == NULL || work->queue == NULL || work->snapshot == NULL) {
        dgm_bpe_work_fini(work);
        return DGM_FAIL(DGM_ERR_NOMEM, "a word of %lld characters", (long long)n);
    }
    work->capacity = capacity;
    return DGM_OK;
}

static void sift_down(uint64_t *queue, int64_t n, int64_t at, uint64_t key)
{
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && queue[child + 1] < queue[child]) child++;
        if (key <= queue[child]) break;
        queue[at] = queue[child];
    }
    queue[at] = key;
}

static uint64_t queue_pop(uint64_t *queue, int64_t *n)
{
    uint64_t top = queue[0], last = queue[--*n];
    if (*n > 0) sift_down(queue, *n, 0, last);
    return top;
}

static void queue_push(uint64_t *queue, int64_t *n, uint64_t key)
{
    int64_t at = (*n)++;
    for (; at > 0 && key < queue[(at - 1) / 2]; at = (at - 1) / 2) queue[at] = queue[(at - 1) / 2];
    queue[at] = key;
}

/* Queues the merge of the pieces at `at` and `next`, if there is one. */
static void consider(const dgm_bpe *bpe, const int32_t *word, int32_t at, int32_t next, uint64_t *queue, int64_t *n)
{
    int32_t rank = bpe->table[place_of(bpe, word[at], word[next])];
    if (rank >= 0) queue_push(queue, n, (uint64_t)rank << 32 | (uint32_t)at);
}

static void show(const dgm_bpe_work *work, const int32_t *word, int32_t rank, dgm_bpe_tracer tracer, void *context)
{
    int64_t n = 0;
    for (int32_t at = 0; at >= 0; at = work->links[2 * at]) work->snapshot[n++] = word[at];
    tracer(context, rank, work->snapshot, n);
}

/* Links the pieces of a word and queues every merge of two neighbours. */
static int64_t begin(const dgm_bpe *bpe, const dgm_bpe_work *work, const int32_t *word, int32_t n)
{
    int32_t *links = work->links; /* links[2 i]: next live piece or -1; links[2 i + 1]: the one before */
    int64_t queued = 0;
    for (int32_t i = 0; i < n; i++) {
        links[2 * i] = i + 1 < n ? i + 1 : -1;
        links[2 * i + 1] = i - 1;
        if (i + 1 < n) consider(bpe, word, i, i + 1, work->queue, &queued);
    }
    return queued;
}

/* Whether a queued merge can still be made: the pieces at its place are its own. */
static bool is_possible(const dgm_bpe *bpe, const dgm_bpe_work *work, const int32_t *word, uint64_t key)
{
    const dgm_merge *m = &bpe->merges[key >> 32];
    int32_t at = (int32_t)(uint32_t)key, next = work->links[2 * at];
    return word[at] == m->left && next >= 0 && word[next] == m->right;
}

static void make(const dgm_bpe *bpe, const dgm_bpe_work *work, int32_t *word, uint64_t key, int64_t *queued)
{
    int32_t *links = work->links, at = (int32_t)(uint32_t)key, next = links[2 * at], after = links[2 * next], before = links[2 * at + 1];
    word[at] = bpe->joined[key >> 32];
    word[next] = -1; /* gone */
    links[2 * at] = after;
    if (after >= 0) links[2 * after + 1] = at;
    if (before >= 0) consider(bpe, word, before, at, work->queue, queued);
    if (after >= 0) consider(bpe, word, at, after, work->queue, queued);
}

static int64_t gather_live(const dgm_bpe_work *work, int32_t *word)
{
    int64_t n = 0;
    for (int32_t at = 0; at >= 0; at = work->links[2 * at]) word[n++] = word[at];
    return n;
}

static dgm_err check_word(const dgm_bpe *bpe, dgm_bpe_work *work, int64_t n, bool *is_whole)
{
    *is_whole = n < 2 || bpe->n == 0;
    if (*is_whole) return DGM_OK;
    if (n > INT32_MAX / 4) return DGM_FAIL(DGM_ERR_INPUT, "a word of %lld characters", (long long)n);
    return work_reserve(work, n);
}

dgm_err dgm_bpe_apply(const dgm_bpe *bpe, dgm_bpe_work *work, int32_t *word, int64_t *n, dgm_bpe_tracer tracer, void *context)
{
    bool is_whole;
    DGM_TRY(check_word(bpe, work, *n, &is_whole));
    if (is_whole) return DGM_OK;
    int64_t queued = begin(bpe, work, word, (int32_t)*n);
    while (queued > 0) {
        uint64_t best = queue_pop(work->queue, &queued);
        if (!is_possible(bpe, work, word, best)) continue;
        make(bpe, work, word, best, &queued);
        if (tracer != NULL) show(work, word, (int32_t)(best >> 32), tracer, context);
    }
    *n = gather_live(work, word);
    return DGM_OK;
}

dgm_err dgm_bpe_apply_dropping(const dgm_bpe *bpe, dgm_bpe_work *work, int32_t *word, int64_t *n, dgm_bpe_dropper drop, void *context)
{
    bool is_whole;
    DGM_TRY(check_word(bpe, work, *n, &is_whole));
    if (is_whole) return DGM_OK;
    int64_t queued = begin(bpe, work, word, (int32_t)*n);
    uint64_t *dropped = work->queue + 3 * work->capacity; /* merges left out wait at the end of the queue's room, dropped[-1] the first */
    int64_t n_dropped = 0;
    while (queued > 0) {
        uint64_t best = queue_pop(work->queue, &queued);
        if (!is_possible(bpe, work, word, best)) continue;
        if (drop(context)) {
            dropped[-++n_dropped] = best;
            continue;
        }
        make(bpe, work, word, best, &queued);
        for (; n_dropped > 0; n_dropped--) { /* they may be made again; one moves down, so nothing is overwritten */
            uint64_t key = dropped[-n_dropped];
            queue_push(work->queue, &queued, key);
        }
    }
    *n = gather_live(work, word);
    return DGM_OK;
}
