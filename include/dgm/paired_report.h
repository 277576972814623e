/* A baseline and other systems on one test set: their scores, intervals and p-values, as a table and as JSON. */
#ifndef DGM_PAIRED_REPORT_H
#define DGM_PAIRED_REPORT_H

#include "dgm/paired.h"
#include "dgm/scoring.h"

typedef enum { DGM_PAIRED_NONE, DGM_PAIRED_BOOTSTRAP, DGM_PAIRED_RANDOMIZATION } dgm_paired_test;

typedef struct {
    dgm_metric_score score; /* with an interval if there is one */
    double p;               /* of the difference from the first system; NaN for that one */
} dgm_paired_cell;

typedef struct {
    dgm_paired_test test;
    int64_t n_trials;
    int n_systems, n_metrics;
    const char *const *name; /* [n_systems], borrowed */
    dgm_paired_cell *cell;   /* [n_systems, n_metrics] */
} dgm_paired_report;

/* Compares each of systems[1..n_systems) with systems[0], whose counts all have those of their lines, by n_trials resamples or
 * exchanges.  Bootstrap tests give intervals as well; randomization does where the choice of metrics asks for them.
 * Release with dgm_paired_report_fini.  DGM_ERR_NOMEM. */
dgm_err dgm_paired_report_make(const dgm_scoring *scoring, const dgm_text_counts *systems, const char *const *names, int n_systems,
                               dgm_paired_test test, int64_t n_trials, dgm_paired_report *out);
void dgm_paired_report_fini(dgm_paired_report *report);

/* One line a system, one column a metric; what was tested, and the signatures, below. */
void dgm_paired_report_print(FILE *out, const dgm_paired_report *report, const dgm_metric_style *style);

/* [{"system": NAME, "BLEU": {"score": X, "p_value": X, "mean": X, "ci": X, "signature": TEXT}, ...}, ...], null for what there is not.
 * A new reference; NULL when memory ends. */
json_t *dgm_paired_report_json(const dgm_paired_report *report);

#endif
