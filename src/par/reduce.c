/* A window of rounds: chunk c of bucket b is one round, from everybody to each owner.  Rounds are started and finished in order, so that
 * messages between two ranks match by their order alone. */
#include "dgm/reduce.h"

#include "dgm/elem.h"
#include "dgm/pages.h"
#include "mpi_call.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    TAG_REDUCE = 21,
    WINDOW = 4,              /* rounds under way */
    CHUNK_MAX = 1 << 18,     /* floats in a message */
    CHUNK_MIN = 1 << 10,
    WORKSPACE_MAX = 1 << 22, /* floats, the messages of a whole window */
    LEAVES_MAX = 1024
};

typedef struct { int n; dgm_tree_node node[DGM_TREE_MAX_NODES]; } cover; /* the subtrees of one replica */

struct dgm_reducer {
    dgm_mpi_axis at;
    dgm_reduction reduction;
    int n_buckets, n_nodes, n_partials;
    const int64_t *part_start;
    cover *covers;           /* [dp_size] */
    int64_t chunk;           /* floats */
    int64_t *first_round;    /* [n_buckets + 1] */
    int64_t n_ready, n_started, n_done; /* rounds */
    float *partial[DGM_TREE_MAX_NODES];
    float *workspace;        /* [WINDOW, n_nodes, chunk] */
    MPI_Request *request;    /* [WINDOW, max_requests] */
    int max_requests, n_requests[WINDOW];
    int *counts;             /* [dp_size] fast */
};

static const int64_t *parts_of(const dgm_reducer *r, int bucket) { return r->part_start + (int64_t)bucket * (r->at.size + 1); }

/* Which subtrees each replica has, from left to right. */
static dgm_err make_covers(dgm_reducer *r, int n_leaves)
{
    r->covers = calloc((size_t)r->at.size, sizeof *r->covers);
    if (r->covers == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "subtrees of %d replicas", r->at.size);
    for (int q = 0; q < r->at.size; q++) {
        int lo, hi;
        dgm_tree_range(n_leaves, q, r->at.size, &lo, &hi);
        r->covers[q].n = dgm_tree_cover(lo, hi, r->covers[q].node);
        r->n_nodes += r->covers[q].n;
    }
    return DGM_OK;
}

static dgm_err make_rounds(dgm_reducer *r)
{
    r->chunk = DGM_MAX(CHUNK_MIN, DGM_MIN(CHUNK_MAX, WORKSPACE_MAX / (WINDOW * r->n_nodes)));
    r->max_requests = r->n_nodes + DGM_TREE_MAX_NODES * r->at.size;
    r->first_round = calloc((size_t)r->n_buckets + 1, sizeof *r->first_round);
    r->workspace = dgm_pages_alloc((size_t)(WINDOW * r->n_nodes * r->chunk) * sizeof *r->workspace);
    r->request = malloc((size_t)(WINDOW * r->max_requests) * sizeof *r->request);
    if (r->first_round == NULL || r->workspace == NULL || r->request == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "reduction of gradients");
    for (int b = 0; b < r->n_buckets; b++) {
        int64_t longest = 0;
        for (int q = 0; q < r->at.size; q++) longest = DGM_MAX(longest, parts_of(r, b)[q + 1] - parts_of(r, b)[q]);
        r->first_round[b + 1] = r->first_round[b] + (longest + r->chunk - 1) / r->chunk;
    }
    return DGM_OK;
}

dgm_err dgm_reducer_create(const dgm_grid *grid, dgm_reduction reduction, int n_leaves, int n_buckets, const int64_t *part_start, dgm_reducer **out)
{
    dgm_err err;
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, DGM_AXIS_DP);
    if (n_leaves > LEAVES_MAX || at.size > n_leaves)
        return DGM_FAIL(DGM_ERR_USAGE, "%d replicas share virtual_dp = %d leaves: at most as many replicas as leaves, at most %d leaves",
                        at.size, n_leaves, LEAVES_MAX);
    dgm_reducer *r = calloc(1, sizeof *r);
    if (r == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "reduction of gradients");
    *r = (dgm_reducer){.at = at, .reduction = reduction, .n_buckets = n_buckets, .part_start = part_start};
    if (at.size > 1 && reduction == DGM_REDUCE_FIXED) {
        DGM_GOTO(make_covers(r, n_leaves));
        DGM_GOTO(make_rounds(r));
    } else {
        r->counts = malloc((size_t)at.size * sizeof *r->counts);
        if (r->counts == NULL) DGM_GOTO(DGM_FAIL(DGM_ERR_NOMEM, "reduction of gradients"));
    }
    *out = r;
    return DGM_OK;
fail:
    dgm_reducer_destroy(r);
    return err;
}

void dgm_reducer_destroy(dgm_reducer *reducer)
{
    if (reducer == NULL) return;
    DGM_ASSERT(!dgm_reducer_is_busy(reducer)); /* MPI would write into what is released */
    free(reducer->covers);
    free(reducer->first_round);
    free(reducer->workspace);
    free(reducer->request);
    free(reducer->counts);
    free(reducer);
}

void dgm_reducer_begin(dgm_reducer *reducer, float *const *partial, int n_partials)
{
    DGM_ASSERT(n_partials >= 1 && n_partials <= DGM_TREE_MAX_NODES);
    DGM_ASSERT(reducer->covers == NULL || reducer->covers[reducer->at.rank].n == n_partials); /* the owners wait for as many messages */
    memcpy(reducer->partial, partial, (size_t)n_partials * sizeof *partial);
    reducer->n_partials = n_partials;
    reducer->n_ready = reducer->n_started = reducer->n_done = 0;
}

static bool idle(const dgm_reducer *r) { return r->at.size == 1 || r->reduction == DGM_REDUCE_FAST; }

/* What a round brings to `owner`: where it begins in the flat block, and how many floats. */
static int64_t piece(const dgm_reducer *r, int64_t round, int owner, int64_t *from)
{
    int bucket = 0;
    while (round >= r->first_round[bucket + 1]) bucket++;
    const int64_t *start = parts_of(r, bucket) + owner;
    *from = start[0] + (round - r->first_round[bucket]) * r->chunk;
    return DGM_MAX(0, DGM_MIN(start[1] - *from, r->chunk));
}

static float *node_buffer(const dgm_reducer *r, int64_t round, int node) { return r->workspace + (round % WINDOW * r->n_nodes + node) * r->chunk; }

static dgm_err start_round(dgm_reducer *r, int64_t round)
{
    MPI_Request *request = r->request + round % WINDOW * r->max_requests;
    int *n = &r->n_requests[round % WINDOW], node = 0, me = r->at.rank;
    int64_t from, count = piece(r, round, me, &from);
    *n = 0;
    for (int q = 0; q < r->at.size; q++)
        for (int k = 0; k < r->covers[q].n; k++, node++)
            if (q != me && count > 0)
                DGM_MPI(MPI_Irecv(node_buffer(r, round, node), (int)count, MPI_FLOAT, q, TAG_REDUCE, r->at.comm, &request[(*n)++]));
    for (int step = 1; step < r->at.size; step++) {
        int q = (me + step) % r->at.size;
        count = piece(r, round, q, &from);
        for (int k = 0; count > 0 && k < r->n_partials; k++)
            DGM_MPI(MPI_Isend(r->partial[k] + from, (int)count, MPI_FLOAT, q, TAG_REDUCE, r->at.comm, &request[(*n)++]));
    }
    return DGM_OK;
}

typedef struct {
    float *buffer[DGM_TREE_MAX_NODES];
    int64_t n;
} chunk_stack;

static void join(void *user, int i)
{
    chunk_stack *s = user;
    dgm_elem_add(s->n, s->buffer[i + 1], s->buffer[i]);
}

/* Adds what a round has brought along the tree, into this rank's part of partial[0]. */
static void add_round(const dgm_reducer *r, int64_t round)
{
    int64_t from;
    chunk_stack chunks = {.n = piece(r, round, r->at.rank, &from)};
    if (chunks.n == 0) return;
    dgm_tree_stack stack;
    dgm_tree_clear(&stack);
    int node = 0;
    for (int q = 0; q < r->at.size; q++)
        for (int k = 0; k < r->covers[q].n; k++, node++) {
            chunks.buffer[stack.n] = q == r->at.rank ? r->partial[k] + from : node_buffer(r, round, node);
            dgm_tree_push(&stack, r->covers[q].node[k], join, &chunks);
        }
    DGM_ASSERT(stack.n == 1);
    if (chunks.buffer[0] != r->partial[0] + from) memcpy(r->partial[0] + from, chunks.buffer[0], (size_t)chunks.n * sizeof(float));
}

static dgm_err start_ready(dgm_reducer *r)
{
    while (r->n_started < r->n_ready && r->n_started - r->n_done < WINDOW) DGM_TRY(start_round(r, r->n_started++));
    return DGM_OK;
}

dgm_err dgm_reducer_ready(dgm_reducer *reducer, int n_buckets)
{
    if (idle(reducer)) return DGM_OK;
    reducer->n_ready = reducer->first_round[n_buckets];
    return start_ready(reducer);
}

dgm_err dgm_reducer_poll(dgm_reducer *reducer)
{
    dgm_reducer *r = reducer;
    while (!idle(r) && r->n_done < r->n_started) {
        int arrived = 0;
        int64_t at = r->n_done % WINDOW;
        DGM_MPI(MPI_Testall(r->n_requests[at], r->request + at * r->max_requests, &arrived, MPI_STATUSES_IGNORE));
        if (!arrived) return DGM_OK;
        add_round(r, r->n_done++);
        DGM_TRY(start_ready(r));
    }
    return DGM_OK;
}

bool dgm_reducer_is_busy(const dgm_reducer *reducer) { return reducer->n_done < reducer->n_started; }

static dgm_err finish_fixed(dgm_reducer *r)
{
    DGM_ASSERT(r->n_ready == r->first_round[r->n_buckets]);
    while (r->n_done < r->n_ready) {
        int64_t at = r->n_done % WINDOW;
        DGM_MPI(MPI_Waitall(r->n_requests[at], r->request + at * r->max_requests, MPI_STATUSES_IGNORE));
        add_round(r, r->n_done++);
        DGM_TRY(start_ready(r));
    }
    return DGM_OK;
}

/* Bucket by bucket, in place: MPI leaves a rank's part at the beginning of the buffer. */
static dgm_err finish_fast(dgm_reducer *r)
{
    for (int b = 0; b < r->n_buckets; b++) {
        const int64_t *start = parts_of(r, b);
        float *bucket = r->partial[0] + start[0];
        for (int q = 0; q < r->at.size; q++) {
            if (start[q + 1] - start[q] > INT_MAX)
                return DGM_FAIL(DGM_ERR_USAGE, "reduction = fast: %lld floats of one replica are more than MPI counts: use fixed",
                                (long long)(start[q + 1] - start[q]));
            r->counts[q] = (int)(start[q + 1] - start[q]);
        }
        DGM_MPI(MPI_Reduce_scatter(MPI_IN_PLACE, bucket, r->counts, MPI_FLOAT, MPI_SUM, r->at.comm));
        memmove(bucket + start[r->at.rank] - start[0], bucket, (size_t)r->counts[r->at.rank] * sizeof *bucket);
    }
    return DGM_OK;
}

dgm_err dgm_reducer_finish(dgm_reducer *reducer)
{
    DGM_ASSERT(reducer->reduction == DGM_REDUCE_FIXED || reducer->n_partials == 1);
    DGM_ASSERT(reducer->at.size > 1 || reducer->n_partials == 1);
    if (reducer->at.size == 1) return DGM_OK;
    return reducer->reduction == DGM_REDUCE_FAST ? finish_fast(reducer) : finish_fixed(reducer);
}
