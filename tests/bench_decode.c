/* Speed of translating: build/tests/bench_decode [tiny|small|base|all [BEAM|0 [PROCESSES [BATCHES [SENTENCES [TOKENS]]]]]]
 *
 * What is timed: a model of the preset's size with random weights (vocabulary 10,000; base 32,000) translates batches of SENTENCES (64)
 * of about 14 source tokens (normal, deviation 3, at least 4) and </s>, each of which gets exactly TOKENS (15) target tokens, </s> included,
 * every one chosen among the whole vocabulary.  Encoding is part of the time, loading the model is not.  Everything goes through the search
 * that `translate` and `eval` use.
 *
 * PROCESSES (1) run at once on one core each, every one with sentences of its own; they begin each batch together.  After a batch to warm
 * up, BATCHES (5) are timed.  Printed, in target tokens per second of all processes together: best, median and worst batch by the clock
 * (the slowest process counts), and the median by processor time, which is the fair figure on a machine that others use as well.
 * BEAM 0 (default) measures greedy decoding, then beam 5; `all` (default) tiny, then base. */
#include "dgm/gemm.h"
#include "dgm/rng.h"
#include "dgm/search.h"
#include "dgm/timer.h"
#include "dgm/vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_PROCESSES = 64, MAX_BATCHES = 100 };

typedef struct { const char *name; int64_t d_model, d_ff, n_heads, n_layers, vocab_size; } preset;

static const preset presets[] = {
    {"tiny", 128, 256, 4, 4, 10000},
    {"small", 256, 1024, 4, 3, 10000},
    {"base", 512, 2048, 8, 6, 32000},
};

typedef struct { double clock_s, cpu_s; int64_t n_tokens; } lap;

typedef struct { int beam, n_processes, n_batches; int64_t n_sentences, n_tokens; } setup;

typedef struct {
    dgm_params *params;
    float *flat;
    dgm_weights weights;
    dgm_search *search;
} model;

static void must(dgm_err err)
{
    if (err == DGM_OK) return;
    fprintf(stderr, "%s\n", dgm_error_text());
    exit(1);
}

static void *memory(int64_t n, size_t bytes)
{
    void *p = calloc((size_t)n, bytes);
    if (p == NULL) abort();
    return p;
}

static double cpu_now(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void make_model(const preset *p, model *m)
{
    const dgm_hparams hp = {.d_model = p->d_model, .d_ff = p->d_ff, .n_heads = p->n_heads, .n_encoder_layers = p->n_layers,
                            .n_decoder_layers = p->n_layers, .src_vocab_size = p->vocab_size, .tgt_vocab_size = p->vocab_size,
                            .joint_vocab = true, .virtual_tp = (int)p->n_heads, .norm_eps = 1e-5f};
    must(dgm_params_create(&hp, 0, 1, &m->params));
    must(dgm_params_alloc(m->params, &m->flat));
    dgm_params_init(m->params, 1, m->flat);
    must(dgm_weights_init(m->params, m->flat, &m->weights));
    must(dgm_search_create(m->params, &m->weights, &m->search));
}

static void free_model(model *m)
{
    dgm_search_destroy(m->search);
    dgm_weights_fini(&m->weights);
    free(m->flat);
    dgm_params_destroy(m->params);
}

static void make_sentences(uint64_t seed, int64_t n, int64_t vocab_size, dgm_sentence *s)
{
    dgm_rng rng = dgm_rng_make(seed, DGM_RNG_TEST);
    for (int64_t i = 0; i < n; i++) {
        s[i].n = DGM_MAX(4, (int64_t)(14 + 3 * dgm_rng_normal(rng, (uint64_t)i, 0)));
        int32_t *ids = memory(s[i].n, sizeof *ids);
        for (int64_t j = 0; j < s[i].n; j++)
            ids[j] = DGM_VOCAB_N_SPECIAL + (int32_t)dgm_rng_below(rng, (uint64_t)vocab_size - DGM_VOCAB_N_SPECIAL, (uint64_t)j, (uint64_t)i + 1);
        s[i].ids = ids;
    }
}

static lap translate_batch(model *m, const setup *s, uint64_t seed)
{
    dgm_search_options options = dgm_search_defaults();
    dgm_sentence *sentences = memory(s->n_sentences, sizeof *sentences);
    dgm_hypotheses *found = memory(s->n_sentences, sizeof *found);
    make_sentences(seed, s->n_sentences, m->params->hp.src_vocab_size, sentences);
    options.beam.beam = options.beam.n_best = s->beam;
    options.beam.max_length_factor = 0, options.beam.max_length_plus = options.beam.min_length = s->n_tokens - 1;
    lap t = {dgm_timer_now(), cpu_now(), 0};
    must(dgm_search_run(m->search, &options, 1024, sentences, s->n_sentences, found));
    t.clock_s = dgm_timer_now() - t.clock_s, t.cpu_s = cpu_now() - t.cpu_s;
    for (int64_t i = 0; i < s->n_sentences; i++) {
        t.n_tokens += found[i].best[0].n + 1;
        dgm_hypotheses_fini(&found[i]);
        free((void *)(uintptr_t)sentences[i].ids);
    }
    free(sentences), free(found);
    return t;
}

/* A child: says that it is ready, translates a batch for every byte that it is sent, and answers with its times. */
static void work(const preset *p, const setup *s, int process, int commands, int answers)
{
    model m;
    char go;
    make_model(p, &m);
    for (uint64_t batch = 0; read(commands, &go, 1) == 1; batch++) {
        lap t = translate_batch(&m, s, 1000 * (uint64_t)process + batch);
        if (write(answers, &t, sizeof t) != sizeof t) exit(1);
    }
    free_model(&m);
    exit(0);
}

typedef struct { int commands, answers; pid_t pid; } child;

static void start(const preset *p, const setup *s, child *children)
{
    for (int i = 0; i < s->n_processes; i++) {
        int down[2], up[2];
        if (pipe(down) != 0 || pipe(up) != 0 || (children[i].pid = fork()) < 0) exit(1);
        if (children[i].pid == 0) {
            for (int j = 0; j < i; j++) close(children[j].commands), close(children[j].answers);
            close(down[1]), close(up[0]);
            work(p, s, i, down[0], up[1]);
        }
        close(down[0]), close(up[1]);
        children[i].commands = down[1], children[i].answers = up[0];
    }
}

/* One batch on all children: the longest time by the clock, the sums of the rest. */
static lap run_batch(const setup *s, const child *children)
{
    lap all = {0, 0, 0};
    for (int i = 0; i < s->n_processes; i++)
        if (write(children[i].commands, "x", 1) != 1) exit(1);
    for (int i = 0; i < s->n_processes; i++) {
        lap t;
        if (read(children[i].answers, &t, sizeof t) != sizeof t) exit(1);
        all.clock_s = DGM_MAX(all.clock_s, t.clock_s), all.cpu_s += t.cpu_s, all.n_tokens += t.n_tokens;
    }
    return all;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void measure(const preset *p, const setup *s)
{
    child children[MAX_PROCESSES];
    double speed[MAX_BATCHES], cpu_speed[MAX_BATCHES];
    int n = s->n_batches;
    start(p, s, children);
    run_batch(s, children);
    for (int i = 0; i < n; i++) {
        lap t = run_batch(s, children);
        speed[i] = (double)t.n_tokens / t.clock_s;
        cpu_speed[i] = (double)t.n_tokens / t.cpu_s * s->n_processes;
    }
    for (int i = 0; i < s->n_processes; i++) close(children[i].commands), close(children[i].answers), waitpid(children[i].pid, NULL, 0);
    qsort(speed, (size_t)n, sizeof *speed, by_value);
    qsort(cpu_speed, (size_t)n, sizeof *cpu_speed, by_value);
    printf("%-5s beam %d, %d x %lld sentences, %lld tokens each: %.0f target tokens/s (best of %d; median %.0f, worst %.0f); "
           "by processor time %.0f\n", p->name, s->beam, s->n_processes, (long long)s->n_sentences, (long long)s->n_tokens, speed[n - 1], n,
           speed[n / 2], speed[0], cpu_speed[n / 2]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "all";
    int beam = argc > 2 ? atoi(argv[2]) : 0, done = 0;
    setup s = {.n_processes = argc > 3 ? atoi(argv[3]) : 1, .n_batches = argc > 4 ? atoi(argv[4]) : 5,
               .n_sentences = argc > 5 ? atoll(argv[5]) : 64, .n_tokens = argc > 6 ? atoll(argv[6]) : 15};
    bool good = beam >= 0 && s.n_processes >= 1 && s.n_processes <= MAX_PROCESSES && s.n_batches >= 1 && s.n_batches <= MAX_BATCHES &&
                s.n_sentences >= 1 && s.n_tokens >= 2;
    for (int i = 0; good && i < 3; i++) {
        bool both = strcmp(name, "all") == 0 && strcmp(presets[i].name, "small") != 0;
        if (!both && strcmp(name, presets[i].name) != 0) continue;
        for (int b = 1; b <= 5; b += 4) {
            s.beam = beam > 0 ? beam : b;
            if (beam == 0 || b == 1) measure(&presets[i], &s);
        }
        done++;
    }
    if (done > 0) return 0;
    fprintf(stderr, "usage: bench_decode [tiny|small|base|all [BEAM|0 [PROCESSES [BATCHES [SENTENCES [TOKENS]]]]]]\n");
    return 2;
}
