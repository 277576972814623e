#include "dgm/translator.h"

#include "dgm/coll.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dgm_err read_tokenizer(const dgm_model_file *file, const char *text, int64_t vocab_size, dgm_tokenizer **out)
{
    const char *path = dgm_model_file_path(file);
    if (text == NULL) return DGM_FAIL(DGM_ERR_INPUT, "%s has no tokenizer in its metadata: it can be trained from, not translated with", path);
    DGM_TRY(dgm_tokenizer_from_json(text, strlen(text), path, out));
    int64_t n = dgm_tokenizer_vocab_size(*out);
    if (n != vocab_size)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: its tokenizer has %lld pieces, its embeddings %lld rows", path, (long long)n, (long long)vocab_size);
    return DGM_OK;
}

static dgm_err read_tokenizers(dgm_translator *t)
{
    const dgm_model_file *file = t->models[0].file;
    const dgm_hparams *hp = dgm_model_file_hparams(file);
    const dgm_model_strings *strings = dgm_model_file_strings(file);
    DGM_TRY(read_tokenizer(file, strings->tokenizer, hp->src_vocab_size, &t->src_tokenizer));
    if (hp->joint_vocab) t->tgt_tokenizer = t->src_tokenizer;
    else DGM_TRY(read_tokenizer(file, strings->tgt_tokenizer, hp->tgt_vocab_size, &t->tgt_tokenizer));
    return DGM_OK;
}

static dgm_err check_tokenizers(const dgm_model_file *first, const dgm_model_file *other)
{
    const dgm_hparams *a = dgm_model_file_hparams(first), *b = dgm_model_file_hparams(other);
    const dgm_model_strings *x = dgm_model_file_strings(first), *y = dgm_model_file_strings(other);
    if (dgm_model_same_tokenizers(x, y) && a->src_vocab_size == b->src_vocab_size && a->tgt_vocab_size == b->tgt_vocab_size &&
        a->joint_vocab == b->joint_vocab)
        return DGM_OK;
    return DGM_FAIL(DGM_ERR_INPUT,
                    "%s: its tokenizer is not that of %s: only models that were trained on data of one tokenizer can translate together",
                    dgm_model_file_path(other), dgm_model_file_path(first));
}

static dgm_err open_model(const char *path, dgm_translator_model *m)
{
    DGM_TRY(dgm_model_file_open(path, &m->file));
    DGM_TRY(dgm_params_create(dgm_model_file_hparams(m->file), 0, 1, &m->params));
    DGM_TRY(dgm_params_alloc(m->params, &m->flat));
    DGM_TRY(dgm_model_file_read(m->file, m->params, m->flat));
    return dgm_weights_init(m->params, m->flat, &m->weights);
}

static dgm_err open_here(int n, const char *const *paths, dgm_translator **out)
{
    dgm_search_model models[DGM_ENSEMBLE_MAX];
    if (n < 1 || n > DGM_ENSEMBLE_MAX) return DGM_FAIL(DGM_ERR_USAGE, "%d models, expected 1 to %d", n, DGM_ENSEMBLE_MAX);
    dgm_translator *t = *out = calloc(1, sizeof *t);
    if (t == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "model %s", paths[0]);
    t->models = calloc((size_t)n, sizeof *t->models);
    if (t->models == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d models", n);
    for (int m = 0; m < n; m++) {
        t->n_models++;
        DGM_TRY(open_model(paths[m], &t->models[m]));
        if (m == 0) DGM_TRY(read_tokenizers(t));
        else DGM_TRY(check_tokenizers(t->models[0].file, t->models[m].file));
        models[m] = (dgm_search_model){t->models[m].params, &t->models[m].weights};
    }
    return dgm_search_create_ensemble(n, models, &t->search);
}

/* A file that was replaced while the ranks opened it is two models. */
static dgm_err check_same(const dgm_translator *t, const dgm_grid *grid)
{
    enum { DIGEST = 128 };
    dgm_err err = DGM_OK;
    for (int m = 0; m < t->n_models; m++) {
        const char *digest = dgm_model_file_digest(t->models[m].file);
        char own[DIGEST] = "", first[DIGEST];
        snprintf(own, sizeof own, "%s", digest != NULL ? digest : "");
        memcpy(first, own, sizeof first);
        DGM_TRY(dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, first, (int64_t)sizeof first));
        if (err == DGM_OK && strcmp(own, first) != 0)
            err = DGM_FAIL(DGM_ERR_INPUT, "%s changed while the ranks read it: start again when it is written", dgm_model_file_path(t->models[m].file));
    }
    return dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
}

dgm_err dgm_translator_open_ensemble(int n_paths, const char *const *paths, const dgm_grid *grid, dgm_translator **out)
{
    dgm_translator *t = NULL;
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, open_here(n_paths, paths, &t));
    if (err == DGM_OK) err = check_same(t, grid);
    if (err == DGM_OK) *out = t;
    else dgm_translator_close(t);
    return err;
}

dgm_err dgm_translator_open(const char *path, const dgm_grid *grid, dgm_translator **out)
{
    return dgm_translator_open_ensemble(1, &path, grid, out);
}

void dgm_translator_close(dgm_translator *t)
{
    if (t == NULL) return;
    dgm_search_destroy(t->search);
    for (int m = 0; m < t->n_models; m++) {
        dgm_translator_model *model = &t->models[m];
        dgm_weights_fini(&model->weights);
        free(model->flat);
        dgm_params_destroy(model->params);
        dgm_model_file_close(model->file);
    }
    free(t->models);
    if (t->tgt_tokenizer != t->src_tokenizer) dgm_tokenizer_destroy(t->tgt_tokenizer);
    dgm_tokenizer_destroy(t->src_tokenizer);
    free(t);
}
