/* Where the time of updates went, over all ranks: what `train` prints at its end and writes to timing.jsonl, and `bench` shows. */
#ifndef DGM_STEP_TIME_H
#define DGM_STEP_TIME_H

#include "dgm/error.h"
#include "dgm/grid.h"
#include "dgm/timer.h"

#include <jansson.h>

/* Of one update, or the sum over several; each a mean over the ranks, in seconds. */
typedef struct {
    double region_s[DGM_REGION_N];
    double step_s;    /* sum of the regions: wall time */
    double hidden_s;  /* communication under way while ranks computed: part of no region */
    double waiting_s; /* the part of DGM_REGION_COMMUNICATION that is waiting for the slowest rank: its time outside of communication less
                         the mean of all.  A lower bound, as who is slowest may change within an update */
} dgm_step_time;

/* own[n]: the totals of this rank's timer in each of n updates; out[n].  Takes no memory.  Collective on grid->world; n equal on all ranks. */
dgm_err dgm_step_time_mean(const dgm_grid *grid, const dgm_timer_totals *own, int64_t n, dgm_step_time *out);

void dgm_step_time_add(dgm_step_time *sum, const dgm_step_time *x);

/* {"gemm": s, ..., "other": s, "hidden": s, "waiting": s}, each times `factor`.  A new reference; NULL when memory ends. */
json_t *dgm_step_time_json(const dgm_step_time *t, double factor);

/* Rows of the table of regions, in the order they are shown; the last is the sum. */
typedef struct {
    const char *name;
    double seconds;
    bool inside; /* told beside: not part of the sum */
} dgm_step_time_row;
enum { DGM_STEP_TIME_ROWS = DGM_REGION_N + 3 };
void dgm_step_time_rows(const dgm_step_time *t, dgm_step_time_row rows[DGM_STEP_TIME_ROWS]);

#endif
