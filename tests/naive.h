/* What the tests of the numeric kernels share: reproducible data, the families at hand, and matrix products in double. */
#ifndef DGM_NAIVE_H
#define DGM_NAIVE_H

#include "dgm/gemm.h"
#include "dgm/kernels.h"

/* Normal values of the given spread, the same for the same (seed, n). */
void naive_fill(uint64_t seed, double spread, int64_t n, float *x);

/* Uniform integer in [low, high], from a sequence of its own. */
int64_t naive_pick(int64_t low, int64_t high);

/* malloc'ed floats, filled as naive_fill; ends the test when memory is short. */
float *naive_floats(uint64_t seed, double spread, int64_t n);
void *naive_memory(size_t bytes); /* zeroed */

/* The families that this build and CPU have, the one in use first; returns how many (at most 3). */
int naive_families(const dgm_kernels *families[3]);

/* out[m, n] = op(a) op(b) in double. */
void naive_gemm(dgm_gemm_trans ta, dgm_gemm_trans tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
                int64_t ldb, double *out);

/* Largest |a[i] - b[i]|; infinite when one is NaN. */
double naive_distance(int64_t n, const float *a, const double *b);

#endif
