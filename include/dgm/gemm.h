/* Matrix products of fp32 matrices, row-major, or of operands rounded to bf16: by kernels of our own where the processor has the instructions,
 * otherwise by BLIS.
 *
 * Every element of a product depends on the order of K alone: any sub-block of rows or columns, on any number of threads, has the
 * same bits as in the whole product (the small/skinny path of BLIS is off because it breaks this; a test proves it on the machine).
 * Sums over leaves (of the batch) and pieces (of the model) are fixed binary trees over separate products, adjacent pairs first:
 * S(lo, n) = S(lo, n/2) + S(lo + n/2, n/2).  An empty leaf contributes zeros.  Not collective.  k = 0 gives zeros. */
#ifndef DGM_GEMM_H
#define DGM_GEMM_H

#include "dgm/error.h"

#include <stdbool.h>

typedef enum { DGM_GEMM_N, DGM_GEMM_T } dgm_gemm_trans;

/* Threads of one product, >= 1.  Default 1.  Changes speed, never bits.  Resets their rounding and that of the calling thread (rounding.h). */
void dgm_gemm_set_threads(int n_threads);

/* What operands are rounded to before they are multiplied; matrices are fp32 in memory and sums are fp32 either way. */
typedef enum { DGM_PRECISION_FP32, DGM_PRECISION_BF16 } dgm_precision;

/* Of the products from here on, on all threads.  Default fp32.  DGM_PRECISION_BF16 only after dgm_gemm_check_precision.
 * bf16 rounds to nearest, ties to even, and takes subnormal numbers for zero. */
void dgm_gemm_set_precision(dgm_precision precision);

/* DGM_ERR_USAGE when DRAGOMAN_KERNELS, DRAGOMAN_GEMM or DRAGOMAN_BF16 in the environment has a value that means nothing here: programs ask before
 * anything computes.  Not collective. */
dgm_err dgm_gemm_check_environment(void);

/* DGM_ERR_USAGE, saying what is missing, where this build or this processor has no bf16 products.  Not collective. */
dgm_err dgm_gemm_check_precision(dgm_precision precision);

/* The kernel of bf16 products, for run.json; NULL where there is none. */
const char *dgm_gemm_bf16_family(void);

/* fp32 products from here on by BLIS, or again by our kernel where there is one: for measurements and tests.  The bits are others.
 * DRAGOMAN_GEMM=blis in the environment is for a whole run. */
void dgm_gemm_use_blis(bool blis);

/* Products may have threads, but are called from one thread of the program at a time: panels have one place in memory. */

/* What decides the bits of fp32 products, for run.json: "fma" for our kernels, all of them alike, or the kernel family that BLIS chose on this
 * CPU ("zen3", "skx", ...). */
const char *dgm_gemm_family(void);

/* The kernel family that BLIS chose on this CPU, whether or not it is what multiplies; "generic": portable C, as it has none for this CPU. */
const char *dgm_gemm_blis_family(void);

/* BLIS's version. */
const char *dgm_gemm_version(void);

/* c[m, n] = op(a) op(b): op(a) is [m, k], op(b) is [k, n]; lda, ldb, ldc are row strides of the stored matrices, in elements. */
void dgm_gemm(dgm_gemm_trans ta, dgm_gemm_trans tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
              int64_t ldb, float *c, int64_t ldc);

/* Floats of scratch that dgm_gemm_pieces and dgm_gemm_leaves need, in the precision that is set, for n_parts parts and rows of c of n elements. */
int64_t dgm_gemm_scratch_floats(int64_t n, int n_parts);

/* c[m, n] = tree over pieces p of a[:, k_p] b[k_p, :], with k_p = piece_start[p] .. piece_start[p + 1].
 *   piece_start [n_pieces + 1]  in   columns of a, which are rows of b; piece_start[0] = 0; n_pieces a power of two
 *   a [m, lda], b [k, ldb]      in
 * Done in row blocks that stay in cache. */
void dgm_gemm_pieces(int64_t m, int64_t n, const int64_t *piece_start, int n_pieces, const float *a, int64_t lda, const float *b,
                     int64_t ldb, float *c, int64_t ldc, float *scratch);

/* c[m, n] = tree over leaves l of a[rows of l, m]^T b[rows of l, n]: a weight gradient, one product per leaf.
 *   leaf_start [n_leaves + 1]   in   rows of a and b where each leaf begins; n_leaves a power of two
 * Done in row blocks of c that stay in cache. */
void dgm_gemm_leaves(int64_t m, int64_t n, const int64_t *leaf_start, int n_leaves, const float *a, int64_t lda, const float *b,
                     int64_t ldb, float *c, int64_t ldc, float *scratch);

#endif
