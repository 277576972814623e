/* The checkpoints that a run's result is made of.  Which these are follows from settings and steps, not from what happens to lie in the folder: one
 * that is missing is an error, and not another model.  Not collective. */
#ifndef DGM_RESULT_SERIES_H
#define DGM_RESULT_SERIES_H

#include "dgm/buffer.h"
#include "dgm/train_run.h"

typedef struct {
    int64_t *steps; /* [n] ascending */
    int n;
    bool is_short; /* a mean of fewer than it would be without those of the run that this one branched off from */
} dgm_result_series;

/* The series if training ends after `end` updates: the best checkpoint, or that of the end and before it those of checkpoint_every, average_last in
 * all.  Others between come from validations, and from signals that another run of the same experiment does not get. */
dgm_err dgm_result_series_init(const dgm_train_run *run, int64_t end, dgm_result_series *out);
void dgm_result_series_fini(dgm_result_series *series);

/* Appends "step 4" or "steps 4, 6, 10"; of a long list its ends and the number. */
dgm_err dgm_result_series_list(const dgm_result_series *series, dgm_text *text);

/* What is wanting. */
typedef struct {
    int64_t newest; /* the last step that is missing or does not look whole */
    int64_t before; /* that of the whole checkpoint from which all such can be trained again; 0: there is none */
} dgm_result_gap;

/* DGM_ERR_INPUT, saying which of those up to step `until` are missing or do not look whole, and what to do; then *gap is set. */
dgm_err dgm_result_series_check(const dgm_train_run *run, const dgm_result_series *series, int64_t until, dgm_result_gap *gap);

/* Appends what to do without number i of the series and, for a mean, with those after number `last_bad`. */
dgm_err dgm_result_series_way_on(const dgm_train_run *run, const dgm_result_series *series, int i, int last_bad, dgm_text *text);

#endif
