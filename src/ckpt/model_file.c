/* What a model says of itself, and its weights on any layout. */
#include "dgm/model_file.h"

#include "dgm/coll.h"
#include "dgm/io.h"
#include "dgm/seal.h"
#include "dgm/sharded.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct dgm_model_file {
    char *path;
    dgm_safetensors *tensors;
    dgm_hparams hp;
    dgm_model_strings strings;
};

enum { MAX_STRINGS = 6 };

static bool same_text(const char *a, const char *b) { return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0; }

bool dgm_model_same_tokenizers(const dgm_model_strings *a, const dgm_model_strings *b)
{
    return same_text(a->tokenizer, b->tokenizer) && same_text(a->tgt_tokenizer, b->tgt_tokenizer);
}

/* The metadata of a model file; *architecture is the caller's to free. */
static dgm_err collect_strings(const dgm_params *params, const dgm_model_strings *strings, dgm_safetensors_string_pair *pair, int *n,
                               char **architecture)
{
    json_t *json = dgm_hparams_to_json(&params->hp);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(json);
    if (text == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "architecture as JSON");
    int k = 0;
    pair[k++] = (dgm_safetensors_string_pair){"format", "pt"};
    pair[k++] = (dgm_safetensors_string_pair){"architecture", text};
    pair[k++] = (dgm_safetensors_string_pair){DGM_SEAL_KEY, DGM_SEAL_BLANK};
    if (strings->tokenizer != NULL)
        pair[k++] = (dgm_safetensors_string_pair){strings->tgt_tokenizer != NULL ? "tokenizer.src" : "tokenizer", strings->tokenizer};
    if (strings->tgt_tokenizer != NULL) pair[k++] = (dgm_safetensors_string_pair){"tokenizer.tgt", strings->tgt_tokenizer};
    if (strings->training != NULL) pair[k++] = (dgm_safetensors_string_pair){"training", strings->training};
    *n = k;
    *architecture = text;
    return DGM_OK;
}

dgm_err dgm_model_file_save(const char *path, const dgm_grid *grid, const dgm_params *params, const dgm_model_strings *strings, float *flat)
{
    dgm_safetensors_string_pair pair[MAX_STRINGS];
    int n = 0;
    char *architecture = NULL;
    dgm_err err = collect_strings(params, strings, pair, &n, &architecture);
    int64_t *start = calloc((size_t)grid->dp_size + 1, sizeof *start);
    if (err == DGM_OK && start == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "shares of the replicas");
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    if (err == DGM_OK) { /* all replicas hold all parameters: each writes a share */
        dgm_params_slices(params, grid->dp_size, start);
        const dgm_range share = {start[grid->dp_rank], start[grid->dp_rank + 1]};
        const dgm_sharded_block block = {"", flat + share.lo};
        err = dgm_sharded_save(path, grid, params, &block, 1, &share, 1, pair, n, true);
    }
    free(start);
    free(architecture);
    return err;
}

/* ---- reading ---- */

static dgm_err parse_architecture(dgm_model_file *f)
{
    const char *text = dgm_safetensors_string(f->tensors, "architecture");
    json_error_t why;
    if (text == NULL)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: its metadata have no \"architecture\": it is not a model that this program wrote", f->path);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL) return DGM_FAIL(DGM_ERR_INPUT, "%s: architecture: %s", f->path, why.text);
    dgm_err err = dgm_hparams_from_json(json, f->path, &f->hp);
    json_decref(json);
    return err;
}

static dgm_err find_strings(dgm_model_file *f)
{
    dgm_model_strings *s = &f->strings;
    s->tokenizer = dgm_safetensors_string(f->tensors, "tokenizer");
    s->training = dgm_safetensors_string(f->tensors, "training");
    if (!f->hp.joint_vocab) {
        s->tokenizer = dgm_safetensors_string(f->tensors, "tokenizer.src");
        s->tgt_tokenizer = dgm_safetensors_string(f->tensors, "tokenizer.tgt");
    }
    if ((s->tokenizer == NULL) != (s->tgt_tokenizer == NULL) && !f->hp.joint_vocab)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: its vocabularies are apart, but it has the tokenizer of one side only", f->path);
    return DGM_OK;
}

#define EXPECTED "expected a model file, or the folder of a run or of a checkpoint"

static dgm_err no_model_in(const char *dir)
{
    if (dgm_io_holds(dir, "manifest.json")) return DGM_FAIL(DGM_ERR_INPUT, "%s holds data, as prepare makes them, and no model; " EXPECTED, dir);
    if (!dgm_io_holds(dir, "last") && dgm_io_holds(dir, "run.json"))
        return DGM_FAIL(DGM_ERR_INPUT, "%s has no model.safetensors: its training has not ended, and it has no checkpoint yet; go on with train "
                        "--resume auto", dir);
    if (!dgm_io_holds(dir, "last")) return DGM_FAIL(DGM_ERR_INPUT, "%s has no model.safetensors; " EXPECTED, dir);
    return DGM_FAIL(DGM_ERR_INPUT, "%s has no model.safetensors: its training has not ended; go on with train --resume auto, or take its newest "
                    "checkpoint, %s/last", dir, dir);
}

dgm_err dgm_model_find(const char *path, char **out)
{
    if (!dgm_io_exists(path)) return DGM_FAIL(DGM_ERR_INPUT, "%s: %s; " EXPECTED, path, strerror(errno));
    bool is_folder = dgm_io_is_dir(path);
    char *file = is_folder ? dgm_io_join(path, "model.safetensors") : strdup(path);
    if (file == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path %s", path);
    if (is_folder && !dgm_io_exists(file)) {
        free(file);
        return no_model_in(path);
    }
    *out = file;
    return DGM_OK;
}

dgm_err dgm_model_file_open(const char *path, dgm_model_file **out)
{
    dgm_err err;
    dgm_model_file *f = calloc(1, sizeof *f);
    if (f == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "model %s", path);
    DGM_GOTO(dgm_model_find(path, &f->path));
    DGM_GOTO(dgm_safetensors_open(f->path, &f->tensors));
    DGM_GOTO(parse_architecture(f));
    DGM_GOTO(find_strings(f));
    *out = f;
    return DGM_OK;
fail:
    dgm_model_file_close(f);
    return err;
}

void dgm_model_file_close(dgm_model_file *file)
{
    if (file == NULL) return;
    dgm_safetensors_close(file->tensors);
    free(file->path);
    free(file);
}

const char *dgm_model_file_path(const dgm_model_file *file) { return file->path; }

const dgm_hparams *dgm_model_file_hparams(const dgm_model_file *file) { return &file->hp; }

const dgm_model_strings *dgm_model_file_strings(const dgm_model_file *file) { return &file->strings; }

const char *dgm_model_file_digest(const dgm_model_file *file) { return dgm_safetensors_string(file->tensors, DGM_SEAL_KEY); }

dgm_err dgm_model_file_read_range(const dgm_model_file *file, const dgm_params *params, int64_t lo, int64_t hi, float *data)
{
    const dgm_sharded_block block = {"", data};
    DGM_TRY(dgm_sharded_check(file->tensors, file->path, params, &block, 1));
    return dgm_sharded_load(file->tensors, params, &block, 1, &(dgm_range){lo, hi}, 1);
}

dgm_err dgm_model_file_verify(const dgm_model_file *file)
{
    const char *digest = dgm_model_file_digest(file);
    if (digest == NULL) return DGM_FAIL(DGM_ERR_INPUT, "%s: its metadata have no \"" DGM_SEAL_KEY "\"", file->path);
    return dgm_seal_check(file->path, digest);
}

dgm_err dgm_model_file_read(const dgm_model_file *file, const dgm_params *params, float *flat)
{
    DGM_TRY(dgm_model_file_verify(file));
    return dgm_model_file_read_range(file, params, 0, params->n_floats, flat);
}
