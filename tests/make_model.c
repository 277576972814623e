/* Makes a small model file for the tests of commands: make_model FILE SEED D_MODEL TOKENIZER-TEXT [TRAINING] */
#include "dgm/model_file.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    dgm_params *params = NULL;
    float *flat = NULL;
    if (argc != 5 && argc != 6) return 2;
    dgm_hparams hp = {.d_model = atoi(argv[3]), .d_ff = 32, .n_heads = 2, .n_encoder_layers = 1, .n_decoder_layers = 1, .src_vocab_size = 11,
                      .tgt_vocab_size = 11, .joint_vocab = true, .virtual_tp = 2, .norm_eps = 1e-5f};
    const dgm_model_strings strings = {argv[4], NULL, argc == 6 ? argv[5] : "{\"steps\": 1}"};
    dgm_err err = dgm_params_create(&hp, 0, 1, &params);
    if (err == DGM_OK) err = dgm_params_alloc(params, &flat);
    if (err == DGM_OK) {
        dgm_params_init(params, strtoull(argv[2], NULL, 10), flat);
        err = dgm_model_file_save(argv[1], dgm_grid_single(), params, &strings, flat);
    }
    if (err != DGM_OK) fprintf(stderr, "%s\n", dgm_error_text());
    free(flat);
    dgm_params_destroy(params);
    return dgm_error_exit_code(err);
}
