/* Makes a model file with random weights and a tokenizer of the characters of a text: make_translator OUT TEXT SEED */
#include "dgm/bpe_learn.h"
#include "dgm/io.h"
#include "dgm/model_file.h"
#include "toy_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dgm_err learn(const char *path, dgm_tokenizer **out)
{
    static const dgm_bpe_learn_options options = {.kind = DGM_TOKENIZER_CHARACTER, .vocab_size = 1000};
    dgm_bpe_learner *learner = NULL;
    char *text = NULL;
    size_t bytes;
    dgm_err err = dgm_io_read_file(path, &text, &bytes);
    if (err == DGM_OK) err = dgm_bpe_learner_create(&options, &learner);
    for (char *line = text, *end; err == DGM_OK && line < text + bytes; line = end + 1) {
        end = memchr(line, '\n', (size_t)(text + bytes - line));
        if (end == NULL) end = text + bytes;
        err = dgm_bpe_learner_add_line(learner, line, (size_t)(end - line));
    }
    if (err == DGM_OK) err = dgm_bpe_learner_learn(learner, out);
    dgm_bpe_learner_destroy(learner);
    free(text);
    return err;
}

int main(int argc, char **argv)
{
    dgm_tokenizer *tokenizer = NULL;
    dgm_text json = {0};
    if (argc != 4) return 2;
    dgm_err err = learn(argv[2], &tokenizer);
    if (err == DGM_OK) err = dgm_tokenizer_to_json(tokenizer, &json);
    if (err == DGM_OK) {
        toy_model m;
        toy_model_init(&m, DGM_NORM_POST, DGM_ACTIVATION_RELU, true, dgm_tokenizer_vocab_size(tokenizer), strtoull(argv[3], NULL, 10));
        const dgm_model_strings strings = {.tokenizer = json.text};
        err = dgm_model_file_save(argv[1], dgm_grid_single(), m.params, &strings, m.flat);
        toy_model_fini(&m);
    }
    if (err != DGM_OK) fprintf(stderr, "%s\n", dgm_error_text());
    dgm_text_fini(&json);
    dgm_tokenizer_destroy(tokenizer);
    return dgm_error_exit_code(err);
}
