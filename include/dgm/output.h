/* Files that a command is told to write, against those that it reads. */
#ifndef DGM_OUTPUT_H
#define DGM_OUTPUT_H

#include "dgm/error.h"

/* DGM_ERR_USAGE where writing `path` would lose `input`: the same file, under any name, or PATH.tmp, which is written first; for a folder, a
 * file of a model, a run or DATA in it or below it.  An output may be checked against another output the same way, which need not be there yet. */
dgm_err dgm_output_check(const char *option, const char *path, const char *input_option, const char *input);

#endif
