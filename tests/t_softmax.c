/* Softmax over rows and pieces of rows against double and finite differences; exp against libm; bits between families and alone. */
#include "naive.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 9, MAX_N = 3000 };

static void check_exp(void)
{
    double worst = 0;
    for (int i = 0; i <= 400000; i++) {
        float x = -86.5f + 175.2f * (float)i / 400000;
        double want = exp((double)x);
        worst = fmax(worst, fabs((double)dgm_softmax_exp(x) - want) / want);
    }
    tap_near(worst, 0, 2e-7, "exp from -86.5 to 88.7, relative");
    tap_ok(dgm_softmax_exp(-INFINITY) == 0 && dgm_softmax_exp(-1e30f) == 0 && dgm_softmax_exp(-87) == 0, "exp of -inf and of the very small is 0");
    tap_ok(dgm_softmax_exp(INFINITY) == INFINITY && dgm_softmax_exp(88.8f) == INFINITY, "exp overflows to infinity");
    tap_ok(dgm_softmax_exp(0) == 1 && dgm_softmax_exp(-0.0f) == 1 && isnan(dgm_softmax_exp(NAN)), "exp of 0 is 1, of NaN NaN");
}

static double naive_lse(int64_t n, const float *x)
{
    double max = -INFINITY, sum = 0;
    for (int64_t j = 0; j < n; j++) max = fmax(max, (double)x[j]);
    for (int64_t j = 0; j < n; j++) sum += exp((double)x[j] - max);
    return max + log(sum);
}

/* The loss of one row, from the formula: sum over the vocabulary of q_j (lse - x_j), q = smoothing / n + (1 - smoothing) [j = target]. */
static double naive_loss(int64_t n, const double *x, int64_t target, double smoothing)
{
    double max = -INFINITY, sum = 0, loss = 0;
    for (int64_t j = 0; j < n; j++) max = fmax(max, x[j]);
    for (int64_t j = 0; j < n; j++) sum += exp(x[j] - max);
    for (int64_t j = 0; j < n; j++) loss += (smoothing / (double)n + (j == target ? 1 - smoothing : 0)) * (max + log(sum) - x[j]);
    return loss;
}

/* Whole rows, then the same rows in four pieces merged as a tree. */
static void check_stats(int64_t n, int64_t ld, const float *x)
{
    dgm_softmax_stats whole[ROWS], piece[4][ROWS];
    double worst = 0, worst_merged = 0, worst_sum = 0;
    dgm_softmax_row_stats(ROWS, n, x, ld, whole);
    for (int p = 0; p < 4; p++) dgm_softmax_row_stats(ROWS, n * (p + 1) / 4 - n * p / 4, x + n * p / 4, ld, piece[p]);
    for (int r = 0; r < ROWS; r++) {
        double want = naive_lse(n, x + r * ld), sum = 0;
        for (int64_t j = 0; j < n; j++) sum += (double)x[r * ld + j];
        dgm_softmax_stats merged =
            dgm_softmax_merge(dgm_softmax_merge(piece[0][r], piece[1][r]), dgm_softmax_merge(piece[2][r], piece[3][r]));
        worst = fmax(worst, fabs(dgm_softmax_lse(&whole[r]) - want));
        worst_merged = fmax(worst_merged, fabs(dgm_softmax_lse(&merged) - want));
        worst_sum = fmax(worst_sum, fmax(fabs(whole[r].sum - sum), fabs(merged.sum - sum)));
    }
    tap_near(worst, 0, 3e-7, "n = %lld: log-sum-exp", (long long)n);
    tap_near(worst_merged, 0, 3e-7, "n = %lld: log-sum-exp of four merged pieces", (long long)n);
    tap_near(worst_sum, 0, 1e-9, "n = %lld: sum", (long long)n);
}

static void check_grad(int64_t n, int64_t ld, const float *x)
{
    const float smoothing = 0.1f, weight = 0.25f;
    int32_t target[ROWS];
    float lse[ROWS], *g = naive_memory((size_t)(ROWS * ld) * sizeof *g), *parts = naive_memory((size_t)(ROWS * ld) * sizeof *parts);
    double row[MAX_N], worst = 0;
    for (int r = 0; r < ROWS; r++) target[r] = (int32_t)((r * 31 + 1) % n), lse[r] = (float)naive_lse(n, x + r * ld);
    memcpy(g, x, (size_t)(ROWS * ld) * sizeof *g);
    memcpy(parts, x, (size_t)(ROWS * ld) * sizeof *parts);
    dgm_softmax_loss_grad(ROWS, n, 0, lse, target, smoothing, n, weight, g, ld);
    for (int r = 0; r < ROWS; r++) {
        for (int64_t j = 0; j < n; j++) row[j] = (double)x[r * ld + j];
        for (int t = 0; t < 12; t++) {
            int64_t j = t == 0 ? target[r] : naive_pick(0, n - 1);
            double before = row[j], h = 1e-4;
            row[j] = before + h;
            double up = naive_loss(n, row, target[r], (double)smoothing);
            row[j] = before - h;
            double down = naive_loss(n, row, target[r], (double)smoothing);
            row[j] = before;
            worst = fmax(worst, fabs((double)weight * (up - down) / (2 * h) - (double)g[r * ld + j]));
        }
    }
    tap_near(worst, 0, 3e-7, "n = %lld: gradient near finite differences", (long long)n);
    int64_t cut = n / 3;
    dgm_softmax_loss_grad(ROWS, cut, 0, lse, target, smoothing, n, weight, parts, ld);
    dgm_softmax_loss_grad(ROWS, n - cut, cut, lse, target, smoothing, n, weight, parts + cut, ld);
    tap_same(parts, g, (size_t)(ROWS * ld) * sizeof *g, "n = %lld: gradient in two pieces has the same bits, nothing beside it", (long long)n);
    free(g), free(parts);
}

static void check_log(int64_t n, int64_t ld, const float *x)
{
    float *y = naive_memory((size_t)(ROWS * ld) * sizeof *y);
    double worst = 0;
    memcpy(y, x, (size_t)(ROWS * ld) * sizeof *y);
    dgm_softmax_log(ROWS, n, y, ld);
    for (int r = 0; r < ROWS; r++) {
        double lse = naive_lse(n, x + r * ld);
        for (int64_t j = 0; j < n; j++) worst = fmax(worst, fabs((double)y[r * ld + j] - ((double)x[r * ld + j] - lse)));
    }
    tap_near(worst, 0, 4e-6, "n = %lld: log-probabilities", (long long)n);
    free(y);
}

static void check_bits(int64_t n, int64_t ld, const float *x)
{
    const dgm_kernels *families[3];
    int n_families = naive_families(families);
    dgm_softmax_stats first[ROWS], other[ROWS];
    int32_t target[ROWS] = {0};
    float lse[ROWS], *a = naive_memory((size_t)(ROWS * ld) * sizeof *a), *b = naive_memory((size_t)(ROWS * ld) * sizeof *b);
    families[0]->softmax->row_stats(ROWS, n, x, ld, first);
    for (int r = 0; r < ROWS; r++) lse[r] = (float)dgm_softmax_lse(&first[r]);
    for (int f = 1; f < n_families; f++) {
        bool same = true;
        families[f]->softmax->row_stats(ROWS, n, x, ld, other);
        for (int r = 0; r < ROWS; r++)
            same = same && other[r].max == first[r].max && other[r].sum_exp == first[r].sum_exp && other[r].sum == first[r].sum;
        const dgm_kernels *pair[2] = {families[0], families[f]};
        for (int log = 0; log < 2; log++) {
            for (int i = 0; i < 2; i++) {
                float *out = i == 0 ? a : b;
                memcpy(out, x, (size_t)(ROWS * ld) * sizeof *out);
                if (log) pair[i]->softmax->log(ROWS, n, out, ld);
                else pair[i]->softmax->loss_grad(ROWS, n, 0, lse, target, 0.1f, n, 0.5f, out, ld);
            }
            same = same && memcmp(a, b, (size_t)(ROWS * ld) * sizeof *a) == 0;
        }
        tap_ok(same, "n = %lld: %s and %s give the same bits", (long long)n, families[f]->family, families[0]->family);
    }
    memcpy(b, x + 4 * ld, (size_t)n * sizeof *b);
    dgm_softmax_row_stats(1, n, b, n, other);
    tap_ok(other[0].max == first[4].max && other[0].sum_exp == first[4].sum_exp && other[0].sum == first[4].sum,
           "n = %lld: a row alone has the same bits", (long long)n);
    free(a), free(b);
}

static void check_pieces_of_nothing(void)
{
    dgm_softmax_stats none, some;
    float x[3] = {1, 2, -500};
    dgm_softmax_row_stats(1, 0, x, 0, &none);
    dgm_softmax_row_stats(1, 3, x, 3, &some);
    dgm_softmax_stats both = dgm_softmax_merge(none, some), neither = dgm_softmax_merge(none, none);
    tap_ok(none.max == -INFINITY && none.sum_exp == 0 && none.sum == 0, "an empty piece");
    tap_ok(both.max == some.max && both.sum_exp == some.sum_exp && both.sum == some.sum, "an empty piece changes nothing");
    tap_ok(dgm_softmax_lse(&neither) == -INFINITY, "nothing at all has probability 0");
}

int main(void)
{
    static const int64_t sizes[] = {1, 13, 160, 2503};
    check_exp();
    check_pieces_of_nothing();
    for (int i = 0; i < 4; i++) {
        int64_t n = sizes[i], ld = n + 3;
        float *x = naive_floats(61, 4, ROWS * ld);
        check_stats(n, ld, x);
        check_grad(n, ld, x);
        check_log(n, ld, x);
        check_bits(n, ld, x);
        free(x);
    }
    return tap_done();
}
