/* Speed of decoding: build/tests/bench_decode [tiny|small|base [BEAM [ROUNDS [SENTENCES [TOKENS]]]]]
 *
 * Random weights; SENTENCES (64) of about 14 source tokens, each of which gets exactly TOKENS (15) target tokens, </s> included; encoding is
 * part of the time.  Prints the best and the median of ROUNDS (5) in target tokens per second, of one process on one core. */
#include "dgm/gemm.h"
#include "dgm/rng.h"
#include "dgm/search.h"
#include "dgm/timer.h"
#include "dgm/vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct { const char *name; int64_t d_model, d_ff, n_heads, n_layers, vocab_size; } presets[] = {
    {"tiny", 128, 256, 4, 4, 10000},
    {"small", 256, 1024, 4, 3, 10000},
    {"base", 512, 2048, 8, 6, 32000},
};

static void must(dgm_err err)
{
    if (err == DGM_OK) return;
    fprintf(stderr, "%s\n", dgm_error_text());
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* About 14 tokens, deviation 3, at least 4. */
static dgm_sentence *make_sentences(int64_t n, int64_t vocab_size)
{
    dgm_rng rng = dgm_rng_make(1, DGM_RNG_TEST);
    dgm_sentence *s = malloc((size_t)n * sizeof *s);
    if (s == NULL) abort();
    for (int64_t i = 0; i < n; i++) {
        s[i].n = DGM_MAX(4, (int64_t)(14 + 3 * dgm_rng_normal(rng, (uint64_t)i, 0)));
        int32_t *ids = malloc((size_t)s[i].n * sizeof *ids);
        if (ids == NULL) abort();
        for (int64_t j = 0; j < s[i].n; j++) ids[j] = 4 + (int32_t)dgm_rng_below(rng, (uint64_t)vocab_size - 4, (uint64_t)j, (uint64_t)i + 1);
        s[i].ids = ids;
    }
    return s;
}

int main(int argc, char **argv)
{
    int which = 0, beam = argc > 2 ? atoi(argv[2]) : 1, rounds = argc > 3 ? atoi(argv[3]) : 5;
    int64_t n = argc > 4 ? atoll(argv[4]) : 64, tokens = argc > 5 ? atoll(argv[5]) : 15;
    double speed[100];
    while (argc > 1 && which < 3 && strcmp(argv[1], presets[which].name) != 0) which++;
    if (which == 3 || beam < 1 || rounds < 1 || rounds > 100 || n < 1 || tokens < 2) {
        fprintf(stderr, "usage: bench_decode [tiny|small|base [BEAM [ROUNDS [SENTENCES [TOKENS]]]]]\n");
        return 2;
    }
    dgm_hparams hp = {.d_model = presets[which].d_model, .d_ff = presets[which].d_ff, .n_heads = presets[which].n_heads,
                      .n_encoder_layers = presets[which].n_layers, .n_decoder_layers = presets[which].n_layers,
                      .src_vocab_size = presets[which].vocab_size, .tgt_vocab_size = presets[which].vocab_size, .joint_vocab = true,
                      .virtual_tp = 4, .norm_eps = 1e-5f};
    dgm_params *params;
    float *flat;
    dgm_weights weights;
    dgm_search *search;
    must(dgm_params_create(&hp, 0, 1, &params));
    must(dgm_params_alloc(params, &flat));
    dgm_params_init(params, 1, flat);
    must(dgm_weights_init(params, flat, &weights));
    must(dgm_search_create(params, &weights, &search));
    dgm_sentence *sentences = make_sentences(n, hp.src_vocab_size);
    dgm_hypotheses *found = calloc((size_t)n, sizeof *found);
    if (found == NULL) abort();
    dgm_beam_options options = dgm_beam_defaults();
    options.beam = options.n_best = beam;
    options.max_length_factor = 0, options.max_length_plus = options.min_length = tokens - 1;
    for (int round = 0; round <= rounds; round++) { /* the first one warms up */
        double start = dgm_timer_now();
        int64_t done = 0;
        must(dgm_search_run(search, &options, 1024, sentences, n, found));
        double seconds = dgm_timer_now() - start;
        for (int64_t i = 0; i < n; i++) {
            done += found[i].best[0].n + 1;
            dgm_hypotheses_fini(&found[i]);
        }
        if (round > 0) speed[round - 1] = (double)done / seconds;
    }
    qsort(speed, (size_t)rounds, sizeof *speed, by_value);
    printf("%s, beam %d, %lld sentences: %.0f target tokens/s (best of %d), median %.0f\n", presets[which].name, beam, (long long)n,
           speed[rounds - 1], rounds, speed[rounds / 2]);
    return 0;
}
