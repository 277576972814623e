/* A stream of plain bytes out of a file that may be compressed.
 *
 * What a file is, its first bytes say, not its name: zstd, gzip, xz, or else plain.  Several frames or members one after the other
 * are one stream.  An archive that ends early or is damaged is refused; a plain file has no such protection. */
#ifndef DGM_DECOMPRESS_H
#define DGM_DECOMPRESS_H

#include "dgm/error.h"

#include <stddef.h>

typedef struct dgm_decompress dgm_decompress;

/* `path` "-" is standard input.  `name` (NULL: the path, or "standard input") is what messages call it.
 * DGM_ERR_INPUT when it cannot be opened. */
dgm_err dgm_decompress_open(const char *path, const char *name, dgm_decompress **out);
void dgm_decompress_close(dgm_decompress *stream); /* accepts NULL */

/* Up to `capacity` >= 1 bytes; *n_bytes is 0 at the end and only there.  DGM_ERR_INPUT names the file and how far into the
 * decompressed text it was good. */
dgm_err dgm_decompress_read(dgm_decompress *stream, void *data, size_t capacity, size_t *n_bytes);

/* Whether a read would wait for somebody to write more.  An archive is taken to be there. */
bool dgm_decompress_waits(const dgm_decompress *stream);

const char *dgm_decompress_name(const dgm_decompress *stream);

#endif
