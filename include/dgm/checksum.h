/* Digests: XXH3-64 for stored blocks (fast, finds damage), SHA-256 for identity (sources, models, configurations). */
#ifndef DGM_CHECKSUM_H
#define DGM_CHECKSUM_H

#include "dgm/error.h"

#include <stddef.h>

enum { DGM_SHA256_HEX = 65 }; /* 64 hex digits and the final zero */

typedef struct dgm_sha256 dgm_sha256;

uint64_t dgm_checksum_xxh64(const void *data, size_t bytes);

dgm_err dgm_sha256_create(dgm_sha256 **out);
dgm_err dgm_sha256_update(dgm_sha256 *state, const void *data, size_t bytes);
/* Hex digest into hex[DGM_SHA256_HEX]; the state may only be destroyed afterwards. */
dgm_err dgm_sha256_finish(dgm_sha256 *state, char *hex);
void dgm_sha256_destroy(dgm_sha256 *state); /* accepts NULL */

dgm_err dgm_sha256_buffer(const void *data, size_t bytes, char *hex);
dgm_err dgm_sha256_file(const char *path, char *hex);

#endif
