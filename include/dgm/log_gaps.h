/* What metrics.jsonl and trace.jsonl of a run lack: lines that its starts were to write, and that somebody has taken away since. */
#ifndef DGM_LOG_GAPS_H
#define DGM_LOG_GAPS_H

#include "dgm/error.h"

#include <jansson.h>

typedef enum { DGM_LOG_METRICS, DGM_LOG_TRACE, DGM_LOG_N } dgm_log_kind;

typedef struct {
    int64_t n_lines;         /* missing; 0: none */
    int64_t from, to;        /* the first and the last step of these */
    int64_t found, expected; /* the last step that has a line, and that should have one; 0: none */
} dgm_log_gap;

/* Compares the logs of folder `run`, up to update `step`, with the settings of all starts in its run.json (run_record.h).  Of updates before the
 * first start, or before one that went on from another folder's checkpoint, nothing is expected.  On one rank. */
dgm_err dgm_log_gaps_find(const char *run, const json_t *record, int64_t step, dgm_log_gap gap[DGM_LOG_N]);

/* How many updates there are to each line of a run's trace.jsonl, by all starts in its run.json: 0 without one, -1 where that was changed. */
int64_t dgm_log_gaps_trace_period(const json_t *record);

/* "12 lines of steps 5 to 10". */
enum { DGM_LOG_GAP_TEXT = 96 };
void dgm_log_gaps_text(int64_t n_lines, int64_t from, int64_t to, char *text, size_t bytes);

/* Warns of those that reach beyond `step`. */
void dgm_log_gaps_warn(const char *run, const dgm_log_gap gap[DGM_LOG_N], int64_t step);

/* An object {metrics, trace} of {from, to, lines}, of those that are; a new reference; NULL: there are none, or memory ends. */
json_t *dgm_log_gaps_json(const dgm_log_gap gap[DGM_LOG_N]);

#endif
