/* Intervals and paired tests against what can be known exactly: a binomial distribution, all resamples and all exchanges of a few lines,
 * and published p-values of WMT systems where their outputs are at hand. */
#include "dgm/io.h"
#include "dgm/paired_report.h"
#include "dgm/rng.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts whose counts are chosen: TER with ref_words[i] words and edits[i] edits in line i ---- */

enum { MAX_LINES = 512 };

typedef struct {
    dgm_metric_counts counts;
    int64_t lines[MAX_LINES * DGM_TER_N_COUNTS], sum[DGM_TER_N_COUNTS];
} text_counts;

static dgm_metric *ter(void)
{
    static dgm_metric *metric;
    if (metric == NULL && dgm_metric_create(&(dgm_metric_options){.kind = DGM_METRIC_TER}, 1, &metric) != DGM_OK) abort();
    return metric;
}

static dgm_metric_sample make(text_counts *t, const int64_t *edits, const int64_t *ref_words, int64_t n)
{
    *t = (text_counts){.counts = {.n_lines = n, .n_counts = DGM_TER_N_COUNTS}};
    t->counts.counts = t->lines;
    t->counts.sum = t->sum;
    for (int64_t i = 0; i < n; i++) {
        t->sum[0] += t->lines[2 * i] = edits[i];
        t->sum[1] += t->lines[2 * i + 1] = ref_words[i];
    }
    return (dgm_metric_sample){ter(), &t->counts};
}

/* ---- the bootstrap ---- */

/* The smallest k with P(Binomial(n, q) <= k) >= share. */
static int binomial_quantile(int n, double q, double share)
{
    double log_p = n * log(1 - q), sum = exp(log_p);
    int k = 0;
    while (sum < share) {
        log_p += log((double)(n - k) / (k + 1) * q / (1 - q));
        sum += exp(log_p);
        k++;
    }
    return k;
}

/* Lines of one word, some of them with an edit: the edits of a resample are binomial. */
static void test_interval(void)
{
    enum { LINES = 400, WRONG = 120, RESAMPLES = 20000 };
    static double scores[RESAMPLES];
    static text_counts text;
    int64_t edits[LINES], ones[LINES];
    for (int i = 0; i < LINES; i++) edits[i] = i < WRONG, ones[i] = 1;
    dgm_metric_sample sample = make(&text, edits, ones, LINES);
    tap_err(dgm_bootstrap_scores(&sample, 1, RESAMPLES, 1, scores), DGM_OK, "resampling");
    double mean = 0, square = 0, q = (double)WRONG / LINES;
    for (int i = 0; i < RESAMPLES; i++) mean += scores[i] / RESAMPLES;
    for (int i = 0; i < RESAMPLES; i++) square += (scores[i] - mean) * (scores[i] - mean) / RESAMPLES;
    double sd = 100 * sqrt(q * (1 - q) / LINES);
    tap_near(mean, 100 * q, 4 * sd / sqrt(RESAMPLES), "mean of the resamples: the score");
    tap_near(sqrt(square), sd, 4 * sd / sqrt(2. * RESAMPLES), "their deviation: that of the binomial distribution");
    dgm_interval interval = dgm_bootstrap_interval(scores, RESAMPLES);
    int width = binomial_quantile(LINES, q, 0.975) - binomial_quantile(LINES, q, 0.025);
    tap_near(interval.half_width, 100. * width / 2 / LINES, 100. / LINES, "95 %% interval: from quantile to quantile, give or take an edit");
    tap_near(interval.mean, mean, 1e-9, "mean of the interval");
    double five[] = {5, 1, 4, 2, 3};
    interval = dgm_bootstrap_interval(five, 5);
    tap_ok(interval.mean == 3 && interval.half_width == 2, "of five scores the interval goes from the lowest to the highest");
}

static void test_reproducible(void)
{
    enum { LINES = 50, RESAMPLES = 100 };
    static text_counts a, b;
    int64_t x[LINES], y[LINES], words[LINES];
    double both[2 * RESAMPLES], one[RESAMPLES], other[RESAMPLES];
    for (int i = 0; i < LINES; i++) x[i] = i % 5, y[i] = i % 7, words[i] = 8;
    dgm_metric_sample samples[] = {make(&a, x, words, LINES), make(&b, y, words, LINES)};
    dgm_bootstrap_scores(samples, 2, RESAMPLES, 7, both);
    dgm_bootstrap_scores(&samples[1], 1, RESAMPLES, 7, one);
    dgm_bootstrap_scores(&samples[1], 1, RESAMPLES, 8, other);
    tap_same(one, both + RESAMPLES, sizeof one, "a text's resamples do not depend on what else is resampled");
    tap_ok(memcmp(one, other, sizeof one) != 0, "but on the seed");
    dgm_bootstrap_scores(&samples[1], 1, RESAMPLES / 2, 7, other);
    tap_same(one, other, RESAMPLES / 2 * sizeof *one, "fewer resamples are the first of more");
}

/* ---- the paired bootstrap test ---- */

/* p of all LINES^LINES resamples, equally likely. */
static double exact_bootstrap(const int64_t *x, const int64_t *y, const int64_t *words, int n, double difference)
{
    int64_t n_all = 1;
    for (int i = 0; i < n; i++) n_all *= n;
    double *d = malloc((size_t)n_all * sizeof *d), mean = 0;
    int64_t times = 0;
    for (int64_t k = 0; d != NULL && k < n_all; k++) {
        int64_t rest = k, sx = 0, sy = 0, sw = 0;
        for (int i = 0; i < n; i++, rest /= n) sx += x[rest % n], sy += y[rest % n], sw += words[rest % n];
        d[k] = 100 * fabs((double)(sx - sy)) / (double)sw;
        mean += d[k] / (double)n_all;
    }
    for (int64_t k = 0; d != NULL && k < n_all; k++) times += d[k] - mean >= difference;
    free(d);
    return (double)times / (double)n_all;
}

static void test_paired_bootstrap(void)
{
    enum { LINES = 6, RESAMPLES = 40000 };
    static double scores[2 * RESAMPLES];
    static text_counts a, b;
    /* Lines of equal length: no absolute difference lies so near to the bound that the mean of 40,000 could push it over. */
    const int64_t x[LINES] = {2, 6, 6, 0, 1, 4}, y[LINES] = {4, 2, 2, 6, 1, 6}, words[LINES] = {10, 10, 10, 10, 10, 10};
    dgm_metric_sample samples[] = {make(&a, x, words, LINES), make(&b, y, words, LINES)};
    double difference = dgm_metric_compute(ter(), a.sum) - dgm_metric_compute(ter(), b.sum);
    dgm_bootstrap_scores(samples, 2, RESAMPLES, 3, scores);
    double p = dgm_paired_bootstrap(scores, scores + RESAMPLES, RESAMPLES, difference), exact = exact_bootstrap(x, y, words, LINES, fabs(difference));
    tap_near(p, exact, 4 * sqrt(exact * (1 - exact) / RESAMPLES), "six lines: as all 46,656 resamples have it");
    tap_ok(exact > 0.005 && exact < 0.5, "a p-value that is neither 0 nor 1: %g", exact);
    tap_near(dgm_paired_bootstrap(scores, scores, RESAMPLES, 0), 1, 0, "a system against itself: 1");
}

/* ---- approximate randomization ---- */

static double exact_randomization(const dgm_metric *metric, const dgm_metric_counts *a, const dgm_metric_counts *b)
{
    int64_t times = 0, n = a->n_lines, one[32], other[32];
    double difference = fabs(dgm_metric_compute(metric, a->sum) - dgm_metric_compute(metric, b->sum));
    for (int64_t coins = 0; coins < (int64_t)1 << n; coins++) {
        memset(one, 0, sizeof one);
        memset(other, 0, sizeof other);
        for (int64_t i = 0; i < n; i++)
            for (int k = 0; k < a->n_counts; k++) {
                int64_t x = a->counts[i * a->n_counts + k], y = b->counts[i * a->n_counts + k];
                one[k] += coins >> i & 1 ? y : x;
                other[k] += coins >> i & 1 ? x : y;
            }
        times += fabs(dgm_metric_compute(metric, one) - dgm_metric_compute(metric, other)) >= difference;
    }
    return (double)times / (double)((int64_t)1 << n);
}

static void check_randomization(const dgm_metric_sample *a, const dgm_metric_sample *b, const char *name)
{
    enum { TRIALS = 40000 };
    double p, exact = exact_randomization(a->metric, a->counts, b->counts);
    tap_err(dgm_paired_randomization(a, b, 1, TRIALS, 5, &p), DGM_OK, "%s: exchanging lines", name);
    tap_near(p, exact, 4 * sqrt(exact * (1 - exact) / TRIALS) + 1. / TRIALS, "%s: as all exchanges have it", name);
}

static void test_randomization(void)
{
    static text_counts a, b;
    enum { LINES = 12 };
    const int64_t x[LINES] = {3, 0, 2, 5, 1, 4, 3, 2, 6, 1, 0, 4}, y[LINES] = {1, 1, 2, 0, 2, 1, 2, 2, 3, 1, 1, 2};
    const int64_t words[LINES] = {7, 5, 9, 8, 4, 11, 6, 6, 12, 3, 5, 9};
    dgm_metric_sample one = make(&a, x, words, LINES), other = make(&b, y, words, LINES);
    check_randomization(&one, &other, "TER of 12 lines");
    /* Lines that differ by 1 each, always to one side: only the two exchanges of all or none are as large, 2 / 2^12. */
    int64_t z[LINES];
    for (int i = 0; i < LINES; i++) z[i] = x[i] + 1;
    other = make(&b, z, words, LINES);
    tap_near(exact_randomization(ter(), one.counts, other.counts), 2. / 4096, 0, "a difference in every line");
    check_randomization(&one, &other, "a difference in every line");
    double p[2];
    dgm_metric_sample same[] = {one, other};
    tap_err(dgm_paired_randomization(&one, same, 2, 1000, 5, p), DGM_OK, "two systems at once");
    tap_near(p[0], 1, 0, "a system against itself: 1");
    one = make(&a, x, words, 1), other = make(&b, y, words, 1);
    dgm_paired_randomization(&one, &other, 1, 1000, 5, p);
    tap_near(p[0], 1, 0, "one line says nothing: 1");
}

/* The same through a metric with a formula, from text. */
static void test_randomization_of_bleu(void)
{
    char name[] = "text";
    dgm_mt_span ref_line[] = {{"the cat sat on the mat", 22}, {"a dog runs in the park today", 28}, {"nobody knows what it is", 23}};
    dgm_mt_span one_line[] = {{"the cat sat on a mat", 20}, {"a dog runs in the park", 22}, {"nobody knows it", 15}};
    dgm_mt_span other_line[] = {{"a cat sat on the mat", 20}, {"dog runs in a park today", 24}, {"nobody knows what that is", 25}};
    dgm_lines ref = {.name = name, .n = 3, .line = ref_line}, one = {.name = name, .n = 3, .line = one_line},
              other = {.name = name, .n = 3, .line = other_line};
    dgm_metric *bleu = NULL;
    dgm_metric_counts a = {0}, b = {0};
    if (dgm_metric_create(&(dgm_metric_options){.kind = DGM_METRIC_BLEU}, 1, &bleu) != DGM_OK ||
        dgm_metric_count_lines(bleu, &one, &ref, 1, true, &a) != DGM_OK || dgm_metric_count_lines(bleu, &other, &ref, 1, true, &b) != DGM_OK)
        tap_ok(false, "counting failed: %s", dgm_error_text());
    else check_randomization(&(dgm_metric_sample){bleu, &a}, &(dgm_metric_sample){bleu, &b}, "BLEU of 3 lines");
    dgm_metric_counts_fini(&a);
    dgm_metric_counts_fini(&b);
    dgm_metric_destroy(bleu);
}

/* ---- published p-values ---- */

static dgm_err compare(dgm_scoring *scoring, const char *dir, dgm_paired_test test, int64_t n_trials, double *p)
{
    static const char *const names[] = {"LIUM-NMT.4900", "SYSTRAN.4847", "xmu.4910"};
    dgm_lines ref = {0}, hyp = {0};
    dgm_text_counts counts[3] = {0};
    dgm_paired_report report = {0};
    char path[4096];
    dgm_err err;
    snprintf(path, sizeof path, "%s/ref.de.zst", dir);
    DGM_GOTO(dgm_lines_read(path, false, &ref));
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/hyp.%s.de.zst", dir, names[i]);
        DGM_GOTO(dgm_lines_read(path, false, &hyp));
        DGM_GOTO(dgm_scoring_count(scoring, &hyp, &ref, true, &counts[i]));
        dgm_lines_fini(&hyp);
    }
    DGM_GOTO(dgm_paired_report_make(scoring, counts, names, 3, test, n_trials, &report));
    p[0] = report.cell[1].p;
    p[1] = report.cell[2].p;
fail:
    dgm_paired_report_fini(&report);
    for (int i = 0; i < 3; i++) dgm_text_counts_fini(&counts[i]);
    dgm_lines_fini(&hyp);
    dgm_lines_fini(&ref);
    return err;
}

/* newstest2017 en-de against LIUM-NMT, BLEU, not tokenized: p-values from Moses' bootstrap-hypothesis-difference-significance.pl (2,000
 * resamples, mean of three runs) and from MultEval (10,000 exchanges), as sacreBLEU's tests quote them.  Four deviations. */
static void test_published(const char *dir)
{
    dgm_metric_choice choice = {.n_metrics = 1, .metric = {{.kind = DGM_METRIC_BLEU, .bleu = {.tokenizer = DGM_MT_TOKENIZER_NONE}}},
                                .force = true, .seed = 12345};
    dgm_scoring scoring = {0};
    double p[2] = {NAN, NAN};
    tap_err(dgm_scoring_init(&scoring, &choice, 1), DGM_OK, "BLEU");
    tap_err(compare(&scoring, dir, DGM_PAIRED_BOOTSTRAP, 2000, p), DGM_OK, "paired bootstrap of WMT systems");
    tap_near(p[0], 0.20983, 4 * sqrt(0.21 * 0.79 / 2000 * 4 / 3), "SYSTRAN: Moses' p-value");
    tap_near(p[1], 0.25483, 4 * sqrt(0.25 * 0.75 / 2000 * 4 / 3), "xmu: Moses' p-value");
    tap_err(compare(&scoring, dir, DGM_PAIRED_RANDOMIZATION, 10000, p), DGM_OK, "approximate randomization of WMT systems");
    tap_near(p[0], 0.59914, 4 * sqrt(0.60 * 0.40 / 10000 * 2), "SYSTRAN: MultEval's p-value");
    tap_near(p[1], 0.71073, 4 * sqrt(0.71 * 0.29 / 10000 * 2), "xmu: MultEval's p-value");
    dgm_scoring_fini(&scoring);
}

int main(void)
{
    const char *shared = getenv("DGM_SHARED"), *source = getenv("DGM_SRCDIR");
    char dir[2048];
    if (shared != NULL) snprintf(dir, sizeof dir, "%s/data/bleu/newstest2017.en-de", shared);
    else snprintf(dir, sizeof dir, "%s/../shared/data/bleu/newstest2017.en-de", source != NULL ? source : ".");
    test_interval();
    test_reproducible();
    test_paired_bootstrap();
    test_randomization();
    test_randomization_of_bleu();
    if (dgm_io_is_dir(dir)) test_published(dir);
    else tap_skip("published p-values", "the folder with WMT outputs is absent (DGM_SHARED names its place)");
    dgm_metric_destroy(ter());
    return tap_done();
}
