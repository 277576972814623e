/* Checks of products for any precision of the operands. */
#include "gemm_checks.h"

#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

dgm_precision gemm_checks_precision = DGM_PRECISION_FP32;
bool gemm_checks_spinning = false;

float naive_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t exponent = bits >> 23 & 0xff, sign = bits & 0x80000000u;
    if (exponent == 0) bits = sign;
    else if (exponent == 0xff) bits = (bits & 0x7fffff) != 0 ? bits | 0x400000 : bits;
    else bits += 0x7fff + (bits >> 16 & 1);
    bits &= 0xffff0000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void round_operand(int64_t n, float *x)
{
    if (gemm_checks_precision != DGM_PRECISION_BF16) return;
    for (int64_t i = 0; i < n; i++) x[i] = naive_bf16(x[i]);
}

void gemm_check_values(gemm_shape s)
{
    int64_t lda = (s.ta == DGM_GEMM_N ? s.k : s.m) + 3, ldb = (s.tb == DGM_GEMM_N ? s.n : s.k) + 1, ldc = s.n + 2;
    float *a = naive_floats(1, 1, (s.ta == DGM_GEMM_N ? s.m : s.k) * lda), *b = naive_floats(2, 1, (s.tb == DGM_GEMM_N ? s.k : s.n) * ldb);
    float *c = naive_floats(3, 1, s.m * ldc), *before = naive_floats(3, 1, s.m * ldc);
    double *want = naive_memory((size_t)(s.m * s.n) * sizeof *want), worst = 0;
    dgm_gemm(s.ta, s.tb, s.m, s.n, s.k, a, lda, b, ldb, c, ldc);
    round_operand((s.ta == DGM_GEMM_N ? s.m : s.k) * lda, a);
    round_operand((s.tb == DGM_GEMM_N ? s.k : s.n) * ldb, b);
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

/* BLIS's threads wait for each other spinning: with more of them than there are free cores each wait takes a slice of the scheduler's time. */
static int n_threads_of_block(int t)
{
    if (gemm_checks_spinning) return t % 10 == 9 ? 2 : 1;
    return 1 + t % 3;
}

int gemm_differing_blocks(gemm_shape s, int n)
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
        dgm_gemm_set_threads(n_threads_of_block(t));
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

void gemm_check_tree(bool leaves, int64_t m, int64_t n, int n_parts, const int64_t *start)
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
