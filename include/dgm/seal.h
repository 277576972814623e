/* A file that holds its own digest: the metadata string "digest" of a safetensors file is the digest (digest.h) of the whole file as it
 * was with sixteen zeros in that place.  Damage to a tensor, the tokenizer or anything else is seen when the file is used. */
#ifndef DGM_SEAL_H
#define DGM_SEAL_H

#include "dgm/grid.h"

#define DGM_SEAL_KEY "digest"
#define DGM_SEAL_BLANK "0000000000000000"

/* The digest of a file of that many bytes; every rank reads a share.  Collective on grid->world; the same error everywhere. */
dgm_err dgm_seal_digest(const char *path, int64_t bytes, const dgm_grid *grid, uint64_t *root);

/* Fills in the digest of a finished file whose metadata have DGM_SEAL_BLANK there, and flushes it.  Collective as above. */
dgm_err dgm_seal_close(const char *path, const dgm_grid *grid);

/* DGM_ERR_INPUT unless the file has the digest that its metadata say.  Not collective. */
dgm_err dgm_seal_check(const char *path, const char *digest);

#endif
