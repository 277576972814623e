/* Moving one matrix between layouts: ScaLAPACK's psgemr2d against moves by hand.
 *   mpirun -n 4 build/tests/bench_relayout [ROUNDS [ROWS COLS]...]
 *
 * Moves: from tp = ranks to half as many, from row to column slices (the second stored transposed too, as the trainer has them), to the
 * 64-block-cyclic form, whole onto each rank.  Ways: psgemr2d, one packed MPI_Alltoallv, dgm_relayout, and for whole matrices
 * MPI_Allgatherv.  The ways take turns; printed are the best and the median over ROUNDS (15) of the slowest rank's time, and by how much
 * the peak memory of a rank grew beyond source and destination.  Results are compared bit for bit. */
#include "dgm/grid.h"
#include "dgm/pgemm.h"
#include "dgm/relayout.h"
#include "dgm/timer.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dgm_grid *grid;
static dgm_blacs *blacs;

static void must(dgm_err err)
{
    if (err == DGM_OK) return;
    fprintf(stderr, "%s\n", dgm_error_text());
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static float *floats(int64_t n)
{
    float *x = malloc((size_t)DGM_MAX(n, 1) * sizeof *x);
    if (x == NULL) abort();
    memset(x, 0, (size_t)DGM_MAX(n, 1) * sizeof *x);
    return x;
}

/* Peak and present resident memory in KiB; reset_peak makes the first the second. */
static int64_t memory_kib(const char *field)
{
    char line[256];
    int64_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, field, strlen(field)) == 0) kib = atoll(line + strlen(field) + 1);
    if (f != NULL) fclose(f);
    return kib;
}

static void reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f == NULL) return;
    fputs("5", f);
    fclose(f);
}

typedef struct {
    const char *name;
    dgm_layout *from, *to;
    int n_cyclic;             /* redistributions that make the same move through psgemr2d */
    dgm_cyclic source;
    dgm_cyclic target[8];
    bool whole;
} move;

/* ---- ways ---- */

static void by_psgemr2d(const move *m, const float *src, float *dst)
{
    for (int i = 0; i < m->n_cyclic; i++) must(dgm_pgemm_move(blacs, &m->source, src, &m->target[i], dst));
}

static void by_relayout(const move *m, const float *src, float *dst) { must(dgm_relayout(grid, DGM_AXIS_WORLD, m->from, src, m->to, dst)); }

/* Everything packed at once, one MPI_Alltoallv, everything unpacked. */
static void by_alltoall(const move *m, const float *src, float *dst)
{
    int count[2][64], start[2][64], total[2] = {0, 0};
    dgm_box *box[2][64];
    int64_t n[2][64];
    for (int side = 0; side < 2; side++)
        for (int r = 0; r < grid->size; r++) {
            must(dgm_layout_boxes(m->from, side == 0 ? grid->rank : r, m->to, side == 0 ? r : grid->rank, &box[side][r], &n[side][r]));
            start[side][r] = total[side];
            for (int64_t i = 0; i < n[side][r]; i++) total[side] += (int)(box[side][r][i].rows * box[side][r][i].cols);
            count[side][r] = total[side] - start[side][r];
        }
    float *out = malloc((size_t)total[0] * 4 + 4), *in = malloc((size_t)total[1] * 4 + 4);
    for (int side = 0; side < 2; side++) {
        if (side == 1) MPI_Alltoallv(out, count[0], start[0], MPI_FLOAT, in, count[1], start[1], MPI_FLOAT, grid->world);
        for (int r = 0; r < grid->size; r++) {
            int64_t at = start[side][r];
            for (int64_t i = 0; i < n[side][r]; i++) {
                dgm_box b = box[side][r][i];
                int64_t size = b.rows * b.cols, row_stride = b.to_col_stride == 1 ? b.cols : 1, col_stride = b.to_col_stride == 1 ? 1 : b.rows;
                if (side == 0) b.to = at, b.to_row_stride = row_stride, b.to_col_stride = col_stride;
                else b.from = at, b.from_row_stride = row_stride, b.from_col_stride = col_stride;
                dgm_box_copy(&b, side == 0 ? src : in, side == 0 ? out : dst);
                at += size;
            }
            free(box[side][r]);
        }
    }
    free(out);
    free(in);
}

static void by_allgather(const move *m, const float *src, float *dst)
{
    int count[64], start[64];
    for (int r = 0; r < grid->size; r++) {
        const dgm_tile *t = &m->from->tiles[m->from->first[r]];
        start[r] = (int)(t->row0 * t->cols);
        count[r] = (int)(t->rows * t->cols);
    }
    MPI_Allgatherv(src, count[grid->rank], MPI_FLOAT, dst, count, start, MPI_FLOAT, grid->world);
}

typedef void (*way)(const move *, const float *, float *);
static const struct { const char *name; way go; } ways[] = {
    {"psgemr2d", by_psgemr2d}, {"alltoallv", by_alltoall}, {"relayout", by_relayout}, {"allgatherv", by_allgather}};
enum { N_WAYS = 4 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int64_t held(const dgm_layout *l)
{
    int64_t n = 0;
    for (int64_t i = l->first[grid->rank]; i < l->first[grid->rank + 1]; i++) n += l->tiles[i].rows * l->tiles[i].cols;
    return n;
}

/* The largest growth of a rank's peak in MiB.  What the run before has freed is given back first: it would not be seen to grow. */
static double growth(const move *m, way go, const float *src, float *dst)
{
    malloc_trim(0);
    reset_peak();
    int64_t before = memory_kib("VmRSS:");
    go(m, src, dst);
    double mine = (double)(memory_kib("VmHWM:") - before) / 1024, most;
    MPI_Allreduce(&mine, &most, 1, MPI_DOUBLE, MPI_MAX, grid->world);
    return DGM_MAX(most, 0);
}

static void measure(const move *m, int rounds)
{
    int64_t n_src = held(m->from), n_dst = held(m->to);
    float *src = floats(n_src), *dst = floats(n_dst), *want = floats(n_dst);
    for (int64_t i = m->from->first[grid->rank], at = 0; i < m->from->first[grid->rank + 1]; i++)
        for (int64_t r = 0; r < m->from->tiles[i].rows; r++)
            for (int64_t c = 0; c < m->from->tiles[i].cols; c++, at++)
                src[at] = (float)(((m->from->tiles[i].row0 + r) * 31 + (m->from->tiles[i].col0 + c)) % 16777213);
    static double time[N_WAYS][1000];
    double grown[N_WAYS] = {0};
    by_relayout(m, src, want);
    for (int w = 0; w < N_WAYS; w++) {
        bool possible = (ways[w].go != by_allgather || m->whole) && (ways[w].go != by_psgemr2d || m->n_cyclic > 0);
        if (!possible) continue;
        ways[w].go(m, src, dst); /* contexts, connections */
        memset(dst, 255, (size_t)n_dst * sizeof *dst);
        grown[w] = growth(m, ways[w].go, src, dst);
        if (memcmp(dst, want, (size_t)n_dst * sizeof *dst) != 0) {
            fprintf(stderr, "%s: %s gives other bits on rank %d\n", m->name, ways[w].name, grid->rank);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
    }
    for (int k = 0; k < rounds; k++)
        for (int w = 0; w < N_WAYS; w++) {
            if ((ways[w].go == by_allgather && !m->whole) || (ways[w].go == by_psgemr2d && m->n_cyclic == 0)) continue;
            MPI_Barrier(grid->world);
            double start = dgm_timer_now();
            ways[w].go(m, src, dst);
            double mine = 1e3 * (dgm_timer_now() - start);
            MPI_Allreduce(&mine, &time[w][k], 1, MPI_DOUBLE, MPI_MAX, grid->world);
        }
    for (int w = 0; w < N_WAYS && grid->rank == 0; w++) {
        if ((ways[w].go == by_allgather && !m->whole) || (ways[w].go == by_psgemr2d && m->n_cyclic == 0)) continue;
        qsort(time[w], (size_t)rounds, sizeof(double), by_value);
        printf("%6lld x %4lld  %5.1f MB  %-28s %-10s best %7.2f ms  median %7.2f ms  memory +%.1f MiB\n", (long long)m->from->rows,
               (long long)m->from->cols, (double)(m->from->rows * m->from->cols) * 4e-6, m->name, ways[w].name, time[w][0], time[w][rounds / 2],
               grown[w]);
    }
    fflush(stdout);
    free(src);
    free(dst);
    free(want);
    dgm_layout_destroy(m->from);
    dgm_layout_destroy(m->to);
}

/* tp = ranks to tp = ranks / 2: rank r gets slice r mod (ranks / 2). */
static move to_half(int64_t rows, int64_t cols)
{
    int half = grid->size / 2;
    move m = {.name = half == 1 ? "tp 2 -> 1" : "tp 4 -> 2", .source = dgm_cyclic_rows(rows, cols, grid->size)};
    must(dgm_layout_row_slices(rows, cols, grid->size, &m.from));
    must(dgm_layout_create(rows, cols, grid->size, &m.to));
    for (int r = 0; r < grid->size; r++) {
        int64_t lo = r % half * rows / half, hi = (r % half + 1) * rows / half;
        must(dgm_layout_add(m.to, r, (dgm_tile){lo, 0, hi - lo, cols, 0, cols, 1}));
    }
    for (int replica = 0; replica < 2; replica++) {
        m.target[replica] = dgm_cyclic_rows(rows, cols, half);
        m.target[replica].first_rank = replica * half;
    }
    m.n_cyclic = rows % grid->size == 0 ? 2 : 0;
    return m;
}

static void measure_all(int64_t rows, int64_t cols, int rounds)
{
    int size = grid->size;
    bool even = rows % size == 0 && cols % size == 0;
    dgm_cyclic source = dgm_cyclic_rows(rows, cols, size);
    move m;
    if (size % 2 == 0) {
        m = to_half(rows, cols);
        measure(&m, rounds);
    }
    for (int transposed = 0; transposed < 2; transposed++) {
        m = (move){.name = transposed ? "rows -> columns, transposed" : "rows -> columns", .source = source, .n_cyclic = even && !transposed};
        m.target[0] = dgm_cyclic_cols(rows, cols, size);
        must(dgm_layout_row_slices(rows, cols, size, &m.from));
        must(dgm_layout_col_slices(rows, cols, size, transposed, &m.to));
        measure(&m, rounds);
    }
    m = (move){.name = "rows -> block-cyclic 64", .source = source, .n_cyclic = even};
    m.target[0] = dgm_cyclic_square(rows, cols, DGM_CYCLIC_BLOCK, size);
    must(dgm_layout_row_slices(rows, cols, size, &m.from));
    must(dgm_layout_of_cyclic(&m.target[0], size, &m.to));
    measure(&m, rounds);
    m = (move){.name = "rows -> whole on each rank", .source = source, .n_cyclic = even ? size : 0, .whole = true};
    for (int r = 0; r < size; r++) m.target[r] = dgm_cyclic_whole(rows, cols, r);
    must(dgm_layout_row_slices(rows, cols, size, &m.from));
    must(dgm_layout_whole(rows, cols, size, &m.to));
    measure(&m, rounds);
}

int main(int argc, char **argv)
{
    static const int64_t shape[][2] = {{512, 512}, {2048, 512}, {8192, 512}, {32000, 512}};
    MPI_Init(&argc, &argv);
    must(dgm_grid_create(MPI_COMM_WORLD, 1, &grid));
    must(dgm_blacs_create(grid, DGM_AXIS_WORLD, &blacs));
    int rounds = argc > 1 ? atoi(argv[1]) : 15;
    if (rounds < 1 || rounds > 1000 || grid->size > 8) {
        fprintf(stderr, "usage: mpirun -n 1..8 bench_relayout [ROUNDS [ROWS COLS]...]\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    for (int i = 2; i + 1 < argc; i += 2) measure_all(atoll(argv[i]), atoll(argv[i + 1]), rounds);
    for (size_t i = 0; argc <= 2 && i < sizeof shape / sizeof *shape; i++) measure_all(shape[i][0], shape[i][1], rounds);
    dgm_blacs_destroy(blacs);
    dgm_grid_destroy(grid);
    MPI_Finalize();
    return 0;
}
