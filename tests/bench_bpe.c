/* Speed of learning and encoding on a text file: build/tests/bench_bpe FILE [VOCAB_SIZE [ROUNDS]].  Prints the best of the rounds. */
#include "dgm/bpe_learn.h"
#include "dgm/io.h"
#include "dgm/timer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dgm_err learn(const char *text, size_t bytes, int32_t vocab_size, double *count_s, double *learn_s, dgm_tokenizer **out)
{
    dgm_bpe_learner *learner;
    dgm_bpe_learn_options options = {.vocab_size = vocab_size};
    double start = dgm_timer_now();
    DGM_TRY(dgm_bpe_learner_create(&options, &learner));
    for (const char *line = text, *end = text + bytes, *stop; line < end; line = stop + 1) {
        stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL) stop = end;
        DGM_TRY(dgm_bpe_learner_add_line(learner, line, (size_t)(stop - line)));
    }
    double counted = dgm_timer_now();
    dgm_err err = dgm_bpe_learner_learn(learner, out);
    dgm_bpe_learner_destroy(learner);
    *count_s = counted - start;
    *learn_s = dgm_timer_now() - start;
    return err;
}

static dgm_err encode(const dgm_tokenizer *tokenizer, const char *text, size_t bytes, double *encode_s, double *decode_s, int64_t *n)
{
    dgm_tokenizer_state *state;
    dgm_ids ids = {0};
    dgm_text back = {0};
    double start = dgm_timer_now();
    DGM_TRY(dgm_tokenizer_state_create(tokenizer, &state));
    for (const char *line = text, *end = text + bytes, *stop; line < end; line = stop + 1) {
        stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL) stop = end;
        DGM_TRY(dgm_tokenizer_encode(state, line, (size_t)(stop - line), &ids));
    }
    double encoded = dgm_timer_now();
    DGM_TRY(dgm_tokenizer_decode(tokenizer, ids.ids, ids.n, &back));
    *decode_s = dgm_timer_now() - encoded;
    *encode_s = encoded - start;
    *n = ids.n;
    dgm_tokenizer_state_destroy(state);
    dgm_ids_fini(&ids);
    dgm_text_fini(&back);
    return DGM_OK;
}

static dgm_err measure(const char *path, int32_t vocab_size, int rounds)
{
    char *text;
    size_t bytes;
    double count_s = INFINITY, learn_s = INFINITY, encode_s = INFINITY, decode_s = INFINITY, first, second;
    int64_t n = 0;
    DGM_TRY(dgm_io_read_file(path, &text, &bytes));
    for (int round = 0; round < rounds; round++) {
        dgm_tokenizer *tokenizer;
        DGM_TRY(learn(text, bytes, vocab_size, &first, &second, &tokenizer));
        count_s = fmin(count_s, first), learn_s = fmin(learn_s, second);
        DGM_TRY(encode(tokenizer, text, bytes, &first, &second, &n));
        encode_s = fmin(encode_s, first), decode_s = fmin(decode_s, second);
        dgm_tokenizer_destroy(tokenizer);
    }
    double mb = (double)bytes / 1e6;
    printf("%.1f MB, vocabulary %d: learned in %.2f s (words counted in %.2f s)\n", mb, vocab_size, learn_s, count_s);
    printf("encoded in %.3f s, %.0f MB/s, %lld tokens, %.2f bytes a token; decoded in %.3f s\n", encode_s, mb / encode_s, (long long)n,
           (double)bytes / (double)n, decode_s);
    free(text);
    return DGM_OK;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_bpe FILE [VOCAB_SIZE [ROUNDS]]\n");
        return 2;
    }
    dgm_err err = measure(argv[1], argc > 2 ? atoi(argv[2]) : 10000, argc > 3 ? atoi(argv[3]) : 5);
    if (err != DGM_OK) fprintf(stderr, "bench_bpe: %s\n", dgm_error_text());
    return dgm_error_exit_code(err);
}
