/* Where results can be written, asked before there are any: by root and by a user who may write in few places. */
#include "dgm/io.h"
#include "tap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/dgm_io_XXXXXX", path[128];

static const char *in_dir(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void test_places(void)
{
    tap_err(dgm_io_check_place("--out", in_dir("new"), true), DGM_OK, "a new file");
    tap_err(dgm_io_write_file(in_dir("there"), "x", 1), DGM_OK, "a file");
    tap_err(dgm_io_check_place("--out", in_dir("there"), false), DGM_OK, "a file that is there");
    tap_err(dgm_io_check_place("--out", in_dir("no/file"), true), DGM_ERR_IO, "a folder that is missing");
    tap_error_says("--out ");
    tap_error_says("no/file: its folder does not exist");
    tap_err(dgm_io_check_place("--out", dir, true), DGM_ERR_IO, "a folder");
    tap_error_says("is a folder: name a file");
    tap_err(dgm_io_check_place("--out", "/dev/null", true), DGM_OK, "a device");
    tap_err(dgm_io_check_place("--out", "/dev/null", false), DGM_ERR_IO, "a device for what must be renamed there");
    tap_error_says("/dev/null is a device or a pipe");
    tap_err(dgm_io_check_place("--out", "new", true), DGM_OK, "a name without a folder");
}

/* In a child that is nobody: 0 where the answer is `want`. */
static int as_nobody(const char *place, dgm_err want)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit((geteuid() == 0 && setuid(65534) != 0) || dgm_io_check_place("--out", place, true) != want);
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_rights(void)
{
    char open_file[64];
    chmod(dir, 0755);
    mkdir(in_dir("closed"), 0555);
    tap_int(as_nobody(in_dir("closed/file"), DGM_ERR_IO), 0, "a folder that one may not write in");
    mkdir(in_dir("open"), 0777);
    chmod(in_dir("open"), 0777);
    tap_int(as_nobody(in_dir("open/file"), DGM_OK), 0, "a folder that one may");
    int fd = open(in_dir("open/redirected"), O_WRONLY | O_CREAT, 0666);
    fchmod(fd, 0666);
    snprintf(open_file, sizeof open_file, "/dev/fd/%d", fd);
    tap_int(as_nobody(open_file, DGM_OK), 0, "an open file, whose folder is nobody's");
    close(fd);
}

int main(void)
{
    if (mkdtemp(dir) == NULL || chdir(dir) != 0) return 99;
    test_places();
    test_rights();
    if (chdir("/") == 0) dgm_io_remove_tree(dir);
    return tap_done();
}
