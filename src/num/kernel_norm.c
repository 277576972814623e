/* Layer normalisation, row by row; the sums over tokens of its parameters' gradients are in kernel_sums.c. */
#include "dgm/kernels.h"
#include "lanes.h"

#include <math.h>

/* Mean, and the variance about it in a second pass over the row, which is in the cache: no cancellation. */
static void row_moments(int64_t d, const float *x, float eps, float *mean, float *rstd)
{
    lanes sum = lanes_zero(), squares = lanes_zero();
    for (int64_t j = 0; j < d; j += LANES) sum = lanes_add(sum, lanes_take(x + j, d - j, 0));
    *mean = lanes_sum(sum) / (float)d;
    lanes centre = lanes_all(*mean);
    for (int64_t j = 0; j < d; j += LANES) {
        lanes t = lanes_sub(lanes_take(x + j, d - j, *mean), centre);
        squares = lanes_add(squares, lanes_mul(t, t));
    }
    *rstd = 1 / sqrtf(lanes_sum(squares) / (float)d + eps);
}

static void forward(int64_t rows, int64_t d, const float *x, const float *gamma, const float *beta, float eps, float *y, float *mean,
                    float *rstd)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x + r * d;
        float row_mean, row_rstd;
        row_moments(d, row, eps, &row_mean, &row_rstd);
        lanes centre = lanes_all(row_mean), spread = lanes_all(row_rstd);
        for (int64_t j = 0; j < d; j += LANES) {
            lanes normal = lanes_mul(lanes_sub(lanes_take(row + j, d - j, 0), centre), spread);
            normal = lanes_mul(normal, lanes_take(gamma + j, d - j, 0));
            lanes_put(y + r * d + j, d - j, lanes_add(normal, lanes_take(beta + j, d - j, 0)));
        }
        if (mean != NULL) mean[r] = row_mean;
        if (rstd != NULL) rstd[r] = row_rstd;
    }
}

/* With g = dy gamma and n = (x - mean) rstd:  dx = rstd (g - mean(g) - n mean(g n)). */
static void backward(int64_t rows, int64_t d, const float *dy, const float *x, const float *gamma, const float *mean, const float *rstd,
                     float *dx)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x + r * d, *row_dy = dy + r * d;
        lanes centre = lanes_all(mean[r]), spread = lanes_all(rstd[r]), sum = lanes_zero(), product = lanes_zero();
        for (int64_t j = 0; j < d; j += LANES) {
            lanes g = lanes_mul(lanes_take(row_dy + j, d - j, 0), lanes_take(gamma + j, d - j, 0));
            lanes normal = lanes_mul(lanes_sub(lanes_take(row + j, d - j, 0), centre), spread);
            sum = lanes_add(sum, g);
            product = lanes_add(product, lanes_mul(g, normal));
        }
        lanes mean_g = lanes_all(lanes_sum(sum) / (float)d), mean_gn = lanes_all(lanes_sum(product) / (float)d);
        for (int64_t j = 0; j < d; j += LANES) {
            lanes g = lanes_mul(lanes_take(row_dy + j, d - j, 0), lanes_take(gamma + j, d - j, 0));
            lanes normal = lanes_mul(lanes_sub(lanes_take(row + j, d - j, 0), centre), spread);
            lanes t = lanes_sub(lanes_sub(g, mean_g), lanes_mul(normal, mean_gn));
            lanes_put(dx + r * d + j, d - j, lanes_mul(t, spread));
        }
    }
}

const dgm_norm_kernels DGM_KERNELS_NAME(norm, DGM_FAMILY) = {forward, backward};
