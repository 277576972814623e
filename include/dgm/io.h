/* Complete reads and writes, and files that appear whole or not at all. */
#ifndef DGM_IO_H
#define DGM_IO_H

#include "dgm/error.h"

#include <stddef.h>

/* Reads or writes exactly `bytes` at `offset`, through interruptions and short counts.  DGM_ERR_INPUT at end of file. */
dgm_err dgm_io_pread(int fd, void *data, size_t bytes, int64_t offset, const char *path);
dgm_err dgm_io_pwrite(int fd, const void *data, size_t bytes, int64_t offset, const char *path);
dgm_err dgm_io_write(int fd, const void *data, size_t bytes, const char *path);

/* The whole file in memory the caller frees, one zero byte after its end.  DGM_ERR_INPUT when it cannot be opened. */
dgm_err dgm_io_read_file(const char *path, char **out, size_t *n_bytes);

/* Writes `path` whole: beside its place as PATH.tmp, flushed to disk, renamed, the folder flushed.  On failure nothing stays. */
dgm_err dgm_io_write_file(const char *path, const void *data, size_t bytes);

/* Renames `from` to `to` and flushes the folder of `to`. */
dgm_err dgm_io_rename(const char *from, const char *to);

/* Flushes a folder's entries to disk. */
dgm_err dgm_io_sync_dir(const char *path);

/* Makes `path` and its parents; an existing folder is no error. */
dgm_err dgm_io_make_dirs(const char *path);

/* Removes a file or a folder with all it holds; absent is no error.  Does not follow links. */
dgm_err dgm_io_remove_tree(const char *path);

bool dgm_io_exists(const char *path);
bool dgm_io_is_dir(const char *path);

/* "a/b" from a and b, in memory the caller frees; NULL when memory ends. */
char *dgm_io_join(const char *dir, const char *name);

#endif
