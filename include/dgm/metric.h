/* One interface to all metrics: a sentence gives integers, integers add up, a sum gives a score.
 *
 * Whoever works from these counts (corpus scores, bootstrap intervals, paired tests) works for every metric, and exactly: sums of
 * integers are the same in any order. */
#ifndef DGM_METRIC_H
#define DGM_METRIC_H

#include "dgm/bleu.h"
#include "dgm/chrf.h"
#include "dgm/lines.h"
#include "dgm/ter.h"

typedef enum { DGM_METRIC_BLEU, DGM_METRIC_CHRF, DGM_METRIC_TER, DGM_N_METRICS } dgm_metric_kind;

#define DGM_METRIC_NAMES "bleu|chrf|ter"

const char *dgm_metric_kind_name(dgm_metric_kind kind); /* "bleu" */

typedef struct {
    dgm_metric_kind kind;
    union {
        dgm_bleu_options bleu;
        dgm_chrf_options chrf;
        dgm_mt_tercom_options ter;
    };
} dgm_metric_options;

/* Counts sentences one after another; holds the memory for it.  Not to be shared between threads. */
typedef struct dgm_metric dgm_metric;

/* For sentences with n_refs >= 1 references each. */
dgm_err dgm_metric_create(const dgm_metric_options *options, int n_refs, dgm_metric **out);
void dgm_metric_destroy(dgm_metric *metric); /* accepts NULL */

const dgm_metric_options *dgm_metric_options_of(const dgm_metric *metric);
int dgm_metric_n_counts(const dgm_metric *metric); /* integers of a sentence, the same for all */

/* counts[n_counts] of one hypothesis against its references.  DGM_ERR_NOMEM, DGM_ERR_INPUT for lines too long to count. */
dgm_err dgm_metric_count(dgm_metric *metric, dgm_mt_span hyp, const dgm_mt_span *refs, int64_t *counts);

/* The score of counts, of one sentence or summed. */
double dgm_metric_compute(const dgm_metric *metric, const int64_t *counts);

/* The same with name, signature and details. */
void dgm_metric_report(const dgm_metric *metric, const int64_t *counts, dgm_metric_score *out);

/* The counts of a text. */
typedef struct {
    int64_t n_lines;
    int n_counts;
    int64_t *counts; /* [n_lines, n_counts] of each line; NULL where only the sum was wanted */
    int64_t *sum;    /* [n_counts] */
} dgm_metric_counts;

/* Counts line i of hyp against line i of each of refs[n_refs] (as many as the metric was made for; the same numbers of lines).
 * keep_lines: the counts of each line are wanted.  Release with dgm_metric_counts_fini.  Errors name file and line. */
dgm_err dgm_metric_count_lines(dgm_metric *metric, const dgm_lines *hyp, const dgm_lines *refs, int n_refs, bool keep_lines,
                               dgm_metric_counts *out);
void dgm_metric_counts_fini(dgm_metric_counts *counts); /* accepts {0} */

#endif
