/* Plain and slow on purpose. */
#include "naive.h"

#include "dgm/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *naive_memory(size_t bytes)
{
    void *p = calloc(1, bytes + 1);
    if (p == NULL) {
        printf("Bail out! no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return p;
}

void naive_fill(uint64_t seed, double spread, int64_t n, float *x)
{
    dgm_rng rng = dgm_rng_make(seed, DGM_RNG_TEST);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(spread * dgm_rng_normal(rng, (uint64_t)i, 0));
}

float *naive_floats(uint64_t seed, double spread, int64_t n)
{
    float *x = naive_memory((size_t)n * sizeof *x);
    naive_fill(seed, spread, n, x);
    return x;
}

int64_t naive_pick(int64_t low, int64_t high)
{
    static uint64_t turn;
    return low + (int64_t)dgm_rng_below(dgm_rng_make(17, DGM_RNG_TEST), (uint64_t)(high - low + 1), turn++, 1);
}

int naive_families(const dgm_kernels *families[3])
{
    static const char *const names[] = {"avx512", "avx2", "portable"};
    int n = 0;
    families[n++] = dgm_kernels_now();
    for (int i = 0; i < 3; i++) {
        const dgm_kernels *k = dgm_kernels_find(names[i]);
        if (k != NULL && k != families[0]) families[n++] = k;
    }
    return n;
}

void naive_gemm(dgm_gemm_trans ta, dgm_gemm_trans tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
                int64_t ldb, double *out)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum += (double)(ta == DGM_GEMM_N ? a[i * lda + l] : a[l * lda + i]) * (double)(tb == DGM_GEMM_N ? b[l * ldb + j] : b[j * ldb + l]);
            out[i * n + j] = sum;
        }
}

double naive_distance(int64_t n, const float *a, const double *b)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - b[i]);
        if (!(d <= worst)) worst = isnan(d) ? INFINITY : d;
    }
    return worst;
}
