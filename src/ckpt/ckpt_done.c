/* Digests are of what is on disk, read back, and are taken by all ranks together, each of its blocks of every file. */
#include "ckpt_done.h"

#include "dgm/ckpt.h"
#include "dgm/coll.h"
#include "dgm/io.h"
#include "dgm/seal.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { VERSION = 1, N_FILES = 3 };
static const char *const file_names[N_FILES] = {DGM_CKPT_MODEL, DGM_CKPT_OPTIMIZER, DGM_CKPT_STATE};

typedef struct {
    int64_t bytes;
    uint64_t root;
} stored;

static dgm_err no_room(const char *dir) { return DGM_FAIL(DGM_ERR_NOMEM, "%s: digests", dir); }

static dgm_err size_of(const char *dir, const char *name, int64_t *bytes)
{
    struct stat st;
    char *path = dgm_io_join(dir, name);
    if (path == NULL) return no_room(dir);
    dgm_err err = stat(path, &st) != 0 ? DGM_FAIL(DGM_ERR_INPUT, "%s: %s", path, strerror(errno)) : DGM_OK;
    free(path);
    if (err == DGM_OK) *bytes = st.st_size;
    return err;
}

/* The digest of a file of that many bytes, which all ranks know. */
static dgm_err digest_together(const char *dir, const char *name, int64_t bytes, const dgm_grid *grid, uint64_t *root)
{
    char *path = dgm_io_join(dir, name);
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, path != NULL ? DGM_OK : no_room(dir));
    if (err == DGM_OK) err = dgm_seal_digest(path, bytes, grid, root);
    free(path);
    return err;
}

/* ---- writing ---- */

static char *done_text(int64_t step, const stored *files)
{
    json_t *list = json_object(), *done;
    for (int i = 0; i < N_FILES; i++) {
        char hex[17];
        snprintf(hex, sizeof hex, "%016llx", (unsigned long long)files[i].root);
        json_object_set_new(list, file_names[i], json_pack("{s: I, s: s}", "bytes", (json_int_t)files[i].bytes, "xxh3", hex));
    }
    done = json_pack("{s: i, s: I, s: o}", "version", VERSION, "step", (json_int_t)step, "files", list);
    char *text = done != NULL ? json_dumps(done, JSON_INDENT(2)) : NULL;
    json_decref(done);
    return text;
}

static dgm_err write_text(const char *dir, const char *text)
{
    char *path = dgm_io_join(dir, DGM_CKPT_DONE);
    dgm_err err = path != NULL && text != NULL ? dgm_io_write_file(path, text, strlen(text)) : no_room(dir);
    free(path);
    return err;
}

dgm_err dgm_ckpt_done_write(const char *dir, int64_t step, const dgm_grid *grid)
{
    stored files[N_FILES] = {{0}};
    dgm_err err = DGM_OK;
    for (int i = 0; grid->rank == 0 && err == DGM_OK && i < N_FILES; i++) err = size_of(dir, file_names[i], &files[i].bytes);
    DGM_TRY(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    DGM_TRY(dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, files, (int64_t)sizeof files));
    for (int i = 0; i < N_FILES; i++) DGM_TRY(digest_together(dir, file_names[i], files[i].bytes, grid, &files[i].root));
    if (grid->rank == 0) {
        char *text = done_text(step, files);
        err = write_text(dir, text);
        free(text);
    }
    return dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
}

/* ---- reading ---- */

static dgm_err parse_files(const char *dir, const json_t *list, stored *files)
{
    for (int i = 0; i < N_FILES; i++) {
        const json_t *entry = json_object_get(list, file_names[i]), *bytes = json_object_get(entry, "bytes");
        const char *hex = json_string_value(json_object_get(entry, "xxh3"));
        bool good = json_is_integer(bytes) && json_integer_value(bytes) >= 0 && hex != NULL && strlen(hex) == 16 &&
                    strspn(hex, "0123456789abcdef") == 16;
        if (!good) return DGM_FAIL(DGM_ERR_INPUT, "%s/%s has no size and digest of %s", dir, DGM_CKPT_DONE, file_names[i]);
        files[i].bytes = json_integer_value(bytes);
        files[i].root = strtoull(hex, NULL, 16);
    }
    return DGM_OK;
}

static dgm_err parse_done(const char *dir, const char *text, stored *files, int64_t *step)
{
    json_error_t why;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL) return DGM_FAIL(DGM_ERR_INPUT, "%s/%s is damaged: %s", dir, DGM_CKPT_DONE, why.text);
    dgm_err err = DGM_OK;
    json_int_t version = json_integer_value(json_object_get(json, "version"));
    if (version != VERSION)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s/%s is of version %lld, expected %d", dir, DGM_CKPT_DONE, (long long)version, VERSION);
    if (err == DGM_OK) err = parse_files(dir, json_object_get(json, "files"), files);
    if (err == DGM_OK) *step = json_integer_value(json_object_get(json, "step"));
    json_decref(json);
    return err;
}

/* The step that state.json says; -1: none. */
static dgm_err step_of_state(const char *dir, int64_t *step)
{
    char *path = dgm_io_join(dir, DGM_CKPT_STATE), *text = NULL;
    dgm_err err = path != NULL ? dgm_io_read_file(path, &text, NULL) : no_room(dir);
    json_t *json = err == DGM_OK ? json_loads(text, 0, NULL) : NULL;
    const json_t *said = json_object_get(json, "step");
    *step = json_is_integer(said) ? json_integer_value(said) : -1;
    json_decref(json);
    free(text);
    free(path);
    return err;
}

/* Each file may be as it was written and the folder still not be what it says: somebody has renamed or copied it.  Its name is looked at behind
 * links; one of another kind says nothing. */
static dgm_err check_steps(const char *dir, int64_t step)
{
    int64_t in_state;
    DGM_TRY(step_of_state(dir, &in_state));
    if (in_state != step)
        return DGM_FAIL(DGM_ERR_INPUT, "%s/%s is of step %lld, %s of step %lld: they are not of one checkpoint", dir, DGM_CKPT_DONE, (long long)step,
                        DGM_CKPT_STATE, (long long)in_state);
    char *real = realpath(dir, NULL);
    const char *slash = real != NULL ? strrchr(real, '/') : NULL;
    int64_t named = slash != NULL ? dgm_ckpt_step_of_name(slash + 1) : -1;
    free(real);
    if (named < 0 || named == step) return DGM_OK;
    return DGM_FAIL(DGM_ERR_INPUT, "its folder's name says step %lld, but it is of step %lld: it was renamed or copied from step-%08lld", (long long)named,
                    (long long)step, (long long)step);
}

dgm_err dgm_ckpt_read_text(const char *path, const dgm_grid *grid, char **text)
{
    char *data = NULL;
    size_t n = 0;
    dgm_err err = grid->rank == 0 ? dgm_io_read_file(path, &data, &n) : DGM_OK;
    DGM_TRY(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    int64_t bytes = (int64_t)n;
    err = dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, &bytes, (int64_t)sizeof bytes);
    if (err == DGM_OK && grid->rank != 0 && (data = calloc((size_t)bytes + 1, 1)) == NULL)
        err = DGM_FAIL(DGM_ERR_NOMEM, "%s: %lld bytes", path, (long long)bytes);
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    if (err == DGM_OK) err = dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, data, bytes);
    if (err != DGM_OK) {
        free(data);
        return err;
    }
    *text = data;
    return DGM_OK;
}

dgm_err dgm_ckpt_done_check(const char *dir, const dgm_grid *grid)
{
    stored files[N_FILES];
    int64_t step = 0;
    char *text = NULL, *path = dgm_io_join(dir, DGM_CKPT_DONE);
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, path != NULL ? DGM_OK : no_room(dir));
    if (err == DGM_OK) err = dgm_ckpt_read_text(path, grid, &text);
    if (err == DGM_OK) err = parse_done(dir, text, files, &step); /* the same text everywhere: the same answer */
    for (int i = 0; err == DGM_OK && i < N_FILES; i++) {
        uint64_t root = 0;
        err = digest_together(dir, file_names[i], files[i].bytes, grid, &root);
        if (err == DGM_OK && root != files[i].root)
            err = DGM_FAIL(DGM_ERR_INPUT, "%s/%s is damaged: its digest is %016llx, expected %016llx", dir, file_names[i],
                           (unsigned long long)root, (unsigned long long)files[i].root);
    }
    if (err == DGM_OK) err = dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? check_steps(dir, step) : DGM_OK);
    free(text);
    free(path);
    return err;
}

bool dgm_ckpt_looks_whole(const char *dir)
{
    stored files[N_FILES];
    int64_t step = 0;
    char *text = NULL, *path = dgm_io_join(dir, DGM_CKPT_DONE);
    dgm_err err = path != NULL ? dgm_io_read_file(path, &text, NULL) : no_room(dir);
    if (err == DGM_OK) err = parse_done(dir, text, files, &step);
    for (int i = 0; err == DGM_OK && i < N_FILES; i++) {
        int64_t bytes = -1;
        err = size_of(dir, file_names[i], &bytes);
        if (err == DGM_OK && bytes != files[i].bytes) err = DGM_ERR_INPUT;
    }
    if (err == DGM_OK) err = check_steps(dir, step);
    free(text);
    free(path);
    return err == DGM_OK;
}
