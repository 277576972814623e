#include "dgm/translator.h"

#include "dgm/coll.h"

#include <stdlib.h>
#include <string.h>

static dgm_err read_tokenizer(const dgm_translator *t, const char *text, int64_t vocab_size, dgm_tokenizer **out)
{
    const char *path = dgm_model_file_path(t->file);
    if (text == NULL) return DGM_FAIL(DGM_ERR_INPUT, "%s has no tokenizer in its metadata: it can be trained from, not translated with", path);
    DGM_TRY(dgm_tokenizer_from_json(text, strlen(text), path, out));
    int64_t n = dgm_tokenizer_vocab_size(*out);
    if (n != vocab_size)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: its tokenizer has %lld pieces, its embeddings %lld rows", path, (long long)n, (long long)vocab_size);
    return DGM_OK;
}

static dgm_err open_here(const char *path, dgm_translator **out)
{
    dgm_translator *t = *out = calloc(1, sizeof *t);
    if (t == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "model %s", path);
    DGM_TRY(dgm_model_file_open(path, &t->file));
    const dgm_hparams *hp = dgm_model_file_hparams(t->file);
    const dgm_model_strings *strings = dgm_model_file_strings(t->file);
    DGM_TRY(read_tokenizer(t, strings->tokenizer, hp->src_vocab_size, &t->src_tokenizer));
    if (hp->joint_vocab) t->tgt_tokenizer = t->src_tokenizer;
    else DGM_TRY(read_tokenizer(t, strings->tgt_tokenizer, hp->tgt_vocab_size, &t->tgt_tokenizer));
    DGM_TRY(dgm_params_create(hp, 0, 1, &t->params));
    DGM_TRY(dgm_params_alloc(t->params, &t->flat));
    DGM_TRY(dgm_model_file_read(t->file, t->params, t->flat));
    DGM_TRY(dgm_weights_init(t->params, t->flat, &t->weights));
    return dgm_search_create(t->params, &t->weights, &t->search);
}

dgm_err dgm_translator_open(const char *path, const dgm_grid *grid, dgm_translator **out)
{
    dgm_translator *t = NULL;
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, open_here(path, &t));
    if (err == DGM_OK) *out = t;
    else dgm_translator_close(t);
    return err;
}

void dgm_translator_close(dgm_translator *t)
{
    if (t == NULL) return;
    dgm_search_destroy(t->search);
    dgm_weights_fini(&t->weights);
    free(t->flat);
    dgm_params_destroy(t->params);
    if (t->tgt_tokenizer != t->src_tokenizer) dgm_tokenizer_destroy(t->tgt_tokenizer);
    dgm_tokenizer_destroy(t->src_tokenizer);
    dgm_model_file_close(t->file);
    free(t);
}
