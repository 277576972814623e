/* Products go to a kernel of our own (gemm_panels.c) where there is one for this processor, otherwise to BLIS.
 *
 * Of BLIS the typed interface is used, not its CBLAS entry, because only there the small/skinny path can be switched off call by call:
 * that path splits K differently for different shapes, so a row computed alone would not have the bits it has in a whole batch.
 *
 * With BLIS, sums over leaves and pieces are separate products (beta 0) added afterwards: with beta 1 the rounding depends on where K crosses
 * BLIS's K block.  Only the second product of a pair is added by BLIS itself, when its K fits in one such block: the same bits for
 * half the additions.  Each block of c goes through its whole tree before the next begins, so partial sums stay in the cache.
 * Our kernels add the parts of a tree themselves as long as they are not too many for its panels. */
#include "dgm/gemm.h"

#include "dgm/elem.h"
#include "dgm/rounding.h"
#include "gemm_panels.h"

#include <blis.h>
#include <stdlib.h>
#include <string.h>

/* A block of c: at most BLOCK_COLUMNS wide and BLOCK_FLOATS large, but not less than BLOCK_MIN_ROWS high.  Chosen by tests/bench_num:
 * smaller blocks add in L2 rather than L3, but BLIS then packs its operands for fewer rows; for leaves of 64 tokens at d_model = 512
 * packing weighs more, and narrow products do not care. */
enum { BLOCK_FLOATS = 256 << 10, BLOCK_COLUMNS = 1024, BLOCK_MIN_ROWS = 64 };
/* Our kernels have few additions outside of their tiles, and what counts is how often operands are packed. */
enum { BLOCK_FLOATS_OWN = 512 << 10 };

static int n_threads_now = 1;
static dgm_precision precision_now = DGM_PRECISION_FP32;
static bool blis_now;

/* DRAGOMAN_GEMM_SMALL_PATH=1 gives all to BLIS, small/skinny path on.  It is there for proofs only: the tests of bit identity must fail with it. */
static bool small_path(void)
{
    static int on = -1;
    if (on < 0) {
        const char *text = getenv("DRAGOMAN_GEMM_SMALL_PATH");
        on = text != NULL && strcmp(text, "1") == 0;
    }
    return on;
}

/* Our kernel for the precision that is set; NULL: BLIS. */
static const dgm_product_kernels *own(void)
{
    static const dgm_product_kernels *bf16;
    const char *missing;
    if (precision_now == DGM_PRECISION_FP32) return blis_now || small_path() ? NULL : gemm_panels_fp32();
    if (bf16 == NULL) bf16 = gemm_panels_bf16(&missing);
    return bf16;
}

void dgm_gemm_use_blis(bool blis) { blis_now = blis; }

void dgm_gemm_set_threads(int n_threads)
{
    DGM_ASSERT(n_threads >= 1);
    n_threads_now = n_threads;
#ifdef _OPENMP /* one pool of threads for our products and BLIS's, which outlives them: whoever has started it, it rounds as we do */
#pragma omp parallel num_threads(n_threads)
#endif
    dgm_rounding_reset();
}

static dgm_err check_variable(const char *name, const char *expected, const char *otherwise)
{
    const char *value = getenv(name);
    if (value == NULL || *value == '\0' || strcmp(value, expected) == 0) return DGM_OK;
    return DGM_FAIL(DGM_ERR_USAGE, "%s=%s in the environment: expected %s, or unset it for %s", name, value, expected, otherwise);
}

dgm_err dgm_gemm_check_environment(void)
{
    DGM_TRY(dgm_kernels_check());
    DGM_TRY(check_variable("DRAGOMAN_GEMM", "blis", "the kernels of this processor"));
    return check_variable("DRAGOMAN_BF16", "none", "what this processor has");
}

dgm_err dgm_gemm_check_precision(dgm_precision precision)
{
    const char *missing;
    if (precision == DGM_PRECISION_FP32 || gemm_panels_bf16(&missing) != NULL) return DGM_OK;
    return DGM_FAIL(DGM_ERR_USAGE, "precision = bf16: %s; leave it out, or take precision = fp32", missing);
}

void dgm_gemm_set_precision(dgm_precision precision)
{
    DGM_ASSERT(precision == DGM_PRECISION_FP32 || dgm_gemm_bf16_family() != NULL);
    precision_now = precision;
}

const char *dgm_gemm_bf16_family(void)
{
    const char *missing;
    return gemm_panels_bf16(&missing) != NULL ? "avx512bf16" : NULL;
}

const char *dgm_gemm_version(void) { return bli_info_get_version_str(); }

const char *dgm_gemm_blis_family(void) { return bli_arch_string(bli_arch_query_id()); }

const char *dgm_gemm_family(void)
{
    if (small_path()) return "blis-small-path"; /* no promise, so nothing to compare with */
    return gemm_panels_fp32() != NULL ? "fma" : dgm_gemm_blis_family();
}

static void zero(int64_t m, int64_t n, float *c, int64_t ldc)
{
    for (int64_t i = 0; i < m; i++) memset(c + i * ldc, 0, (size_t)n * sizeof *c);
}

/* c = tree over parts of op(a) op(b), at least one of them not empty, by a kernel of our own. */
static void multiply_own(dgm_gemm_trans ta, dgm_gemm_trans tb, int64_t m, int64_t n, const int64_t *start, int n_parts, const float *a,
                         int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc)
{
    bool an = ta == DGM_GEMM_N, bn = tb == DGM_GEMM_N;
    const dgm_operand rows = {a, m, an ? lda : 1, an ? 1 : lda}, columns = {b, n, bn ? 1 : ldb, bn ? ldb : 1};
    gemm_panels_product(own(), &rows, &columns, start, n_parts, c, ldc, n_threads_now);
}

/* c = beta c + op(a) op(b), m, n and k at least 1, by BLIS. */
static void multiply(dgm_gemm_trans ta, dgm_gemm_trans tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
                     int64_t ldb, float beta, float *c, int64_t ldc)
{
    int64_t a_columns = ta == DGM_GEMM_N ? k : m, b_columns = tb == DGM_GEMM_N ? n : k;
    DGM_ASSERT(lda >= a_columns || (ta == DGM_GEMM_N ? m : k) == 1);
    DGM_ASSERT(ldb >= b_columns || (tb == DGM_GEMM_N ? k : n) == 1);
    /* The stride of a matrix of one row is never walked, but BLIS wants it to make sense. */
    lda = DGM_MAX(lda, a_columns), ldb = DGM_MAX(ldb, b_columns), ldc = DGM_MAX(ldc, n);

    rntm_t rntm;
    bli_rntm_init(&rntm);
    bli_rntm_set_num_threads(n_threads_now, &rntm);
    bli_rntm_set_l3_sup(small_path(), &rntm);
    float one = 1;
    bli_sgemm_ex(ta == DGM_GEMM_N ? BLIS_NO_TRANSPOSE : BLIS_TRANSPOSE, tb == DGM_GEMM_N ? BLIS_NO_TRANSPOSE : BLIS_TRANSPOSE, m, n, k,
                 &one, (float *)(uintptr_t)a, lda, 1, (float *)(uintptr_t)b, ldb, 1, &beta, c, ldc, 1, NULL, &rntm);
}

void dgm_gemm(dgm_gemm_trans ta, dgm_gemm_trans tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
              int64_t ldb, float *c, int64_t ldc)
{
    DGM_ASSERT(m >= 0 && n >= 0 && k >= 0);
    if (m == 0 || n == 0) return;
    DGM_ASSERT(ldc >= n || m == 1);
    if (k == 0) zero(m, n, c, ldc);
    else if (own() != NULL) multiply_own(ta, tb, m, n, (int64_t[]){0, k}, 1, a, lda, b, ldb, c, ldc);
    else multiply(ta, tb, m, n, k, a, lda, b, ldb, 0, c, ldc);
}

/* ---- trees of products ---- */

typedef struct {
    dgm_gemm_trans ta;
    const int64_t *start; /* of each part along k */
    const float *a, *b;
    int64_t lda, ldb;
    int64_t row, column, rows, columns; /* the block of c */
    int64_t k_block;                    /* BLIS's */
} tree;

static int levels(int n_parts)
{
    int n = 0;
    while (1 << n < n_parts) n++;
    return n;
}

static int64_t block_columns(int64_t n) { return DGM_MIN(n, (int64_t)BLOCK_COLUMNS); }

static int64_t block_rows(int64_t n)
{
    int64_t rows = (own() != NULL ? BLOCK_FLOATS_OWN : BLOCK_FLOATS) / DGM_MAX(block_columns(n), 1);
    return DGM_MAX(rows, (int64_t)BLOCK_MIN_ROWS) / 16 * 16;
}

int64_t dgm_gemm_scratch_floats(int64_t n, int n_parts) { return levels(n_parts) * block_rows(n) * block_columns(n); }

static void product(const tree *t, int part, bool add, float *c, int64_t ldc)
{
    int64_t from = t->start[part], k = t->start[part + 1] - from;
    DGM_ASSERT(k >= 0);
    const float *a = t->ta == DGM_GEMM_N ? t->a + t->row * t->lda + from : t->a + from * t->lda + t->row;
    const float *b = t->b + from * t->ldb + t->column;
    if (add) multiply(t->ta, DGM_GEMM_N, t->rows, t->columns, k, a, t->lda, b, t->ldb, 1, c, ldc);
    else dgm_gemm(t->ta, DGM_GEMM_N, t->rows, t->columns, k, a, t->lda, b, t->ldb, c, ldc);
}

/* Whether the subtree of n parts from lo on is one call; with one part a product always is. */
static bool at_once(const tree *t, int lo, int n) { return own() != NULL && gemm_panels_fit(own(), t->start + lo, n); }

static void product_of_parts(const tree *t, int lo, int n, float *c, int64_t ldc)
{
    multiply_own(t->ta, DGM_GEMM_N, t->rows, t->columns, t->start + lo, n, t->ta == DGM_GEMM_N ? t->a + t->row * t->lda : t->a + t->row,
                 t->lda, t->b + t->column, t->ldb, c, ldc);
}

/* Whether BLIS may add a part's product to c itself: within one K block it rounds c + (whole product) once, as the addition would. */
static bool adds_itself(const tree *t, int part)
{
    int64_t k = t->start[part + 1] - t->start[part];
    if (own() != NULL) return false;
    return k >= 1 && k <= t->k_block;
}

/* c = S(lo, n); the right half is made in the first block of scratch, its own halves in the blocks behind. */
static void sum_tree(const tree *t, int lo, int n, float *c, int64_t ldc, float *scratch)
{
    if (n == 1) {
        product(t, lo, false, c, ldc);
        return;
    }
    if (at_once(t, lo, n)) {
        product_of_parts(t, lo, n, c, ldc);
        return;
    }
    sum_tree(t, lo, n / 2, c, ldc, scratch);
    if (n == 2 && adds_itself(t, lo + 1)) {
        product(t, lo + 1, true, c, ldc);
        return;
    }
    sum_tree(t, lo + n / 2, n / 2, scratch, t->columns, scratch + t->rows * t->columns);
    if (ldc == t->columns) {
        dgm_elem_add(t->rows * t->columns, scratch, c);
    } else {
        for (int64_t i = 0; i < t->rows; i++) dgm_elem_add(t->columns, scratch + i * t->columns, c + i * ldc);
    }
}

static void blocks(tree t, int64_t m, int64_t n, int n_parts, float *c, int64_t ldc, float *scratch)
{
    DGM_ASSERT(n_parts >= 1 && (n_parts & (n_parts - 1)) == 0);
    bool whole = n_parts == 1 || at_once(&t, 0, n_parts);
    int64_t high = whole ? m : block_rows(n), wide = whole ? n : block_columns(n);
    t.k_block = small_path() ? 0 : bli_cntx_get_blksz_def_dt(BLIS_FLOAT, BLIS_KC, bli_gks_query_cntx());
    for (t.column = 0; t.column < n; t.column += wide) {
        t.columns = DGM_MIN(wide, n - t.column);
        for (t.row = 0; t.row < m; t.row += high) {
            t.rows = DGM_MIN(high, m - t.row);
            sum_tree(&t, 0, n_parts, c + t.row * ldc + t.column, ldc, scratch);
        }
    }
}

void dgm_gemm_pieces(int64_t m, int64_t n, const int64_t *piece_start, int n_pieces, const float *a, int64_t lda, const float *b,
                     int64_t ldb, float *c, int64_t ldc, float *scratch)
{
    blocks((tree){DGM_GEMM_N, piece_start, a, b, lda, ldb, 0, 0, 0, 0, 0}, m, n, n_pieces, c, ldc, scratch);
}

void dgm_gemm_leaves(int64_t m, int64_t n, const int64_t *leaf_start, int n_leaves, const float *a, int64_t lda, const float *b,
                     int64_t ldb, float *c, int64_t ldc, float *scratch)
{
    blocks((tree){DGM_GEMM_T, leaf_start, a, b, lda, ldb, 0, 0, 0, 0, 0}, m, n, n_leaves, c, ldc, scratch);
}
