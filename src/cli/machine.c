/* Every measurement begins with a meeting of the ranks and lasts until the last of them is done. */
#include "dgm/machine.h"

#include "dgm/allgather.h"
#include "dgm/elem.h"
#include "dgm/gemm.h"
#include "dgm/reduce.h"
#include "dgm/timer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { PEAK_SIZE = 2048, PEAK_TRIES = 8, TRIES = 5, COPY_BYTES = 64 << 20 };

/* Who multiplies at less than this part of the other's speed is not tried again: BLIS takes generic kernels on processors newer than itself, a tenth as
 * fast as ours, and training waits meanwhile. */
static const double FAR_SLOWER = 2.0 / 3;

static dgm_err agree(const dgm_grid *grid, dgm_err err) { return dgm_coll_agree(grid, DGM_AXIS_WORLD, err); }

/* Seconds from `start` on until the last rank has come here, the same on all. */
static dgm_err since(const dgm_grid *grid, double start, double *seconds) { return dgm_coll_span(grid, start, dgm_timer_now(), seconds); }

dgm_err dgm_machine_peak(const dgm_grid *grid, dgm_precision precision, int tries, double *gflops)
{
    enum { N = PEAK_SIZE };
    size_t bytes = (size_t)3 * N * N * sizeof(float);
    float *m = aligned_alloc(64, bytes);
    DGM_TRY(agree(grid, m != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "matrices to measure the peak")));
    for (int i = 0; i < 3 * N * N; i++) m[i] = (float)(i % 7) - 3;
    double best = 0, best_of[2] = {0}, seconds; /* best_of: our kernels, BLIS; their first products included */
    dgm_err err = DGM_OK;
    dgm_gemm_set_precision(precision);
    for (int i = 0; i < 2 * (tries + 1) && err == DGM_OK; i++) {
        int who = precision == DGM_PRECISION_FP32 && i % 2 == 1;
        if (i > 2 && best_of[who] < FAR_SLOWER * best_of[1 - who]) continue;
        err = dgm_coll_barrier(grid, DGM_AXIS_WORLD);
        dgm_gemm_use_blis(who == 1);
        double start = dgm_timer_now();
        dgm_gemm(DGM_GEMM_N, DGM_GEMM_N, N, N, N, m, N, m + N * N, N, m + 2 * N * N, N);
        if (err == DGM_OK) err = since(grid, start, &seconds);
        if (err != DGM_OK) break;
        double gflops_now = 2.0 * N * N * N * grid->size / seconds * 1e-9;
        best_of[who] = DGM_MAX(best_of[who], gflops_now);
        if (i > 1) best = DGM_MAX(best, gflops_now);
    }
    dgm_gemm_use_blis(false);
    dgm_gemm_set_precision(DGM_PRECISION_FP32);
    free(m);
    *gflops = best;
    return err;
}

/* Best of several copies, on rank 0 alone or on all ranks at once. */
static dgm_err copy(const dgm_grid *grid, bool all, const char *from, char *to, double *bytes_per_s)
{
    double seconds;
    *bytes_per_s = 0;
    for (int i = 0; i < TRIES; i++) {
        DGM_TRY(dgm_coll_barrier(grid, DGM_AXIS_WORLD));
        double start = dgm_timer_now();
        if (all || grid->rank == 0) memcpy(to, from, COPY_BYTES);
        DGM_TRY(since(grid, start, &seconds));
        *bytes_per_s = DGM_MAX(*bytes_per_s, 2.0 * COPY_BYTES * (all ? grid->size : 1) / seconds);
    }
    return DGM_OK;
}

static dgm_err add(const dgm_grid *grid, const float *x, float *y, double *bytes_per_s)
{
    double seconds;
    *bytes_per_s = 0;
    for (int i = 0; i < TRIES; i++) {
        DGM_TRY(dgm_coll_barrier(grid, DGM_AXIS_WORLD));
        double start = dgm_timer_now();
        dgm_elem_add(COPY_BYTES / (int)sizeof *x, x, y);
        DGM_TRY(since(grid, start, &seconds));
        *bytes_per_s = DGM_MAX(*bytes_per_s, COPY_BYTES / seconds);
    }
    return DGM_OK;
}

static dgm_err measure_copy(const dgm_grid *grid, dgm_machine *m)
{
    char *block = aligned_alloc(64, (size_t)2 * COPY_BYTES);
    dgm_err err = agree(grid, block != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "blocks to copy"));
    if (err == DGM_OK) {
        memset(block, 0, (size_t)2 * COPY_BYTES);
        err = copy(grid, false, block, block + COPY_BYTES, &m->copy_one_bytes_per_s);
    }
    if (err == DGM_OK) err = copy(grid, true, block, block + COPY_BYTES, &m->copy_all_bytes_per_s);
    if (err == DGM_OK) err = add(grid, (const float *)block, (float *)(block + COPY_BYTES), &m->add_bytes_per_s);
    free(block);
    return err;
}

/* ---- the dp reduction of a gradient ---- */

typedef struct {
    int64_t n, *slice_start;
    int n_partials;
    float *partial[DGM_TREE_MAX_NODES];
    dgm_reducer *reducer;
    dgm_allgather *gather;
} reduction;

static void reduction_fini(reduction *r)
{
    for (int i = 0; i < r->n_partials; i++) free(r->partial[i]);
    dgm_reducer_destroy(r->reducer);
    dgm_allgather_destroy(r->gather);
    free(r->slice_start);
}

static dgm_err reduction_init(const dgm_grid *grid, int64_t n, int n_leaves, reduction *r)
{
    dgm_tree_node node[DGM_TREE_MAX_NODES];
    int lo, hi;
    *r = (reduction){.n = n};
    dgm_tree_range(n_leaves, grid->dp_rank, grid->dp_size, &lo, &hi);
    r->n_partials = dgm_tree_cover(lo, hi, node);
    r->slice_start = malloc((size_t)(grid->dp_size + 1) * sizeof *r->slice_start);
    bool whole = r->slice_start != NULL;
    for (int i = 0; i < r->n_partials; i++) {
        r->partial[i] = malloc((size_t)DGM_MAX(n, 1) * sizeof(float));
        whole = whole && r->partial[i] != NULL;
    }
    if (!whole) return DGM_FAIL(DGM_ERR_NOMEM, "gradients of %lld floats to reduce", (long long)n);
    for (int i = 0; i < r->n_partials; i++) memset(r->partial[i], 0, (size_t)n * sizeof(float));
    for (int s = 0; s <= grid->dp_size; s++) r->slice_start[s] = n * s / grid->dp_size;
    DGM_TRY(dgm_reducer_create(grid, DGM_REDUCE_FIXED, n_leaves, 1, r->slice_start, &r->reducer));
    return dgm_allgather_create(grid, 1, r->slice_start, &(int){0}, &r->gather);
}

static void keep_best(double seconds, double *best)
{
    if (*best == 0 || seconds < *best) *best = seconds;
}

static dgm_err time_reduction(const dgm_grid *grid, reduction *r, dgm_machine *m)
{
    double seconds;
    DGM_TRY(dgm_coll_barrier(grid, DGM_AXIS_WORLD));
    double start = dgm_timer_now();
    dgm_reducer_begin(r->reducer, r->partial, r->n_partials);
    DGM_TRY(dgm_reducer_ready(r->reducer, 1));
    DGM_TRY(dgm_reducer_finish(r->reducer));
    DGM_TRY(since(grid, start, &seconds));
    keep_best(seconds, &m->reduce_s);
    start = dgm_timer_now();
    DGM_TRY(dgm_allgather_begin(r->gather, r->partial[0]));
    DGM_TRY(dgm_allgather_wait(r->gather, 1));
    DGM_TRY(since(grid, start, &seconds));
    keep_best(seconds, &m->gather_s);
    DGM_TRY(dgm_link_allreduce(grid, r->partial[0], r->n, &seconds));
    keep_best(seconds, &m->allreduce_s);
    return DGM_OK;
}

/* A slow network gets fewer turns: enough is enough after a few seconds. */
static dgm_err measure_reduction(const dgm_grid *grid, int64_t n_floats, int n_leaves, dgm_machine *m)
{
    static const double PATIENCE_S = 3;
    reduction r;
    m->gradient_bytes = n_floats * (int64_t)sizeof(float);
    if (grid->dp_size == 1) return DGM_OK;
    dgm_err err = agree(grid, reduction_init(grid, n_floats, n_leaves, &r));
    double began = dgm_timer_now(), spent = 0;
    for (int i = 0; i < TRIES && spent < PATIENCE_S && err == DGM_OK; i++) {
        err = time_reduction(grid, &r, m);
        if (err == DGM_OK) err = since(grid, began, &spent);
    }
    reduction_fini(&r);
    return err;
}

dgm_err dgm_machine_measure(const dgm_grid *grid, int64_t n_floats, int n_leaves, dgm_machine *out)
{
    dgm_machine m = {0};
    DGM_TRY(dgm_machine_peak(grid, DGM_PRECISION_FP32, PEAK_TRIES, &m.peak_gflops));
    int64_t n_without = dgm_gemm_bf16_family() == NULL;
    DGM_TRY(dgm_coll_sum_counts(grid, DGM_AXIS_WORLD, &n_without, 1));
    if (n_without == 0) DGM_TRY(dgm_machine_peak(grid, DGM_PRECISION_BF16, PEAK_TRIES, &m.peak_bf16_gflops));
    DGM_TRY(measure_copy(grid, &m));
    DGM_TRY(dgm_link_measure(grid, &m.link));
    DGM_TRY(measure_reduction(grid, n_floats, n_leaves, &m));
    *out = m;
    return DGM_OK;
}

double dgm_machine_peak_memory_mb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

void dgm_machine_cpu(char *out, size_t bytes)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    snprintf(out, bytes, "unknown");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || value == NULL) continue;
        value += 1 + strspn(value + 1, " \t");
        value[strcspn(value, "\n")] = '\0';
        snprintf(out, bytes, "%s", value);
        break;
    }
    if (f != NULL) fclose(f);
}
