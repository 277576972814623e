/* Products against double, and the promise under every layout: an element's bits depend on the order of K alone. */
#include "gemm_checks.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const gemm_shape identity_shapes[] = {
    {DGM_GEMM_N, DGM_GEMM_N, 150, 140, 15},  {DGM_GEMM_N, DGM_GEMM_N, 97, 131, 256},  {DGM_GEMM_N, DGM_GEMM_T, 130, 101, 128},
    {DGM_GEMM_N, DGM_GEMM_T, 61, 300, 512},  {DGM_GEMM_T, DGM_GEMM_N, 128, 100, 333}, {DGM_GEMM_T, DGM_GEMM_N, 75, 128, 1100},
    {DGM_GEMM_N, DGM_GEMM_N, 120, 64, 2048}, {DGM_GEMM_T, DGM_GEMM_T, 70, 65, 700},   {DGM_GEMM_N, DGM_GEMM_T, 60, 90, 4097},
    {DGM_GEMM_N, DGM_GEMM_T, 700, 90, 65},   {DGM_GEMM_N, DGM_GEMM_T, 20, 2000, 600},
};
enum { N_SHAPES = sizeof identity_shapes / sizeof *identity_shapes, BLOCKS = 60, BROKEN = 100 /* no exit code of a child that fails */ };

/* The same blocks with BLIS's small path on, in a child, because the switch is read once.  Returns how many of the shapes differ, -1
 * when the child could not say. */
static int shapes_broken_by_small_path(void)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("DRAGOMAN_GEMM_SMALL_PATH", "1", 1);
        int broken = 0;
        for (int i = 0; i < N_SHAPES; i++) broken += gemm_differing_blocks(identity_shapes[i], BLOCKS) > 0;
        _exit(BROKEN + broken);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status) - BROKEN;
}

/* ---- our kernels: the definition, bit for bit ---- */

/* How many elements are not the chain s = fma(a, b, s) over k = 0, 1, 2, ... from s = 0. */
static int64_t not_a_chain(gemm_shape s)
{
    bool an = s.ta == DGM_GEMM_N, bn = s.tb == DGM_GEMM_N;
    float *a = naive_floats(21, 1, s.m * s.k), *b = naive_floats(22, 1, s.n * s.k), *c = naive_memory((size_t)(s.m * s.n) * sizeof *c);
    dgm_gemm(s.ta, s.tb, s.m, s.n, s.k, a, an ? s.k : s.m, b, bn ? s.n : s.k, c, s.n);
    int64_t wrong = 0;
    for (int64_t i = 0; i < s.m; i++)
        for (int64_t j = 0; j < s.n; j++) {
            float sum = 0;
            for (int64_t k = 0; k < s.k; k++) sum = fmaf(an ? a[i * s.k + k] : a[k * s.m + i], bn ? b[k * s.n + j] : b[j * s.k + k], sum);
            wrong += memcmp(&sum, c + i * s.n + j, sizeof sum) != 0;
        }
    free(a), free(b), free(c);
    return wrong;
}

/* The same definition in every family, so the same bits on every processor that has one of them; each in a child, because the choice is made once. */
static void check_chains(const char *family)
{
    static const gemm_shape shapes[] = {
        {DGM_GEMM_N, DGM_GEMM_N, 29, 37, 300}, {DGM_GEMM_N, DGM_GEMM_T, 100, 67, 128}, {DGM_GEMM_T, DGM_GEMM_N, 65, 40, 333},
        {DGM_GEMM_T, DGM_GEMM_T, 13, 90, 51},  {DGM_GEMM_N, DGM_GEMM_N, 5, 7, 4500},   {DGM_GEMM_N, DGM_GEMM_T, 50, 33, 900},
    };
    pid_t child = fork();
    if (child == 0) {
        setenv("DRAGOMAN_KERNELS", family, 1);
        if (strcmp(dgm_gemm_family(), "fma") != 0) _exit(200);
        int wrong = 0;
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) wrong += not_a_chain(shapes[i]) > 0;
        _exit(wrong);
    }
    int status = -1;
    bool ended = child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status);
    if (ended && WEXITSTATUS(status) == 200) tap_skip("chains of fused multiply-adds", "this family has no kernel for products");
    else tap_ok(ended && WEXITSTATUS(status) == 0, "%s: every element is a chain of fused multiply-adds along K", family);
}

/* ---- whichever computes ---- */

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

/* Values, sub-blocks and trees, by our kernel or by BLIS. */
static void check_all(void)
{
    check_edges();
    static const int64_t sizes[] = {1, 7, 33, 130};
    for (int ta = 0; ta < 2; ta++)
        for (int tb = 0; tb < 2; tb++)
            for (int i = 0; i < 4; i++) gemm_check_values((gemm_shape){(dgm_gemm_trans)ta, (dgm_gemm_trans)tb, sizes[i], sizes[(i + 1) % 4], sizes[(i + 3) % 4] * 3});

    for (int i = 0; i < N_SHAPES; i++) {
        gemm_shape s = identity_shapes[i];
        tap_int(gemm_differing_blocks(s, BLOCKS), 0, "%lldx%lldx%lld %c%c: %d sub-blocks have the bits of the whole", (long long)s.m, (long long)s.n,
                (long long)s.k, "NT"[s.ta], "NT"[s.tb], BLOCKS);
    }
    static const gemm_shape in_chunks[] = {{DGM_GEMM_N, DGM_GEMM_N, 1000, 1100, 2048}, {DGM_GEMM_T, DGM_GEMM_N, 1100, 1000, 2100}};
    for (int i = 0; i < 2; i++) tap_int(gemm_differing_blocks(in_chunks[i], 4), 0, "sub-blocks of a product whose smaller operand is packed in chunks");
    gemm_check_tree(false, 700, 128, 4, (int64_t[]){0, 32, 64, 96, 128});
    gemm_check_tree(false, 150, 600, 8, (int64_t[]){0, 5, 5, 70, 80, 100, 400, 401, 500});
    gemm_check_tree(false, 33, 20, 1, (int64_t[]){0, 64});
    gemm_check_tree(true, 128, 256, 8, (int64_t[]){0, 50, 101, 150, 150, 200, 260, 300, 355});
    gemm_check_tree(true, 300, 1100, 4, (int64_t[]){0, 0, 15, 30, 47});
    gemm_check_tree(true, 900, 100, 2, (int64_t[]){0, 500, 900});
    gemm_check_tree(false, 100, 40, 4, (int64_t[]){0, 4500, 4500, 4600, 9000});
    gemm_check_tree(true, 50, 33, 8, (int64_t[]){0, 700, 1500, 2100, 2801, 3500, 4200, 4907, 5600});
    int64_t start[65] = {0};
    for (int i = 1; i <= 64; i++) start[i] = start[i - 1] + naive_pick(0, 40);
    gemm_check_tree(true, 40, 100, 64, start);
}

int main(void)
{
    int broken = shapes_broken_by_small_path(); /* first: nothing of BLIS is set up yet */
    /* The check of sub-blocks can fail: with the small path on it does, wherever BLIS has such a path for this CPU. */
    bool watched = false;
#ifdef __SANITIZE_ADDRESS__
    watched = true;
#endif
    if (broken < 0 && watched) tap_skip("the small path changes bits", "it reads beyond its operands, which ends a program whose memory is watched");
    else if (broken == 0) tap_skip("the small path changes bits", "BLIS has none for this CPU");
    else tap_ok(broken > 0, "with BLIS's small path %d of %d shapes change bits, so the check has power", broken, N_SHAPES);
    static const char *const families[] = {"portable", "avx2", "avx512"};
    for (int i = 0; i < 3; i++)
        if (dgm_kernels_find(families[i]) != NULL) check_chains(families[i]);
    tap_note("products by: %s", dgm_gemm_family());
    check_all();
    if (strcmp(dgm_gemm_family(), "fma") != 0) return tap_done();
    dgm_gemm_use_blis(true);
    tap_note("products by BLIS");
    check_all();
    return tap_done();
}
