/* From parallel text to a DATA folder (dataset.h): audit, tokenizer, shards, manifest.
 *
 * The text is read twice as it streams by: once to count words for the tokenizer, once to encode.  Memory does not grow with it beyond
 * the table of distinct words.  DATA is made beside its place, in a folder of the same name and ".tmp" at the end, and renamed when
 * it is whole and on disk; after a failure nothing of it stays. */
#ifndef DGM_PREPARE_H
#define DGM_PREPARE_H

#include "dgm/audit.h"
#include "dgm/error.h"

typedef struct {
    dgm_audit_files train, valid;
    const char *out;           /* the DATA folder */
    bool overwrite;            /* replace a DATA folder that is there */
    const char *tokenizer;     /* "bpe", "character", or a tokenizer.json to load */
    const char *tgt_tokenizer; /* NULL, or another tokenizer.json for the target side */
    int64_t vocab_size;        /* pieces to learn; a side's when not joint */
    bool joint_vocab;          /* learn one tokenizer from both sides */
    dgm_audit_rules rules;
} dgm_prepare_options;

typedef struct {
    dgm_audit_counts train, valid;
    int64_t train_src_tokens, train_tgt_tokens;
    int64_t src_vocab_size, tgt_vocab_size;
    int n_shards;
    int64_t n_bytes; /* of all shards */
} dgm_prepare_report;

/* Options that contradict each other: DGM_ERR_USAGE.  Called by dgm_prepare, too. */
dgm_err dgm_prepare_check(const dgm_prepare_options *options);

/* Not collective: one rank does it and the others wait.  DGM_ERR_INPUT for text that is not what it must be, DGM_ERR_USAGE when
 * `out` exists and may not be replaced. */
dgm_err dgm_prepare(const dgm_prepare_options *options, dgm_prepare_report *report);

#endif
