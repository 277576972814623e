/* Layer norm against double and finite differences, and bit for bit: between the families, and a row alone. */
#include "naive.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 150, MAX_D = 512, LEAVES = 4 };
static const float EPS = 1e-5f;
static const int64_t leaf_start[LEAVES + 1] = {0, 70, 70, 71, ROWS};

typedef struct {
    int64_t d;
    float *x, *dy, *gamma, *beta;
    float *y, *mean, *rstd, *dx, *dgamma, *dbeta;
} work;

static work work_make(int64_t d)
{
    work w = {.d = d, .x = naive_floats(51, 3, ROWS * d), .dy = naive_floats(52, 1, ROWS * d), .gamma = naive_floats(53, 1, d),
              .beta = naive_floats(54, 1, d)};
    for (int64_t i = 0; i < ROWS * d; i++) w.x[i] += 20; /* a mean far from 0 */
    w.y = naive_floats(1, 1, ROWS * d), w.dx = naive_floats(1, 1, ROWS * d);
    w.mean = naive_floats(1, 1, ROWS), w.rstd = naive_floats(1, 1, ROWS);
    w.dgamma = naive_floats(1, 1, d), w.dbeta = naive_floats(1, 1, d);
    return w;
}

static void work_free(work *w)
{
    free(w->x), free(w->dy), free(w->gamma), free(w->beta), free(w->y), free(w->mean), free(w->rstd), free(w->dx), free(w->dgamma), free(w->dbeta);
}

static void run(const dgm_kernels *k, work *w)
{
    float *scratch = naive_memory((size_t)(2 * dgm_elem_leaves_scratch(w->d, LEAVES)) * sizeof *scratch);
    k->norm->forward(ROWS, w->d, w->x, w->gamma, w->beta, EPS, w->y, w->mean, w->rstd);
    k->sums->norm_leaves(leaf_start, LEAVES, w->d, w->dy, w->x, w->mean, w->rstd, w->dgamma, w->dbeta, scratch);
    k->norm->backward(ROWS, w->d, w->dy, w->x, w->gamma, w->mean, w->rstd, w->dx);
    free(scratch);
}

/* y of one row in double; returns sum of dy * y. */
static double naive_row(int64_t d, const double *x, const double *gamma, const double *beta, const float *dy, double *y)
{
    double mean = 0, variance = 0, loss = 0;
    for (int64_t j = 0; j < d; j++) mean += x[j] / (double)d;
    for (int64_t j = 0; j < d; j++) variance += (x[j] - mean) * (x[j] - mean) / (double)d;
    for (int64_t j = 0; j < d; j++) {
        y[j] = (x[j] - mean) / sqrt(variance + (double)EPS) * gamma[j] + beta[j];
        loss += (double)dy[j] * y[j];
    }
    return loss;
}

static double slope(work *w, int64_t row, double *x, double *gamma, double *beta, double *at)
{
    double y[MAX_D], before = *at, h = 1e-5;
    *at = before + h;
    double up = naive_row(w->d, x, gamma, beta, w->dy + row * w->d, y);
    *at = before - h;
    double down = naive_row(w->d, x, gamma, beta, w->dy + row * w->d, y);
    *at = before;
    return (up - down) / (2 * h);
}

static void check_values(work *w)
{
    double x[MAX_D], y[MAX_D], gamma[MAX_D], beta[MAX_D], dgamma[MAX_D] = {0}, dbeta[MAX_D] = {0}, worst = 0, worst_dx = 0;
    for (int64_t j = 0; j < w->d; j++) gamma[j] = (double)w->gamma[j], beta[j] = (double)w->beta[j];
    for (int64_t r = 0; r < ROWS; r++) {
        for (int64_t j = 0; j < w->d; j++) x[j] = (double)w->x[r * w->d + j];
        naive_row(w->d, x, gamma, beta, w->dy + r * w->d, y);
        worst = fmax(worst, naive_distance(w->d, w->y + r * w->d, y));
        for (int64_t j = r % 3; j < w->d; j += 7) worst_dx = fmax(worst_dx, fabs(slope(w, r, x, gamma, beta, x + j) - (double)w->dx[r * w->d + j]));
        for (int64_t j = 0; j < w->d; j += 5) {
            dgamma[j] += slope(w, r, x, gamma, beta, gamma + j);
            dbeta[j] += slope(w, r, x, gamma, beta, beta + j);
        }
    }
    double worst_parameters = 0;
    for (int64_t j = 0; j < w->d; j += 5)
        worst_parameters = fmax(worst_parameters, fmax(fabs(dgamma[j] - (double)w->dgamma[j]), fabs(dbeta[j] - (double)w->dbeta[j])));
    tap_near(worst, 0, 1e-5, "d = %lld: y near double", (long long)w->d);
    tap_near(worst_dx, 0, 1e-5, "d = %lld: dx near finite differences", (long long)w->d);
    tap_near(worst_parameters, 0, 1e-4, "d = %lld: dgamma and dbeta near finite differences", (long long)w->d);
}

static void check_bits(work *w)
{
    const dgm_kernels *families[3];
    int n = naive_families(families);
    size_t bytes = (size_t)(ROWS * w->d) * sizeof(float), row_bytes = (size_t)w->d * sizeof(float);
    for (int f = 1; f < n; f++) {
        work other = work_make(w->d);
        run(families[f], &other);
        tap_ok(memcmp(other.y, w->y, bytes) == 0 && memcmp(other.dx, w->dx, bytes) == 0 && memcmp(other.mean, w->mean, ROWS * sizeof(float)) == 0 &&
                   memcmp(other.rstd, w->rstd, ROWS * sizeof(float)) == 0 && memcmp(other.dgamma, w->dgamma, row_bytes) == 0 &&
                   memcmp(other.dbeta, w->dbeta, row_bytes) == 0,
               "d = %lld: %s and %s give the same bits", (long long)w->d, families[f]->family, families[0]->family);
        work_free(&other);
    }
    float y[MAX_D + 3], dx[MAX_D + 3]; /* off by three: another alignment */
    int64_t r = 33;
    dgm_norm_forward(1, w->d, w->x + r * w->d, w->gamma, w->beta, EPS, y + 3, NULL, NULL);
    memcpy(dx + 3, w->dy + r * w->d, row_bytes);
    dgm_norm_backward(1, w->d, dx + 3, w->x + r * w->d, w->gamma, w->mean + r, w->rstd + r, dx + 3);
    tap_ok(memcmp(y + 3, w->y + r * w->d, row_bytes) == 0 && memcmp(dx + 3, w->dx + r * w->d, row_bytes) == 0,
           "d = %lld: a row alone, dx in place of dy, has the same bits", (long long)w->d);
}

int main(void)
{
    static const int64_t sizes[] = {128, 512, 77, 5};
    for (int i = 0; i < 4; i++) {
        work w = work_make(sizes[i]);
        run(dgm_kernels_now(), &w);
        check_values(&w);
        check_bits(&w);
        work_free(&w);
    }
    float constant[40], y[40], ones[40];
    for (int j = 0; j < 40; j++) constant[j] = 3, ones[j] = 1;
    dgm_norm_forward(1, 40, constant, ones, ones, EPS, y, NULL, NULL);
    tap_ok(y[0] == 1 && y[39] == 1, "a constant row becomes beta");
    return tap_done();
}
