/* Sums of floats between ranks along the fixed tree of tree.h: the order of the additions is given by the leaves alone, so the
 * bits are those of one process, and the traffic is that of the best reduce-scatter for a power-of-two number of ranks. */
#include "mpi_call.h"

#include <string.h>

enum {
    TAG_REDUCE = 21,
    CHUNK_MAX = 1 << 18,     /* floats in a message */
    WORKSPACE_MAX = 1 << 21, /* floats, all messages of two rounds */
    CHUNK_MIN = 1 << 10,
    LEAVES_MAX = 1024,
    REQUESTS_MAX = 3 * LEAVES_MAX
};

/* a + b; blocks of fixed length are what the compiler turns into vector code at -O2. */
static void add(float *restrict a, const float *restrict b, int64_t n)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) a[i + j] += b[i + j];
    for (; i < n; i++) a[i] += b[i];
}

/* Recursive halving, partners at distance 1, 2, 4, ..., then the same way back.  After the pass at distance s a rank holds its share of the
 * sum over an aligned group of 2 s ranks, the group of lower ranks being the left operand: the tree's additions. */
dgm_err dgm_coll_tree_sum_tp(const dgm_grid *grid, float *x, int64_t n, float *workspace)
{
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, DGM_AXIS_TP);
    if (at.size == 1 || n == 0) return DGM_OK;
    DGM_ASSERT((at.size & (at.size - 1)) == 0);
    int64_t lo[32], hi[32];
    int level = 0;
    lo[0] = 0;
    hi[0] = n;
    for (int s = 1; s < at.size; s *= 2, level++) {
        int partner = at.rank ^ s;
        bool keep_low = (at.rank & s) == 0;
        int64_t mid = lo[level] + (hi[level] - lo[level]) / 2;
        lo[level + 1] = keep_low ? lo[level] : mid;
        hi[level + 1] = keep_low ? mid : hi[level];
        int64_t mine = lo[level + 1], n_mine = hi[level + 1] - mine;
        int64_t theirs = keep_low ? mid : lo[level], n_theirs = hi[level] - lo[level] - n_mine;
        DGM_TRY(dgm_mpi_exchange(at.comm, partner, x + theirs, n_theirs * 4, partner, workspace, n_mine * 4));
        add(x + mine, workspace, n_mine); /* a + b and b + a have the same bits */
    }
    for (int s = at.size / 2; s >= 1; s /= 2, level--) {
        int partner = at.rank ^ s;
        int64_t mine = lo[level], n_mine = hi[level] - mine;
        int64_t theirs = (at.rank & s) == 0 ? hi[level] : lo[level - 1], n_theirs = hi[level - 1] - lo[level - 1] - n_mine;
        DGM_TRY(dgm_mpi_exchange(at.comm, partner, x + mine, n_mine * 4, partner, x + theirs, n_theirs * 4));
    }
    return DGM_OK;
}

/* Who holds which subtree: node[first[q] .. first[q + 1]) are those of replica q, all from left to right. */
static int count_nodes(int n_leaves, int dp_size)
{
    dgm_tree_node node[DGM_TREE_MAX_NODES];
    int total = 0;
    for (int q = 0; q < dp_size; q++) {
        int lo, hi;
        dgm_tree_range(n_leaves, q, dp_size, &lo, &hi);
        total += dgm_tree_cover(lo, hi, node);
    }
    return total;
}

static int64_t chunk_floats(int n_nodes) { return DGM_MAX(CHUNK_MIN, DGM_MIN(CHUNK_MAX, WORKSPACE_MAX / (2 * n_nodes))); }

int64_t dgm_coll_reduce_workspace(const dgm_grid *grid, int n_leaves)
{
    if (grid->dp_size == 1) return 0;
    int n_nodes = count_nodes(n_leaves, grid->dp_size);
    return 2 * n_nodes * chunk_floats(n_nodes);
}

typedef struct {
    dgm_mpi_axis at;
    int n_leaves, n_nodes, n_partials;
    int64_t chunk;
    float *const *partial;
    const int64_t *slice_start;
    float *workspace;
    MPI_Request request[2][REQUESTS_MAX];
    int n_requests[2];
} reduction;

static int64_t chunk_bytes(const reduction *r, int owner, int64_t round)
{
    int64_t n = r->slice_start[owner + 1] - r->slice_start[owner] - round * r->chunk;
    return 4 * DGM_MAX(0, DGM_MIN(n, r->chunk));
}

/* Where the node-th subtree of a round lies: rounds take turns with two halves of the workspace. */
static float *node_buffer(const reduction *r, int64_t round, int node)
{
    return r->workspace + ((round & 1) * r->n_nodes + node) * r->chunk;
}

/* Starts all messages of one round: chunk `round` of every slice, from everybody to its owner. */
static dgm_err post(reduction *r, int64_t round)
{
    int half = (int)(round & 1), node = 0;
    MPI_Request *request = r->request[half];
    int *n = &r->n_requests[half];
    dgm_tree_node cover[DGM_TREE_MAX_NODES];
    int64_t bytes = chunk_bytes(r, r->at.rank, round);
    *n = 0;
    for (int q = 0; q < r->at.size; q++) {
        int lo, hi;
        dgm_tree_range(r->n_leaves, q, r->at.size, &lo, &hi);
        int count = dgm_tree_cover(lo, hi, cover);
        for (int k = 0; k < count; k++, node++)
            if (q != r->at.rank && bytes > 0)
                DGM_MPI(MPI_Irecv(node_buffer(r, round, node), (int)bytes, MPI_BYTE, q, TAG_REDUCE, r->at.comm, &request[(*n)++]));
    }
    for (int step = 1; step < r->at.size; step++) {
        int q = (r->at.rank + step) % r->at.size;
        int64_t to_send = chunk_bytes(r, q, round), offset = r->slice_start[q] + round * r->chunk;
        for (int k = 0; to_send > 0 && k < r->n_partials; k++)
            DGM_MPI(MPI_Isend(r->partial[k] + offset, (int)to_send, MPI_BYTE, q, TAG_REDUCE, r->at.comm, &request[(*n)++]));
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
    add(s->buffer[i], s->buffer[i + 1], s->n);
}

/* Adds what has arrived in this round along the tree, into out. */
static void add_round(const reduction *r, int64_t round, float *out)
{
    chunk_stack chunks = {.n = chunk_bytes(r, r->at.rank, round) / 4};
    if (chunks.n == 0) return;
    int64_t offset = round * r->chunk;
    dgm_tree_stack stack;
    dgm_tree_clear(&stack);
    int node = 0;
    for (int q = 0; q < r->at.size; q++) {
        int lo, hi;
        dgm_tree_node cover[DGM_TREE_MAX_NODES];
        dgm_tree_range(r->n_leaves, q, r->at.size, &lo, &hi);
        int count = dgm_tree_cover(lo, hi, cover);
        for (int k = 0; k < count; k++, node++) {
            bool mine = q == r->at.rank;
            chunks.buffer[stack.n] = mine ? r->partial[k] + r->slice_start[q] + offset : node_buffer(r, round, node);
            dgm_tree_push(&stack, cover[k], join, &chunks);
        }
    }
    DGM_ASSERT(stack.n == 1);
    if (chunks.buffer[0] != out + offset) memcpy(out + offset, chunks.buffer[0], (size_t)chunks.n * sizeof(float));
}

dgm_err dgm_coll_reduce_slices(const dgm_grid *grid, int n_leaves, float *const *partial, int n_partials, const int64_t *slice_start,
                               float *out, float *workspace)
{
    dgm_mpi_axis at = dgm_mpi_axis_of(grid, DGM_AXIS_DP);
    int64_t n_mine = slice_start[at.rank + 1] - slice_start[at.rank], longest = 0;
    if (at.size == 1) {
        DGM_ASSERT(n_partials == 1);
        if (out != partial[0] + slice_start[0]) memcpy(out, partial[0] + slice_start[0], (size_t)n_mine * sizeof *out);
        return DGM_OK;
    }
    if (n_leaves > LEAVES_MAX || at.size > n_leaves)
        return DGM_FAIL(DGM_ERR_USAGE, "%d replicas share virtual_dp = %d leaves: at most as many replicas as leaves, at most %d leaves",
                        at.size, n_leaves, LEAVES_MAX);
    reduction r = {.at = at, .n_leaves = n_leaves, .n_nodes = count_nodes(n_leaves, at.size), .n_partials = n_partials,
                   .partial = partial, .slice_start = slice_start, .workspace = workspace};
    r.chunk = chunk_floats(r.n_nodes);
    for (int q = 0; q < at.size; q++) longest = DGM_MAX(longest, slice_start[q + 1] - slice_start[q]);
    int64_t n_rounds = (longest + r.chunk - 1) / r.chunk;
    if (n_rounds > 0) DGM_TRY(post(&r, 0));
    for (int64_t round = 0; round < n_rounds; round++) { /* one round's messages travel while the last one's are added */
        DGM_MPI(MPI_Waitall(r.n_requests[round & 1], r.request[round & 1], MPI_STATUSES_IGNORE));
        if (round + 1 < n_rounds) DGM_TRY(post(&r, round + 1));
        add_round(&r, round, out);
    }
    return DGM_OK;
}

dgm_err dgm_coll_gather_slices(const dgm_grid *grid, float *x, const int64_t *slice_start)
{
    return dgm_mpi_gather_parts(dgm_mpi_axis_of(grid, DGM_AXIS_DP), x, slice_start, (int64_t)sizeof *x);
}
