/* Scores of whole texts by the metrics that were chosen, with their intervals: what the commands score and eval have in common. */
#ifndef DGM_SCORING_H
#define DGM_SCORING_H

#include "dgm/bootstrap.h"
#include "dgm/metric_options.h"

typedef struct {
    dgm_metric_choice choice;
    dgm_metric *metric[DGM_N_METRICS]; /* [choice.n_metrics] */
    int n_refs;
} dgm_scoring;

/* For texts with n_refs >= 1 references.  Release with dgm_scoring_fini. */
dgm_err dgm_scoring_init(dgm_scoring *scoring, const dgm_metric_choice *choice, int n_refs);
void dgm_scoring_fini(dgm_scoring *scoring); /* accepts {0} */

/* One text measured: counts[choice.n_metrics].  {0} before; release with dgm_text_counts_fini. */
typedef struct { dgm_metric_counts counts[DGM_N_METRICS]; } dgm_text_counts;
void dgm_text_counts_fini(dgm_text_counts *counts);

/* Counts hyp against refs[n_refs], which have as many lines.  keep_lines as in dgm_metric_count_lines; intervals need it.  Warns where
 * the text looks tokenized and BLEU, unforced, is among the metrics. */
dgm_err dgm_scoring_count(dgm_scoring *scoring, const dgm_lines *hyp, const dgm_lines *refs, bool keep_lines, dgm_text_counts *out);

/* scores[choice.n_metrics] of a text, with intervals where choice.n_resamples asks for them. */
dgm_err dgm_scoring_report(const dgm_scoring *scoring, const dgm_text_counts *counts, dgm_metric_score *scores);

/* The scores of line i alone. */
void dgm_scoring_report_line(const dgm_scoring *scoring, const dgm_text_counts *counts, int64_t i, dgm_metric_score *scores);

#endif
