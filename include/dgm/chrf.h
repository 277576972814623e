/* chrF (Popović 2015) and chrF++ (Popović 2017) as sacreBLEU computes them, corpus and sentence.
 *
 *   score = 100 * (1 + beta^2) * P * R / (beta^2 * P + R)
 *
 * P and R are means over the orders of character n-grams (1..6) and word n-grams (chrF++: 1..2): matches divided by n-grams of the
 * hypothesis, and of the reference.  Orders that one of the two is too short for are left out of the means (or, with eps_smoothing,
 * count as 1e-16, and the score is the mean of the orders' F, as in chrF++.py). */
#ifndef DGM_CHRF_H
#define DGM_CHRF_H

#include "dgm/metric_score.h"
#include "dgm/mt_tokenize.h"

enum { DGM_CHRF_MAX_ORDER = 32 }; /* characters and words together */

typedef struct {
    int char_order, word_order; /* together 1..DGM_CHRF_MAX_ORDER */
    int beta;                   /* recall counts beta times as much as precision */
    bool lowercase;
    bool whitespace; /* white space is characters too */
    bool eps_smoothing;
} dgm_chrf_options;

#define DGM_CHRF_DEFAULTS ((dgm_chrf_options){.char_order = 6, .beta = 2})

/* Counts one sentence after another; holds the memory for it.  Not to be shared between threads. */
typedef struct dgm_chrf dgm_chrf;

dgm_err dgm_chrf_create(const dgm_chrf_options *options, dgm_chrf **out);
void dgm_chrf_destroy(dgm_chrf *chrf); /* accepts NULL */

/* How many integers the counts of a sentence are: for each order n-grams of the hypothesis, of the reference, matches. */
static inline int dgm_chrf_n_counts(const dgm_chrf_options *options) { return 3 * (options->char_order + options->word_order); }

/* Counts one hypothesis against the reference, of n_refs >= 1, that gives it the best score by itself (the first of equals). */
dgm_err dgm_chrf_count(dgm_chrf *chrf, dgm_mt_span hyp, const dgm_mt_span *refs, int n_refs, int64_t *counts);

/* The score of counts or of their sum, 0..100. */
double dgm_chrf_compute(const dgm_chrf_options *options, const int64_t *counts);

/* Ready for dgm_metric_print and dgm_metric_json, "chrF2++" and so on:
 *   signature  nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:dragoman-0.1 */
void dgm_chrf_report(const dgm_chrf_options *options, const int64_t *counts, int n_refs, dgm_metric_score *out);

#endif
