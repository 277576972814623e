/* Complete reads and writes, and files that appear whole or not at all. */
#ifndef DGM_IO_H
#define DGM_IO_H

#include "dgm/error.h"

#include <stddef.h>
#include <stdio.h>

/* Reads or writes exactly `bytes` at `offset`, through interruptions and short counts.  DGM_ERR_INPUT at end of file. */
dgm_err dgm_io_pread(int fd, void *data, size_t bytes, int64_t offset, const char *path);
dgm_err dgm_io_pwrite(int fd, const void *data, size_t bytes, int64_t offset, const char *path);
dgm_err dgm_io_write(int fd, const void *data, size_t bytes, const char *path);

/* The whole file in memory the caller frees, one zero byte after its end.  DGM_ERR_INPUT when it cannot be opened. */
dgm_err dgm_io_read_file(const char *path, char **out, size_t *n_bytes);

/* Neither a file nor a folder, and what one writes to it is gone: nothing may be renamed onto it. */
bool dgm_io_is_device(const char *path);

/* Before long work: could a file be written there, or to it if it may be a device or a pipe (as dgm_io_write_file does)?  DGM_ERR_IO
 * "OPTION PATH: ..." where its folder is missing or read-only, or it is a folder itself. */
dgm_err dgm_io_check_place(const char *option, const char *path, bool may_be_device);

/* Writes `path` whole: beside its place as PATH.tmp, flushed to disk, renamed, the folder flushed.  On failure nothing stays.  A device or a
 * pipe is written to as it is. */
dgm_err dgm_io_write_file(const char *path, const void *data, size_t bytes);

/* Renames `from` to `to` and flushes the folder of `to`.  A device or a pipe is not replaced: DGM_ERR_IO. */
dgm_err dgm_io_rename(const char *from, const char *to);

/* Hands over what has been printed to a stream; DGM_ERR_IO with the reason when it, or something before it, could not be written. */
dgm_err dgm_io_flush(FILE *stream, const char *name);

/* Flushes a folder's entries to disk. */
dgm_err dgm_io_sync_dir(const char *path);

/* Opens a file for reading; a folder, a device or a pipe, at which one might wait for ever, is none.  DGM_ERR_INPUT.  bytes: its length. */
dgm_err dgm_io_open_read(const char *path, int *fd, int64_t *bytes);

/* Opens a file for writing: made anew or emptied, or one that exists, as it is. */
dgm_err dgm_io_open_write(const char *path, bool create, int *fd);

/* Makes the file `bytes` long and reserves the room on disk where the file system can. */
dgm_err dgm_io_allocate(int fd, int64_t bytes, const char *path);

/* Flushes what was written to disk. */
dgm_err dgm_io_sync(int fd, const char *path);

/* Makes or replaces the symbolic link `path` in one step; the folder is flushed. */
dgm_err dgm_io_link(const char *target, const char *path);

/* Makes `path` and its parents; an existing folder is no error. */
dgm_err dgm_io_make_dirs(const char *path);

/* Removes a file or a folder with all it holds; absent is no error.  Does not follow links. */
dgm_err dgm_io_remove_tree(const char *path);

/* For tests: called before every change of a file or folder ("create", "allocate", "write", "flush", "rename", "link", "make",
 * "remove"); the change is refused with the errno value it returns, if not 0.  NULL: nobody is asked. */
typedef int (*dgm_io_guard)(const char *change, const char *path);
void dgm_io_set_guard(dgm_io_guard guard);

/* Holds a folder for this process: *lock is given back to dgm_io_unlock, or released when the process ends.  DGM_ERR_USAGE when another
 * process holds it.  Advisory, and only as good as the file system's flock. */
dgm_err dgm_io_lock_dir(const char *path, int *lock);
void dgm_io_unlock(int lock); /* accepts -1 */

bool dgm_io_exists(const char *path);
bool dgm_io_is_dir(const char *path);
bool dgm_io_holds(const char *dir, const char *name); /* the folder has an entry of that name */
bool dgm_io_same(const char *a, const char *b); /* both are there and are one file or folder, whatever links lead to it */

/* "a/b" from a and b, in memory the caller frees; NULL when memory ends. */
char *dgm_io_join(const char *dir, const char *name);

#endif
