/* What a command may write over: never what it reads.  A file is written as PATH.tmp and renamed to PATH, which replaces a link and not what it
 * leads to. */
#include "dgm/output.h"

#include "dgm/io.h"

#include <stdlib.h>
#include <string.h>

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* The one name of the entry `path` of its folder, which need not be there, with `more` behind it; NULL where there is no such folder. */
static char *entry_of(const char *path, const char *more)
{
    const char *base = base_of(path);
    char *dir = base == path ? strdup(".") : strndup(path, (size_t)(base - path)), *real = dir != NULL ? realpath(dir, NULL) : NULL;
    char *name = malloc(strlen(base) + strlen(more) + 1), *entry = NULL;
    if (real != NULL && name != NULL) {
        strcpy(name, base);
        strcat(name, more);
        entry = dgm_io_join(real, name);
    }
    free(name);
    free(real);
    free(dir);
    return entry;
}

static bool same_text(const char *a, const char *b) { return a != NULL && b != NULL && strcmp(a, b) == 0; }

/* Whether a file of models, runs or DATA has this name; in a folder with a manifest shards have it, too. */
static bool is_own(const char *entry)
{
    static const char *const names[] = {"model.safetensors", "optimizer.safetensors", "run.json", "state.json", "metrics.jsonl", "timing.jsonl",
                                        "trace.jsonl", "DONE", "manifest.json", "tokenizer.json", "tokenizer.src.json", "tokenizer.tgt.json"};
    const char *name = base_of(entry);
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    if (n < 4 || strcmp(name + n - 4, ".zst") != 0) return false;
    char *folder = strndup(entry, (size_t)(name - entry));
    bool of_data = folder != NULL && dgm_io_holds(folder, "manifest.json");
    free(folder);
    return of_data;
}

/* Whether the model of a folder is kept at `entry`, to which a link leads. */
static bool is_model_of(const char *entry, const char *folder)
{
    char *model = dgm_io_join(folder, "model.safetensors"), *real = model != NULL ? realpath(model, NULL) : NULL;
    bool same = same_text(entry, real);
    free(model);
    free(real);
    return same;
}

/* Whether `entry` is a file of the folder's own, however deep below it: a drawing or a page that was put there may be replaced. */
static bool is_of_folder(const char *entry, const char *folder)
{
    char *real = realpath(folder, NULL);
    size_t n = real != NULL ? strlen(real) : 0;
    bool below = n > 0 && entry != NULL && strncmp(entry, real, n) == 0 && entry[n] == '/';
    free(real);
    return (below && is_own(entry) && dgm_io_exists(entry)) || is_model_of(entry, folder);
}

/* Whether writing the entry loses the input: it is that name, or where that name leads to. */
static bool is_of_input(const char *entry, const char *input)
{
    if (dgm_io_is_dir(input)) return is_of_folder(entry, input);
    char *name = entry_of(input, ""), *file = realpath(input, NULL);
    bool same = same_text(entry, name) || same_text(entry, file);
    free(name);
    free(file);
    return same;
}

static dgm_err refuse(const char *option, const char *path, const char *other_option, const char *other)
{
    if (strcmp(path, other) == 0) return DGM_FAIL(DGM_ERR_USAGE, "%s and %s are both %s: give two names", option, other_option, path);
    return DGM_FAIL(DGM_ERR_USAGE, "%s %s would be written over %s %s: give another name", option, path, other_option, other);
}

dgm_err dgm_output_check(const char *option, const char *path, const char *input_option, const char *input)
{
    if (dgm_io_is_device(path)) return DGM_OK; /* nothing is lost there */
    char *entry = entry_of(path, ""), *unfinished = entry_of(path, ".tmp");
    bool lost = is_of_input(entry, input) || is_of_input(unfinished, input);
    free(entry);
    free(unfinished);
    return lost ? refuse(option, path, input_option, input) : DGM_OK;
}

dgm_err dgm_output_check_apart(const char *option, const char *path, const char *other_option, const char *other)
{
    char *unfinished = entry_of(other, ".tmp"), *entry = entry_of(path, "");
    bool lost = !dgm_io_is_device(path) && same_text(entry, unfinished);
    free(unfinished);
    free(entry);
    return lost ? refuse(option, path, other_option, other) : dgm_output_check(option, path, other_option, other);
}
