/* Text through audit and tokenizers into the shards of one part of DATA. */
#ifndef DGM_WRITE_SHARDS_H
#define DGM_WRITE_SHARDS_H

#include "dgm/audit.h"
#include "dgm/manifest.h"
#include "dgm/tokenizer.h"

enum { DGM_WRITE_SHARDS_FRAMES = 256 }; /* of a training shard; then the next begins: at most 256 MiB of ids each */

typedef enum { DGM_PART_TRAIN, DGM_PART_VALID } dgm_part;

/* Encodes all pairs that pass `audit` (just opened) and writes them to files in `dir`, named as in manifest.h; the validation part
 * is one shard.  Fills the zero-initialised `part` (sources, counts, shards with their hashes).  src and tgt may be one tokenizer.
 * DGM_ERR_INPUT also when no pair is left. */
dgm_err dgm_write_shards(dgm_audit *audit, const dgm_audit_rules *rules, const dgm_tokenizer *src, const dgm_tokenizer *tgt,
                         const char *dir, dgm_part which, dgm_manifest_part *part);

#endif
