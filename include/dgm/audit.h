/* Sentence pairs out of text files, each with a verdict: fit to train on, or why not. */
#ifndef DGM_AUDIT_H
#define DGM_AUDIT_H

#include "dgm/corpus.h"

/* Either src and tgt, as many lines on each side, or tsv: lines of source, tab, target. */
typedef struct {
    const char *const *src, *const *tgt, *const *tsv; /* paths, "-" for standard input */
    int n_src, n_tgt, n_tsv;
} dgm_audit_files;

typedef struct {
    int64_t max_length;  /* tokens on a side, end token not counted */
    double max_ratio;    /* of the longer side's tokens to the shorter's */
    bool drop_bad_lines; /* else the first bad line is an error */
} dgm_audit_rules;

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
    const char *src, *tgt; /* valid until the next call */
    size_t src_bytes, tgt_bytes;
} dgm_audit_pair;

typedef struct dgm_audit dgm_audit;

/* src_names, ... are what messages call the files.  DGM_ERR_INPUT when a file cannot be read. */
dgm_err dgm_audit_open(const dgm_audit_files *files, const dgm_audit_files *names, const dgm_audit_rules *rules, dgm_audit **out);
void dgm_audit_close(dgm_audit *audit); /* accepts NULL */

/* The next pair and what can be said of it as text: kept, bad, empty, or too long if its spaces alone show it.  *more is false at the
 * end.  DGM_ERR_INPUT names file and line: sides of different lengths, damaged archives, and bad lines unless they are to be dropped. */
dgm_err dgm_audit_next(dgm_audit *audit, dgm_audit_pair *pair, dgm_audit_verdict *verdict, bool *more);

/* The verdict on a pair that is good as text, from its numbers of tokens. */
dgm_audit_verdict dgm_audit_lengths(const dgm_audit_rules *rules, int64_t n_src, int64_t n_tgt);

static inline void dgm_audit_count(dgm_audit_counts *counts, dgm_audit_verdict verdict)
{
    counts->n_read++;
    counts->n[verdict]++;
}

/* What was read of each file, for the manifest: the source side's (or tsv) corpus and the target side's (NULL for tsv). */
const dgm_corpus *dgm_audit_corpus(const dgm_audit *audit, int side);

#endif
