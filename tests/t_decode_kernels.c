/* The kernels of decoding against naive double versions, and a row's bits against those it has in company, in every kernel family. */
#include "dgm/kernels.h"
#include "dgm/rng.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void fill(float *x, int64_t n, uint64_t stream)
{
    dgm_rng rng = dgm_rng_make(5, DGM_RNG_TEST);
    for (int64_t i = 0; i < n; i++) x[i] = (float)dgm_rng_normal(rng, (uint64_t)i, stream);
}

static float *floats(int64_t n, uint64_t stream)
{
    float *x = aligned_alloc(64, ((size_t)n * sizeof *x + 63) / 64 * 64);
    if (x == NULL) abort();
    fill(x, n, stream);
    return x;
}

static void test_panels(const dgm_kernels *k, int64_t rows, int64_t in, int64_t out)
{
    float *x = floats(rows * in, 1), *w = floats(out * in, 2), *y = floats(rows * out, 3), *alone = floats(out, 4);
    double *want = malloc((size_t)(rows * out) * sizeof *want);
    dgm_panels p;
    if (want == NULL || dgm_panels_init(&p, in, out) != DGM_OK) abort();
    dgm_panels_set(&p, 0, out / 2, w, in, 1);
    dgm_panels_set(&p, out / 2, out - out / 2, w + out / 2 * in, in, 1);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < out; j++) {
            want[i * out + j] = 0;
            for (int64_t c = 0; c < in; c++) want[i * out + j] += (double)x[i * in + c] * (double)w[j * in + c];
        }
    k->decode->panels(in, out, p.panel, rows, x, in, y, out);
    tap_near_array(y, want, rows * out, 1e-6 * (double)in, "%s: panels, %lld x %lld x %lld", k->family, (long long)rows, (long long)out,
                   (long long)in);
    int differ = 0;
    for (int64_t i = 0; i < rows; i++) {
        k->decode->panels(in, out, p.panel, 1, x + i * in, in, alone, out);
        differ += memcmp(alone, y + i * out, (size_t)out * sizeof *y) != 0;
    }
    tap_int(differ, 0, "%s: a row alone has the same bits", k->family);
    dgm_panels_fini(&p);
    free(x), free(w), free(y), free(alone), free(want);
}

static void test_attend(const dgm_kernels *k, int64_t n, int64_t n_heads, int64_t d_head, bool scattered)
{
    int64_t d = n_heads * d_head, stride = scattered ? 2 * d + 16 : d;
    float *q = floats(d, 1), *kv = floats(3 * n * stride, 2), *v = kv + (scattered ? d : n * d), *out = floats(d, 3), *scores = floats(n * n_heads, 4);
    double *want = calloc((size_t)d, sizeof *want), *p = malloc((size_t)n * sizeof *p);
    int32_t *slot = malloc((size_t)n * sizeof *slot);
    const float **at = malloc((size_t)n * sizeof *at);
    if (want == NULL || p == NULL || slot == NULL || at == NULL) abort();
    for (int64_t j = 0; j < n; j++) slot[j] = scattered ? (int32_t)((j * 7) % n) : (int32_t)j, at[j] = kv + slot[j] * stride;
    for (int64_t h = 0; h < n_heads; h++) {
        double sum = 0;
        for (int64_t j = 0; j < n; j++) {
            p[j] = 0;
            for (int64_t i = 0; i < d_head; i++) p[j] += (double)q[h * d_head + i] * (double)kv[slot[j] * stride + h * d_head + i];
            sum += p[j] = exp(p[j] / sqrt((double)d_head));
        }
        for (int64_t j = 0; j < n; j++)
            for (int64_t i = 0; i < d_head; i++) want[h * d_head + i] += p[j] / sum * (double)v[slot[j] * stride + h * d_head + i];
    }
    k->decode->attend(n, n_heads, d_head, q, at, 0, v - kv, scores, out);
    tap_near_array(out, want, d, 2e-6, "%s: attention of %lld heads of %lld to %lld %s keys", k->family, (long long)n_heads, (long long)d_head,
                   (long long)n, scattered ? "scattered" : "adjacent");
    free(q), free(kv), free(out), free(scores), free(want), free(p), free(slot), free(at);
}

static int by_value(const void *a, const void *b)
{
    const float x = **(const float *const *)a, y = **(const float *const *)b;
    if (x != y) return x > y ? -1 : 1;
    return *(const float *const *)a < *(const float *const *)b ? -1 : 1;
}

static void test_top(const dgm_kernels *k, int64_t n, int64_t piece, int n_top)
{
    float *x = floats(n, 9), value[64];
    int32_t id[64];
    const float **sorted = malloc((size_t)n * sizeof *sorted);
    if (sorted == NULL) abort();
    for (int64_t i = 0; i < n; i++) x[i] = roundf(4 * x[i]) / 4, sorted[i] = x + i; /* many equal ones */
    x[n / 2] = -INFINITY;
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    for (int i = 0; i < n_top; i++) value[i] = -INFINITY, id[i] = -1;
    for (int64_t i = 0; i < n; i += piece) k->decode->top(DGM_MIN(piece, n - i), x + i, (int32_t)(7 + i), n_top, value, id);
    int differ = 0;
    for (int i = 0; i < n_top; i++) {
        bool there = i < n && *sorted[i] > -INFINITY;
        differ += there ? id[i] != 7 + (sorted[i] - x) || value[i] != *sorted[i] : id[i] != -1;
    }
    tap_int(differ, 0, "%s: the %d largest of %lld in pieces of %lld, equal ones by id", k->family, n_top, (long long)n, (long long)piece);
    free(x), free(sorted);
}

/* log sum exp in pieces. */
static void test_lse(const dgm_kernels *k, int64_t n, int64_t piece)
{
    float *x = floats(n, 10), max = -INFINITY;
    double sum = 0, want = 0;
    for (int64_t i = 0; i < n; i++) x[i] = 20 * x[i] + 50, want += exp((double)x[i] - 100);
    for (int64_t i = 0; i < n; i += piece) k->decode->lse(DGM_MIN(piece, n - i), x + i, &max, &sum);
    tap_near(dgm_lse(max, sum), 100 + log(want), 1e-6, "%s: log-sum-exp of %lld numbers in pieces of %lld", k->family, (long long)n,
             (long long)piece);
    x[n / 2] = NAN, max = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i += piece) k->decode->lse(DGM_MIN(piece, n - i), x + i, &max, &sum);
    tap_ok(!isfinite(dgm_lse(max, sum)), "%s: a NaN shows (%g)", k->family, dgm_lse(max, sum));
    free(x);
}

static void test_family(const dgm_kernels *k)
{
    test_panels(k, 1, 8, 5);
    test_panels(k, 13, 32, 97);
    test_panels(k, 29, 300, 64);
    test_attend(k, 1, 1, 8, false);
    test_attend(k, 17, 4, 8, true);
    test_attend(k, 40, 2, 24, true);
    test_attend(k, 33, 3, 64, false);
    test_top(k, 1000, 1000, 5);
    test_top(k, 1001, 96, 64);
    test_top(k, 3, 2, 5);
    test_lse(k, 1000, 256);
    test_lse(k, 7, 3);
}

/* Every family must give what the first one gives. */
static void test_same_bits(const dgm_kernels *a, const dgm_kernels *b)
{
    enum { ROWS = 11, IN = 150, OUT = 70, KEYS = 20 };
    float *x = floats(ROWS * IN, 1), *w = floats(OUT * IN, 2), *scores = floats(64, 3), y[2][ROWS * OUT], z[2][48];
    float max[2] = {-INFINITY, -INFINITY};
    double sum[2] = {0, 0};
    const float *at[KEYS];
    dgm_panels p;
    if (dgm_panels_init(&p, IN, OUT) != DGM_OK) abort();
    dgm_panels_set(&p, 0, OUT, w, IN, 1);
    for (int64_t j = 0; j < KEYS; j++) at[j] = w + j * 48;
    const dgm_kernels *both[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        both[i]->decode->panels(IN, OUT, p.panel, ROWS, x, IN, y[i], OUT);
        both[i]->decode->attend(KEYS, 2, 24, x, at, 0, KEYS * 48, scores, z[i]);
        for (int64_t j = 0; j < ROWS * IN; j += 256) both[i]->decode->lse(DGM_MIN(ROWS * IN - j, (int64_t)256), x + j, &max[i], &sum[i]);
    }
    tap_same(y[1], y[0], sizeof y[0], "%s: panels give the bits of %s", b->family, a->family);
    tap_same(z[1], z[0], sizeof z[0], "%s: attention gives the bits of %s", b->family, a->family);
    tap_same(&sum[1], &sum[0], sizeof *sum, "%s: log-sum-exp gives the bits of %s", b->family, a->family);
    dgm_panels_fini(&p);
    free(x), free(w), free(scores);
}

int main(void)
{
    static const char *const families[] = {"portable", "avx2", "avx512"};
    const dgm_kernels *first = dgm_kernels_find("portable");
    for (int i = 0; i < 3; i++) {
        const dgm_kernels *k = dgm_kernels_find(families[i]);
        if (k == NULL) {
            tap_skip(families[i], "this build or CPU has no such kernels");
            continue;
        }
        test_family(k);
        if (k != first) test_same_bits(first, k);
    }
    return tap_done();
}
