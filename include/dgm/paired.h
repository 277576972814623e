/* Is one system better than another, or could the difference be chance?  Two-sided tests of the difference between two systems' scores
 * on the same lines, for any metric. */
#ifndef DGM_PAIRED_H
#define DGM_PAIRED_H

#include "dgm/bootstrap.h"

/* Paired bootstrap resampling (Koehn 2004), in the form of Moses' bootstrap-hypothesis-difference-significance.pl, which sacreBLEU has:
 * how often the absolute difference of a resample, less the mean of all of them, is as large as the real one.
 * base[n], system[n]: scores of the same resamples; difference: of the real scores.  p = (times + 1) / (n + 1). */
double dgm_paired_bootstrap(const double *base, const double *system, int64_t n, double difference);

/* Approximate randomization (Riezler and Maxwell 2005; Noreen 1989): were the two systems the same, it would make no difference whose
 * translation of a line is called whose.  Each trial exchanges the lines that coins fall for; p = (times + 1) / (n_trials + 1), where
 * the absolute difference after the exchange is as large as the real one.  A system compared with itself has p = 1.
 *   systems  [n_systems] each is compared with `base`, by the same coins
 *   p        [n_systems] out
 * All are measured by the same metric.  The coins are a function of (seed, trial, line) alone.  DGM_ERR_NOMEM. */
dgm_err dgm_paired_randomization(const dgm_metric_sample *base, const dgm_metric_sample *systems, int n_systems, int64_t n_trials,
                                 uint64_t seed, double *p);

#endif
