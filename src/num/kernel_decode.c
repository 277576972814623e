/* What decoding needs beside the kernels of training: products with few rows, attention over scattered keys, the largest of a row. */
#include "dgm/kernels.h"
#include "lanes.h"
#include "scalar.h"

/* Rows of x that go through a panel together, and how many of its two halves at a time: as many accumulators as fit the registers.  K is
 * cut so that a stretch of a panel stays in the L1 or L2 cache while all rows pass; partial sums wait in y, which changes no bit. */
#if LANES_WIDTH == 16
enum { TILE_ROWS = 8, TILE_HALVES = 2, K_BLOCK = 512 };
#elif LANES_WIDTH == 8
enum { TILE_ROWS = 4, TILE_HALVES = 1, K_BLOCK = 128 };
#else
enum { TILE_ROWS = 1, TILE_HALVES = 2, K_BLOCK = 128 };
#endif
enum { COLUMNS = DGM_PANEL_COLUMNS, HALVES = COLUMNS / LANES };

/* y[rows, 16 halves] = (begin: nothing, else y) + x[rows, k] panel[k, 16 halves]; rows, halves and begin are constants where this is
 * inlined.  Each half reads x through a pointer of its own: a product can then take the number from memory and repeat it over the lanes
 * by itself.  An instruction that repeats it for both halves would occupy a unit of Zen 4 that adds: 70 instead of 105 GFLOP/s. */
LANES_INLINE void tile(int rows, int halves, bool begin, int64_t k, const float *panel, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    lanes sum[TILE_ROWS][HALVES];
    const float *x_of[HALVES];
    for (int h = 0; h < halves; h++) x_of[h] = lanes_apart(x);
    _Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)
        for (int h = 0; h < halves; h++) sum[r][h] = begin ? lanes_zero() : lanes_load(y + r * ldy + h * LANES);
    for (int64_t i = 0; i < k; i++) {
        lanes w[HALVES];
        for (int h = 0; h < halves; h++) w[h] = lanes_load(panel + i * COLUMNS + h * LANES);
        _Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)
            for (int h = 0; h < halves; h++) sum[r][h] = lanes_add(sum[r][h], lanes_mul(lanes_all(x_of[h][r * ldx + i]), w[h]));
    }
    _Pragma("GCC unroll 8") for (int r = 0; r < rows; r++)
        for (int h = 0; h < halves; h++) lanes_store(y + r * ldy + h * LANES, sum[r][h]);
}

LANES_INLINE void tiles(int rows, bool begin, int64_t k, const float *panel, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    for (int h = 0; h < HALVES; h += TILE_HALVES) tile(rows, TILE_HALVES, begin, k, panel + h * LANES, x, ldx, y + h * LANES, ldy);
}

/* All rows through a stretch of a panel. */
LANES_INLINE void pass_rows(bool begin, int64_t k, const float *panel, int64_t rows, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    int64_t r = 0;
    for (; r + TILE_ROWS <= rows; r += TILE_ROWS) tiles(TILE_ROWS, begin, k, panel, x + r * ldx, ldx, y + r * ldy, ldy);
    if (TILE_ROWS > 4)
        for (; r + 4 <= rows; r += 4) tiles(4, begin, k, panel, x + r * ldx, ldx, y + r * ldy, ldy);
    for (; r < rows; r++) tiles(1, begin, k, panel, x + r * ldx, ldx, y + r * ldy, ldy);
}

static void whole_panel(int64_t in, const float *panel, int64_t rows, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    pass_rows(true, in < K_BLOCK ? in : K_BLOCK, panel, rows, x, ldx, y, ldy);
    for (int64_t i = K_BLOCK; i < in; i += K_BLOCK)
        pass_rows(false, in - i < K_BLOCK ? in - i : K_BLOCK, panel + i * COLUMNS, rows, x + i, ldx, y, ldy);
}

/* The last panel, of which n_columns < 32 count: made beside y. */
static void part_of_panel(int64_t in, int64_t n_columns, const float *panel, int64_t rows, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    float whole[TILE_ROWS * COLUMNS];
    for (int64_t r = 0; r < rows; r += TILE_ROWS) {
        int64_t n = rows - r < TILE_ROWS ? rows - r : TILE_ROWS;
        whole_panel(in, panel, n, x + r * ldx, ldx, whole, COLUMNS);
        for (int64_t i = 0; i < n; i++) memcpy(y + (r + i) * ldy, whole + i * COLUMNS, (size_t)n_columns * sizeof *y);
    }
}

static void panels(int64_t in, int64_t n, const float *panel, int64_t rows, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    int64_t column = 0;
    for (; column + COLUMNS <= n; column += COLUMNS) whole_panel(in, panel + column * in, rows, x, ldx, y + column, ldy);
    if (column < n) part_of_panel(in, n - column, panel + column * in, rows, x, ldx, y + column, ldy);
}

static float dot(int64_t n, const float *a, const float *b)
{
    lanes sum = lanes_zero();
    for (int64_t i = 0; i < n; i += LANES) sum = lanes_add(sum, lanes_mul(lanes_take(a + i, n - i, 0), lanes_take(b + i, n - i, 0)));
    return lanes_sum(sum);
}

/* scores[n] <- their softmax. */
static void softmax(int64_t n, float *scores)
{
    lanes largest = lanes_all(-INFINITY), sum = lanes_zero();
    for (int64_t j = 0; j < n; j += LANES) largest = lanes_max(largest, lanes_take(scores + j, n - j, -INFINITY));
    lanes max = lanes_all(lanes_largest(largest));
    for (int64_t j = 0; j < n; j += LANES) {
        lanes e = lanes_exp(lanes_sub(lanes_take(scores + j, n - j, -INFINITY), max));
        sum = lanes_add(sum, e);
        lanes_put(scores + j, n - j, e);
    }
    lanes scale = lanes_all(1 / lanes_sum(sum));
    for (int64_t j = 0; j < n; j += LANES) lanes_put(scores + j, n - j, lanes_mul(lanes_take(scores + j, n - j, 0), scale));
}

static void attend(int64_t n_keys, int64_t n_heads, int64_t d_head, const float *q, const float *const *at, int64_t k, int64_t v,
                   float *scores, float *out)
{
    float scale = 1 / sqrtf((float)d_head);
    for (int64_t j = 0; j < n_keys; j++)
        for (int64_t h = 0; h < n_heads; h++) scores[h * n_keys + j] = scale * dot(d_head, q + h * d_head, at[j] + k + h * d_head);
    for (int64_t h = 0; h < n_heads; h++) {
        const float *p = scores + h * n_keys;
        softmax(n_keys, scores + h * n_keys);
        for (int64_t i = 0; i < d_head; i += LANES) {
            lanes sum = lanes_zero();
            for (int64_t j = 0; j < n_keys; j++)
                sum = lanes_add(sum, lanes_mul(lanes_all(p[j]), lanes_take(at[j] + v + h * d_head + i, d_head - i, 0)));
            lanes_put(out + h * d_head + i, d_head - i, sum);
        }
    }
}

static bool any(lanes_i mask)
{
    int32_t bits = 0, all[LANES];
    memcpy(all, &mask, sizeof all);
    for (int i = 0; i < LANES; i++) bits |= all[i];
    return bits != 0;
}

static void list(float x, int32_t this_id, int n_top, float *value, int32_t *id)
{
    int at = n_top - 1;
    for (; at > 0 && value[at - 1] < x; at--) value[at] = value[at - 1], id[at] = id[at - 1];
    value[at] = x, id[at] = this_id;
}

/* Few numbers get onto the list: 64 at a time are held against its last one. */
static void top(int64_t n, const float *x, int32_t first, int n_top, float *value, int32_t *id)
{
    const float *last = value + n_top - 1;
    for (int64_t j = 0; j < n; j += 4 * LANES) {
        lanes largest = lanes_all(-INFINITY);
        int64_t end = n - j < 4 * LANES ? n : j + 4 * LANES;
        for (int64_t i = j; i < end; i += LANES) largest = lanes_max(largest, lanes_take(x + i, end - i, -INFINITY));
        if (!any(lanes_less(lanes_all(*last), largest))) continue;
        for (int64_t i = j; i < end; i++)
            if (x[i] > *last) list(x[i], first + (int32_t)i, n_top, value, id);
    }
}

static void lse(int64_t n, const float *x, float *max, double *sum)
{
    lanes largest = lanes_all(-INFINITY), part = lanes_zero();
    for (int64_t j = 0; j < n; j += LANES) largest = lanes_max(largest, lanes_take(x + j, n - j, -INFINITY));
    float here = lanes_largest(largest);
    if (!(here <= *max)) {
        *sum = *max == -INFINITY ? 0 : *sum * scalar_exp((double)*max - (double)here);
        *max = here;
    }
    largest = lanes_all(*max);
    for (int64_t j = 0; j < n; j += LANES) part = lanes_add(part, lanes_exp(lanes_sub(lanes_take(x + j, n - j, -INFINITY), largest)));
    *sum += (double)lanes_sum(part);
}

const dgm_decode_kernels DGM_KERNELS_NAME(decode, DGM_FAMILY) = {panels, attend, top, lse};
