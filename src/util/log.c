/* One place that writes to stderr, so that a redrawn progress line and ordinary lines never tear each other. */
#include "dgm/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static dgm_log_level max_level = DGM_LOG_INFO;
static int own_rank, n_ranks = 1;
static bool line_open;

void dgm_log_set_level(dgm_log_level level) { max_level = level; }

void dgm_log_set_rank(int rank, int size)
{
    own_rank = rank;
    n_ranks = size;
}

void dgm_log_progress_end(void)
{
    if (line_open) fputc('\n', stderr);
    line_open = false;
}

void dgm_log(dgm_log_level level, const char *format, ...)
{
    static const char *const names[] = {"error: ", "warning: ", "", "debug: "};
    if (level > max_level || (level == DGM_LOG_INFO && own_rank != 0)) return;
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    dgm_log_progress_end();
    /* One call, one write: lines of different ranks do not mix. */
    if (n_ranks > 1 && level != DGM_LOG_INFO)
        fprintf(stderr, "dragoman[%d]: %s%s\n", own_rank, names[level], text);
    else
        fprintf(stderr, "dragoman: %s%s\n", names[level], text);
}

void dgm_log_progress(const char *format, ...)
{
    if (own_rank != 0 || max_level < DGM_LOG_INFO) return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%s\033[K", text);
        line_open = true;
    } else {
        fprintf(stderr, "%s\n", text);
    }
    fflush(stderr);
}
