/* The mean of several models, tensor by tensor. */
#ifndef DGM_AVERAGE_H
#define DGM_AVERAGE_H

#include "dgm/error.h"

/* Writes the mean of the n_models model files or checkpoints to `out`: sums in double, in the order given, rounded once.  The strings
 * (tokenizer, training) are the last one's.  DGM_ERR_INPUT when architectures or tokenizers differ, or a checkpoint is damaged or has no DONE.
 * One process; not collective. */
dgm_err dgm_average(const char *const *models, int n_models, const char *out);

#endif
