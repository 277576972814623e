/* Sums over rows (tokens) and over long vectors, each in one fixed order. */
#include "dgm/error.h"
#include "dgm/kernels.h"
#include "lanes.h"

enum { BLOCK_ROWS = 64 };

/* Eight lanes by index mod 8, then 4, 2, 1 apart. */
static double squares(int64_t n, const float *x)
{
    double lane[8] = {0};
    int64_t j = 0;
    for (; j + 8 <= n; j += 8)
        for (int i = 0; i < 8; i++) lane[i] += (double)x[j + i] * (double)x[j + i];
    for (int i = 0; j + i < n; i++) lane[i] += (double)x[j + i] * (double)x[j + i];
    for (int step = 4; step > 0; step /= 2)
        for (int i = 0; i < step; i++) lane[i] += lane[i + step];
    return lane[0];
}

static void add(int64_t n, const float *restrict x, float *restrict y)
{
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

/* ---- trees over leaves ----
 * A job knows how to sum one block of at most 64 rows into out[width]. */
typedef struct job job;
struct job {
    void (*block)(const job *j, int64_t from, int64_t to, float *out);
    const int64_t *leaf_start;
    int64_t width, d, ld;
    const float *x, *dy, *mean, *rstd;
};

static void sum_leaf(const job *j, int64_t from, int64_t to, float *out, float *block)
{
    memset(out, 0, (size_t)j->width * sizeof *out);
    for (int64_t r = from; r < to; r += BLOCK_ROWS) {
        j->block(j, r, DGM_MIN(to, r + BLOCK_ROWS), block);
        add(j->width, block, out);
    }
}

static void sum_tree(const job *j, int lo, int n, float *out, float *scratch)
{
    if (n == 1) {
        sum_leaf(j, j->leaf_start[lo], j->leaf_start[lo + 1], out, scratch);
        return;
    }
    sum_tree(j, lo, n / 2, out, scratch);
    sum_tree(j, lo + n / 2, n / 2, scratch, scratch + j->width);
    add(j->width, scratch, out);
}

/* ---- plain sums of columns ---- */

LANES_INLINE void columns(const job *j, int64_t from, int64_t to, int64_t c, int n_lanes, float *out)
{
    lanes sum[4];
    for (int i = 0; i < n_lanes; i++) sum[i] = lanes_zero();
    for (int64_t r = from; r < to; r++)
        for (int i = 0; i < n_lanes; i++) sum[i] = lanes_add(sum[i], lanes_take(j->x + r * j->ld + c + i * LANES, j->d - c - i * LANES, 0));
    for (int i = 0; i < n_lanes; i++) lanes_put(out + c + i * LANES, j->d - c - i * LANES, sum[i]);
}

static void column_block(const job *j, int64_t from, int64_t to, float *out)
{
    int64_t c = 0;
    for (; c + 4 * LANES <= j->d; c += 4 * LANES) columns(j, from, to, c, 4, out);
    for (; c < j->d; c += LANES) columns(j, from, to, c, 1, out);
}

static void leaves(const int64_t *leaf_start, int n_leaves, int64_t d, const float *x, int64_t ld, float *out, float *scratch)
{
    job j = {.block = column_block, .leaf_start = leaf_start, .width = d, .d = d, .ld = ld, .x = x};
    sum_tree(&j, 0, n_leaves, out, scratch);
}

/* ---- gradients of a layer norm's gamma (first half of out) and beta (second half) ---- */

LANES_INLINE void norm_columns(const job *j, int64_t from, int64_t to, int64_t c, int n_lanes, float *out)
{
    lanes dgamma[2], dbeta[2];
    for (int i = 0; i < n_lanes; i++) dgamma[i] = dbeta[i] = lanes_zero();
    for (int64_t r = from; r < to; r++) {
        lanes mean = lanes_all(j->mean[r]), rstd = lanes_all(j->rstd[r]);
        for (int i = 0; i < n_lanes; i++) {
            int64_t at = r * j->d + c + i * LANES, n_here = j->d - c - i * LANES;
            lanes dy = lanes_take(j->dy + at, n_here, 0);
            lanes normal = lanes_mul(lanes_sub(lanes_take(j->x + at, n_here, 0), mean), rstd);
            dgamma[i] = lanes_add(dgamma[i], lanes_mul(dy, normal));
            dbeta[i] = lanes_add(dbeta[i], dy);
        }
    }
    for (int i = 0; i < n_lanes; i++) {
        int64_t n_here = j->d - c - i * LANES;
        lanes_put(out + c + i * LANES, n_here, dgamma[i]);
        lanes_put(out + j->d + c + i * LANES, n_here, dbeta[i]);
    }
}

static void norm_block(const job *j, int64_t from, int64_t to, float *out)
{
    int64_t c = 0;
    for (; c + 2 * LANES <= j->d; c += 2 * LANES) norm_columns(j, from, to, c, 2, out);
    for (; c < j->d; c += LANES) norm_columns(j, from, to, c, 1, out);
}

static void norm_leaves(const int64_t *leaf_start, int n_leaves, int64_t d, const float *dy, const float *x, const float *mean,
                        const float *rstd, float *dgamma, float *dbeta, float *scratch)
{
    job j = {.block = norm_block, .leaf_start = leaf_start, .width = 2 * d, .d = d, .ld = d, .x = x, .dy = dy, .mean = mean, .rstd = rstd};
    sum_tree(&j, 0, n_leaves, scratch, scratch + 2 * d);
    memcpy(dgamma, scratch, (size_t)d * sizeof *dgamma);
    memcpy(dbeta, scratch + d, (size_t)d * sizeof *dbeta);
}

const dgm_sums_kernels DGM_KERNELS_NAME(sums, DGM_FAMILY) = {squares, leaves, norm_leaves};
