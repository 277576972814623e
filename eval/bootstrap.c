/* Sums of integers, so that a resample's score has no rounding of its own; the random numbers are addressed by (resample, draw). */
#include "dgm/bootstrap.h"

#include "dgm/rng.h"

#include <stdlib.h>
#include <string.h>

/* How often each line is drawn. */
static void draw(dgm_rng rng, int64_t resample, int64_t n_lines, int32_t *times)
{
    memset(times, 0, (size_t)n_lines * sizeof *times);
    for (int64_t i = 0; i < n_lines; i++) times[dgm_rng_below(rng, (uint64_t)n_lines, (uint64_t)i, (uint64_t)resample)]++;
}

static double resampled_score(const dgm_metric_sample *sample, const int32_t *times, int64_t *sum)
{
    int n_counts = sample->counts->n_counts;
    memset(sum, 0, (size_t)n_counts * sizeof *sum);
    for (int64_t i = 0; i < sample->counts->n_lines; i++) {
        const int64_t *counts = sample->counts->counts + i * n_counts;
        if (times[i] == 0) continue;
        for (int k = 0; k < n_counts; k++) sum[k] += times[i] * counts[k];
    }
    return dgm_metric_compute(sample->metric, sum);
}

dgm_err dgm_bootstrap_scores(const dgm_metric_sample *samples, int n_samples, int64_t n_resamples, uint64_t seed, double *scores)
{
    int64_t n_lines = samples[0].counts->n_lines;
    int most = 0;
    for (int s = 0; s < n_samples; s++) {
        DGM_ASSERT(samples[s].counts->n_lines == n_lines && samples[s].counts->counts != NULL);
        most = DGM_MAX(most, samples[s].counts->n_counts);
    }
    int32_t *times = malloc((size_t)n_lines * sizeof *times);
    int64_t *sum = malloc((size_t)most * sizeof *sum);
    dgm_err err = times != NULL && sum != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "resamples of %lld lines", (long long)n_lines);
    dgm_rng rng = dgm_rng_make(seed, DGM_RNG_BOOTSTRAP);
    for (int64_t b = 0; err == DGM_OK && b < n_resamples; b++) {
        draw(rng, b, n_lines, times);
        for (int s = 0; s < n_samples; s++) scores[s * n_resamples + b] = resampled_score(&samples[s], times, sum);
    }
    free(times);
    free(sum);
    return err;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

dgm_interval dgm_bootstrap_interval(double *scores, int64_t n)
{
    DGM_ASSERT(n >= 1);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += scores[i];
    qsort(scores, (size_t)n, sizeof *scores, by_value);
    return (dgm_interval){sum / (double)n, 0.5 * (scores[n - 1 - n / 40] - scores[n / 40])};
}
