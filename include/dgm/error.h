/* Error codes, messages and the checks every module uses.
 *
 * A function that can fail returns dgm_err; 0 is success.  The text of the last failure of the calling thread is kept here: it
 * names the object, the value found, what was expected and what to do.  Only programs print it and end the process. */
#ifndef DGM_ERROR_H
#define DGM_ERROR_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    DGM_OK = 0,
    DGM_ERR_NOMEM,    /* memory could not be had                               exit 1 */
    DGM_ERR_IO,       /* the operating system refused a file operation         exit 1 */
    DGM_ERR_INTERNAL, /* a broken promise inside the program                   exit 1 */
    DGM_ERR_USAGE,    /* wrong command line or configuration                   exit 2 */
    DGM_ERR_INPUT,    /* a file or line of the user's is not what it must be   exit 3 */
    DGM_ERR_SHAPE,    /* dimensions that do not fit together                   exit 3 */
    DGM_ERR_NUMERIC,  /* NaN, infinity or divergence                           exit 4 */
    DGM_ERR_PEER,     /* another rank was lost or failed                       exit 5 */
    DGM_ERR_STOPPED,  /* asked to stop; what there is is saved, start it again exit 75 */
    DGM_ERR_DIFFERENT /* what was compared is not the same                     exit 1 */
} dgm_err;

/* Records a message for the calling thread and returns `code`.  printf-style.  Use through DGM_FAIL. */
dgm_err dgm_error_set(dgm_err code, const char *file, int line, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Puts "context: " before the message of the last failure, once, where the context is known; returns `code` unchanged. */
dgm_err dgm_error_context(dgm_err code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The message of the calling thread's last failure, "" if none.  Valid until the next failure of this thread. */
const char *dgm_error_text(void);

/* A number as a message shows it: the sign of what is no number means nothing, and would be printed. */
double dgm_error_number(double x);

/* Where the last failure was raised, "file.c:123"; for debug logs only. */
const char *dgm_error_where(void);

/* The exit code a program ends with for `code` (the table in README.md, section "Exit codes"). */
int dgm_error_exit_code(dgm_err code);

/* Called by a failed DGM_ASSERT; never returns.  Programs install a handler that ends all ranks; the default aborts. */
typedef void (*dgm_fatal_handler)(const char *message);
void dgm_error_set_fatal_handler(dgm_fatal_handler handler);
/* Ends the program with a message of its own: for what nobody above could do anything about. */
_Noreturn void dgm_error_die(const char *message);
_Noreturn void dgm_error_fatal(const char *file, int line, const char *expression);

#define DGM_FAIL(code, ...) dgm_error_set((code), __FILE__, __LINE__, __VA_ARGS__)

#define DGM_TRY(call)                                                                                                             \
    do {                                                                                                                          \
        dgm_err dgm_try_err_ = (call);                                                                                            \
        if (dgm_try_err_ != DGM_OK) return dgm_try_err_;                                                                          \
    } while (0)

/* As DGM_TRY, for functions that release what they hold at a label `fail` and keep the code in `err`. */
#define DGM_GOTO(call)                                                                                                            \
    do {                                                                                                                          \
        if ((err = (call)) != DGM_OK) goto fail;                                                                                  \
    } while (0)

#ifdef DGM_NO_ASSERT
#define DGM_ASSERT(e) ((void)sizeof((e) ? 1 : 0))
#else
#define DGM_ASSERT(e) ((e) ? (void)0 : dgm_error_fatal(__FILE__, __LINE__, #e))
#endif

#define DGM_MIN(a, b) ((a) < (b) ? (a) : (b))
#define DGM_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
