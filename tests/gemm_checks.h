/* What the tests of products share, whatever the operands are rounded to: values near double, bits that depend on the order of K alone,
 * trees that are those of separate products. */
#ifndef DGM_GEMM_CHECKS_H
#define DGM_GEMM_CHECKS_H

#include "naive.h"

typedef struct { dgm_gemm_trans ta, tb; int64_t m, n, k; } gemm_shape;

/* The precision that the checks below expect to be set. */
extern dgm_precision gemm_checks_precision;

/* Whether the threads that multiply spin while they wait, as BLIS's do: then few blocks are computed by several. */
extern bool gemm_checks_spinning;

/* x rounded to the nearest bf16, ties to even, subnormal numbers to zero: by integer arithmetic, the definition. */
float naive_bf16(float x);

/* One product near the double product of its rounded operands, nothing written beside it. */
void gemm_check_values(gemm_shape s);

/* How many of n random sub-blocks, moved in memory and on other numbers of threads, differ from the whole product in any bit. */
int gemm_differing_blocks(gemm_shape s, int n);

/* A sum over leaves (A^T B) or pieces (A B) has the bits of the tree of separate products. */
void gemm_check_tree(bool leaves, int64_t m, int64_t n, int n_parts, const int64_t *start);

#endif
