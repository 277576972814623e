/* Digests of stored files: XXH3-64 of every 4 MiB block, and XXH3-64 over the little-endian row of block hashes.  Several processes
 * can share the work; damage anywhere in a file changes its digest. */
#ifndef DGM_DIGEST_H
#define DGM_DIGEST_H

#include "dgm/error.h"

enum { DGM_DIGEST_BLOCK_BYTES = 4 << 20 };

int64_t dgm_digest_n_blocks(int64_t bytes);

/* hash[first .. last) of the blocks of the file, which must be `bytes` long: DGM_ERR_INPUT otherwise. */
dgm_err dgm_digest_blocks(const char *path, int64_t bytes, int64_t first, int64_t last, uint64_t *hash);
uint64_t dgm_digest_root(const uint64_t *hash, int64_t n_blocks);

/* Size and digest of a whole file. */
dgm_err dgm_digest_file(const char *path, int64_t *bytes, uint64_t *root);

/* DGM_ERR_INPUT, saying "truncated" or "damaged", when the file has not that size and digest. */
dgm_err dgm_digest_check(const char *path, int64_t bytes, uint64_t root);

#endif
