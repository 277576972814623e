/* The tokenizer of whatever holds one. */
#ifndef DGM_TOKENIZER_FIND_H
#define DGM_TOKENIZER_FIND_H

#include "dgm/tokenizer.h"

/* `path`: a tokenizer.json, a model file, or a folder (DATA, a checkpoint, a run) with one of these.  side, "src" or "tgt", chooses where the two
 * languages have a tokenizer each.  DGM_ERR_INPUT says what the path has and what was expected.  Not collective. */
dgm_err dgm_tokenizer_find(const char *path, const char *side, dgm_tokenizer **out);

#endif
