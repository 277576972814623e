/* A tokenizer travels in several kinds of files; whoever needs one names any of them. */
#include "dgm/tokenizer_find.h"

#include "dgm/io.h"
#include "dgm/safetensors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dgm_err load_from_model(const char *path, const char *side, dgm_tokenizer **out)
{
    dgm_safetensors *file;
    char key[32];
    DGM_TRY(dgm_safetensors_open(path, &file));
    snprintf(key, sizeof key, "tokenizer.%s", side);
    const char *text = dgm_safetensors_string(file, "tokenizer");
    if (text == NULL) text = dgm_safetensors_string(file, key);
    dgm_err err = text != NULL ? dgm_tokenizer_from_json(text, strlen(text), path, out)
                               : DGM_FAIL(DGM_ERR_INPUT, "%s has no tokenizer: its metadata has neither \"tokenizer\" nor \"%s\"", path, key);
    dgm_safetensors_close(file);
    return err;
}

/* Whether a file has the name of safetensors or begins as they do: the length of the header in eight bytes, and a JSON object. */
static bool is_safetensors(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot != NULL && strcmp(dot, ".safetensors") == 0) return true;
    unsigned char head[9] = {0};
    FILE *file = fopen(path, "rb");
    size_t n = file != NULL ? fread(head, 1, sizeof head, file) : 0;
    if (file != NULL) fclose(file);
    return n == sizeof head && head[6] == 0 && head[7] == 0 && head[8] == '{';
}

static dgm_err load_from_folder(const char *dir, const char *side, dgm_tokenizer **out)
{
    char own[32];
    snprintf(own, sizeof own, "tokenizer.%s.json", side);
    const char *const names[] = {"tokenizer.json", own, "model.safetensors"};
    for (int i = 0; i < 3; i++) {
        char *path = dgm_io_join(dir, names[i]);
        if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "name of a file in %s", dir);
        bool is_there = dgm_io_exists(path);
        dgm_err err = !is_there ? DGM_OK : i < 2 ? dgm_tokenizer_load(path, out) : load_from_model(path, side, out);
        free(path);
        if (is_there) return err;
    }
    return DGM_FAIL(DGM_ERR_INPUT, "%s has no tokenizer: expected tokenizer.json, %s or model.safetensors in it", dir, own);
}

dgm_err dgm_tokenizer_find(const char *path, const char *side, dgm_tokenizer **out)
{
    if (!dgm_io_exists(path))
        return DGM_FAIL(DGM_ERR_INPUT, "%s: %s; expected a tokenizer.json, a model, or a folder with one of them", path, strerror(errno));
    if (dgm_io_is_dir(path)) return load_from_folder(path, side, out);
    return is_safetensors(path) ? load_from_model(path, side, out) : dgm_tokenizer_load(path, out);
}
