/* Runs a program and makes trouble before its n-th system call that changes something in a folder: for tests/cli_faults.sh.
 *
 *     fault_at [-n N] [-e ERRNO] [-r RANK] [-l LOG] FOLDER COMMAND...
 *
 * Changes are counted from 1.  Before the N-th the program is killed with SIGKILL, as fault_at then is itself; with -e that change and all later
 * ones that take room on the disk (writes, new files and folders) fail with that errno value instead.  N = 0: nothing happens, the
 * changes are only written to LOG, one a line: number, system call, path.  Under mpirun -r names the one rank to watch.
 * Exit code 77: this cannot be done here (no Linux, no ptrace).
 *
 * A tracer rather than a preloaded library: it sees what the C library does by itself (the flushing of a log) and what any thread does.  A
 * seccomp filter stops the program at the calls of interest only. */
#include <stdio.h>
#include <stdlib.h>

#ifndef __linux__
int main(void) { return 77; }
#else
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UNSUPPORTED = 77 };

/* What a call changes: the file behind descriptor args[fd], or the path at args[path], relative to the folder args[dir]. */
typedef struct {
    long number;
    const char *name;
    int fd, dir, path;
    int flags;       /* where O_CREAT or O_TRUNC must be for this to be a change; -1: it always is */
    bool takes_room; /* refused by a full disk */
} change;

static const change changes[] = {
    {SYS_openat, "openat", -1, 0, 1, 2, true},
    {SYS_write, "write", 0, -1, -1, -1, true},
    {SYS_writev, "writev", 0, -1, -1, -1, true},
    {SYS_pwrite64, "pwrite", 0, -1, -1, -1, true},
    {SYS_fallocate, "fallocate", 0, -1, -1, -1, true},
    {SYS_ftruncate, "ftruncate", 0, -1, -1, -1, true},
    {SYS_fsync, "fsync", 0, -1, -1, -1, false},
    {SYS_fdatasync, "fdatasync", 0, -1, -1, -1, false},
    {SYS_mkdirat, "mkdirat", -1, 0, 1, -1, true},
    {SYS_symlinkat, "symlinkat", -1, 1, 2, -1, true},
    {SYS_linkat, "linkat", -1, 2, 3, -1, true},
    {SYS_unlinkat, "unlinkat", -1, 0, 1, -1, false},
    {SYS_renameat2, "renameat2", -1, 2, 3, -1, false},
#ifdef SYS_renameat
    {SYS_renameat, "renameat", -1, 2, 3, -1, false},
#endif
#ifdef SYS_open /* the old calls, on x86 */
    {SYS_open, "open", -1, -1, 0, 1, true},
    {SYS_creat, "creat", -1, -1, 0, -1, true},
    {SYS_mkdir, "mkdir", -1, -1, 0, -1, true},
    {SYS_symlink, "symlink", -1, -1, 1, -1, true},
    {SYS_link, "link", -1, -1, 1, -1, true},
    {SYS_unlink, "unlink", -1, -1, 0, -1, false},
    {SYS_rmdir, "rmdir", -1, -1, 0, -1, false},
    {SYS_rename, "rename", -1, -1, 1, -1, false},
#endif
    {SYS_truncate, "truncate", -1, -1, 0, -1, false},
};
enum { N_CHANGES = sizeof changes / sizeof changes[0] };

static char folder[PATH_MAX];
static long at = 0; /* N */
static int refusal = 0;
static FILE *list = NULL;
static pid_t child;

static void give_up(const char *what)
{
    fprintf(stderr, "fault_at: %s: %s\n", what, strerror(errno));
    exit(UNSUPPORTED);
}

/* ---- the program's side ---- */

static void install_filter(void)
{
    struct sock_filter code[2 + 2 * N_CHANGES];
    unsigned short n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < N_CHANGES; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)changes[i].number, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {n, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) give_up("seccomp");
}

static void become(char **command)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) give_up("ptrace");
    raise(SIGSTOP);
    install_filter();
    execvp(command[0], command);
    give_up(command[0]);
}

/* ---- looking at a call ---- */

static bool link_target(pid_t pid, const char *what, char *out)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/%s", (int)pid, what);
    ssize_t n = readlink(name, out, PATH_MAX - 1);
    if (n < 0) return false;
    out[n] = '\0';
    return true;
}

/* The path of a change, absolute; false where there is none. */
static bool path_of(pid_t pid, const change *c, const uint64_t *args, char *out)
{
    char what[32], name[PATH_MAX] = "", base[PATH_MAX];
    if (c->fd >= 0) {
        snprintf(what, sizeof what, "fd/%d", (int)args[c->fd]);
        return link_target(pid, what, out);
    }
    for (size_t n = 0; n + 1 < sizeof name; n++) { /* a path may end at the end of mapped memory: byte by byte */
        struct iovec here = {name + n, 1}, there = {(char *)(uintptr_t)args[c->path] + n, 1};
        if (process_vm_readv(pid, &here, 1, &there, 1, 0) != 1) return false;
        if (name[n] == '\0') break;
    }
    if (name[0] == '/') return snprintf(out, PATH_MAX, "%s", name) < PATH_MAX;
    if (c->dir >= 0 && (int)args[c->dir] != AT_FDCWD) snprintf(what, sizeof what, "fd/%d", (int)args[c->dir]);
    else snprintf(what, sizeof what, "cwd");
    return link_target(pid, what, base) && snprintf(out, PATH_MAX, "%s/%s", base, name) < PATH_MAX;
}

static bool inside(const char *path)
{
    size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static const change *change_made(pid_t pid, const struct __ptrace_syscall_info *info, char *path)
{
    for (int i = 0; i < N_CHANGES; i++) {
        const change *c = &changes[i];
        if (info->seccomp.nr != (uint64_t)c->number) continue;
        if (c->flags >= 0 && (info->seccomp.args[c->flags] & (O_CREAT | O_TRUNC)) == 0) return NULL;
        return path_of(pid, c, info->seccomp.args, path) && inside(path) ? c : NULL;
    }
    return NULL;
}

/* ---- making trouble ---- */

static void kill_all(void)
{
    kill(child, SIGKILL);
    while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR) {}
    if (list != NULL) fclose(list);
    raise(SIGKILL);
}

/* The call is left out and seems to have failed. */
static void refuse(pid_t pid)
{
#ifdef __x86_64__
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, pid, NULL, &registers) != 0) return;
    registers.orig_rax = (unsigned long long)-1;
    registers.rax = (unsigned long long)-refusal;
    ptrace(PTRACE_SETREGS, pid, NULL, &registers);
#else
    (void)pid;
#endif
}

static void look_at_call(pid_t pid)
{
    static long n = 0;
    char path[PATH_MAX];
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_SECCOMP) return;
    const change *c = change_made(pid, &info, path);
    if (c == NULL) return;
    n++;
    if (list != NULL) {
        fprintf(list, "%ld %s %s\n", n, c->name, path + strlen(folder));
        fflush(list);
    }
    if (at > 0 && n >= at && refusal == 0) kill_all();
    if (at > 0 && n >= at && c->takes_room) refuse(pid);
}

/* ---- following the program ---- */

static void pass_on(int number) { kill(child, number); }

static int follow(void)
{
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return UNSUPPORTED;
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)options) != 0) give_up("ptrace");
    ptrace(PTRACE_CONT, child, NULL, NULL);
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) return UNSUPPORTED;
        if (pid == child && WIFEXITED(status)) return WEXITSTATUS(status);
        if (pid == child && WIFSIGNALED(status)) {
            signal(WTERMSIG(status), SIG_DFL);
            raise(WTERMSIG(status));
        }
        if (!WIFSTOPPED(status)) continue;
        int event = status >> 16, number = WSTOPSIG(status);
        if (event == PTRACE_EVENT_SECCOMP) look_at_call(pid);
        /* Threads and children begin with a stop of their own; all else that is no event of ours is a signal to deliver. */
        bool ours = event != 0 || number == SIGTRAP || number == SIGSTOP;
        ptrace(PTRACE_CONT, pid, NULL, (void *)(long)(ours ? 0 : number));
    }
}

static int usage(void)
{
    fprintf(stderr, "usage: fault_at [-n N] [-e ERRNO] [-r RANK] [-l LOG] FOLDER COMMAND...\n");
    return 2;
}

int main(int argc, char **argv)
{
    int option;
    const char *rank = NULL, *log = NULL, *own = getenv("OMPI_COMM_WORLD_RANK");
    while ((option = getopt(argc, argv, "+n:e:r:l:")) != -1) switch (option) {
        case 'n': at = atol(optarg); break;
        case 'e': refusal = atoi(optarg); break;
        case 'r': rank = optarg; break;
        case 'l': log = optarg; break;
        default: return usage();
        }
    if (argc - optind < 2) return usage();
    if (rank != NULL && (own == NULL || strcmp(own, rank) != 0)) {
        execvp(argv[optind + 1], argv + optind + 1);
        give_up(argv[optind + 1]);
    }
    if (realpath(argv[optind], folder) == NULL) give_up(argv[optind]);
    if (log != NULL && (list = fopen(log, "we")) == NULL) give_up(log);
#ifndef __x86_64__
    if (refusal != 0) return UNSUPPORTED;
#endif
    child = fork();
    if (child == 0) become(argv + optind + 1);
    if (child < 0) give_up("fork");
    signal(SIGTERM, pass_on);
    signal(SIGUSR1, pass_on);
    return follow();
}
#endif
