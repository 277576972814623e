/* manifest.json: what a DATA folder holds and what it was made of.  No path, host or time is in it: the same text and settings give
 * the same bytes.
 *
 *   format      "dragoman-data"
 *   version     1
 *   settings    max_length, max_ratio, on_bad_line ("fail" or "drop"): what the audit went by
 *   sources     train, valid: either src and tgt or tsv, each a list with {bytes, lines, sha256} of a file's decompressed text
 *   audit       train, valid: {read, kept, dropped: {bad_line, empty, too_long, lopsided}}, in sentence pairs
 *   tokenizers  joint; src, tgt: {file, sha256, vocab_size}
 *   shards      train, valid: a list with {file, bytes, sha256, frames, pairs, src_tokens, tgt_tokens} of each shard
 *
 * Keys are sorted; a key that is missing, unknown or of the wrong type is refused, and so is a value out of its range. */
#ifndef DGM_MANIFEST_H
#define DGM_MANIFEST_H

#include "dgm/checksum.h"
#include "dgm/corpus.h"
#include "dgm/shard.h"

typedef enum {
    DGM_AUDIT_KEPT,
    DGM_AUDIT_BAD_LINE, /* invalid UTF-8, a zero byte, a line of more than DGM_CORPUS_MAX_LINE bytes, not two fields */
    DGM_AUDIT_EMPTY,    /* a side holds nothing but white space */
    DGM_AUDIT_TOO_LONG, /* a side has more than max_length tokens */
    DGM_AUDIT_LOPSIDED, /* one side has more than max_ratio times the tokens of the other */
    DGM_AUDIT_N
} dgm_audit_verdict;

typedef struct {
    int64_t n_read;
    int64_t n[DGM_AUDIT_N]; /* pairs of each verdict; they sum to n_read */
} dgm_audit_counts;

const char *dgm_audit_reason(dgm_audit_verdict verdict); /* "kept", "bad_line", "empty", "too_long", "lopsided" */

typedef struct {
    int64_t max_length;  /* tokens on a side, end token not counted */
    double max_ratio;    /* of the longer side's tokens to the shorter's */
    bool drop_bad_lines; /* else the first bad line is an error */
} dgm_audit_rules;

enum { DGM_MANIFEST_FILE_NAME = 32, DGM_AUDIT_MAX_LENGTH = 4095 /* with its end token, the longest sentence attention takes */ };
enum { DGM_MANIFEST_SRC, DGM_MANIFEST_TGT, DGM_MANIFEST_TSV, DGM_MANIFEST_N_LISTS };

typedef struct {
    char file[DGM_MANIFEST_FILE_NAME], sha256[DGM_SHA256_HEX];
    dgm_shard_totals totals;
} dgm_manifest_shard;

typedef struct {
    char file[DGM_MANIFEST_FILE_NAME], sha256[DGM_SHA256_HEX];
    int64_t vocab_size;
} dgm_manifest_tokenizer;

typedef struct { /* the training or the validation part */
    dgm_corpus_file *sources[DGM_MANIFEST_N_LISTS];
    int n_sources[DGM_MANIFEST_N_LISTS];
    dgm_audit_counts audit;
    dgm_manifest_shard *shards;
    int n_shards;
} dgm_manifest_part;

typedef struct { /* zero-initialise; owns its lists */
    dgm_audit_rules rules;
    bool joint_vocab;
    dgm_manifest_tokenizer src, tgt; /* equal when joint_vocab */
    dgm_manifest_part train, valid;
} dgm_manifest;

void dgm_manifest_fini(dgm_manifest *manifest);

/* The names of files in DATA; `name` has DGM_MANIFEST_FILE_NAME bytes. */
void dgm_manifest_train_shard_name(int i, char *name); /* train-00000.zst */
extern const char dgm_manifest_valid_shard_name[];     /* valid.zst */

dgm_err dgm_manifest_write(const dgm_manifest *manifest, const char *path);

/* Fills a zero-initialised manifest and sha256[DGM_SHA256_HEX] of the file.  DGM_ERR_INPUT names the file and the field. */
dgm_err dgm_manifest_read(const char *path, dgm_manifest *out, char *sha256);

#endif
