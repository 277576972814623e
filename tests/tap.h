/* Test Anything Protocol for the tests: each check prints "ok" or "not ok" and, when it fails, both values and the tolerance. */
#ifndef DGM_TAP_H
#define DGM_TAP_H

#include "dgm/error.h"

#include <stddef.h>

/* One check.  printf-style name.  Returns whether it held. */
bool tap_ok(bool holds, const char *name, ...) __attribute__((format(printf, 2, 3)));
bool tap_int(int64_t got, int64_t want, const char *name, ...) __attribute__((format(printf, 3, 4)));
bool tap_text(const char *got, const char *want, const char *name, ...) __attribute__((format(printf, 3, 4)));
/* |got - want| <= tolerance; NaN never holds. */
bool tap_near(double got, double want, double tolerance, const char *name, ...) __attribute__((format(printf, 4, 5)));
/* Largest |got[i] - want[i]| <= tolerance; names the worst element. */
bool tap_near_array(const float *got, const double *want, int64_t n, double tolerance, const char *name, ...)
    __attribute__((format(printf, 5, 6)));
/* Byte for byte. */
bool tap_same(const void *got, const void *want, size_t bytes, const char *name, ...) __attribute__((format(printf, 4, 5)));
/* `err` must be `want`; prints dgm_error_text() when it is not. */
bool tap_err(dgm_err err, dgm_err want, const char *name, ...) __attribute__((format(printf, 3, 4)));
/* The last error text must contain `part`. */
bool tap_error_says(const char *part);

void tap_skip(const char *name, const char *why); /* one check that could not be made, and why */
void tap_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* MPI tests: a check holds if it holds on every rank.  `all` combines a rank's answer with the others'; only one rank prints. */
void tap_set_parallel(bool (*all)(bool), bool prints);

/* Prints the plan; returns the exit status for main. */
int tap_done(void);

#endif
