/* A model is one safetensors file: tensors in Hugging Face's MarianMT names and shapes, and strings in its metadata:
 *
 *   format         "pt", which other programs ask for
 *   architecture   hparams as JSON
 *   digest         of the whole file (seal.h)
 *   tokenizer      the text of tokenizer.json; or tokenizer.src and tokenizer.tgt when the vocabularies are apart
 *   training       how it was trained, as JSON; may be absent
 *
 * Wherever a model is asked for, a checkpoint folder or a run folder, which hold a model.safetensors, will do as well. */
#ifndef DGM_MODEL_FILE_H
#define DGM_MODEL_FILE_H

#include "dgm/grid.h"
#include "dgm/params.h"

typedef struct {
    const char *tokenizer;     /* of both sides, or of the source when there is a tgt_tokenizer */
    const char *tgt_tokenizer; /* NULL: the same */
    const char *training;      /* NULL: none */
} dgm_model_strings;

/* The same tokenizers to the byte, or none in both: only then do two models, or a model and data, speak of the same tokens. */
bool dgm_model_same_tokenizers(const dgm_model_strings *a, const dgm_model_strings *b);

/* Saves the model whose parameters are flat [params->n_floats]; every replica writes a share.  All arguments but flat are equal on all
 * ranks.  On failure all ranks return the same error and what was at `path` is as it was.  Collective on grid->world. */
dgm_err dgm_model_file_save(const char *path, const dgm_grid *grid, const dgm_params *params, const dgm_model_strings *strings, float *flat);

/* The file of the model that `path` names: itself, or the model.safetensors in a folder; the caller frees it.  DGM_ERR_INPUT, saying what
 * was expected and what is there instead, when there is none.  Not collective. */
dgm_err dgm_model_find(const char *path, char **out);

typedef struct dgm_model_file dgm_model_file;

/* Reads the header and the architecture, no weights.  `path`: a file, or a folder with a model.safetensors.  Not collective. */
dgm_err dgm_model_file_open(const char *path, dgm_model_file **out);
void dgm_model_file_close(dgm_model_file *file); /* accepts NULL */

/* All valid until the file is closed. */
const char *dgm_model_file_path(const dgm_model_file *file); /* of the file itself */
const dgm_hparams *dgm_model_file_hparams(const dgm_model_file *file);
const dgm_model_strings *dgm_model_file_strings(const dgm_model_file *file);
const char *dgm_model_file_digest(const dgm_model_file *file); /* 16 hex digits; NULL: it has none.  Two verified files of one digest are the same */

/* DGM_ERR_INPUT, saying "damaged", unless every byte of the file is as it was written.  Not collective. */
dgm_err dgm_model_file_verify(const dgm_model_file *file);

/* Verifies the file and reads this rank's parameters into flat [params->n_floats]; gaps are left as they are.  DGM_ERR_INPUT when the
 * tensors are not those of params.  Not collective. */
dgm_err dgm_model_file_read(const dgm_model_file *file, const dgm_params *params, float *flat);

/* The floats [lo, hi) of the flat block, block edges or its ends, into data[hi - lo]; does not verify. */
dgm_err dgm_model_file_read_range(const dgm_model_file *file, const dgm_params *params, int64_t lo, int64_t hi, float *data);

#endif
