/* Products against double, and the promise under every layout: an element's bits depend on the order of K alone. */
#include "naive.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct { dgm_gemm_trans ta, tb; int64_t m, n, k; } shape;

static void check_values(shape s)
{
    int64_t lda = (s.ta == DGM_GEMM_N ? s.k : s.m) + 3, ldb = (s.tb == DGM_GEMM_N ? s.n : s.k) + 1, ldc = s.n + 2;
    float *a = naive_floats(1, 1, (s.ta == DGM_GEMM_N ? s.m : s.k) * lda), *b = naive_floats(2, 1, (s.tb == DGM_GEMM_N ? s.k : s.n) * ldb);
    float *c = naive_floats(3, 1, s.m * ldc), *before = naive_floats(3, 1, s.m * ldc);
    double *want = naive_memory((size_t)(s.m * s.n) * sizeof *want), worst = 0;
    dgm_gemm(s.ta, s.tb, s.m, s.n, s.k, a, lda, b, ldb, c, ldc);
    naive_gemm(s.ta, s.tb, s.m, s.n, s.k, a, lda, b, ldb, want);
    bool untouched = true;
    for (int64_t i = 0; i < s.m; i++) {
        worst = fmax(worst, naive_distance(s.n, c + i * ldc, want + i * s.n));
        untouched = untouched && memcmp(c + i * ldc + s.n, before + i * ldc + s.n, 2 * sizeof *c) == 0;
    }
    tap_near(worst, 0, 2e-6 * (double)s.k + 1e-6, "%lldx%lldx%lld %c%c near double", (long long)s.m, (long long)s.n, (long long)s.k, "NT"[s.ta],
             "NT"[s.tb]);
    tap_ok(untouched, "  and nothing written beside c");
    free(a), free(b), free(c), free(before), free(want);
}

/* A copy of rows [r0, r0 + rows) and columns [c0, c0 + columns) with another row stride and alignment. */
static float *moved(const float *x, int64_t ld, int64_t r0, int64_t rows, int64_t c0, int64_t columns, int64_t ld_new, int64_t shift, float **base)
{
    *base = naive_memory((size_t)(rows * ld_new + shift) * sizeof **base);
    for (int64_t r = 0; r < rows; r++) memcpy(*base + shift + r * ld_new, x + (r0 + r) * ld + c0, (size_t)columns * sizeof *x);
    return *base + shift;
}

/* How many of n random sub-blocks differ from the whole product in any bit. */
static int differing_blocks(shape s, int n)
{
    int64_t a_columns = s.ta == DGM_GEMM_N ? s.k : s.m, a_rows = s.ta == DGM_GEMM_N ? s.m : s.k;
    int64_t b_columns = s.tb == DGM_GEMM_N ? s.n : s.k, b_rows = s.tb == DGM_GEMM_N ? s.k : s.n;
    float *a = naive_floats(4, 1, a_rows * a_columns), *b = naive_floats(5, 1, b_rows * b_columns);
    float *whole = naive_memory((size_t)(s.m * s.n) * sizeof *whole), *part = naive_memory((size_t)(s.m * (s.n + 9)) * sizeof *part);
    dgm_gemm_set_threads(1);
    dgm_gemm(s.ta, s.tb, s.m, s.n, s.k, a, a_columns, b, b_columns, whole, s.n);
    int differing = 0;
    for (int t = 0; t < n; t++) {
        int64_t rows = naive_pick(1, t % 3 == 0 ? DGM_MIN(s.m, 9) : s.m), columns = naive_pick(1, t % 3 == 1 ? DGM_MIN(s.n, 9) : s.n);
        int64_t r0 = naive_pick(0, s.m - rows), c0 = naive_pick(0, s.n - columns), ldc = columns + naive_pick(0, 9);
        bool an = s.ta == DGM_GEMM_N, bn = s.tb == DGM_GEMM_N;
        int64_t lda = (an ? s.k : rows) + naive_pick(0, 9), ldb = (bn ? columns : s.k) + naive_pick(0, 9);
        float *a_base, *b_base;
        float *a_part = an ? moved(a, a_columns, r0, rows, 0, s.k, lda, naive_pick(0, 15), &a_base)
                           : moved(a, a_columns, 0, s.k, r0, rows, lda, naive_pick(0, 15), &a_base);
        float *b_part = bn ? moved(b, b_columns, 0, s.k, c0, columns, ldb, naive_pick(0, 15), &b_base)
                           : moved(b, b_columns, c0, columns, 0, s.k, ldb, naive_pick(0, 15), &b_base);
        dgm_gemm_set_threads(1 + t % 2);
        dgm_gemm(s.ta, s.tb, rows, columns, s.k, a_part, lda, b_part, ldb, part, ldc);
        bool same = true;
        for (int64_t r = 0; r < rows; r++) same = same && memcmp(part + r * ldc, whole + (r0 + r) * s.n + c0, (size_t)columns * sizeof *part) == 0;
        differing += !same;
        free(a_base), free(b_base);
    }
    dgm_gemm_set_threads(1);
    free(a), free(b), free(whole), free(part);
    return differing;
}

static const shape identity_shapes[] = {
    {DGM_GEMM_N, DGM_GEMM_N, 150, 140, 15},  {DGM_GEMM_N, DGM_GEMM_N, 97, 131, 256},  {DGM_GEMM_N, DGM_GEMM_T, 130, 101, 128},
    {DGM_GEMM_N, DGM_GEMM_T, 61, 300, 512},  {DGM_GEMM_T, DGM_GEMM_N, 128, 100, 333}, {DGM_GEMM_T, DGM_GEMM_N, 75, 128, 1100},
    {DGM_GEMM_N, DGM_GEMM_N, 120, 64, 2048}, {DGM_GEMM_T, DGM_GEMM_T, 70, 65, 700},
};
enum { N_SHAPES = sizeof identity_shapes / sizeof *identity_shapes, BLOCKS = 60 };

/* The same blocks with BLIS's small path on, in a child, because the switch is read once.  Returns how many of the shapes differ, -1
 * when the child could not say. */
static int shapes_broken_by_small_path(void)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("DRAGOMAN_GEMM_SMALL_PATH", "1", 1);
        int broken = 0;
        for (int i = 0; i < N_SHAPES; i++) broken += differing_blocks(identity_shapes[i], BLOCKS) > 0;
        _exit(broken);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

/* Halves as in gemm.h, each part a product of its own. */
static void explicit_tree(bool leaves, int lo, int n, int64_t rows, int64_t columns, const int64_t *start, const float *a, int64_t lda,
                          const float *b, float *c)
{
    if (n == 1) {
        int64_t k0 = start[lo];
        dgm_gemm(leaves ? DGM_GEMM_T : DGM_GEMM_N, DGM_GEMM_N, rows, columns, start[lo + 1] - k0, leaves ? a + k0 * lda : a + k0, lda,
                 b + k0 * columns, columns, c, columns);
        return;
    }
    float *right = naive_memory((size_t)(rows * columns) * sizeof *right);
    explicit_tree(leaves, lo, n / 2, rows, columns, start, a, lda, b, c);
    explicit_tree(leaves, lo + n / 2, n / 2, rows, columns, start, a, lda, b, right);
    for (int64_t i = 0; i < rows * columns; i++) c[i] += right[i];
    free(right);
}

static void check_tree(bool leaves, int64_t m, int64_t n, int n_parts, const int64_t *start)
{
    int64_t k = start[n_parts], lda = (leaves ? m : k) + 5, ldc = n + 3;
    float *a = naive_floats(6, 1, (leaves ? k : m) * lda), *b = naive_floats(7, 1, k * n);
    float *c = naive_memory((size_t)(m * ldc) * sizeof *c), *want = naive_memory((size_t)(m * n) * sizeof *want);
    float *scratch = naive_memory((size_t)dgm_gemm_scratch_floats(n, n_parts) * sizeof *scratch);
    (leaves ? dgm_gemm_leaves : dgm_gemm_pieces)(m, n, start, n_parts, a, lda, b, n, c, ldc, scratch);
    explicit_tree(leaves, 0, n_parts, m, n, start, a, lda, b, want);
    bool same = true;
    for (int64_t i = 0; i < m; i++) same = same && memcmp(c + i * ldc, want + i * n, (size_t)n * sizeof *c) == 0;
    tap_ok(same, "%s: %lldx%lld of %d parts is the tree of separate products", leaves ? "leaves" : "pieces", (long long)m, (long long)n, n_parts);
    free(a), free(b), free(c), free(want), free(scratch);
}

static void check_edges(void)
{
    float a[6] = {1, 2, 3, 4, 5, 6}, c[4] = {7, 7, 7, 7};
    dgm_gemm(DGM_GEMM_N, DGM_GEMM_N, 0, 2, 2, NULL, 0, a, 2, c, 2);
    dgm_gemm(DGM_GEMM_N, DGM_GEMM_N, 2, 0, 2, a, 2, NULL, 0, c, 0);
    tap_ok(c[0] == 7 && c[3] == 7, "m = 0 and n = 0 write nothing");
    dgm_gemm(DGM_GEMM_N, DGM_GEMM_N, 2, 2, 0, NULL, 0, NULL, 0, c, 2);
    tap_ok(c[0] == 0 && c[1] == 0 && c[2] == 0 && c[3] == 0, "k = 0 gives zeros");
    dgm_gemm(DGM_GEMM_N, DGM_GEMM_T, 1, 1, 3, a, 0, a + 3, 0, c, 0);
    tap_near((double)c[0], 32, 0, "one row needs no row stride");
    dgm_gemm(DGM_GEMM_T, DGM_GEMM_N, 2, 2, 1, a, 0, a + 2, 0, c, 2);
    tap_ok(c[0] == 3 && c[1] == 4 && c[2] == 6 && c[3] == 8, "k = 1 with both row strides 0");
}

int main(void)
{
    int broken = shapes_broken_by_small_path(); /* first: nothing of BLIS is set up yet */
    tap_note("BLIS kernel family: %s", dgm_gemm_family());
    check_edges();
    static const int64_t sizes[] = {1, 7, 33, 130};
    for (int ta = 0; ta < 2; ta++)
        for (int tb = 0; tb < 2; tb++)
            for (int i = 0; i < 4; i++) check_values((shape){(dgm_gemm_trans)ta, (dgm_gemm_trans)tb, sizes[i], sizes[(i + 1) % 4], sizes[(i + 3) % 4] * 3});

    for (int i = 0; i < N_SHAPES; i++) {
        shape s = identity_shapes[i];
        tap_int(differing_blocks(s, BLOCKS), 0, "%lldx%lldx%lld %c%c: %d sub-blocks have the bits of the whole", (long long)s.m, (long long)s.n,
                (long long)s.k, "NT"[s.ta], "NT"[s.tb], BLOCKS);
    }
    /* The check above can fail: with the small path on it does, wherever BLIS has such a path for this CPU. */
    if (broken == 0) tap_skip("the small path changes bits", "BLIS has none for this CPU");
    else tap_ok(broken > 0, "with BLIS's small path %d of %d shapes change bits, so the check has power", broken, N_SHAPES);

    check_tree(false, 700, 128, 4, (int64_t[]){0, 32, 64, 96, 128});
    check_tree(false, 150, 600, 8, (int64_t[]){0, 5, 5, 70, 80, 100, 400, 401, 500});
    check_tree(false, 33, 20, 1, (int64_t[]){0, 64});
    check_tree(true, 128, 256, 8, (int64_t[]){0, 50, 101, 150, 150, 200, 260, 300, 355});
    check_tree(true, 300, 1100, 4, (int64_t[]){0, 0, 15, 30, 47});
    check_tree(true, 900, 100, 2, (int64_t[]){0, 500, 900});
    return tap_done();
}
