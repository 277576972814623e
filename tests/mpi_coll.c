/* Collectives on groups of 1 to 4 ranks against the same thing done serially, bit for bit. */
#include "dgm/allgather.h"
#include "dgm/reduce.h"
#include "dgm/rng.h"
#include "tap_mpi.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Element i of leaf `leaf`: values over 8 binary orders of magnitude, so that changes of order change many sums. */
static float wide(int leaf, int64_t i)
{
    dgm_rng_block b = dgm_rng_at(dgm_rng_make(7, DGM_RNG_TEST), (uint32_t)leaf, (uint32_t)i, 0, 0);
    return ldexpf((float)(int32_t)b.v[0], (int)(b.v[1] % 8) - 40);
}

static void join(void *user, int i)
{
    float *v = user;
    v[i] += v[i + 1];
}

/* out[k][i] for the subtrees of the cover of [lo, hi); returns how many. */
static int partial_sums(int lo, int hi, int64_t n, float **out)
{
    dgm_tree_stack s;
    float v[DGM_TREE_MAX_NODES];
    for (int64_t i = 0; i < n; i++) {
        dgm_tree_clear(&s);
        for (int leaf = lo; leaf < hi; leaf++) {
            v[s.n] = wide(leaf, i);
            dgm_tree_push(&s, (dgm_tree_node){leaf, 1}, join, v);
        }
        for (int k = 0; k < s.n; k++) out[k][i] = v[k];
    }
    dgm_tree_node cover[DGM_TREE_MAX_NODES];
    return dgm_tree_cover(lo, hi, cover);
}

static float *floats(int64_t n) { return calloc((size_t)DGM_MAX(n, 1), sizeof(float)); }

static int64_t count_different(const float *a, const float *b, int64_t n)
{
    int64_t differ = 0;
    for (int64_t i = 0; i < n; i++) differ += memcmp(a + i, b + i, sizeof *a) != 0;
    return differ;
}

/* Two buckets, the upper one first, cut into parts of unequal length; with empty ones when there are three or more.  start [2, parts + 1]. */
static void make_parts(int parts, int64_t n, int64_t *start)
{
    int64_t lo[2] = {n / 3, 0}, length[2] = {n - n / 3, n / 3};
    for (int b = 0; b < 2; b++, start += parts + 1) {
        for (int r = 0; r <= parts; r++) start[r] = lo[b] + length[b] * r * r / (parts * parts);
        if (parts >= 3) start[2] = start[1];
        start[parts] = lo[b] + length[b];
    }
}

enum { MAX_PARTIALS = 8, MAX_PARTS = 8 };

/* Runs a reduction whose lower bucket is filled only when the upper one is under way.  partial [n_partials] are used up. */
static bool reduce(const dgm_grid *grid, dgm_reduction kind, int n_leaves, int64_t n, const int64_t *start, float **partial, int n_partials)
{
    dgm_reducer *reducer = NULL;
    float *late[MAX_PARTIALS];
    for (int k = 0; k < n_partials; k++) {
        late[k] = floats(n / 3);
        memcpy(late[k], partial[k], (size_t)(n / 3) * sizeof(float));
        memset(partial[k], 0xff, (size_t)(n / 3) * sizeof(float)); /* NaN */
    }
    bool ok = dgm_reducer_create(grid, kind, n_leaves, 2, start, &reducer) == DGM_OK;
    if (ok) {
        dgm_reducer_begin(reducer, partial, n_partials);
        ok = dgm_reducer_ready(reducer, 1) == DGM_OK;
        for (int i = 0; i < 100 && ok; i++) ok = dgm_reducer_poll(reducer) == DGM_OK;
        for (int k = 0; k < n_partials; k++) memcpy(partial[k], late[k], (size_t)(n / 3) * sizeof(float));
        ok = ok && dgm_reducer_ready(reducer, 2) == DGM_OK && dgm_reducer_poll(reducer) == DGM_OK && dgm_reducer_finish(reducer) == DGM_OK;
    }
    for (int k = 0; k < n_partials; k++) free(late[k]);
    dgm_reducer_destroy(reducer);
    return ok;
}

/* This rank's parts of got against want, then all of it after the parts have been gathered. */
static bool parts_match(const dgm_grid *grid, const int64_t *start, float *got, const float *want, int64_t n)
{
    static const int order[2] = {1, 0};
    bool ok = true;
    for (int b = 0; b < 2; b++) {
        const int64_t *part = start + b * (grid->dp_size + 1);
        int64_t lo = part[grid->dp_rank];
        ok = ok && count_different(got + lo, want + lo, part[grid->dp_rank + 1] - lo) == 0;
    }
    dgm_allgather *gather = NULL;
    ok = dgm_allgather_create(grid, 2, start, order, &gather) == DGM_OK && ok;
    ok = dgm_allgather_begin(gather, got) == DGM_OK && dgm_allgather_poll(gather) == DGM_OK && dgm_allgather_wait(gather, 1) == DGM_OK && ok;
    ok = ok && count_different(got, want, n / 3) == 0; /* bucket 1 is the lower one */
    ok = dgm_allgather_wait(gather, 2) == DGM_OK && !dgm_allgather_is_busy(gather) && ok;
    dgm_allgather_destroy(gather);
    return ok && count_different(got, want, n) == 0;
}

/* The dp reduction on this grid; true if this rank's parts and the gathered whole have the serial tree's bits. */
static bool reduce_matches(const dgm_grid *grid, int n_leaves, int64_t n)
{
    float *partial[MAX_PARTIALS], *want = floats(n);
    for (int k = 0; k < MAX_PARTIALS; k++) partial[k] = floats(n);
    int lo, hi;
    int64_t start[2 * (MAX_PARTS + 1)];
    make_parts(grid->dp_size, n, start);
    partial_sums(0, n_leaves, n, &want);
    dgm_tree_range(n_leaves, grid->dp_rank, grid->dp_size, &lo, &hi);
    int n_partials = partial_sums(lo, hi, n, partial);
    bool ok = reduce(grid, DGM_REDUCE_FIXED, n_leaves, n, start, partial, n_partials) && parts_match(grid, start, partial[0], want, n);
    free(want);
    for (int k = 0; k < MAX_PARTIALS; k++) free(partial[k]);
    return ok;
}

/* The fast reduction adds in an order of its own: whole numbers, which no order rounds. */
static bool fast_matches(const dgm_grid *grid, int64_t n)
{
    float *mine = floats(n), *want = floats(n);
    int64_t start[2 * (MAX_PARTS + 1)];
    make_parts(grid->dp_size, n, start);
    for (int r = 0; r < grid->dp_size; r++)
        for (int64_t i = 0; i < n; i++) {
            float v = (float)((r + 1) * (i % 1000 + 1));
            want[i] += v;
            if (r == grid->dp_rank) mine[i] = v;
        }
    bool ok = reduce(grid, DGM_REDUCE_FAST, 8, n, start, &mine, 1) && parts_match(grid, start, mine, want, n);
    free(mine);
    free(want);
    return ok;
}

/* The tp tree: piece sums of this rank in, the serial tree over all pieces out. */
static bool tp_sum_matches(const dgm_grid *grid, int n_pieces, int64_t n)
{
    float *x = floats(n), *want = floats(n), *work = floats(n);
    int lo, hi;
    dgm_tree_range(n_pieces, grid->tp_rank, grid->tp_size, &lo, &hi);
    partial_sums(lo, hi, n, &x);
    partial_sums(0, n_pieces, n, &want);
    bool ok = dgm_coll_tree_sum_tp(grid, x, n, work) == DGM_OK && count_different(x, want, n) == 0;
    free(x);
    free(want);
    free(work);
    return ok;
}

static void test_sums(int ranks, int tp)
{
    MPI_Comm comm = tap_mpi_group(ranks);
    bool created = true, reduced = true, deep = true, rounds = true, fast = true, tp_ok = true;
    if (comm != MPI_COMM_NULL) {
        dgm_grid *grid = NULL;
        created = dgm_grid_create(comm, tp, &grid) == DGM_OK && grid->dp_size * grid->tp_size == ranks && grid->tp_size == tp &&
                  grid->rank == grid->dp_rank * tp + grid->tp_rank;
        if (created) {
            reduced = reduce_matches(grid, 8, 10007) && reduce_matches(grid, 4, 3) && reduce_matches(grid, 8, 0);
            deep = reduce_matches(grid, 64, 500);
            rounds = reduce_matches(grid, 4, 3000000); /* more rounds than are under way at a time: messages hold at most 262,144 floats */
            fast = fast_matches(grid, 10007);
            tp_ok = tp_sum_matches(grid, 8, 5003) && tp_sum_matches(grid, 8, 1) && tp_sum_matches(grid, 4, 3) && tp_sum_matches(grid, 4, 0);
        }
        dgm_grid_destroy(grid);
        MPI_Comm_free(&comm);
    }
    tap_ok(created, "%d ranks as %d x %d", ranks, ranks / tp, tp);
    tap_ok(reduced, "dp %d, tp %d: the slices of 8 leaves have the serial tree's bits, and so has what is gathered", ranks / tp, tp);
    tap_ok(deep, "dp %d, tp %d: so have those of 64 leaves", ranks / tp, tp);
    tap_ok(rounds, "dp %d, tp %d: so have slices longer than a message", ranks / tp, tp);
    tap_ok(fast, "dp %d, tp %d: the fast reduction gives the sums too", ranks / tp, tp);
    tap_ok(tp_ok, "dp %d, tp %d: the tp sum of 8 pieces has the serial tree's bits on every rank", ranks / tp, tp);
}

/* Were the order of additions left to MPI or to the ranks, the same data would give other bits. */
static void test_power(void)
{
    enum { N = 10007, LEAVES = 8 };
    float *tree = floats(N), *plain = floats(N), *mine = floats(N), *by_mpi = floats(N);
    partial_sums(0, LEAVES, N, &tree);
    for (int64_t i = 0; i < N; i++)
        for (int leaf = 0; leaf < LEAVES; leaf++) plain[i] += wide(leaf, i);
    int64_t differ = count_different(tree, plain, N);
    tap_ok(differ > N / 10, "leaf after leaf gives other bits in %lld of %d sums", (long long)differ, N);

    MPI_Comm comm = tap_mpi_group(3);
    bool differs = true;
    if (comm != MPI_COMM_NULL) {
        int rank, lo, hi;
        MPI_Comm_rank(comm, &rank);
        dgm_tree_range(LEAVES, rank, 3, &lo, &hi);
        for (int64_t i = 0; i < N; i++)
            for (int leaf = lo; leaf < hi; leaf++) mine[i] += wide(leaf, i);
        MPI_Allreduce(mine, by_mpi, N, MPI_FLOAT, MPI_SUM, comm);
        differs = count_different(tree, by_mpi, N) > N / 100;
        MPI_Comm_free(&comm);
    }
    tap_ok(differs, "rank-wise sums and MPI_Allreduce on 3 ranks give other bits in more than 1 of 100 sums");
    free(tree);
    free(plain);
    free(mine);
    free(by_mpi);
}

static void test_agreement(int ranks)
{
    MPI_Comm comm = tap_mpi_group(ranks);
    bool all_good = true, told = true, lowest = true, twice = true, same = true;
    if (comm != MPI_COMM_NULL) {
        dgm_grid *grid = NULL;
        bool made = dgm_grid_create(comm, 1, &grid) == DGM_OK;
        all_good = made && dgm_coll_agree(grid, DGM_AXIS_WORLD, DGM_OK) == DGM_OK;
        dgm_err err = DGM_OK;
        if (made && grid->rank == ranks - 1) err = DGM_FAIL(DGM_ERR_IO, "disk %d is full", 40 + grid->rank);
        char want[64];
        snprintf(want, sizeof want, "rank %d: disk %d is full", ranks - 1, 39 + ranks);
        told = made && dgm_coll_agree(grid, DGM_AXIS_WORLD, err) == DGM_ERR_IO && strcmp(dgm_error_text(), want) == 0;
        twice = made && dgm_coll_agree(grid, DGM_AXIS_DP, DGM_ERR_IO) == DGM_ERR_IO && strcmp(dgm_error_text(), want) == 0;
        if (made) err = DGM_FAIL(grid->rank == 0 ? DGM_ERR_INPUT : DGM_ERR_IO, "failure of %d", grid->rank);
        lowest = made && dgm_coll_agree(grid, DGM_AXIS_WORLD, err) == DGM_ERR_INPUT && strcmp(dgm_error_text(), "rank 0: failure of 0") == 0;
        if (made) err = DGM_FAIL(DGM_ERR_INPUT, "no file x");
        same = made && dgm_coll_agree(grid, DGM_AXIS_WORLD, err) == DGM_ERR_INPUT && strcmp(dgm_error_text(), "no file x") == 0;
        dgm_grid_destroy(grid);
        MPI_Comm_free(&comm);
    }
    tap_ok(same, "%d ranks: a failure of all of them names none", ranks);
    tap_ok(all_good, "%d ranks that all succeed agree on success", ranks);
    tap_ok(told, "%d ranks: the last one's failure is told to all, code and text", ranks);
    tap_ok(twice, "%d ranks: agreeing again on what was agreed names the rank once", ranks);
    tap_ok(lowest, "%d ranks: of several failures the lowest rank's counts", ranks);
}

/* Byte movers, with parts longer than one message of 4 MiB. */
static bool moves_match(const dgm_grid *grid)
{
    enum { PART = 5000001 };
    int size = grid->size, rank = grid->rank;
    int64_t start[5] = {0};
    for (int r = 0; r < size; r++) start[r + 1] = start[r] + (r == 1 ? 0 : 100 + 3 * r);
    unsigned char *data = calloc((size_t)size, PART);
    for (int64_t i = 0; i < PART; i++) data[(int64_t)rank * PART + i] = (unsigned char)(i * 7 + rank);
    bool ok = dgm_coll_gather_all(grid, DGM_AXIS_WORLD, data, PART) == DGM_OK;
    for (int64_t i = 0; i < (int64_t)size * PART; i++) ok = ok && data[i] == (unsigned char)(i % PART * 7 + i / PART);
    char *all = NULL;
    int64_t where[5] = {0};
    ok = dgm_coll_collect(grid, DGM_AXIS_WORLD, size - 1, data, PART - rank, &all, where) == DGM_OK && ok;
    if (rank == size - 1)
        for (int r = 0; r < size; r++)
            for (int64_t i = 0; i < PART - r; i++) ok = ok && (unsigned char)all[where[r] + i] == (unsigned char)(i * 7);
    ok = ok && (rank == size - 1) == (all != NULL);
    free(all);
    memset(data, rank == 0 ? 5 : 0, PART);
    ok = dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, data, PART) == DGM_OK && ok && data[0] == 5 && data[PART - 1] == 5;
    memset(data, 0, (size_t)start[size]);
    for (int64_t i = start[rank]; i < start[rank + 1]; i++) data[i] = (unsigned char)(rank + 1);
    ok = dgm_coll_gather_parts(grid, DGM_AXIS_WORLD, data, start) == DGM_OK && ok;
    for (int r = 0; r < size; r++)
        for (int64_t i = start[r]; i < start[r + 1]; i++) ok = ok && data[i] == r + 1;
    free(data);
    int64_t count[3] = {rank, 1, INT64_C(1) << 40}, most[2] = {rank, -rank};
    ok = dgm_coll_sum_counts(grid, DGM_AXIS_WORLD, count, 3) == DGM_OK && dgm_coll_max_counts(grid, DGM_AXIS_WORLD, most, 2) == DGM_OK && ok;
    double seconds = 0; /* ranks that take turns: each its own second, one after the other */
    ok = dgm_coll_span(grid, 100 + rank, 101 + rank, &seconds) == DGM_OK && fabs(seconds - size) < 1e-6 && ok;
    return ok && count[0] == size * (size - 1) / 2 && count[1] == size && count[2] == size * (INT64_C(1) << 40) && most[0] == size - 1 &&
           most[1] == 0;
}

/* Every replica sends rank-marked rows to every owner; each must find them in replica order. */
static bool rows_match(const dgm_grid *grid, dgm_coll_rows *rows, int64_t d, int per_owner)
{
    int dp = grid->dp_size, me = grid->dp_rank;
    int64_t start[5] = {0};
    for (int q = 0; q < dp; q++) start[q + 1] = start[q] + (q == me ? 0 : per_owner) + me;
    int64_t n = start[dp];
    int32_t *a = calloc((size_t)n + 1, sizeof *a), *b = calloc((size_t)n + 1, sizeof *b);
    float *x = floats(n * d);
    for (int q = 0; q < dp; q++)
        for (int64_t i = start[q]; i < start[q + 1]; i++) {
            a[i] = 100 * me + q;
            b[i] = (int32_t)(i - start[q]);
            for (int64_t j = 0; j < d; j++) x[i * d + j] = (float)(1000 * me + b[i] * 10 + j);
        }
    int64_t n_got = 0, at = 0;
    const int32_t *ga = NULL, *gb = NULL;
    const float *gx = NULL;
    bool ok = dgm_coll_rows_exchange(grid, rows, d, a, b, x, start, &n_got, &ga, &gb, &gx) == DGM_OK;
    for (int q = 0; ok && q < dp; q++)
        for (int i = 0; i < (q == me ? 0 : per_owner) + q; i++, at++) {
            ok = ok && at < n_got && ga[at] == 100 * q + me && gb[at] == i;
            for (int64_t j = 0; ok && j < d; j++) ok = gx[at * d + j] == (float)(1000 * q + i * 10 + j);
        }
    free(a);
    free(b);
    free(x);
    return ok && at == n_got;
}

static void test_moves(int ranks, int tp)
{
    MPI_Comm comm = tap_mpi_group(ranks);
    bool moved = true, sent = true;
    if (comm != MPI_COMM_NULL) {
        dgm_grid *grid = NULL;
        dgm_coll_rows *rows = NULL;
        moved = dgm_grid_create(comm, tp, &grid) == DGM_OK && dgm_coll_rows_create(&rows) == DGM_OK && moves_match(grid);
        sent = rows != NULL && rows_match(grid, rows, 3, 4) && rows_match(grid, rows, 64, 50) && rows_match(grid, rows, 2, 0) &&
               dgm_coll_barrier(grid, DGM_AXIS_WORLD) == DGM_OK;
        dgm_coll_rows_destroy(rows);
        dgm_grid_destroy(grid);
        MPI_Comm_free(&comm);
    }
    tap_ok(moved, "%d ranks: gather, collect, broadcast and counts, in parts longer than a message", ranks);
    tap_ok(sent, "dp %d, tp %d: rows reach their owners in replica order", ranks / tp, tp);
}

/* Those who rest for a second use hardly any of it. */
static void test_rest(void)
{
    dgm_grid *grid = NULL;
    bool rested = dgm_grid_create(MPI_COMM_WORLD, 1, &grid) == DGM_OK;
    double start = MPI_Wtime();
    clock_t used = clock();
    if (rested && grid->rank == 0) sleep(1);
    rested = rested && dgm_coll_rest(grid, DGM_AXIS_WORLD) == DGM_OK;
    double seconds = MPI_Wtime() - start, busy = (double)(clock() - used) / CLOCKS_PER_SEC;
    tap_ok(rested && seconds > 0.9, "who rests waits for the others: %.2f s", seconds);
    tap_ok(busy < 0.1, "and leaves the processor alone: %.3f s of it", busy);
    dgm_grid_destroy(grid);
}

static void test_refusals(void)
{
    dgm_grid *grid = NULL;
    tap_err(dgm_grid_create(MPI_COMM_WORLD, 3, &grid), DGM_ERR_USAGE, "tp 3 on 4 ranks is refused on every rank");
    tap_error_says("--tp 3 does not divide the number of ranks, 4: start 3 or 6 ranks, or give another --tp (of 1, 2, 4)");
    tap_err(dgm_grid_create(MPI_COMM_WORLD, 5, &grid), DGM_ERR_USAGE, "and tp 5");
    tap_error_says("start 5 ranks or a multiple of it, or give a smaller --tp (of 1, 2, 4)");
    tap_err(dgm_grid_create(MPI_COMM_WORLD, 0, &grid), DGM_ERR_USAGE, "tp 0 is refused");
    tap_ok(grid == NULL, "and no grid is made");
    if (dgm_grid_create(MPI_COMM_WORLD, 1, &grid) == DGM_OK) {
        int64_t start[5] = {0};
        dgm_reducer *reducer = NULL;
        tap_err(dgm_reducer_create(grid, DGM_REDUCE_FIXED, 2, 1, start, &reducer), DGM_ERR_USAGE, "4 replicas cannot share 2 leaves");
    }
    dgm_grid_destroy(grid);
}

/* Before MPI_Init: commands that need no MPI use the same code. */
static bool single_works(void)
{
    const dgm_grid *grid = dgm_grid_single();
    return moves_match(grid) && reduce_matches(grid, 8, 100) && tp_sum_matches(grid, 8, 100) &&
           dgm_coll_agree(grid, DGM_AXIS_WORLD, DGM_FAIL(DGM_ERR_IO, "x")) == DGM_ERR_IO && strcmp(dgm_error_text(), "x") == 0;
}

int main(int argc, char **argv)
{
    bool single = single_works();
    tap_mpi_begin(&argc, &argv);
    tap_ok(single, "everything works on a grid of one before MPI is started");
    for (int ranks = 1; ranks <= 4; ranks++)
        for (int tp = 1; tp <= ranks; tp++)
            if (ranks % tp == 0 && tp != 3) {
                test_sums(ranks, tp);
                test_moves(ranks, tp);
            }
    test_power();
    for (int ranks = 2; ranks <= 4; ranks++) test_agreement(ranks);
    test_rest();
    test_refusals();
    return tap_mpi_done();
}
