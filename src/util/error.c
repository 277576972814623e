/* The last failure of each thread: its text is built where the facts are known and printed where the process ends. */
#include "dgm/error.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 2048, WHERE_BYTES = 128 };

static _Thread_local char last_text[TEXT_BYTES];
static _Thread_local char last_where[WHERE_BYTES];
static dgm_fatal_handler fatal_handler;

dgm_err dgm_error_set(dgm_err code, const char *file, int line, const char *format, ...)
{
    va_list args;
    char text[TEXT_BYTES]; /* the old text may be one of the arguments */
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(last_text, text, sizeof text);
    const char *name = strrchr(file, '/');
    snprintf(last_where, sizeof last_where, "%s:%d", name ? name + 1 : file, line);
    return code;
}

dgm_err dgm_error_context(dgm_err code, const char *format, ...)
{
    if (code == DGM_OK) return code;
    va_list args;
    char context[TEXT_BYTES / 2], text[TEXT_BYTES];
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    int n = snprintf(text, sizeof text, "%s: ", context);
    snprintf(text + n, sizeof text - (size_t)n, "%.*s", (int)(sizeof text - (size_t)n - 1), last_text);
    memcpy(last_text, text, sizeof text);
    return code;
}

const char *dgm_error_text(void) { return last_text; }

double dgm_error_number(double x) { return isnan(x) ? (double)NAN : x; }

const char *dgm_error_where(void) { return last_where; }

int dgm_error_exit_code(dgm_err code)
{
    switch (code) {
    case DGM_OK: return 0;
    case DGM_ERR_USAGE: return 2;
    case DGM_ERR_INPUT:
    case DGM_ERR_SHAPE: return 3;
    case DGM_ERR_NUMERIC: return 4;
    case DGM_ERR_PEER: return 5;
    case DGM_ERR_STOPPED: return 75;
    case DGM_ERR_NOMEM:
    case DGM_ERR_IO:
    case DGM_ERR_INTERNAL:
    case DGM_ERR_DIFFERENT: break;
    }
    return 1;
}

void dgm_error_set_fatal_handler(dgm_fatal_handler handler) { fatal_handler = handler; }

_Noreturn void dgm_error_fatal(const char *file, int line, const char *expression)
{
    char message[512];
    snprintf(message, sizeof message, "assertion failed at %s:%d: %s", file, line, expression);
    dgm_error_die(message);
}

_Noreturn void dgm_error_die(const char *message)
{
    if (fatal_handler != NULL) fatal_handler(message);
    fprintf(stderr, "dragoman: %s\n", message);
    abort();
}
