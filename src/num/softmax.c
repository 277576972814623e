/* The front of the softmax kernels, and how the pieces of a row combine. */
#include "dgm/softmax.h"

#include "dgm/error.h"
#include "dgm/kernels.h"
#include "scalar.h"

void dgm_softmax_row_stats(int64_t rows, int64_t n, const float *x, int64_t ld, dgm_softmax_stats *stats)
{
    dgm_kernels_now()->softmax->row_stats(rows, n, x, ld, stats);
}

/* sum_exp of s about another maximum; an empty piece stays 0 (-inf less -inf is NaN). */
static double rebase(dgm_softmax_stats s, float max) { return s.max == -INFINITY ? s.sum_exp : s.sum_exp * scalar_exp((double)s.max - (double)max); }

dgm_softmax_stats dgm_softmax_merge(dgm_softmax_stats a, dgm_softmax_stats b)
{
    float max = a.max < b.max ? b.max : a.max;
    return (dgm_softmax_stats){max, rebase(a, max) + rebase(b, max), a.sum + b.sum};
}

double dgm_softmax_lse(const dgm_softmax_stats *stats) { return (double)stats->max + scalar_log(stats->sum_exp); }

void dgm_softmax_loss_grad(int64_t rows, int64_t n, int64_t first, const float *lse, const int32_t *target, float smoothing,
                           int64_t vocab_size, float weight, float *x, int64_t ld)
{
    DGM_ASSERT(vocab_size >= 1 && first >= 0 && first + n <= vocab_size);
    dgm_kernels_now()->softmax->loss_grad(rows, n, first, lse, target, smoothing, vocab_size, weight, x, ld);
}

void dgm_softmax_log(int64_t rows, int64_t n, float *x, int64_t ld) { dgm_kernels_now()->softmax->log(rows, n, x, ld); }

float dgm_softmax_exp(float x) { return dgm_kernels_now()->softmax->exp(x); }
