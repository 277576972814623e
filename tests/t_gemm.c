/* Products against double, and the promise under every layout: an element's bits depend on the order of K alone. */
#include "gemm_checks.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const gemm_shape identity_shapes[] = {
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
        for (int i = 0; i < N_SHAPES; i++) broken += gemm_differing_blocks(identity_shapes[i], BLOCKS) > 0;
        _exit(broken);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
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
            for (int i = 0; i < 4; i++) gemm_check_values((gemm_shape){(dgm_gemm_trans)ta, (dgm_gemm_trans)tb, sizes[i], sizes[(i + 1) % 4], sizes[(i + 3) % 4] * 3});

    for (int i = 0; i < N_SHAPES; i++) {
        gemm_shape s = identity_shapes[i];
        tap_int(gemm_differing_blocks(s, BLOCKS), 0, "%lldx%lldx%lld %c%c: %d sub-blocks have the bits of the whole", (long long)s.m, (long long)s.n,
                (long long)s.k, "NT"[s.ta], "NT"[s.tb], BLOCKS);
    }
    /* The check above can fail: with the small path on it does, wherever BLIS has such a path for this CPU. */
    if (broken == 0) tap_skip("the small path changes bits", "BLIS has none for this CPU");
    else tap_ok(broken > 0, "with BLIS's small path %d of %d shapes change bits, so the check has power", broken, N_SHAPES);

    gemm_check_tree(false, 700, 128, 4, (int64_t[]){0, 32, 64, 96, 128});
    gemm_check_tree(false, 150, 600, 8, (int64_t[]){0, 5, 5, 70, 80, 100, 400, 401, 500});
    gemm_check_tree(false, 33, 20, 1, (int64_t[]){0, 64});
    gemm_check_tree(true, 128, 256, 8, (int64_t[]){0, 50, 101, 150, 150, 200, 260, 300, 355});
    gemm_check_tree(true, 300, 1100, 4, (int64_t[]){0, 0, 15, 30, 47});
    gemm_check_tree(true, 900, 100, 2, (int64_t[]){0, 500, 900});
    return tap_done();
}
