/* Times of the numeric kernels at the shapes of the models: `make bench-num`.  One core; processor time of the
 * best of several turns, because other work may share the machine.  Nothing is checked here. */
#include "naive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TURNS = 7, MAX_PARTS = 64 };

typedef struct {
    const char *name;
    bool leaves;
    int64_t m, n, k;
    int n_parts;
} product;

static const product products[] = {
    {"tiny  FFN in            ", false, 4096, 256, 128, 1},   {"tiny  attention out, tree", false, 4096, 128, 128, 4},
    {"tiny  FFN out, tree     ", false, 4096, 128, 256, 4},   {"tiny  dX of logits, tree ", false, 1024, 128, 10000, 4},
    {"tiny  dW 128x256, leaves", true, 128, 256, 4096, 8},    {"tiny  dW 128x128, leaves ", true, 128, 128, 4096, 8},
    {"tiny  dW vocab, leaves  ", true, 10000, 128, 4096, 8},  {"base  attention out, tree", false, 2048, 512, 512, 8},
    {"base  FFN out, tree     ", false, 2048, 512, 2048, 8},  {"base  dW 512x512, leaves ", true, 512, 512, 4096, 64},
    {"base  dW 512x2048       ", true, 512, 2048, 4096, 64},  {"base  dW 2048x512        ", true, 2048, 512, 4096, 64},
    {"base  QKV               ", false, 2048, 1536, 512, 1},  {"base  FFN in             ", false, 2048, 2048, 512, 1},
    {"base  logits            ", false, 1024, 32000, 512, 1}, {"base  dX of logits, tree ", false, 1024, 512, 32000, 8},
    {"base  dW vocab, leaves  ", true, 32000, 512, 1024, 16},
};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double best_s; /* of the turns of one measurement */
#define BEST_OF_TURNS(statement)                                                                                                   \
    do {                                                                                                                          \
        best_s = 1e9;                                                                                                             \
        for (int turn = 0; turn < TURNS; turn++) {                                                                                \
            double start_s = cpu_s();                                                                                     \
            statement;                                                                                                            \
            best_s = DGM_MIN(best_s, cpu_s() - start_s);                                                                  \
        }                                                                                                                         \
    } while (0)

/* Who multiplies: by turns, so that a machine that gets slower is slower for all. */
typedef struct {
    const char *name;
    bool blis;
    dgm_precision precision;
} multiplier;

static const multiplier multipliers[] = {{"BLIS", true, DGM_PRECISION_FP32}, {"ours", false, DGM_PRECISION_FP32}, {"bf16", false, DGM_PRECISION_BF16}};
enum { N_MULTIPLIERS = sizeof multipliers / sizeof *multipliers };

static bool is_there(const multiplier *m)
{
    if (m->precision == DGM_PRECISION_BF16) return dgm_gemm_bf16_family() != NULL;
    return m->blis || strcmp(dgm_gemm_family(), "fma") == 0;
}

static void bench_product(const product *p)
{
    float *a = naive_floats(1, 1, p->m * p->k), *b = naive_floats(2, 1, p->k * p->n), *c = naive_memory((size_t)(p->m * p->n) * sizeof *c);
    int64_t start[MAX_PARTS + 1], lda = p->leaves ? p->m : p->k;
    for (int i = 0; i <= p->n_parts; i++) start[i] = p->k * i / p->n_parts;
    double whole_s[N_MULTIPLIERS], parts_s[N_MULTIPLIERS], gflop = 2e-9 * (double)p->m * (double)p->n * (double)p->k;
    for (int i = 0; i < N_MULTIPLIERS; i++) whole_s[i] = parts_s[i] = 1e9;
    for (int turn = 0; turn < TURNS; turn++)
        for (int i = 0; i < N_MULTIPLIERS; i++) {
            if (!is_there(&multipliers[i])) continue;
            dgm_gemm_use_blis(multipliers[i].blis);
            dgm_gemm_set_precision(multipliers[i].precision);
            float *scratch = naive_memory((size_t)dgm_gemm_scratch_floats(p->n, p->n_parts) * sizeof *scratch);
            double start_s = cpu_s();
            dgm_gemm(p->leaves ? DGM_GEMM_T : DGM_GEMM_N, DGM_GEMM_N, p->m, p->n, p->k, a, lda, b, p->n, c, p->n);
            whole_s[i] = DGM_MIN(whole_s[i], cpu_s() - start_s);
            start_s = cpu_s();
            (p->leaves ? dgm_gemm_leaves : dgm_gemm_pieces)(p->m, p->n, start, p->n_parts, a, lda, b, p->n, c, p->n, scratch);
            parts_s[i] = DGM_MIN(parts_s[i], cpu_s() - start_s);
            free(scratch);
        }
    for (int i = 0; i < N_MULTIPLIERS; i++)
        if (is_there(&multipliers[i]))
            printf("%s %s %5lldx%-5lldx%-5lld whole %6.1f GFLOP/s   %2d parts %6.1f GFLOP/s\n", p->name, multipliers[i].name, (long long)p->m,
                   (long long)p->n, (long long)p->k, gflop / whole_s[i], p->n_parts, gflop / parts_s[i]);
    dgm_gemm_use_blis(false);
    dgm_gemm_set_precision(DGM_PRECISION_FP32);
    free(a), free(b), free(c);
}

static void report(const char *name, double n) { printf("%-34s %7.3f ns/element\n", name, best_s * 1e9 / n); }

static void bench_rows(void)
{
    enum { ROWS = 2048, D = 128, VOCAB = 10000, LOGIT_ROWS = 64, LEAVES = 8 };
    const double n = (double)ROWS * D;
    float *x = naive_floats(1, 1, ROWS * D), *y = naive_floats(2, 1, ROWS * D), *z = naive_floats(3, 1, ROWS * D), *scratch = naive_floats(4, 1, 20 * D);
    float *logits = naive_floats(5, 3, LOGIT_ROWS * VOCAB), mean[ROWS], rstd[ROWS], lse[LOGIT_ROWS];
    uint16_t *mask = naive_memory(ROWS * D / 8);
    uint32_t *who = naive_memory(ROWS * sizeof *who);
    int32_t target[LOGIT_ROWS] = {0};
    dgm_softmax_stats stats[LOGIT_ROWS];
    dgm_dropout dropout = {dgm_rng_make(1, DGM_RNG_DROPOUT), 1, 1, 0.1f};
    int64_t leaf[LEAVES + 1];
    for (int i = 0; i <= LEAVES; i++) leaf[i] = ROWS * i / LEAVES;
    dgm_adam_step adam = {1e-8f, 0.9f, 0.98f, 1e-9f, 0, 1, 1, 1};

    BEST_OF_TURNS(dgm_dropout_mask(&dropout, ROWS, D, 0, who, who, mask));
    report("dropout mask", n);
    BEST_OF_TURNS(dgm_elem_residual(ROWS, D, x, y, scratch, mask, 1.1f, z));
    report("residual with bias and mask", n);
    BEST_OF_TURNS(dgm_elem_bias_activation(DGM_ACTIVATION_RELU, ROWS, D, scratch, mask, 1.1f, z, NULL));
    report("bias, ReLU, mask", n);
    BEST_OF_TURNS(dgm_elem_bias_activation(DGM_ACTIVATION_GELU, ROWS, D, scratch, mask, 1.1f, z, x));
    report("bias, GELU, mask", n);
    BEST_OF_TURNS(dgm_elem_activation_backward(DGM_ACTIVATION_GELU, ROWS, D, z, x, mask, 1.1f, y));
    report("GELU backward", n);
    naive_fill(1, 1, ROWS * D, x), naive_fill(2, 1, ROWS * D, y);
    BEST_OF_TURNS(dgm_norm_forward(ROWS, D, x, scratch, scratch, 1e-5f, z, mean, rstd));
    report("layer norm", n);
    BEST_OF_TURNS(dgm_norm_backward(ROWS, D, y, x, scratch, mean, rstd, z));
    report("layer norm backward", n);
    BEST_OF_TURNS(dgm_norm_grad_leaves(leaf, LEAVES, D, y, x, mean, rstd, z, z + D, z + 2 * D));
    report("layer norm parameters' gradients", n);
    BEST_OF_TURNS(dgm_elem_sum_leaves(leaf, LEAVES, D, y, D, z, z + D));
    report("sum over leaves", n);
    BEST_OF_TURNS(dgm_softmax_row_stats(LOGIT_ROWS, VOCAB, logits, VOCAB, stats));
    report("softmax statistics", (double)LOGIT_ROWS * VOCAB);
    for (int r = 0; r < LOGIT_ROWS; r++) lse[r] = (float)dgm_softmax_lse(&stats[r]);
    BEST_OF_TURNS(dgm_softmax_loss_grad(LOGIT_ROWS, VOCAB, 0, lse, target, 0.1f, VOCAB, 1, logits, VOCAB));
    report("loss gradient", (double)LOGIT_ROWS * VOCAB);
    double sum = 0;
    BEST_OF_TURNS(sum += dgm_elem_sum_squares(ROWS * D, y));
    report("sum of squares", n);
    memset(z, 0, ROWS * D * sizeof *z);
    BEST_OF_TURNS(dgm_elem_adam(ROWS * D, &adam, y, x, z, logits));
    report("Adam", n);
    free(x), free(y), free(z), free(scratch), free(logits), free(mask), free(who);
}

static void bench_sdpa(int64_t length, int64_t n_heads, int64_t d_head, bool causal, bool drop)
{
    int64_t n_sent = DGM_MAX(1500 / length, 1), rows = n_sent * length, d = n_heads * d_head;
    float *q = naive_floats(1, 1, 3 * rows * d), *out = naive_floats(2, 1, rows * d), *dout = naive_floats(3, 1, rows * d);
    float *dq = naive_floats(4, 1, 3 * rows * d), *lse = naive_floats(5, 1, rows * n_heads);
    int64_t *start = naive_memory((size_t)(n_sent + 1) * sizeof *start);
    uint32_t *sentence = naive_memory((size_t)n_sent * sizeof *sentence);
    for (int64_t s = 0; s <= n_sent; s++) start[s] = s * length;
    dgm_dropout dropout = {dgm_rng_make(1, DGM_RNG_DROPOUT), 1, 1, 0.1f};
    dgm_sdpa_dims dims = {.n_sent = n_sent, .q_start = start, .k_start = start, .n_heads = n_heads, .d_head = d_head, .causal = causal,
                          .dropout = drop ? &dropout : NULL, .sentence = sentence};
    BEST_OF_TURNS(dgm_sdpa_forward(&dims, q, 3 * d, q + d, q + 2 * d, 3 * d, out, d, lse));
    double forward_s = best_s, gflop = 4e-9 * (double)rows * (double)length * (double)d * (causal ? 0.5 : 1);
    BEST_OF_TURNS(dgm_sdpa_backward(&dims, q, 3 * d, q + d, q + 2 * d, 3 * d, out, dout, d, lse, dq, 3 * d, dq + d, dq + 2 * d, 3 * d));
    printf("attention %3lld tokens, %lld heads of %2lld%s%s: forward %6.0f ns/token (%4.1f GFLOP/s), backward %6.0f ns/token (%4.1f GFLOP/s)\n",
           (long long)length, (long long)n_heads, (long long)d_head, causal ? ", causal" : "", drop ? ", dropout" : "",
           forward_s * 1e9 / (double)rows, gflop / forward_s, best_s * 1e9 / (double)rows, 2.5 * gflop / best_s);
    free(q), free(out), free(dout), free(dq), free(lse), free(start), free(sentence);
}

int main(void)
{
    printf("products %s, kernels %s, BLIS %s for %s, one thread, processor time, best of %d\n", dgm_gemm_family(), dgm_elem_family(), dgm_gemm_version(),
           dgm_gemm_blis_family(), TURNS);
    if (strcmp(dgm_gemm_blis_family(), "generic") == 0)
        printf("warning: this BLIS has no kernels for this processor and takes generic ones: its figures say nothing about BLIS at its best\n");
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) bench_product(&products[i]);
    bench_rows();
    for (int causal = 0; causal < 2; causal++)
        for (int drop = 0; drop < 2; drop++) {
            bench_sdpa(15, 4, 32, causal, drop);
            bench_sdpa(25, 8, 64, causal, drop);
            bench_sdpa(300, 8, 64, causal, drop);
        }
    return 0;
}
