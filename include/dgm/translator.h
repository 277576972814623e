/* Model files made ready to translate and to be evaluated: their weights, whole, on every rank, and their tokenizers. */
#ifndef DGM_TRANSLATOR_H
#define DGM_TRANSLATOR_H

#include "dgm/model_file.h"
#include "dgm/translate.h"

typedef struct {
    dgm_model_file *file;
    dgm_params *params; /* of tp size 1 */
    float *flat;
    dgm_weights weights;
} dgm_translator_model;

typedef struct {
    int n_models;
    dgm_translator_model *models; /* [n_models] */
    dgm_tokenizer *src_tokenizer, *tgt_tokenizer; /* one and the same where the models have a joint vocabulary */
    dgm_search *search;
} dgm_translator;

/* `path`: a model file, or a folder that holds a model.safetensors (a checkpoint, a run).  Every rank reads the file.  DGM_ERR_INPUT when it
 * is no model or its tokenizer is not of the size of its vocabulary.  Collective on grid->world: an error is every rank's. */
dgm_err dgm_translator_open(const char *path, const dgm_grid *grid, dgm_translator **out);

/* The same of several models that translate together; DGM_ERR_INPUT also when their tokenizers differ, DGM_ERR_USAGE when they are too many. */
dgm_err dgm_translator_open_ensemble(int n_paths, const char *const *paths, const dgm_grid *grid, dgm_translator **out);
void dgm_translator_close(dgm_translator *translator); /* accepts NULL */

#endif
