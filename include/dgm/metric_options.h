/* The options by which commands choose metrics: sacreBLEU's names and defaults. */
#ifndef DGM_METRIC_OPTIONS_H
#define DGM_METRIC_OPTIONS_H

#include "dgm/config.h"
#include "dgm/metric.h"

/* --metrics, --tokenize, --chrf-..., --ter-..., --confidence, ... */
extern const dgm_option dgm_metric_option_table[];

typedef struct {
    int n_metrics;
    dgm_metric_options metric[DGM_N_METRICS]; /* in the order BLEU, chrF, TER, however they were asked for */
    bool force;              /* no warning about text that looks tokenized */
    int64_t n_resamples;     /* of the confidence intervals; 0: none are wanted */
    uint64_t seed;
} dgm_metric_choice;

/* What the table's options say; `sentences` is true where single sentences are scored, which BLEU then does with effective order.
 * DGM_ERR_USAGE for unknown metrics and options that contradict each other. */
dgm_err dgm_metric_choice_read(const dgm_config *config, bool sentences, dgm_metric_choice *out);
/* DGM_ERR_USAGE for --confidence-n where no intervals are made: without --confidence, or, where they are made `unasked`, with --no-confidence. */
dgm_err dgm_metric_check_confidence(const dgm_config *config, bool unasked);
/* DGM_ERR_USAGE for --seed unless random numbers are `drawn`, for intervals or tests. */
dgm_err dgm_metric_check_seed(const dgm_config *config, bool drawn);

#endif
