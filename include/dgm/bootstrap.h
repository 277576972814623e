/* How far a score would move with another test set of the same kind: bootstrap resampling (Efron 1979; for translation scores Koehn 2004,
 * "Statistical significance tests for machine translation evaluation").
 *
 * A resample draws as many lines as there are, with replacement; its score comes from the sum of their counts.  The lines drawn are a
 * function of (seed, resample) alone, the same for every metric and system, so that systems can be compared resample by resample. */
#ifndef DGM_BOOTSTRAP_H
#define DGM_BOOTSTRAP_H

#include "dgm/metric.h"

/* One system measured by one metric. */
typedef struct {
    const dgm_metric *metric;
    const dgm_metric_counts *counts; /* with those of the lines */
} dgm_metric_sample;

/* scores[n_samples, n_resamples]: the score of each resample.  All samples have the same number of lines, at least 1.  DGM_ERR_NOMEM. */
dgm_err dgm_bootstrap_scores(const dgm_metric_sample *samples, int n_samples, int64_t n_resamples, uint64_t seed, double *scores);

typedef struct {
    double mean;       /* of the resamples */
    double half_width; /* half the distance between their 2.5 % and 97.5 % quantiles */
} dgm_interval;

/* As sacreBLEU has it: of n sorted scores, those at n / 40 and n - 1 - n / 40.  Sorts `scores`. */
dgm_interval dgm_bootstrap_interval(double *scores, int64_t n);

#endif
