/* What a run tells: metrics.jsonl (nothing in it depends on time, host, path or layout), timing.jsonl, the progress line, run.json. */
#ifndef DGM_RUN_LOG_H
#define DGM_RUN_LOG_H

#include "dgm/config.h"
#include "dgm/dataset.h"
#include "dgm/grid.h"
#include "dgm/step.h"
#include "dgm/validate.h"

typedef struct dgm_run_log dgm_run_log;

/* Opens the logs in folder `run` on rank 0 and cuts them back to lines of at most `step`; `precision` is that of the updates.
 * Collective on grid->world. */
dgm_err dgm_run_log_open(const char *run, int64_t step, const dgm_grid *grid, const dgm_hparams *hp, dgm_precision precision, dgm_run_log **out);
void dgm_run_log_close(dgm_run_log *log); /* accepts NULL */

/* After every update; a line of metrics and timing and the progress line every log_every updates.  At the first line after two seconds of
 * training the machine's peak in the precision of the updates is measured, which shares refer to.  Collective on grid->world. */
dgm_err dgm_run_log_step(dgm_run_log *log, int64_t step, int64_t max_steps, int64_t log_every, int64_t epoch, const dgm_step_result *result);
dgm_err dgm_run_log_validation(dgm_run_log *log, int64_t step, const dgm_validation *validation, bool best);

/* Time that is not training (validation, checkpoints) is left out of the speed and of all regions: call around it. */
void dgm_run_log_pause(dgm_run_log *log);
void dgm_run_log_resume(dgm_run_log *log);

/* Flushes the logs to disk: before a checkpoint is made. */
dgm_err dgm_run_log_sync(dgm_run_log *log);

/* Where the time of training went, as lines on stderr: mean over ranks, per update.  Collective on grid->world. */
dgm_err dgm_run_log_summary(dgm_run_log *log, int64_t arena_bytes);

#endif
