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
enum { N_SHAPES = sizeof identity_shapes / sizeof *identity_shapes, BLOCKS = 60 };

/* What `count` returns in a child where the environment says so: such choices are made once in a process.  -1 when the child could not say. */
static int count_in_child(const char *variable, const char *value, int (*count)(void))
{
    enum { ZERO = 100 }; /* no exit code of a child that fails */
    pid_t child = fork();
    if (child == 0) {
        setenv(variable, value, 1);
        _exit(ZERO + count());
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status) - ZERO;
}

static int broken_shapes(void)
{
    int broken = 0;
    gemm_checks_spinning = true;
    for (int i = 0; i < N_SHAPES; i++) broken += gemm_differing_blocks(identity_shapes[i], BLOCKS) > 0;
    return broken;
}

/* ---- our kernels: the definition, bit for bit ---- */

/* One element: its row of op(a) and its column of op(b), k steps apart. */
typedef struct {
    const float *a, *b;
    int64_t a_step, b_step;
} element;

/* s = fma(a, b, s) over k = from, from + 1, ..., to - 1, from s = 0. */
static float chain(element e, int64_t from, int64_t to)
{
    float sum = 0;
    for (int64_t k = from; k < to; k++) sum = fmaf(e.a[k * e.a_step], e.b[k * e.b_step], sum);
    return sum;
}

/* S(lo, n) = S(lo, n / 2) + S(lo + n / 2, n / 2) over parts of K, each a chain. */
static float tree_of_chains(element e, const int64_t *start, int lo, int n)
{
    return n == 1 ? chain(e, start[lo], start[lo + 1]) : tree_of_chains(e, start, lo, n / 2) + tree_of_chains(e, start, lo + n / 2, n / 2);
}

/* How many elements of c are not such trees.  `sparse`: only each so-many-th is looked at. */
static int64_t not_trees(gemm_shape s, const int64_t *start, int n_parts, const float *a, int64_t lda, const float *b, int64_t ldb, const float *c,
                         int64_t ldc, int64_t sparse)
{
    bool an = s.ta == DGM_GEMM_N, bn = s.tb == DGM_GEMM_N;
    int64_t wrong = 0;
    for (int64_t at = 0; at < s.m * s.n; at += sparse) {
        int64_t i = at / s.n, j = at % s.n;
        element e = {an ? a + i * lda : a + i, bn ? b + j : b + j * ldb, an ? 1 : lda, bn ? ldb : 1};
        float want = tree_of_chains(e, start, 0, n_parts);
        wrong += memcmp(&want, c + i * ldc + j, sizeof want) != 0;
    }
    return wrong;
}

static int64_t not_a_chain(gemm_shape s)
{
    bool an = s.ta == DGM_GEMM_N, bn = s.tb == DGM_GEMM_N;
    int64_t lda = (an ? s.k : s.m) + 2, ldb = (bn ? s.n : s.k) + 5, ldc = s.n + 1;
    float *a = naive_floats(21, 1, (an ? s.m : s.k) * lda), *b = naive_floats(22, 1, (bn ? s.k : s.n) * ldb);
    float *c = naive_memory((size_t)(s.m * ldc) * sizeof *c);
    dgm_gemm(s.ta, s.tb, s.m, s.n, s.k, a, lda, b, ldb, c, ldc);
    int64_t wrong = not_trees(s, (int64_t[]){0, s.k}, 1, a, lda, b, ldb, c, ldc, 1);
    free(a), free(b), free(c);
    return wrong;
}

/* Sums over leaves (a is transposed) or pieces (it is not): rows `gap` floats longer than they need be. */
typedef struct {
    bool leaves;
    int64_t m, n, gap;
    int n_parts;
    int64_t start[17];
    int64_t sparse;
} parts;

static int64_t not_a_tree(const parts *p, int n_threads)
{
    gemm_shape s = {p->leaves ? DGM_GEMM_T : DGM_GEMM_N, DGM_GEMM_N, p->m, p->n, p->start[p->n_parts]};
    int64_t lda = (p->leaves ? s.m : s.k) + p->gap, ldb = s.n + p->gap, ldc = s.n + p->gap;
    float *a = naive_floats(23, 1, (p->leaves ? s.k : s.m) * lda), *b = naive_floats(24, 1, s.k * ldb);
    float *c = naive_memory((size_t)(s.m * ldc) * sizeof *c), *scratch = naive_memory((size_t)dgm_gemm_scratch_floats(s.n, p->n_parts) * sizeof *scratch);
    dgm_gemm_set_threads(n_threads);
    (p->leaves ? dgm_gemm_leaves : dgm_gemm_pieces)(s.m, s.n, p->start, p->n_parts, a, lda, b, ldb, c, ldc, scratch);
    dgm_gemm_set_threads(1);
    int64_t wrong = not_trees(s, p->start, p->n_parts, a, lda, b, ldb, c, ldc, p->sparse);
    free(a), free(b), free(c), free(scratch);
    return wrong;
}

/* How many of these sums are wrong: edges of tiles, empty parts, rows read where they are and rows that are packed, blocks of rows and columns of c,
 * more of K than panels take at once, in all parts together and in one. */
static int wrong_trees(void)
{
    static const parts sums[] = {
        {false, 37, 29, 0, 2, {0, 40, 100}, 1},
        {false, 70, 61, 3, 4, {0, 32, 64, 96, 128}, 1},
        {false, 100, 26, 700, 8, {0, 5, 5, 70, 80, 100, 190, 191, 250}, 1},
        {true, 24, 64, 0, 4, {0, 30, 61, 90, 127}, 1},
        {true, 65, 41, 5, 8, {0, 50, 101, 150, 150, 200, 260, 300, 355}, 1},
        {true, 13, 90, 1, 16, {0, 0, 7, 9, 9, 9, 20, 31, 40, 41, 50, 51, 52, 60, 75, 75, 75}, 1},
        {false, 30, 35, 2, 4, {0, 900, 1800, 2700, 3600}, 1},
        {true, 14, 33, 2, 4, {0, 2500, 2500, 2600, 5200}, 1},
        {true, 600, 1100, 0, 4, {0, 700, 1400, 2100, 2800}, 97},
    };
    int wrong = 0;
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        for (int n_threads = 1; n_threads <= 3; n_threads += 2) wrong += not_a_tree(&sums[i], n_threads) > 0;
    return wrong;
}

static int wrong_chains(void)
{
    static const gemm_shape shapes[] = {
        {DGM_GEMM_N, DGM_GEMM_N, 29, 37, 300}, {DGM_GEMM_N, DGM_GEMM_T, 100, 67, 128}, {DGM_GEMM_T, DGM_GEMM_N, 65, 40, 333},
        {DGM_GEMM_T, DGM_GEMM_T, 13, 90, 51},  {DGM_GEMM_N, DGM_GEMM_N, 5, 7, 4500},   {DGM_GEMM_N, DGM_GEMM_T, 50, 33, 900},
    };
    int wrong = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) wrong += not_a_chain(shapes[i]) > 0;
    return wrong;
}

static int has_no_kernel(void) { return strcmp(dgm_gemm_family(), "fma") != 0; }

/* The same definition in every family, so the same bits on every processor that has one of them. */
static void check_definition(const char *family)
{
    if (count_in_child("DRAGOMAN_KERNELS", family, has_no_kernel) == 1) {
        tap_skip("chains of fused multiply-adds", "this family has no kernel for products");
        return;
    }
    tap_int(count_in_child("DRAGOMAN_KERNELS", family, wrong_chains), 0, "%s: every element is a chain of fused multiply-adds along K", family);
    tap_int(count_in_child("DRAGOMAN_KERNELS", family, wrong_trees), 0, "%s: sums over parts are the tree of such chains", family);
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
    int broken = count_in_child("DRAGOMAN_GEMM_SMALL_PATH", "1", broken_shapes); /* first: nothing of BLIS is set up yet */
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
        if (dgm_kernels_find(families[i]) != NULL) check_definition(families[i]);
    tap_note("products by: %s", dgm_gemm_family());
    check_all();
    if (strcmp(dgm_gemm_family(), "fma") != 0) return tap_done();
    dgm_gemm_use_blis(true);
    gemm_checks_spinning = true;
    tap_note("products by BLIS");
    check_all();
    return tap_done();
}
