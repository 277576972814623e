/* What a command may write over: never what it reads. */
#include "dgm/output.h"

#include "dgm/io.h"

#include <stdlib.h>
#include <string.h>

/* Whether path names, in the folder, a file that is of the folder's own: a drawing or a page that was put there may be replaced. */
static dgm_err check_folder(const char *option, const char *path, const char *input_option, const char *folder)
{
    static const char *const own[] = {"model.safetensors", "run.json", "metrics.jsonl", "timing.jsonl", "trace.jsonl", "state.json", "manifest.json", "DONE"};
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        char *file = strcmp(name, own[i]) == 0 ? dgm_io_join(folder, name) : NULL;
        bool same = file != NULL && dgm_io_same(file, path);
        free(file);
        if (same) return DGM_FAIL(DGM_ERR_USAGE, "%s %s would overwrite a file of %s %s: give another name", option, path, input_option, folder);
    }
    return DGM_OK;
}

dgm_err dgm_output_check(const char *option, const char *path, const char *input_option, const char *input)
{
    if (dgm_io_is_dir(input)) return check_folder(option, path, input_option, input);
    if (strcmp(path, input) != 0 && !dgm_io_same(path, input)) return DGM_OK;
    if (dgm_io_check_place(option, path, false) != DGM_OK) return DGM_OK; /* nothing is lost in a device */
    return DGM_FAIL(DGM_ERR_USAGE, "%s and %s are both %s: give two names", option, input_option, path);
}
