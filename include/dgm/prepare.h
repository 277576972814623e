/* From parallel text to a DATA folder (dataset.h): audit, tokenizer, shards, manifest.
 *
 * The text is read twice as it streams by: once to count words for the tokenizer, once to encode.  Memory does not grow with it beyond
 * the table of distinct words.  DATA is made beside its place, in a folder of the same name and ".dragoman-tmp" at the end,
 * and renamed when it is whole and on disk; after a failure nothing of it stays. */
#ifndef DGM_PREPARE_H
#define DGM_PREPARE_H

#include "dgm/audit.h"
#include "dgm/config.h"

typedef struct {
    dgm_audit_files train, valid;
    const char *out;           /* the DATA folder */
    bool overwrite;            /* replace a DATA folder that is there */
    const char *tokenizer;     /* "bpe", "character", or a tokenizer.json to load */
    const char *tgt_tokenizer; /* NULL, or a tokenizer.json of the target side; `tokenizer` is then one of the source side */
    int64_t vocab_size;        /* pieces to learn; of each side when not joint */
    bool joint_vocab;          /* learn one tokenizer from both sides */
    dgm_audit_rules rules;
} dgm_prepare_options;

typedef struct {
    dgm_audit_counts train, valid;
    int64_t train_src_tokens, train_tgt_tokens; /* without end tokens */
    int64_t src_vocab_size, tgt_vocab_size;
    int n_shards;    /* of the training part */
    int64_t n_bytes; /* of all shards */
    int64_t n_cr;    /* lines of either side that ended in CR LF, whose CR was left out */
} dgm_prepare_report;

/* The options src, tgt, tsv, valid_src, ..., on_bad_line, for every command that prepares; `out` and `overwrite` are not among them. */
extern const dgm_option dgm_prepare_option_table[];

/* Fills the options of that table from a config, which must outlive them.  Release with dgm_prepare_options_fini, also after failure. */
dgm_err dgm_prepare_options_init(const dgm_config *config, dgm_prepare_options *out);
void dgm_prepare_options_fini(dgm_prepare_options *options);

/* Options that are missing or contradict each other: DGM_ERR_USAGE; files that cannot be read: DGM_ERR_INPUT.  Called by dgm_prepare, too. */
dgm_err dgm_prepare_check(const dgm_prepare_options *options);

/* Not collective: one rank does it and the others wait.  DGM_ERR_INPUT for text that is not what it must be, DGM_ERR_USAGE when
 * `out` exists and may not be replaced, DGM_ERR_STOPPED when the process is asked to stop (stop.h). */
dgm_err dgm_prepare(const dgm_prepare_options *options, dgm_prepare_report *report);

/* The report as a table in the log. */
void dgm_prepare_log(const dgm_prepare_report *report);

#endif
