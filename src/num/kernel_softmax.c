/* Softmax over rows of logits.  The sums over a row are kept in double, lane by lane: a row may have tens of thousands of terms. */
#include "dgm/kernels.h"
#include "lanes.h"
#include "scalar.h"

/* Sixteen doubles: two registers for each of floats. */
typedef struct { vec_d v[2 * LANES_PARTS]; } lanes_d;

LANES_INLINE lanes_d lanes_d_add(lanes_d sum, lanes x)
{
    _Pragma("GCC unroll 8") for (int i = 0; i < LANES_PARTS; i++)
    {
        vec_half half[2];
        memcpy(half, &x.v[i], sizeof half);
        sum.v[2 * i] += vec_to_doubles(half[0]);
        sum.v[2 * i + 1] += vec_to_doubles(half[1]);
    }
    return sum;
}

static double lanes_d_sum(lanes_d sum)
{
    double lane[LANES];
    memcpy(lane, &sum, sizeof lane);
    for (int step = LANES / 2; step > 0; step /= 2)
        for (int i = 0; i < step; i++) lane[i] += lane[i + step];
    return lane[0];
}

static float row_max(int64_t n, const float *x)
{
    lanes largest = lanes_all(-INFINITY);
    for (int64_t j = 0; j < n; j += LANES) largest = lanes_max(largest, lanes_take(x + j, n - j, -INFINITY));
    return lanes_largest(largest);
}

static dgm_softmax_stats stats_of_row(int64_t n, const float *x)
{
    lanes_d sum = {{{0}}}, sum_exp = {{{0}}};
    float max = row_max(n, x);
    for (int64_t j = 0; j < n; j += LANES) {
        sum = lanes_d_add(sum, lanes_take(x + j, n - j, 0));
        sum_exp = lanes_d_add(sum_exp, lanes_exp(lanes_sub(lanes_take(x + j, n - j, -INFINITY), lanes_all(max))));
    }
    return (dgm_softmax_stats){max, lanes_d_sum(sum_exp), lanes_d_sum(sum)};
}

static void row_stats(int64_t rows, int64_t n, const float *x, int64_t ld, dgm_softmax_stats *stats)
{
    for (int64_t r = 0; r < rows; r++) stats[r] = stats_of_row(n, x + r * ld);
}

static void loss_grad(int64_t rows, int64_t n, int64_t first, const float *lse, const int32_t *target, float smoothing,
                      int64_t vocab_size, float weight, float *x, int64_t ld)
{
    float uniform = smoothing / (float)vocab_size, on_target = 1 - smoothing;
    for (int64_t r = 0; r < rows; r++) {
        float *row = x + r * ld;
        int64_t hit = (int64_t)target[r] - first;
        float logit = hit >= 0 && hit < n ? row[hit] : 0;
        for (int64_t j = 0; j < n; j += LANES) {
            lanes p = lanes_exp(lanes_sub(lanes_take(row + j, n - j, 0), lanes_all(lse[r])));
            lanes_put(row + j, n - j, lanes_mul(lanes_all(weight), lanes_sub(p, lanes_all(uniform))));
        }
        if (hit >= 0 && hit < n) {
            float p;
            lanes_put(&p, 1, lanes_exp(lanes_all(logit - lse[r])));
            row[hit] = weight * ((p - uniform) - on_target);
        }
    }
}

static void log_rows(int64_t rows, int64_t n, float *x, int64_t ld)
{
    for (int64_t r = 0; r < rows; r++) {
        dgm_softmax_stats s = stats_of_row(n, x + r * ld);
        lanes lse = lanes_all((float)((double)s.max + scalar_log(s.sum_exp)));
        for (int64_t j = 0; j < n; j += LANES) lanes_put(x + r * ld + j, n - j, lanes_sub(lanes_take(x + r * ld + j, n - j, 0), lse));
    }
}

static float exp_of_one(float x)
{
    float y;
    lanes_put(&y, 1, lanes_exp(lanes_all(x)));
    return y;
}

const dgm_softmax_kernels DGM_KERNELS_NAME(softmax, DGM_FAMILY) = {row_stats, loss_grad, log_rows, exp_of_one};
