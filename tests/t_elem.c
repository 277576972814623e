/* Elementwise kernels, dropout masks, sums and optimizers against double, and bit for bit between the families. */
#include "naive.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs fill(kernels, out) in every family; all must write the same n floats.  Returns the result of the family in use. */
typedef void (*filler)(const dgm_kernels *kernels, float *out);

static float *in_every_family(const char *name, filler fill, int64_t n)
{
    const dgm_kernels *families[3];
    int n_families = naive_families(families);
    float *first = naive_floats(91, 1, n);
    fill(families[0], first);
    for (int f = 1; f < n_families; f++) {
        float *other = naive_floats(91, 1, n);
        fill(families[f], other);
        tap_same(other, first, (size_t)n * sizeof *first, "%s: %s and %s give the same bits", name, families[f]->family, families[0]->family);
        free(other);
    }
    return first;
}

/* ---- dropout masks ---- */

enum { MASK_ROWS = 37, MASK_D = 300, MASK_WORDS = (MASK_D + 15) / 16 };
static uint32_t mask_sentence[MASK_ROWS], mask_position[MASK_ROWS];
static dgm_dropout mask_dropout;

static bool bit(const uint16_t *mask, int64_t d, int64_t row, int64_t j) { return mask[row * dgm_dropout_words(d) + j / 16] >> j % 16 & 1; }

static bool kept(const dgm_dropout *p, uint32_t sentence, uint32_t position, int64_t element)
{
    dgm_rng_block b = dgm_rng_at(p->rng, (p->site << 16) + (uint32_t)(element / 8), position, sentence, p->step);
    uint32_t word = b.v[element % 8 / 2];
    return (element % 2 == 0 ? word & 0xFFFF : word >> 16) >= (uint32_t)lround((double)p->rate * 65536);
}

static void check_mask_bits(float rate, int64_t d, int64_t column0)
{
    const dgm_kernels *families[3];
    int n_families = naive_families(families);
    int64_t words = dgm_dropout_words(d), wrong = 0;
    mask_dropout = (dgm_dropout){dgm_rng_make(3, DGM_RNG_DROPOUT), 0xFFFFFFF0u, 65535, rate};
    uint16_t *mask = naive_memory((size_t)(MASK_ROWS * words) * sizeof *mask);
    for (int f = 0; f < n_families; f++) {
        memset(mask, 0xAA, (size_t)(MASK_ROWS * words) * sizeof *mask);
        families[f]->dropout->mask(&mask_dropout, MASK_ROWS, d, column0, mask_sentence, mask_position, mask);
        for (int64_t r = 0; r < MASK_ROWS; r++)
            for (int64_t j = 0; j < 16 * words; j++)
                wrong += bit(mask, d, r, j) != (j < d && kept(&mask_dropout, mask_sentence[r], mask_position[r], column0 + j));
    }
    tap_int(wrong, 0, "mask of %lld at column %lld, rate %g: the bits of dgm_rng_at, none beyond the row", (long long)d, (long long)column0,
            (double)rate);
    free(mask);
}

static void check_mask_slices(void)
{
    enum { D = 512, HALF = 256 };
    uint16_t whole[MASK_ROWS * D / 16], half[MASK_ROWS * HALF / 16];
    mask_dropout = (dgm_dropout){dgm_rng_make(3, DGM_RNG_DROPOUT), 12, 3, 0.1f};
    dgm_dropout_mask(&mask_dropout, MASK_ROWS, D, 0, mask_sentence, mask_position, whole);
    bool same = true;
    for (int part = 0; part < 2; part++) {
        dgm_dropout_mask(&mask_dropout, MASK_ROWS, HALF, part * HALF, mask_sentence, mask_position, half);
        for (int r = 0; r < MASK_ROWS; r++)
            same = same && memcmp(half + r * HALF / 16, whole + r * D / 16 + part * HALF / 16, HALF / 8) == 0;
    }
    tap_ok(same, "half a row's mask is the whole row's");
    mask_dropout.site = 4;
    dgm_dropout_mask(&mask_dropout, MASK_ROWS, HALF, 0, mask_sentence, mask_position, half);
    tap_ok(memcmp(half, whole, HALF / 8) != 0, "another site has other bits");
}

static void check_mask_frequency(float rate)
{
    enum { D = 4096 };
    uint16_t mask[MASK_ROWS * D / 16];
    mask_dropout = (dgm_dropout){dgm_rng_make(8, DGM_RNG_DROPOUT), 1, 0, rate};
    dgm_dropout_mask(&mask_dropout, MASK_ROWS, D, 0, mask_sentence, mask_position, mask);
    int64_t on = 0, n = MASK_ROWS * D;
    for (int i = 0; i < MASK_ROWS * D / 16; i++) on += __builtin_popcount(mask[i]);
    double p = 1 - (double)rate;
    tap_near((double)on / (double)n, p, 5 * sqrt(p * (1 - p) / (double)n), "rate %g keeps its share", (double)rate);
}

/* ---- rows of d elements, d not a multiple of anything ---- */

enum { ROWS = 19, D = 77, N = ROWS * D, WORDS = (D + 15) / 16 };
static float x[N], f[N], bias[D];
static uint16_t mask[ROWS * WORDS];
static const float SCALE = 1.25f;

static double masked(int64_t i, double value) { return bit(mask, D, i / D, i % D) ? (double)SCALE * value : 0; }
static double gelu(double v) { return v * 0.5 * (1 + erf(v / sqrt(2))); }
static double gelu_slope(double v) { return (gelu(v + 1e-5) - gelu(v - 1e-5)) / 2e-5; }

static void fill_relu(const dgm_kernels *k, float *out)
{
    memcpy(out, x, sizeof x);
    k->elem->bias_activation(DGM_ACTIVATION_RELU, ROWS, D, bias, mask, SCALE, out, NULL);
    memcpy(out + N, f, sizeof f);
    k->elem->activation_backward(DGM_ACTIVATION_RELU, ROWS, D, out, NULL, mask, SCALE, out + N);
}

static void fill_gelu(const dgm_kernels *k, float *out)
{
    memcpy(out, x, sizeof x);
    k->elem->bias_activation(DGM_ACTIVATION_GELU, ROWS, D, bias, mask, SCALE, out, out + 2 * N);
    memcpy(out + N, f, sizeof f);
    k->elem->activation_backward(DGM_ACTIVATION_GELU, ROWS, D, out, out + 2 * N, mask, SCALE, out + N);
}

static void check_activations(void)
{
    double want[3 * N];
    for (int64_t i = 0; i < N; i++) {
        double pre = (double)(x[i] + bias[i % D]);
        want[i] = masked(i, fmax(pre, 0));
        want[N + i] = masked(i, pre > 0 ? (double)f[i] : 0);
    }
    float *got = in_every_family("ReLU", fill_relu, 2 * N);
    tap_near_array(got, want, 2 * N, 1e-6, "ReLU with bias and mask, and its gradient");
    free(got);
    for (int64_t i = 0; i < N; i++) {
        double pre = (double)(x[i] + bias[i % D]);
        want[i] = masked(i, gelu(pre));
        want[N + i] = masked(i, (double)f[i] * gelu_slope(pre));
        want[2 * N + i] = pre;
    }
    got = in_every_family("GELU", fill_gelu, 3 * N);
    tap_near_array(got, want, 3 * N, 4e-6, "GELU with bias and mask, its gradient (finite differences), and what it keeps");
    free(got);
    float nan[2] = {NAN, -1};
    dgm_elem_bias_activation(DGM_ACTIVATION_RELU, 1, 2, NULL, NULL, 1, nan, NULL);
    tap_ok(isnan(nan[0]) && nan[1] == 0, "ReLU lets a NaN through, so that divergence is seen");
}

static void check_gelu_precision(void)
{
    enum { STEPS = 200000 };
    double worst = 0;
    for (int i = 0; i < STEPS; i += 16) {
        float v[16], before[16];
        for (int l = 0; l < 16; l++) before[l] = v[l] = -8 + 16 * (float)(i + l) / STEPS;
        dgm_elem_bias_activation(DGM_ACTIVATION_GELU, 1, 16, NULL, NULL, 1, v, NULL);
        for (int l = 0; l < 16; l++) worst = fmax(worst, fabs((double)v[l] - gelu((double)before[l])) / fmax(1, fabs((double)before[l])));
    }
    tap_near(worst, 0, 2e-7, "GELU on [-8, 8]");
}

static void fill_rows(const dgm_kernels *k, float *out)
{
    k->elem->residual(ROWS, D, x, f, bias, mask, SCALE, out);
    k->elem->residual(ROWS, D, x, f, NULL, NULL, SCALE, out + N);
    k->elem->apply_mask(ROWS, D, mask, SCALE, x, out + 2 * N);
    k->elem->apply_mask(ROWS, D, NULL, SCALE, x, out + 3 * N);
    memcpy(out + 4 * N, x, sizeof x);
    k->elem->add(N, f, out + 4 * N);
    k->elem->scale(N, 0.3f, out + 4 * N);
    memcpy(out + 5 * N, x, sizeof x);
    k->elem->bias(ROWS - 1, D - 2, D, bias, out + 5 * N);
}

static void check_rows(void)
{
    static double want[6 * N];
    for (int64_t i = 0; i < N; i++) {
        want[i] = (double)x[i] + masked(i, (double)f[i] + (double)bias[i % D]);
        want[N + i] = (double)x[i] + (double)f[i];
        want[2 * N + i] = masked(i, (double)x[i]);
        want[3 * N + i] = (double)x[i];
        want[4 * N + i] = 0.3 * ((double)x[i] + (double)f[i]);
        want[5 * N + i] = (double)x[i] + (i / D < ROWS - 1 && i % D < D - 2 ? (double)bias[i % D] : 0);
    }
    float *got = in_every_family("residual, mask, add, scale, bias", fill_rows, 6 * N);
    tap_near_array(got, want, 6 * N, 1e-6, "residual, mask, add, scale, bias with a row stride");
    float s[N];
    memcpy(s, x, sizeof x);
    dgm_elem_residual(ROWS, D, s, f, bias, mask, SCALE, s);
    bool in_x = memcmp(s, got, sizeof s) == 0;
    memcpy(s, f, sizeof f);
    dgm_elem_residual(ROWS, D, x, s, bias, mask, SCALE, s);
    tap_ok(in_x && memcmp(s, got, sizeof s) == 0, "residual in place of x or of f");
    dgm_elem_residual(1, D, x + 7 * D, f + 7 * D, bias, mask + 7 * WORDS, SCALE, s);
    tap_same(s, got + 7 * D, D * sizeof *s, "a row alone has the same bits");
    free(got);
}

/* ---- embeddings ---- */

static int32_t ids[ROWS];
static uint32_t positions[ROWS];

static void fill_embed(const dgm_kernels *k, float *out)
{
    k->elem->embed(ROWS, D, ids, 10, 5, x, 3, out);
    memcpy(out + N, out, sizeof x);
    k->elem->add_positions(ROWS, D, f, positions, mask, SCALE, out + N);
}

static void check_embed(void)
{
    static double want[2 * N];
    for (int r = 0; r < ROWS; r++) ids[r] = 7 + r % 11, positions[r] = (uint32_t)(r * 5 % ROWS);
    for (int64_t i = 0; i < N; i++) {
        int32_t id = ids[i / D];
        want[i] = id >= 10 && id < 15 ? 3 * (double)x[(id - 10) * D + i % D] : 0;
        want[N + i] = masked(i, want[i] + (double)f[positions[i / D] * D + i % D]);
    }
    float *got = in_every_family("embeddings", fill_embed, 2 * N);
    tap_near_array(got, want, 2 * N, 2e-6, "embeddings of ids 10..14, zeros for others; positions and mask");
    free(got);
}

/* ---- sums ---- */

enum { TOKENS = 400, WIDE = 150, STRIDE = 160, LEAVES = 8 };
static float tokens[TOKENS * STRIDE];
static const int64_t leaf_start[LEAVES + 1] = {0, 60, 125, 125, 126, 254, 300, 399, 400};

static void fill_sums(const dgm_kernels *k, float *out)
{
    float *scratch = naive_memory((size_t)dgm_elem_leaves_scratch(WIDE, LEAVES) * sizeof *scratch);
    k->sums->leaves(leaf_start, LEAVES, WIDE, tokens, STRIDE, out, scratch);
    free(scratch);
}

/* The order that elem.h states, in float. */
static float leaf_tree(int lo, int n, int64_t column)
{
    if (n > 1) {
        float left = leaf_tree(lo, n / 2, column);
        return left + leaf_tree(lo + n / 2, n / 2, column);
    }
    float sum = 0;
    for (int64_t r = leaf_start[lo]; r < leaf_start[lo + 1]; r += 64) {
        float block = 0;
        for (int64_t i = r; i < DGM_MIN(r + 64, leaf_start[lo + 1]); i++) block += tokens[i * STRIDE + column];
        sum += block;
    }
    return sum;
}

static void check_sums(void)
{
    float want[WIDE];
    double exact[WIDE] = {0}, squares = 0;
    for (int64_t c = 0; c < WIDE; c++) {
        want[c] = leaf_tree(0, LEAVES, c);
        for (int64_t r = 0; r < TOKENS; r++) exact[c] += (double)tokens[r * STRIDE + c];
    }
    float *got = in_every_family("sums over leaves", fill_sums, WIDE);
    tap_same(got, want, sizeof want, "sums over leaves: blocks of 64 rows, then the tree, bit for bit");
    tap_near_array(got, exact, WIDE, 1e-4, "sums over leaves near double");
    free(got);

    const dgm_kernels *families[3];
    int n_families = naive_families(families);
    for (int64_t n = 1003; n > 990; n -= 6) {
        squares = 0;
        for (int64_t i = 0; i < n; i++) squares += (double)tokens[i] * (double)tokens[i];
        double first = families[0]->sums->squares(n, tokens);
        bool same = true;
        for (int i = 1; i < n_families; i++) {
            double other = families[i]->sums->squares(n, tokens);
            same = same && memcmp(&other, &first, sizeof first) == 0;
        }
        tap_near(first, squares, 1e-11, "sum of %lld squares", (long long)n);
        tap_ok(same, "  the same bits in every family");
    }
}

/* ---- optimizers ---- */

static const dgm_adam_step adam = {0.01f, 0.9f, 0.98f, 1e-9f, 0.1f, 0.5f, 1 / (1 - 0.81f), 1 / (1 - 0.9604f)};

static void fill_optimizers(const dgm_kernels *k, float *out)
{
    memcpy(out, tokens, N * sizeof *out);                 /* m */
    for (int i = 0; i < N; i++) out[N + i] = f[i] * f[i]; /* v */
    memcpy(out + 2 * N, x, sizeof x);                     /* w */
    k->optimizer->adam(N, &adam, f, out, out + N, out + 2 * N);
    memcpy(out + 3 * N, x, sizeof x);
    k->optimizer->sgd(N, 0.1f, 0, 0.2f, 0.5f, f, NULL, out + 3 * N);
    memcpy(out + 4 * N, tokens, N * sizeof *out);
    memcpy(out + 5 * N, x, sizeof x);
    k->optimizer->sgd(N, 0.1f, 0.9f, 0.2f, 0.5f, f, out + 4 * N, out + 5 * N);
}

static void check_optimizers(void)
{
    static double want[6 * N];
    for (int i = 0; i < N; i++) {
        double g = 0.5 * (double)f[i], w = (double)x[i], m = (double)tokens[i], v = (double)f[i] * (double)f[i];
        want[i] = 0.9 * m + 0.1 * g;
        want[N + i] = 0.98 * v + 0.02 * g * g;
        want[2 * N + i] = w - 0.01 * (want[i] / (1 - 0.81) / (sqrt(want[N + i] / (1 - 0.9604)) + 1e-9) + 0.1 * w);
        want[3 * N + i] = w - 0.1 * (g + 0.2 * w);
        want[4 * N + i] = 0.9 * m + g + 0.2 * w;
        want[5 * N + i] = w - 0.1 * want[4 * N + i];
    }
    float *got = in_every_family("Adam and SGD", fill_optimizers, 6 * N);
    double worst = 0; /* m / sqrt(v) is large where the gradient is small: compared relative to 1 + |want| */
    for (int i = 0; i < 6 * N; i++) worst = fmax(worst, fabs((double)got[i] - want[i]) / (1 + fabs(want[i])));
    tap_near(worst, 0, 2e-6, "Adam with decoupled decay, SGD with and without momentum");
    free(got);
}

/* ---- the choice of a family ---- */

static void check_choice(void)
{
    const dgm_kernels *families[3];
    int n = naive_families(families);
    tap_note("kernel family in use: %s", dgm_elem_family());
    for (int i = 0; i < n; i++) {
        pid_t child = fork();
        if (child == 0) { /* the choice is made once per process, so the child makes it by running this program again */
            setenv("DRAGOMAN_KERNELS", families[i]->family, 1);
            execl("/proc/self/exe", "t_elem", "--family", families[i]->family, (char *)NULL);
            _exit(2);
        }
        int status = -1;
        tap_ok(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "DRAGOMAN_KERNELS=%s chooses it",
               families[i]->family);
    }
    tap_ok(dgm_kernels_find("sse9") == NULL, "a family that is not there is not found");
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--family") == 0) return strcmp(dgm_elem_family(), argv[2]) != 0;
    naive_fill(41, 2, N, x);
    naive_fill(42, 1, N, f);
    naive_fill(43, 1, D, bias);
    naive_fill(44, 1, TOKENS * STRIDE, tokens);
    for (int i = 0; i < MASK_ROWS; i++) mask_sentence[i] = (uint32_t)(i / 5 * 1000003), mask_position[i] = (uint32_t)(i % 5);
    check_choice();
    check_mask_bits(0.1f, MASK_D, 0);
    check_mask_bits(0.5f, 128, 64);
    check_mask_bits(0, 40, 8);
    check_mask_bits(0.999999f, 17, 0);
    check_mask_slices();
    check_mask_frequency(0.1f);
    check_mask_frequency(0.37f);

    mask_dropout = (dgm_dropout){dgm_rng_make(3, DGM_RNG_DROPOUT), 4, 2, 0.2f};
    dgm_dropout_mask(&mask_dropout, ROWS, D, 0, mask_sentence, mask_position, mask);
    tap_near((double)dgm_dropout_scale(0.2f), (double)SCALE, 1e-6, "dropout scale");
    check_activations();
    check_gelu_precision();
    check_rows();
    check_embed();
    check_sums();
    check_optimizers();
    return tap_done();
}
