/* POSIX file calls made complete: every short count, interruption and error is seen here so that callers see none. */
#include "dgm/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static dgm_io_guard guard;

void dgm_io_set_guard(dgm_io_guard new_guard) { guard = new_guard; }

/* Whether a test wants this change to fail; errno is set then. */
static bool refused(const char *change, const char *path)
{
    int cause = guard != NULL ? guard(change, path) : 0;
    if (cause != 0) errno = cause;
    return cause != 0;
}

dgm_err dgm_io_pread(int fd, void *data, size_t bytes, int64_t offset, const char *path)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pread(fd, (char *)data + done, bytes - done, (off_t)offset + (off_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return DGM_FAIL(DGM_ERR_IO, "read %s: %s", path, strerror(errno));
        if (n == 0)
            return DGM_FAIL(DGM_ERR_INPUT, "%s ends at byte %lld where %zu more are expected: the file is truncated", path,
                            (long long)offset + (long long)done, bytes - done);
        done += (size_t)n;
    }
    return DGM_OK;
}

dgm_err dgm_io_pwrite(int fd, const void *data, size_t bytes, int64_t offset, const char *path)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = refused("write", path) ? -1 : pwrite(fd, (const char *)data + done, bytes - done, (off_t)offset + (off_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return DGM_FAIL(DGM_ERR_IO, "write %s: %s", path, n < 0 ? strerror(errno) : "no space");
        done += (size_t)n;
    }
    return DGM_OK;
}

dgm_err dgm_io_write(int fd, const void *data, size_t bytes, const char *path)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = refused("write", path) ? -1 : write(fd, (const char *)data + done, bytes - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return DGM_FAIL(DGM_ERR_IO, "write %s: %s", path, n < 0 ? strerror(errno) : "no space");
        done += (size_t)n;
    }
    return DGM_OK;
}

/* Without O_NONBLOCK a pipe that nobody writes to would be waited for before one can see that it is one; files are read as ever. */
dgm_err dgm_io_open_read(const char *path, int *fd, int64_t *bytes)
{
    struct stat st;
    int got = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (got < 0) return DGM_FAIL(DGM_ERR_INPUT, "open %s: %s", path, strerror(errno));
    if (fstat(got, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(got);
        return DGM_FAIL(DGM_ERR_INPUT, "%s is not a regular file", path);
    }
    *fd = got;
    *bytes = st.st_size;
    return DGM_OK;
}

dgm_err dgm_io_read_file(const char *path, char **out, size_t *n_bytes)
{
    dgm_err err;
    char *data = NULL;
    int fd;
    int64_t bytes;
    DGM_TRY(dgm_io_open_read(path, &fd, &bytes));
    data = malloc((size_t)bytes + 1);
    if (data == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "%s: %lld bytes", path, (long long)bytes);
        goto fail;
    }
    DGM_GOTO(dgm_io_pread(fd, data, (size_t)bytes, 0, path));
    data[bytes] = '\0';
    close(fd);
    *out = data;
    if (n_bytes != NULL) *n_bytes = (size_t)bytes;
    return DGM_OK;
fail:
    free(data);
    close(fd);
    return err;
}

dgm_err dgm_io_flush(FILE *stream, const char *name)
{
    errno = 0;
    if (fflush(stream) == 0 && !ferror(stream)) return DGM_OK;
    return DGM_FAIL(DGM_ERR_IO, "write %s: %s", name, errno != 0 ? strerror(errno) : "an earlier line could not be written");
}

dgm_err dgm_io_sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return DGM_FAIL(DGM_ERR_IO, "open folder %s: %s", path, strerror(errno));
    int failed = (refused("flush", path) || fsync(fd) != 0) && errno != EINVAL; /* some file systems do not flush folders */
    int cause = errno;
    close(fd);
    return failed ? DGM_FAIL(DGM_ERR_IO, "flush folder %s: %s", path, strerror(cause)) : DGM_OK;
}

/* Flushes the folder that holds `path`. */
static dgm_err sync_parent(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path %s", path);
    dgm_err err = dgm_io_sync_dir(dirname(copy));
    free(copy);
    return err;
}

dgm_err dgm_io_open_write(const char *path, bool create, int *fd)
{
    int got = create && refused("create", path) ? -1 : open(path, O_WRONLY | O_CLOEXEC | (create ? O_CREAT | O_TRUNC : 0), 0666);
    if (got < 0) return DGM_FAIL(DGM_ERR_IO, "%s %s: %s", create ? "create" : "open", path, strerror(errno));
    *fd = got;
    return DGM_OK;
}

dgm_err dgm_io_allocate(int fd, int64_t bytes, const char *path)
{
    int cause = refused("allocate", path) ? errno : bytes > 0 ? posix_fallocate(fd, 0, (off_t)bytes) : 0;
    if (cause == EOPNOTSUPP || cause == EINVAL) cause = ftruncate(fd, (off_t)bytes) == 0 ? 0 : errno;
    if (cause != 0) return DGM_FAIL(DGM_ERR_IO, "reserve %lld bytes for %s: %s", (long long)bytes, path, strerror(cause));
    return DGM_OK;
}

dgm_err dgm_io_sync(int fd, const char *path)
{
    if (refused("flush", path) || fsync(fd) != 0) return DGM_FAIL(DGM_ERR_IO, "flush %s: %s", path, strerror(errno));
    return DGM_OK;
}

dgm_err dgm_io_link(const char *target, const char *path)
{
    dgm_err err = DGM_OK;
    size_t n = strlen(path) + sizeof ".tmp";
    char *tmp = malloc(n);
    if (tmp == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path %s", path);
    snprintf(tmp, n, "%s.tmp", path);
    unlink(tmp); /* of a run that was killed */
    if (refused("link", tmp) || symlink(target, tmp) != 0) err = DGM_FAIL(DGM_ERR_IO, "link %s to %s: %s", tmp, target, strerror(errno));
    if (err == DGM_OK && (err = dgm_io_rename(tmp, path)) != DGM_OK) unlink(tmp);
    free(tmp);
    return err;
}

bool dgm_io_is_device(const char *path)
{
    static const char *const open_files[] = {"/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/"}; /* whatever they are */
    struct stat st;
    if (stat(path, &st) != 0) return false;
    for (size_t i = 0; i < sizeof open_files / sizeof open_files[0]; i++)
        if (strncmp(path, open_files[i], strlen(open_files[i])) == 0) return true;
    return !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

dgm_err dgm_io_rename(const char *from, const char *to)
{
    if (dgm_io_is_device(to)) return DGM_FAIL(DGM_ERR_IO, "%s is a device or a pipe, no place for this file: choose another name", to);
    if (refused("rename", to) || rename(from, to) != 0) return DGM_FAIL(DGM_ERR_IO, "rename %s to %s: %s", from, to, strerror(errno));
    return sync_parent(to);
}

static dgm_err write_device(const char *path, const void *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0) return DGM_FAIL(DGM_ERR_IO, "open %s: %s", path, strerror(errno));
    dgm_err err = dgm_io_write(fd, data, bytes, path);
    if (close(fd) != 0 && err == DGM_OK) err = DGM_FAIL(DGM_ERR_IO, "close %s: %s", path, strerror(errno));
    return err;
}

dgm_err dgm_io_write_file(const char *path, const void *data, size_t bytes)
{
    dgm_err err;
    if (dgm_io_is_device(path)) return write_device(path, data, bytes);
    size_t n = strlen(path) + sizeof ".tmp";
    char *tmp = malloc(n);
    if (tmp == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path %s", path);
    snprintf(tmp, n, "%s.tmp", path);
    int fd;
    if ((err = dgm_io_open_write(tmp, true, &fd)) != DGM_OK) {
        free(tmp);
        return err;
    }
    err = dgm_io_write(fd, data, bytes, tmp);
    if (err == DGM_OK) err = dgm_io_sync(fd, tmp);
    if (close(fd) != 0 && err == DGM_OK) err = DGM_FAIL(DGM_ERR_IO, "close %s: %s", tmp, strerror(errno));
    if (err == DGM_OK) err = dgm_io_rename(tmp, path);
    if (err != DGM_OK) unlink(tmp);
    free(tmp);
    return err;
}

dgm_err dgm_io_make_dirs(const char *path)
{
    if (*path == '\0') return DGM_FAIL(DGM_ERR_USAGE, "the name of a folder to make is empty");
    char *p = strdup(path);
    if (p == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path %s", path);
    dgm_err err = DGM_OK;
    for (char *at = p + 1;; at++) {
        if (*at != '/' && *at != '\0') continue;
        char kept = *at;
        *at = '\0';
        if ((refused("make", p) || mkdir(p, 0777) != 0) && errno != EEXIST) {
            err = DGM_FAIL(DGM_ERR_IO, "make folder %s: %s", p, strerror(errno));
            break;
        }
        *at = kept;
        if (kept == '\0') break;
    }
    if (err == DGM_OK && !dgm_io_is_dir(path)) err = DGM_FAIL(DGM_ERR_IO, "%s exists and is not a folder: choose another name, or move it away", path);
    free(p);
    return err;
}

dgm_err dgm_io_remove_tree(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0) return errno == ENOENT ? DGM_OK : DGM_FAIL(DGM_ERR_IO, "look at %s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return !refused("remove", path) && unlink(path) == 0 ? DGM_OK : DGM_FAIL(DGM_ERR_IO, "remove %s: %s", path, strerror(errno));
    DIR *dir = opendir(path);
    if (dir == NULL) return DGM_FAIL(DGM_ERR_IO, "open folder %s: %s", path, strerror(errno));
    dgm_err err = DGM_OK;
    for (struct dirent *e; err == DGM_OK && (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char *child = dgm_io_join(path, e->d_name);
        err = child != NULL ? dgm_io_remove_tree(child) : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", path);
        free(child);
    }
    closedir(dir);
    if (err == DGM_OK && (refused("remove", path) || rmdir(path) != 0)) err = DGM_FAIL(DGM_ERR_IO, "remove folder %s: %s", path, strerror(errno));
    return err;
}

dgm_err dgm_io_lock_dir(const char *path, int *lock)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return DGM_FAIL(DGM_ERR_IO, "open folder %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) { /* a file system without locks is no reason to stop */
        close(fd);
        return DGM_FAIL(DGM_ERR_USAGE, "%s is in use by another process: wait for it to end, or choose another folder", path);
    }
    *lock = fd;
    return DGM_OK;
}

void dgm_io_unlock(int lock)
{
    if (lock >= 0) close(lock);
}

bool dgm_io_exists(const char *path) { return access(path, F_OK) == 0; }

bool dgm_io_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

dgm_err dgm_io_check_place(const char *option, const char *path, bool may_be_device)
{
    const char *slash = strrchr(path, '/');
    bool device = dgm_io_is_device(path);
    char *dir = slash == NULL ? strdup(".") : strndup(path, (size_t)DGM_MAX(slash - path, 1));
    if (dir == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path %s", path);
    /* A file is replaced by renaming, which is a matter of its folder. */
    bool is_there = dgm_io_is_dir(dir), may_write = device ? access(path, W_OK) == 0 : access(dir, W_OK | X_OK) == 0;
    int why = errno;
    free(dir);
    if (!is_there) return DGM_FAIL(DGM_ERR_IO, "%s %s: its folder does not exist", option, path);
    if (dgm_io_is_dir(path)) return DGM_FAIL(DGM_ERR_IO, "%s %s is a folder: name a file", option, path);
    if (device && !may_be_device) return DGM_FAIL(DGM_ERR_IO, "%s %s is a device or a pipe, no place for this file: choose another name", option, path);
    return may_write ? DGM_OK : DGM_FAIL(DGM_ERR_IO, "%s %s: cannot be written: %s", option, path, strerror(why));
}

bool dgm_io_holds(const char *dir, const char *name)
{
    char *path = dgm_io_join(dir, name);
    bool there = path != NULL && dgm_io_exists(path);
    free(path);
    return there;
}

bool dgm_io_same(const char *a, const char *b)
{
    struct stat of_a, of_b;
    return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

char *dgm_io_join(const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *p = malloc(n);
    if (p != NULL) snprintf(p, n, "%s%s%s", dir, *dir && dir[strlen(dir) - 1] == '/' ? "" : "/", name);
    return p;
}
