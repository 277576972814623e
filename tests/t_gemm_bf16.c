/* Products of operands rounded to bf16: the rounding bit for bit, values against double, and the promise under every layout: an
 * element's bits depend on the order of K alone. */
#include "gemm_checks.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Numbers about every kind of rounding, both signs: ties to either side, carries into the exponent and to infinity, the ends of the
 * normal numbers, subnormal ones, infinity, NaN; then any bits. */
static void fill_hard(int64_t n, float *x)
{
    static const uint32_t hard[] = {0x3f800000, 0x3f807fff, 0x3f808000, 0x3f808001, 0x3f818000, 0x3f817fff, 0x3fffffff, 0x7f7fffff, 0x7f7f7fff,
                                    0x7f7f8000, 0x00800000, 0x00807fff, 0x00808000, 0x007fffff, 0x00000001, 0x00000000, 0x7f800000, 0x7fc00000,
                                    0x7f800001};
    enum { N_HARD = sizeof hard / sizeof *hard };
    for (int64_t i = 0; i < n; i++) {
        uint32_t sign = i & 1 ? 0x80000000u : 0;
        x[i] = of_bits(i / 2 < N_HARD ? sign | hard[i / 2] : (uint32_t)naive_pick(0, 0xffffffff));
    }
}

/* k = 1 and a factor of 1 shows what an operand was rounded to.  A product of zero may have lost its sign. */
static bool shows_rounding(dgm_gemm_trans trans, bool left)
{
    enum { N = 1000 };
    float x[N], one[1] = {1}, c[N];
    fill_hard(N, x);
    if (left) dgm_gemm(trans, DGM_GEMM_N, N, 1, 1, x, trans == DGM_GEMM_N ? 1 : N, one, 1, c, 1);
    else dgm_gemm(DGM_GEMM_N, trans, 1, N, 1, one, 1, x, trans == DGM_GEMM_N ? N : 1, c, N);
    int64_t wrong = 0;
    for (int i = 0; i < N; i++) {
        float want = naive_bf16(x[i]);
        bool same = isnan(want) ? isnan(c[i]) : want == 0 ? c[i] == 0 : bits_of(c[i]) == bits_of(want);
        if (!same && wrong++ == 0) tap_note("%08x became %08x, expected %08x", bits_of(x[i]), bits_of(c[i]), bits_of(want));
    }
    return wrong == 0;
}

static void check_rounding(void)
{
    for (int t = 0; t < 2; t++)
        for (int left = 0; left < 2; left++)
            tap_ok(shows_rounding((dgm_gemm_trans)t, left), "the %s operand, %c, is rounded to nearest, ties to even", left ? "left" : "right", "NT"[t]);
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

/* An odd K ends in half a pair, and what lies behind the operand in memory has no part in it. */
static void check_odd_k(void)
{
    float a[4] = {1, 2, 3, NAN}, b[4] = {4, 5, 6, INFINITY}, c = 0;
    dgm_gemm(DGM_GEMM_N, DGM_GEMM_T, 1, 1, 3, a, 4, b, 4, &c, 1);
    tap_near((double)c, 32, 0, "k = 3, end to end: the fourth element is not touched");
    dgm_gemm(DGM_GEMM_T, DGM_GEMM_N, 1, 1, 3, a, 1, b, 1, &c, 1);
    tap_near((double)c, 32, 0, "k = 3, side by side: the fourth element is not touched");
}

/* What the promise is about beside sub-blocks: pairs are counted from where a part begins, so a piece's product has the same bits alone, and
 * the same product over a longer K differs from it by what is added behind. */
static void check_longer_k(void)
{
    enum { M = 13, N = 37, K = 9001 };
    float *a = naive_floats(11, 1, M * K), *b = naive_floats(12, 1, (int64_t)K * N), *c = naive_memory(M * N * sizeof *c), *longer = naive_memory(M * N * sizeof *c);
    dgm_gemm(DGM_GEMM_N, DGM_GEMM_N, M, N, K - 1001, a, K, b, N, c, N);
    for (int i = 0; i < M; i++) memset(a + i * K + K - 1001, 0, 1001 * sizeof *a);
    dgm_gemm(DGM_GEMM_N, DGM_GEMM_N, M, N, K, a, K, b, N, longer, N);
    tap_ok(memcmp(c, longer, M * N * sizeof *c) == 0, "zeros behind K change no bit, over slabs too");
    free(a), free(b), free(c), free(longer);
}

static void check_identity(void)
{
    static const gemm_shape shapes[] = {
        {DGM_GEMM_N, DGM_GEMM_N, 150, 140, 15},  {DGM_GEMM_N, DGM_GEMM_N, 97, 131, 256},  {DGM_GEMM_N, DGM_GEMM_T, 130, 101, 128},
        {DGM_GEMM_N, DGM_GEMM_T, 61, 300, 512},  {DGM_GEMM_T, DGM_GEMM_N, 128, 100, 333}, {DGM_GEMM_T, DGM_GEMM_N, 75, 128, 1100},
        {DGM_GEMM_N, DGM_GEMM_N, 120, 64, 2048}, {DGM_GEMM_T, DGM_GEMM_T, 70, 65, 700},   {DGM_GEMM_N, DGM_GEMM_T, 60, 90, 4097},
        {DGM_GEMM_T, DGM_GEMM_N, 40, 50, 8300},  {DGM_GEMM_N, DGM_GEMM_N, 700, 900, 65},  {DGM_GEMM_N, DGM_GEMM_T, 20, 2000, 600},
    };
    enum { N_SHAPES = sizeof shapes / sizeof *shapes, BLOCKS = 60 };
    for (int i = 0; i < N_SHAPES; i++) {
        gemm_shape s = shapes[i];
        tap_int(gemm_differing_blocks(s, BLOCKS), 0, "%lldx%lldx%lld %c%c: %d sub-blocks have the bits of the whole", (long long)s.m, (long long)s.n,
                (long long)s.k, "NT"[s.ta], "NT"[s.tb], BLOCKS);
    }
}

static void check_trees(void)
{
    gemm_check_tree(false, 700, 128, 4, (int64_t[]){0, 32, 64, 96, 128});
    gemm_check_tree(false, 150, 600, 8, (int64_t[]){0, 5, 5, 70, 80, 100, 400, 401, 500});
    gemm_check_tree(false, 33, 20, 1, (int64_t[]){0, 64});
    gemm_check_tree(false, 30, 70, 1, (int64_t[]){0, 5000});
    gemm_check_tree(false, 100, 40, 4, (int64_t[]){0, 4500, 4500, 4600, 9000});
    gemm_check_tree(false, 1100, 513, 2, (int64_t[]){0, 2500, 4999});
    gemm_check_tree(true, 128, 256, 8, (int64_t[]){0, 50, 101, 150, 150, 200, 260, 300, 355});
    gemm_check_tree(true, 300, 1100, 4, (int64_t[]){0, 0, 15, 30, 47});
    gemm_check_tree(true, 900, 100, 2, (int64_t[]){0, 500, 900});
    gemm_check_tree(true, 50, 33, 8, (int64_t[]){0, 700, 1500, 2100, 2801, 3500, 4200, 4907, 5600});
    int64_t start[65] = {0};
    for (int i = 1; i <= 64; i++) start[i] = start[i - 1] + naive_pick(0, 40);
    gemm_check_tree(true, 40, 100, 64, start);
}

/* Without the instructions bf16 is refused, in a child that is told it has none. */
static void check_refusal(void)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("DRAGOMAN_BF16", "none", 1);
        bool refused = dgm_gemm_check_precision(DGM_PRECISION_BF16) == DGM_ERR_USAGE && strstr(dgm_error_text(), "DRAGOMAN_BF16=none") != NULL;
        _exit(refused && dgm_gemm_check_precision(DGM_PRECISION_FP32) == DGM_OK && dgm_gemm_bf16_family() == NULL ? 0 : 1);
    }
    int status = 1;
    tap_ok(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a processor without the instructions is told apart");
}

int main(void)
{
    const char *family = dgm_gemm_bf16_family();
    if (family == NULL) {
        dgm_gemm_check_precision(DGM_PRECISION_BF16);
        tap_skip("products of bf16", dgm_error_text());
        return tap_done();
    }
    tap_note("kernel: %s", family);
    check_refusal();
    dgm_gemm_set_precision(DGM_PRECISION_BF16);
    gemm_checks_precision = DGM_PRECISION_BF16;
    check_rounding();
    check_edges();
    check_odd_k();
    static const int64_t sizes[] = {1, 7, 33, 130};
    for (int ta = 0; ta < 2; ta++)
        for (int tb = 0; tb < 2; tb++)
            for (int i = 0; i < 4; i++)
                gemm_check_values((gemm_shape){(dgm_gemm_trans)ta, (dgm_gemm_trans)tb, sizes[i], sizes[(i + 1) % 4], sizes[(i + 3) % 4] * 3});
    gemm_check_values((gemm_shape){DGM_GEMM_N, DGM_GEMM_N, 50, 60, 5000});
    gemm_check_values((gemm_shape){DGM_GEMM_T, DGM_GEMM_N, 1300, 1400, 20});
    gemm_check_values((gemm_shape){DGM_GEMM_N, DGM_GEMM_T, 25, 1500, 3000});
    check_identity();
    check_longer_k();
    check_trees();
    return tap_done();
}
