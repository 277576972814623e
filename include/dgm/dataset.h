/* A DATA folder: what `prepare` leaves and training reads.
 *
 *   manifest.json       what is here and what it was made of; described in manifest.h
 *   tokenizer.json      for both languages, or tokenizer.src.json and tokenizer.tgt.json
 *   train-00000.zst ... token ids (shard.h)
 *   valid.zst
 *
 * Everything in the manifest is checked against the files: sizes, counts and the tokenizers' hashes when the folder is opened, the
 * hashes of the shards by dgm_dataset_verify (each frame's own checksum is always looked at). */
#ifndef DGM_DATASET_H
#define DGM_DATASET_H

#include "dgm/batch.h"
#include "dgm/checksum.h"
#include "dgm/shard.h"
#include "dgm/tokenizer.h"

typedef enum { DGM_SIDE_SRC, DGM_SIDE_TGT } dgm_side;

typedef struct dgm_dataset dgm_dataset;

/* DGM_ERR_INPUT names the file and the field, what it has and what is expected.  Not collective: each rank opens its own. */
dgm_err dgm_dataset_open(const char *dir, dgm_dataset **out);
void dgm_dataset_close(dgm_dataset *dataset); /* accepts NULL */

/* A training part that lies in memory, with one vocabulary for both sides; it has neither tokenizer nor validation part.
 *   pairs [n_pairs], n_pairs >= 1; words: the block that they point into, each pair's source, then its target.  Both are taken over, by
 *   free(), whatever is returned.  DGM_ERR_INPUT when an id is not below vocab_size. */
dgm_err dgm_dataset_in_memory(int64_t vocab_size, dgm_pair *pairs, int64_t n_pairs, int32_t *words, dgm_dataset **out);

/* Reads every shard whole and compares its SHA-256 with the manifest's. */
dgm_err dgm_dataset_verify(const dgm_dataset *dataset);

/* SHA-256 of manifest.json, which holds the hashes of all other files: what DATA is, wherever it lies. */
const char *dgm_dataset_hash(const dgm_dataset *dataset);

bool dgm_dataset_joint_vocab(const dgm_dataset *dataset); /* one tokenizer for both sides */
const dgm_tokenizer *dgm_dataset_tokenizer(const dgm_dataset *dataset, dgm_side side);
int64_t dgm_dataset_vocab_size(const dgm_dataset *dataset, dgm_side side);
int64_t dgm_dataset_max_length(const dgm_dataset *dataset); /* no side of a pair has more tokens, the end token not counted */

/* The training part.  Frames of all shards are numbered through. */
const dgm_shard_totals *dgm_dataset_train_totals(const dgm_dataset *dataset);
const dgm_shard_frame *dgm_dataset_frame(const dgm_dataset *dataset, int64_t i);
/* As dgm_shard_read, ids checked against the vocabularies. */
dgm_err dgm_dataset_read_frame(const dgm_dataset *dataset, int64_t i, int32_t *words, dgm_pair *pairs);

/* The validation part, in the order of its lines, in memory that stays until the dataset is closed; read at the first call. */
dgm_err dgm_dataset_valid(dgm_dataset *dataset, const dgm_pair **pairs, int64_t *n_pairs);

#endif
