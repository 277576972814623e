/* The lines of metrics.jsonl and timing.jsonl, as a run that goes on takes them up. */
#ifndef DGM_LOG_LINES_H
#define DGM_LOG_LINES_H

#include "dgm/error.h"

#include <jansson.h>
#include <stdint.h>

/* How the program writes a line, without its end; the caller frees it; NULL when memory ends.  Reading and writing it again gives the same bytes. */
char *dgm_log_line_text(const json_t *line);

/* 2 * step, + 1 for a validation, so that lines stand in ascending order; -1 when it is no line of a log. */
int64_t dgm_log_line_key(const json_t *line);

/* Keeps the lines whose step is at most `step`, as the program writes them: in order, each once.  A line that cannot be read is left out, and so are
 * those of one step that contradict each other; what was not as it should be is warned of.  A file that is not there stays so.  On one rank. */
dgm_err dgm_log_lines_cut_back(const char *path, int64_t step);

#endif
