/* The plan comes last, so that a test that dies half-way is seen as one whose plan is missing. */
#include "tap.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
/* Open MPI's plugins stay loaded, so that the leak checker can tell by name what is theirs (lsan.supp). */
int dlclose(void *handle);
int dlclose(void *handle) { return (void)handle, 0; }
#endif

static int n_checks, n_failed;
static bool (*all_ranks)(bool);
static bool prints = true;

void tap_set_parallel(bool (*all)(bool), bool this_rank_prints)
{
    all_ranks = all;
    prints = this_rank_prints;
}

static bool report(bool here, const char *why, const char *name, va_list args)
{
    bool holds = all_ranks != NULL ? all_ranks(here) : here;
    n_checks++;
    n_failed += !holds;
    if (!here) printf("# %s\n", why); /* the rank where it failed says why */
    if (prints) {
        printf("%s %d - ", holds ? "ok" : "not ok", n_checks);
        vprintf(name, args);
        putchar('\n');
    }
    fflush(stdout);
    return holds;
}

#define REPORT(here, why)                                                                                                         \
    va_list args;                                                                                                                 \
    va_start(args, name);                                                                                                         \
    bool holds_ = report((here), (why), name, args);                                                                              \
    va_end(args);                                                                                                                 \
    return holds_

bool tap_ok(bool holds, const char *name, ...) { REPORT(holds, "the condition is false"); }

bool tap_int(int64_t got, int64_t want, const char *name, ...)
{
    char why[96];
    snprintf(why, sizeof why, "got %lld, want %lld", (long long)got, (long long)want);
    REPORT(got == want, why);
}

bool tap_text(const char *got, const char *want, const char *name, ...)
{
    char why[2048];
    bool same = got != NULL && want != NULL ? strcmp(got, want) == 0 : got == want;
    snprintf(why, sizeof why, "got \"%s\", want \"%s\"", got ? got : "(null)", want ? want : "(null)");
    REPORT(same, why);
}

bool tap_near(double got, double want, double tolerance, const char *name, ...)
{
    char why[160];
    snprintf(why, sizeof why, "got %.17g, want %.17g within %g", got, want, tolerance);
    REPORT(fabs(got - want) <= tolerance, why);
}

bool tap_near_array(const float *got, const double *want, int64_t n, double tolerance, const char *name, ...)
{
    int64_t worst = 0;
    double most = -1;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i]);
        if (!(d <= most)) most = d, worst = i;
        if (isnan(d)) break;
    }
    char why[192];
    snprintf(why, sizeof why, "element %lld of %lld: got %.9g, want %.17g within %g", (long long)worst, (long long)n,
             n > 0 ? (double)got[worst] : 0, n > 0 ? want[worst] : 0, tolerance);
    REPORT(n == 0 || most <= tolerance, why);
}

bool tap_same(const void *got, const void *want, size_t bytes, const char *name, ...)
{
    size_t at = 0;
    const unsigned char *g = got, *w = want;
    while (at < bytes && g[at] == w[at]) at++;
    char why[96];
    snprintf(why, sizeof why, "byte %zu of %zu differs", at, bytes);
    REPORT(at == bytes, why);
}

bool tap_err(dgm_err err, dgm_err want, const char *name, ...)
{
    char why[2304];
    snprintf(why, sizeof why, "got error %d (%s), want %d", (int)err, err != DGM_OK ? dgm_error_text() : "success", (int)want);
    REPORT(err == want, why);
}

bool tap_error_says(const char *part)
{
    return tap_ok(strstr(dgm_error_text(), part) != NULL, "the message says \"%s\": \"%s\"", part, dgm_error_text());
}

void tap_skip(const char *name, const char *why)
{
    n_checks++;
    if (prints) printf("ok %d - %s # SKIP %s\n", n_checks, name, why);
}

void tap_note(const char *format, ...)
{
    if (!prints) return;
    va_list args;
    va_start(args, format);
    fputs("# ", stdout);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

int tap_done(void)
{
    if (prints) printf("1..%d\n", n_checks);
    fflush(stdout);
    return n_failed == 0 && n_checks > 0 ? 0 : 1;
}
