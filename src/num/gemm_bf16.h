/* Products of operands rounded to bf16, summed in fp32: the half of gemm.c that does not go to BLIS.  Private to src/num.
 *
 * A pair is two elements of one row that are neighbours along K, positions 2i and 2i + 1 counted from where the part of K begins: what
 * one lane of the instruction multiplies and adds.  A part of odd length ends in a pair whose second half is zero. */
#ifndef DGM_NUM_GEMM_BF16_H
#define DGM_NUM_GEMM_BF16_H

#include "dgm/gemm.h"

#include <stdbool.h>

/* Elements along K whose panels are held at once, and parts they may be cut into. */
enum { GEMM_BF16_SLAB = 4096, GEMM_BF16_MAX_PARTS = 256 };

/* Rows of one operand: element (i, k) stands at x[i row_stride + k k_stride]; one of the strides is 1. */
typedef struct {
    const float *x;
    int64_t n, row_stride, k_stride;
} gemm_bf16_operand;

/* Whether this build has the kernel and this processor can run it; *missing: what is not there. */
bool gemm_bf16_available(const char **missing);

/* Whether a product of these parts can be made at once: together they are not longer than a slab. */
bool gemm_bf16_fits(const int64_t *start, int n_parts);

/* c[a->n, b->n] = tree over parts p of sum over k = start[p] .. start[p + 1] - 1 of a(i, k) b(j, k).
 *   start [n_parts + 1]  in   n_parts 1, or a power of two for which gemm_bf16_fits
 * Each part of an element is summed in the order of K; strips, slabs and threads decide when that happens, never how. */
void gemm_bf16_product(const gemm_bf16_operand *a, const gemm_bf16_operand *b, const int64_t *start, int n_parts, float *c, int64_t ldc,
                       int n_threads);

/* ---- the kernel, in a file compiled for AVX512-BF16 ---- */

/* A panel holds BF16_ROWS or BF16_COLUMNS rows of an operand as [pair][row] words of two bf16, the element of even position low; behind
 * it lies the room that the last store runs into. */
enum { BF16_ROWS = 12, BF16_COLUMNS = 32, BF16_SLACK = 16 };

static inline int64_t gemm_bf16_panel_words(int width, int64_t n_pairs) { return n_pairs * width + BF16_SLACK; }

/* Rounds rows row0 .. row0 + n_rows - 1 to the nearest bf16, ties to even, subnormal numbers to zero, and lays them into panels of
 * `width` rows; rows missing in the last one are zero.
 *   start [n_parts + 1]  in   parts of K, each from a pair of its own */
void gemm_bf16_pack(int width, const gemm_bf16_operand *x, int64_t row0, int64_t n_rows, const int64_t *start, int n_parts, int64_t panel_words,
                    uint32_t *panels);

/* The first rows x columns elements of c: those of a panel of a by one of b.
 *   n_pairs [n_parts]    in   pairs of each part, one behind the other in both panels
 *   continues            in   only with one part: its sum goes on from the values in c */
void gemm_bf16_tile(const int64_t *n_pairs, int n_parts, bool continues, const uint32_t *a, const uint32_t *b, int64_t rows, int64_t columns,
                    float *c, int64_t ldc);

#endif
