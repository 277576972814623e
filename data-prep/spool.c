/* Copies of what cannot be read twice; everything else keeps its path. */
#include "dgm/spool.h"

#include "dgm/io.h"
#include "dgm/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N_LISTS = 3, BLOCK_BYTES = 1 << 16 };

struct dgm_spool {
    const char **path[N_LISTS], **name[N_LISTS]; /* [n] */
    char **copies;                               /* [n_copies] */
    int n_copies;
    dgm_audit_files paths, names;
};

static bool comes_once(const char *path)
{
    struct stat st;
    return strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

static dgm_err copy_bytes(int from, int to, const char *name, const char *path)
{
    char *block = malloc(BLOCK_BYTES);
    if (block == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "copy of %s", name);
    dgm_err err = DGM_OK;
    while (err == DGM_OK) {
        ssize_t n = read(from, block, BLOCK_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) err = DGM_FAIL(DGM_ERR_INPUT, "read %s: %s", name, strerror(errno));
        if (n <= 0) break;
        err = dgm_io_write(to, block, (size_t)n, path);
        if (err == DGM_OK) err = dgm_stop_check();
    }
    free(block);
    return err;
}

static dgm_err copy_input(const char *from, const char *name, const char *to)
{
    bool standard = strcmp(from, "-") == 0;
    int in = standard ? STDIN_FILENO : open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0) return DGM_FAIL(DGM_ERR_INPUT, "open %s: %s", name, strerror(errno));
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dgm_err err = out >= 0 ? copy_bytes(in, out, name, to) : DGM_FAIL(DGM_ERR_IO, "create %s: %s", to, strerror(errno));
    if (out >= 0 && close(out) != 0 && err == DGM_OK) err = DGM_FAIL(DGM_ERR_IO, "close %s: %s", to, strerror(errno));
    if (!standard) close(in);
    return err;
}

static dgm_err add_copy(dgm_spool *s, const char *from, const char *name, const char *dir, const char *prefix, const char **path)
{
    char file[64];
    snprintf(file, sizeof file, "%s-%d", prefix, s->n_copies);
    char *to = dgm_io_join(dir, file);
    char **more = realloc(s->copies, ((size_t)s->n_copies + 1) * sizeof *more);
    if (more != NULL) s->copies = more;
    if (to == NULL || more == NULL) {
        free(to);
        return DGM_FAIL(DGM_ERR_NOMEM, "copy of %s", name);
    }
    s->copies[s->n_copies++] = to;
    *path = to;
    return copy_input(from, name, to);
}

static dgm_err fill_list(dgm_spool *s, int list, const char *const *files, int n, const char *dir, const char *prefix)
{
    s->path[list] = calloc((size_t)n + 1, sizeof(char *));
    s->name[list] = calloc((size_t)n + 1, sizeof(char *));
    if (s->path[list] == NULL || s->name[list] == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "list of %d files", n);
    for (int i = 0; i < n; i++) {
        s->path[list][i] = files[i];
        s->name[list][i] = strcmp(files[i], "-") == 0 ? "standard input" : files[i];
        if (comes_once(files[i])) DGM_TRY(add_copy(s, files[i], s->name[list][i], dir, prefix, &s->path[list][i]));
    }
    return DGM_OK;
}

dgm_err dgm_spool_create(const dgm_audit_files *files, const char *dir, const char *prefix, dgm_spool **out)
{
    dgm_err err;
    dgm_spool *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "list of files");
    DGM_GOTO(fill_list(s, 0, files->src, files->n_src, dir, prefix));
    DGM_GOTO(fill_list(s, 1, files->tgt, files->n_tgt, dir, prefix));
    DGM_GOTO(fill_list(s, 2, files->tsv, files->n_tsv, dir, prefix));
    s->paths = (dgm_audit_files){s->path[0], s->path[1], s->path[2], files->n_src, files->n_tgt, files->n_tsv};
    s->names = (dgm_audit_files){s->name[0], s->name[1], s->name[2], files->n_src, files->n_tgt, files->n_tsv};
    *out = s;
    return DGM_OK;
fail:
    dgm_spool_destroy(s);
    return err;
}

void dgm_spool_destroy(dgm_spool *s)
{
    if (s == NULL) return;
    for (int i = 0; i < s->n_copies; i++) {
        unlink(s->copies[i]);
        free(s->copies[i]);
    }
    free(s->copies);
    for (int i = 0; i < N_LISTS; i++) {
        free(s->name[i]);
        free(s->path[i]);
    }
    free(s);
}

const dgm_audit_files *dgm_spool_paths(const dgm_spool *s) { return &s->paths; }
const dgm_audit_files *dgm_spool_names(const dgm_spool *s) { return &s->names; }
