/* Both tests work from the counts of the lines.
 *
 * "As large as" includes equality, as the definition of a p-value asks: with few lines, or equal systems, many exchanges give exactly
 * the same difference, and leaving those out would call chance significant.  (sacreBLEU leaves them out; with thousands of lines it
 * makes no difference.)  The counts are integers, so that equal differences are equal bits. */
#include "dgm/paired.h"

#include "dgm/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double p_value(int64_t times, int64_t n) { return (double)(times + 1) / (double)(n + 1); }

double dgm_paired_bootstrap(const double *base, const double *system, int64_t n, double difference)
{
    double mean = 0;
    int64_t times = 0;
    for (int64_t i = 0; i < n; i++) mean += fabs(system[i] - base[i]);
    mean /= (double)n;
    for (int64_t i = 0; i < n; i++) times += fabs(system[i] - base[i]) - mean >= fabs(difference);
    return p_value(times, n);
}

enum { COINS = 128 }; /* of one block of random bits */

/* A coin for each line of a trial, a bit each.  The last counter keeps them apart from the draws of the bootstrap. */
static void toss(dgm_rng rng, int64_t trial, int64_t n_lines, uint32_t *coins)
{
    for (int64_t block = 0; block * COINS < n_lines; block++) {
        dgm_rng_block bits = dgm_rng_at(rng, (uint32_t)block, (uint32_t)trial, (uint32_t)(trial >> 32), 1);
        memcpy(coins + block * (COINS / 32), bits.v, sizeof bits.v);
    }
}

/* Two systems, and what exchanging their lines does. */
typedef struct {
    const dgm_metric_sample *base, *system;
    double difference;
    int64_t n_differing, times;
    int32_t *line;    /* [n_differing] the lines that they do not share the counts of: exchanging others changes nothing */
    int64_t *change;  /* [n_differing, n_counts] the system's counts less the base's */
} comparison;

static void comparison_fini(comparison *c)
{
    free(c->line);
    free(c->change);
}

static dgm_err comparison_init(comparison *c, const dgm_metric_sample *base, const dgm_metric_sample *system)
{
    const dgm_metric_counts *a = base->counts, *b = system->counts;
    DGM_ASSERT(a->n_lines == b->n_lines && a->n_counts == b->n_counts && a->n_lines <= INT32_MAX);
    *c = (comparison){.base = base, .system = system};
    c->line = malloc((size_t)a->n_lines * sizeof *c->line);
    c->change = malloc((size_t)a->n_lines * (size_t)a->n_counts * sizeof *c->change);
    if (c->line == NULL || c->change == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "comparing %lld lines", (long long)a->n_lines);
    c->difference = fabs(dgm_metric_compute(base->metric, a->sum) - dgm_metric_compute(base->metric, b->sum));
    for (int64_t i = 0; i < a->n_lines; i++) {
        const int64_t *x = a->counts + i * a->n_counts, *y = b->counts + i * a->n_counts;
        if (memcmp(x, y, (size_t)a->n_counts * sizeof *x) == 0) continue;
        for (int k = 0; k < a->n_counts; k++) c->change[c->n_differing * a->n_counts + k] = y[k] - x[k];
        c->line[c->n_differing++] = (int32_t)i;
    }
    return DGM_OK;
}

/* one, other: [n_counts] memory for the two sums */
static void try_exchange(comparison *c, const uint32_t *coins, int64_t *one, int64_t *other)
{
    const dgm_metric_counts *a = c->base->counts, *b = c->system->counts;
    memcpy(one, a->sum, (size_t)a->n_counts * sizeof *one);
    for (int64_t i = 0; i < c->n_differing; i++) {
        int64_t taken = -(int64_t)(coins[c->line[i] / 32] >> (c->line[i] % 32) & 1); /* all bits or none */
        const int64_t *change = c->change + i * a->n_counts;
        for (int k = 0; k < a->n_counts; k++) one[k] += change[k] & taken;
    }
    for (int k = 0; k < a->n_counts; k++) other[k] = a->sum[k] + b->sum[k] - one[k];
    c->times += fabs(dgm_metric_compute(c->base->metric, one) - dgm_metric_compute(c->base->metric, other)) >= c->difference;
}

dgm_err dgm_paired_randomization(const dgm_metric_sample *base, const dgm_metric_sample *systems, int n_systems, int64_t n_trials,
                                 uint64_t seed, double *p)
{
    dgm_err err = DGM_OK;
    size_t n_counts = (size_t)base->counts->n_counts;
    comparison *c = calloc((size_t)n_systems, sizeof *c);
    int64_t *sums = malloc(2 * n_counts * sizeof *sums);
    uint32_t *coins = malloc(((size_t)base->counts->n_lines / COINS + 1) * (COINS / 8));
    if (c == NULL || sums == NULL || coins == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "comparing %d systems", n_systems);
        goto fail;
    }
    for (int s = 0; s < n_systems; s++) DGM_GOTO(comparison_init(&c[s], base, &systems[s]));
    dgm_rng rng = dgm_rng_make(seed, DGM_RNG_BOOTSTRAP);
    for (int64_t trial = 0; trial < n_trials; trial++) {
        toss(rng, trial, base->counts->n_lines, coins);
        for (int s = 0; s < n_systems; s++) try_exchange(&c[s], coins, sums, sums + n_counts);
    }
    for (int s = 0; s < n_systems; s++) p[s] = p_value(c[s].times, n_trials);
fail:
    for (int s = 0; c != NULL && s < n_systems; s++) comparison_fini(&c[s]);
    free(c);
    free(sums);
    free(coins);
    return err;
}
