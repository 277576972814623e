/* Changes the last bit of one weight in a checkpoint, or makes it no number, and seals it again, for the tests of what compares and evaluates
 * runs: nudge RUN STEP TENSOR [nan] */
#include "dgm/ckpt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void change(const dgm_params *params, int tensor, bool to_nan, float *flat)
{
    for (int i = 0; i < params->n_units; i++)
        if (params->units[i].tensor == tensor) {
            uint32_t bits;
            if (to_nan) flat[params->units[i].offset] = NAN;
            memcpy(&bits, flat + params->units[i].offset, sizeof bits);
            bits ^= 1;
            memcpy(flat + params->units[i].offset, &bits, sizeof bits);
            return;
        }
}

int main(int argc, char **argv)
{
    const dgm_grid *grid = dgm_grid_single();
    dgm_model_file *file = NULL;
    dgm_params *params = NULL;
    float *flat = NULL, *moment[2] = {NULL, NULL};
    char *state = NULL;
    if (argc != 4 && argc != 5) return 2;
    int64_t step = strtoll(argv[2], NULL, 10);
    char *path = dgm_ckpt_path(argv[1], step);
    dgm_err err = dgm_model_file_open(path, &file);
    if (err == DGM_OK) err = dgm_params_create(dgm_model_file_hparams(file), 0, 1, &params);
    if (err == DGM_OK) err = dgm_params_alloc(params, &flat);
    for (int i = 0; i < 2 && err == DGM_OK; i++) err = dgm_params_alloc(params, &moment[i]);
    if (err == DGM_OK) {
        const dgm_range all = {0, params->n_floats};
        dgm_ckpt ckpt = {.params = params, .flat = flat, .ranges = &all, .n_ranges = 1, .n_moments = 2, .moment = {{"exp_avg", moment[0]}, {"exp_avg_sq", moment[1]}}};
        err = dgm_ckpt_load(path, grid, &ckpt);
        if (err == DGM_OK) err = dgm_ckpt_read_state(path, grid, &state);
        int tensor = dgm_params_find(params, argv[3]);
        if (err == DGM_OK && tensor < 0) err = DGM_FAIL(DGM_ERR_USAGE, "no tensor %s", argv[3]);
        if (err == DGM_OK) change(params, tensor, argc == 5, flat);
        if (err == DGM_OK) err = dgm_ckpt_save(argv[1], step, grid, &ckpt, dgm_model_file_strings(file), state);
    }
    if (err != DGM_OK) fprintf(stderr, "nudge: %s\n", dgm_error_text());
    free(state);
    free(moment[0]);
    free(moment[1]);
    free(flat);
    dgm_params_destroy(params);
    dgm_model_file_close(file);
    free(path);
    return dgm_error_exit_code(err);
}
