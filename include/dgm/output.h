/* Files that a command is told to write, against those that it reads. */
#ifndef DGM_OUTPUT_H
#define DGM_OUTPUT_H

#include "dgm/error.h"

/* DGM_ERR_USAGE where writing `path`, or PATH.tmp, which is written first, would lose `input`: its entry in its folder, or the file that it
 * leads to (a link that leads to the input may be replaced); for a folder, a file of a model, a run or DATA in it or below it. */
dgm_err dgm_output_check(const char *option, const char *path, const char *input_option, const char *input);

/* The same of two outputs, which need not be there yet: neither may be what the other is written as before it is renamed. */
dgm_err dgm_output_check_apart(const char *option, const char *path, const char *other_option, const char *other);

#endif
