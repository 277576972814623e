/* Products of our own kernels, in fp32 or of operands rounded to bf16: the half of gemm.c that does not go to BLIS.  Private to src/num.
 *
 * Every element is one chain over k = 0, 1, 2, ... of its part, then the tree over parts: in fp32 of fused multiply-adds, s = fma(a, b, s)
 * from s = 0 on, so its bits are the same on every processor that has them. */
#ifndef DGM_NUM_GEMM_PANELS_H
#define DGM_NUM_GEMM_PANELS_H

#include "dgm/gemm.h"
#include "dgm/kernels.h"

#include <stdbool.h>

/* Parts that K may be cut into. */
enum { GEMM_PANELS_MAX_PARTS = 256 };

/* The kernel for fp32 of the family in use; NULL where fp32 products are BLIS's. */
const dgm_product_kernels *gemm_panels_fp32(void);

/* The kernel for bf16; NULL where this build has none or this processor cannot run it; *missing: what is not there. */
const dgm_product_kernels *gemm_panels_bf16(const char **missing);

/* Whether a product of these parts can be made at once: together they are not longer than a slab. */
bool gemm_panels_fit(const dgm_product_kernels *kernels, const int64_t *start, int n_parts);

/* c[a->n, b->n] = tree over parts p of sum over k = start[p] .. start[p + 1] - 1 of a(i, k) b(j, k).
 *   start [n_parts + 1]  in   n_parts 1, or a power of two for which gemm_panels_fit
 * Each part of an element is summed in the order of K; strips, slabs and threads decide when that happens, never how. */
void gemm_panels_product(const dgm_product_kernels *kernels, const dgm_operand *a, const dgm_operand *b, const int64_t *start, int n_parts,
                         float *c, int64_t ldc, int n_threads);

#endif
