/* Elementwise kernels.  Where only correctly rounded operations on single elements occur, the loops are plain C and the compiler's
 * vectors and tails cannot change a bit; masks and transcendental functions go through sixteen lanes. */
#include "dgm/kernels.h"
#include "lanes.h"

static const float HALF_ROOT = 0.707106781f;       /* 1 / sqrt(2) */
static const float INVERSE_ROOT_TAU = 0.398942280f; /* 1 / sqrt(2 pi) */

LANES_INLINE lanes relu(lanes x) { return lanes_unless(lanes_at_most(x, lanes_zero()), x); } /* a NaN stays */

/* Phi(x), the normal distribution function */
LANES_INLINE lanes normal_cdf(lanes x)
{
    return lanes_mul(lanes_all(0.5f), lanes_add(lanes_all(1), lanes_erf(lanes_mul(x, lanes_all(HALF_ROOT)))));
}

LANES_INLINE lanes gelu_slope(lanes x)
{
    lanes density = lanes_mul(lanes_all(INVERSE_ROOT_TAU), lanes_exp(lanes_mul(lanes_mul(x, x), lanes_all(-0.5f))));
    return lanes_add(normal_cdf(x), lanes_mul(x, density));
}

static void bias_activation(dgm_activation activation, int64_t rows, int64_t d, const float *bias, const uint16_t *mask, float scale,
                            float *h, float *pre)
{
    int64_t words = dgm_dropout_words(d);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < d; j += LANES) {
            float *at = h + r * d + j;
            lanes x = lanes_take(at, d - j, 0);
            if (bias != NULL) x = lanes_add(x, lanes_take(bias + j, d - j, 0));
            if (pre != NULL) lanes_put(pre + r * d + j, d - j, x);
            x = activation == DGM_ACTIVATION_RELU ? relu(x) : lanes_mul(x, normal_cdf(x));
            if (mask != NULL) x = lanes_keep(mask[r * words + j / LANES], lanes_mul(x, lanes_all(scale)));
            lanes_put(at, d - j, x);
        }
    }
}

static void relu_backward(int64_t n, const float *restrict out, float scale, float *restrict dh)
{
    for (int64_t i = 0; i < n; i++) dh[i] = out[i] > 0 ? dh[i] * scale : 0;
}

static void gelu_backward(int64_t rows, int64_t d, const float *pre, const uint16_t *mask, float scale, float *dh)
{
    int64_t words = dgm_dropout_words(d);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < d; j += LANES) {
            float *at = dh + r * d + j;
            lanes g = lanes_take(at, d - j, 0);
            if (mask != NULL) g = lanes_keep(mask[r * words + j / LANES], lanes_mul(g, lanes_all(scale)));
            lanes_put(at, d - j, lanes_mul(g, gelu_slope(lanes_take(pre + r * d + j, d - j, 0))));
        }
    }
}

static void activation_backward(dgm_activation activation, int64_t rows, int64_t d, const float *out, const float *pre,
                                const uint16_t *mask, float scale, float *dh)
{
    if (activation == DGM_ACTIVATION_RELU) relu_backward(rows * d, out, scale, dh);
    else gelu_backward(rows, d, pre, mask, scale, dh);
}

static void add(int64_t n, const float *restrict x, float *restrict y)
{
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

static void scale_all(int64_t n, float a, float *x)
{
    for (int64_t i = 0; i < n; i++) x[i] *= a;
}

static void bias_rows(int64_t rows, int64_t d, int64_t ld, const float *bias, float *x)
{
    for (int64_t r = 0; r < rows; r++) add(d, bias, x + r * ld);
}

static void residual(int64_t rows, int64_t d, const float *x, const float *f, const float *bias, const uint16_t *mask, float scale,
                     float *s)
{
    int64_t words = dgm_dropout_words(d);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < d; j += LANES) {
            int64_t at = r * d + j;
            lanes y = lanes_take(f + at, d - j, 0);
            if (bias != NULL) y = lanes_add(y, lanes_take(bias + j, d - j, 0));
            if (mask != NULL) y = lanes_keep(mask[r * words + j / LANES], lanes_mul(y, lanes_all(scale)));
            lanes_put(s + at, d - j, lanes_add(lanes_take(x + at, d - j, 0), y));
        }
    }
}

static void apply_mask(int64_t rows, int64_t d, const uint16_t *mask, float scale, const float *x, float *y)
{
    if (mask == NULL) {
        if (y != x) memcpy(y, x, (size_t)(rows * d) * sizeof *y);
        return;
    }
    int64_t words = dgm_dropout_words(d);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < d; j += LANES)
            lanes_put(y + r * d + j, d - j,
                      lanes_keep(mask[r * words + j / LANES], lanes_mul(lanes_take(x + r * d + j, d - j, 0), lanes_all(scale))));
}

static void embed_row(int64_t d, const float *restrict row, float scale, float *restrict y)
{
    for (int64_t j = 0; j < d; j++) y[j] = scale * row[j];
}

static void embed(int64_t rows, int64_t d, const int32_t *ids, int32_t first_id, int32_t n_ids, const float *table, float scale, float *y)
{
    for (int64_t r = 0; r < rows; r++) {
        int64_t row = (int64_t)ids[r] - first_id;
        if (row >= 0 && row < n_ids) embed_row(d, table + row * d, scale, y + r * d);
        else memset(y + r * d, 0, (size_t)d * sizeof *y);
    }
}

static void add_positions(int64_t rows, int64_t d, const float *positions, const uint32_t *position, const uint16_t *mask, float scale,
                          float *x)
{
    for (int64_t r = 0; r < rows; r++) add(d, positions + position[r] * d, x + r * d);
    if (mask != NULL) apply_mask(rows, d, mask, scale, x, x);
}

const dgm_elem_kernels DGM_KERNELS_NAME(elem, DGM_FAMILY) = {
    bias_activation, activation_backward, bias_rows, residual, apply_mask, add, scale_all, embed, add_positions,
};
