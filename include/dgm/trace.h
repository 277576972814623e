/* RUN/trace.jsonl: hashes of every tensor's gradient and weight, step by step (train --trace-hash), for finding where two runs part.
 * Nothing in it depends on time, host, path or layout.
 *
 *   first line  {"step":S,"version":1,"tensors":[NAME, ...],"weight":H}   the names in the model's order; the weights that training began
 *                                                                         or went on with after update S (0: a new model, or --init)
 *   then        {"step":N,"gradient":H,"weight":H}                        of update N: the gradient as summed over all replicas, before
 *                                                                         clipping; the weight after the update
 *   or          {"step":N,"weight":H}                                     a checkpoint of step N was taken up whose weights are not those of
 *                                                                         the line before: it has been changed
 *
 * H are 16 hex digits (tensor_hash.h) for each tensor, end to end, in the order of the names.  The keys stand in this order, no space
 * between them. */
#ifndef DGM_TRACE_H
#define DGM_TRACE_H

#include "dgm/grid.h"
#include "dgm/params.h"

enum { DGM_TRACE_VERSION = 1, DGM_TRACE_DIGITS = 16 };

typedef struct dgm_trace dgm_trace;

/* Opens the trace of folder `run` on rank 0.  step = 0: it begins anew; otherwise it is cut back to lines of at most `step` and goes on, with
 * a warning when the last of them has other weights than `weight` [n_tensors], those that training goes on with.  params must outlive
 * it.  Collective on grid->world. */
dgm_err dgm_trace_open(const char *run, int64_t step, const dgm_grid *grid, const dgm_params *params, const uint64_t *weight, dgm_trace **out);
void dgm_trace_close(dgm_trace *trace); /* accepts NULL */

/* For a run that goes on without one: what lies in the folder is cut back to `step`, or removed when nothing is left.  On one rank. */
dgm_err dgm_trace_cut_back(const char *run, int64_t step);

/* The line of an update; hash [2 * n_tensors]: gradients, then weights.  Rank 0 writes; not collective. */
dgm_err dgm_trace_step(dgm_trace *trace, int64_t step, const uint64_t *hash);

/* Flushes it to disk: before a checkpoint is made. */
dgm_err dgm_trace_sync(dgm_trace *trace);

/* The step of a line, -1 when it is none of a trace. */
int64_t dgm_trace_line_step(const char *line);

/* Whether a line may stand behind `previous`: one of a later step, or the weights of the same step once more, which are others.  NULL: at the
 * beginning, where only the names of the tensors may stand. */
bool dgm_trace_line_follows(const char *line, const char *previous);

#endif
