#include "dgm/out_file.h"

#include "dgm/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

dgm_err dgm_out_file_open(const char *path, dgm_out_file *out)
{
    *out = (dgm_out_file){.stream = stdout, .name = "standard output"};
    if (path == NULL) return DGM_OK;
    *out = (dgm_out_file){.name = path, .path = path};
    if (!dgm_io_is_device(path)) {
        size_t bytes = strlen(path) + sizeof ".tmp";
        out->unfinished = malloc(bytes);
        if (out->unfinished == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path %s", path);
        snprintf(out->unfinished, bytes, "%s.tmp", path);
    }
    int fd;
    const char *where = out->unfinished != NULL ? out->unfinished : path;
    dgm_err err = dgm_io_open_write(where, out->unfinished != NULL, &fd);
    if (err == DGM_OK && (out->stream = fdopen(fd, "w")) == NULL) {
        err = DGM_FAIL(DGM_ERR_IO, "open %s: %s", where, strerror(errno));
        close(fd);
        if (out->unfinished != NULL) unlink(out->unfinished);
    }
    if (err == DGM_OK) return DGM_OK;
    free(out->unfinished);
    *out = (dgm_out_file){0};
    return err;
}

dgm_err dgm_out_file_flush(const dgm_out_file *out) { return dgm_io_flush(out->stream, out->name); }

dgm_err dgm_out_file_commit(dgm_out_file *out)
{
    dgm_err err = dgm_out_file_flush(out);
    if (out->path == NULL) return err;
    if (err == DGM_OK && out->unfinished != NULL) err = dgm_io_sync(fileno(out->stream), out->unfinished);
    if (fclose(out->stream) != 0 && err == DGM_OK) err = DGM_FAIL(DGM_ERR_IO, "write %s: %s", out->name, strerror(errno));
    out->stream = NULL;
    if (err == DGM_OK && out->unfinished != NULL) err = dgm_io_rename(out->unfinished, out->path);
    if (err == DGM_OK) {
        free(out->unfinished);
        *out = (dgm_out_file){0};
    }
    dgm_out_file_drop(out);
    return err;
}

void dgm_out_file_drop(dgm_out_file *out)
{
    if (out->path != NULL && out->stream != NULL) fclose(out->stream);
    if (out->unfinished != NULL) unlink(out->unfinished);
    free(out->unfinished);
    *out = (dgm_out_file){0};
}
