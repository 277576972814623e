/* A training step takes no memory once the first has been made: every call of the allocator during later steps is counted. */
#include "dgm/rng.h"
#include "dgm/sort.h"
#include "dgm/step.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

enum { N_PAIRS = 60, VOCAB = 300, LENGTH = 20 };

#if defined(__SANITIZE_ADDRESS__)
#define COUNTS 0
#else
#define COUNTS 1
static volatile long n_calls;
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
void *malloc(size_t n) { return n_calls++, __libc_malloc(n); }
void *calloc(size_t n, size_t m) { return n_calls++, __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { return n_calls++, __libc_realloc(p, n); }
void *aligned_alloc(size_t a, size_t n) { return n_calls++, __libc_memalign(a, n); }
#endif

static void test_sort(void)
{
    enum { N = 1000 };
    static uint64_t keys[N], scratch[N];
    dgm_rng rng = dgm_rng_make(9, DGM_RNG_TEST);
    uint64_t sum = 0;
    for (int i = 0; i < N; i++) sum += keys[i] = dgm_rng_below(rng, 1ull << (i % 64), (uint64_t)i, 0);
    dgm_sort_u64(N, keys, scratch);
    bool ascending = true;
    for (int i = 0; i < N; i++) sum -= keys[i], ascending = ascending && (i == 0 || keys[i - 1] <= keys[i]);
    tap_ok(ascending && sum == 0, "1,000 keys are sorted and all there");
}

#if COUNTS
static void test_steps(int64_t micro_batch_tokens, dgm_precision precision)
{
    static int32_t ids[N_PAIRS * 2 * LENGTH];
    static dgm_pair pairs[N_PAIRS];
    dgm_hparams hp = {.d_model = 32, .d_ff = 64, .n_heads = 4, .n_encoder_layers = 2, .n_decoder_layers = 2, .src_vocab_size = VOCAB,
                      .tgt_vocab_size = VOCAB, .joint_vocab = true, .virtual_tp = 4, .norm_eps = 1e-5f};
    dgm_train_options options = {.seed = 1, .precision = precision, .virtual_dp = 8, .dropout = 0.1, .attention_dropout = 0.1, .clip_norm = 1,
                                 .schedule = {.kind = DGM_SCHEDULE_CONSTANT, .peak = 0.001},
                                 .optimizer = {.beta1 = 0.9, .beta2 = 0.98, .eps = 1e-9}};
    dgm_rng rng = dgm_rng_make(4, DGM_RNG_TEST);
    for (int i = 0; i < N_PAIRS * 2 * LENGTH; i++) ids[i] = 4 + (int32_t)dgm_rng_below(rng, VOCAB - 4, (uint64_t)i, 0);
    for (int i = 0; i < N_PAIRS; i++) pairs[i] = (dgm_pair){ids + 2 * i * LENGTH, ids + (2 * i + 1) * LENGTH, LENGTH - i % 7, LENGTH - i % 5};
    dgm_params *params;
    dgm_trainer *trainer;
    dgm_batch_builder *builder;
    dgm_step_batch batch;
    dgm_step_result result;
    float *flat;
    dgm_params_create(&hp, 0, 1, &params);
    dgm_params_alloc(params, &flat);
    dgm_params_init(params, 1, flat);
    dgm_batch_builder_create(&builder);
    tap_err(dgm_trainer_create(params, dgm_grid_single(), &options, flat, &trainer), DGM_OK, "trainer");
    for (int step = 1; step <= 4; step++) {
        long before = n_calls; /* the first batch is the largest */
        dgm_err err = dgm_batch_build(builder, pairs, N_PAIRS - 2 * (step - 1), 8, 0, 8, micro_batch_tokens, &batch);
        if (err == DGM_OK) err = dgm_trainer_step(trainer, step, &batch, &result);
        tap_err(err, DGM_OK, "%s, micro_batch_tokens %d, step %d", precision == DGM_PRECISION_BF16 ? "bf16" : "fp32", (int)micro_batch_tokens, step);
        if (step == 1) tap_ok(n_calls > before, "the first step takes memory: the count counts");
        else tap_int(n_calls - before, 0, "calls of the allocator in step %d", step);
    }
    dgm_trainer_destroy(trainer);
    dgm_batch_builder_destroy(builder);
    free(flat);
    dgm_params_destroy(params);
}
#endif

int main(void)
{
    test_sort();
#if COUNTS
    test_steps(0, DGM_PRECISION_FP32);
    test_steps(300, DGM_PRECISION_FP32);
    if (dgm_gemm_check_precision(DGM_PRECISION_BF16) == DGM_OK) test_steps(0, DGM_PRECISION_BF16);
    else tap_skip("calls of the allocator in steps of bf16", dgm_error_text());
#else
    tap_skip("calls of the allocator", "the address sanitizer has an allocator of its own");
#endif
    return tap_done();
}
