/* What sacreBLEU calls the options that score texts. */
#ifndef DGM_SACREBLEU_NAMES_H
#define DGM_SACREBLEU_NAMES_H

#include "dgm/error.h"

/* The arguments argv[argc] with our names where they are sacreBLEU's, of metrics and, if `texts`, of what is scored and shown, as a new list that
 * ends with NULL and whose texts are those of argv or constants: free() the list alone.  The first argument, a command's name, stays, and so does what
 * follows a bare --.  DGM_ERR_NOMEM. */
dgm_err dgm_sacrebleu_names(int argc, char *const *argv, bool texts, char ***out);

#endif
