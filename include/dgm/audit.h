/* Sentence pairs out of text files, each with a verdict: fit to train on, or why not. */
#ifndef DGM_AUDIT_H
#define DGM_AUDIT_H

#include "dgm/corpus.h"
#include "dgm/manifest.h"

/* Either src and tgt, as many lines on each side, or tsv: lines of source, tab, target. */
typedef struct {
    const char *const *src, *const *tgt, *const *tsv; /* paths, "-" for standard input */
    int n_src, n_tgt, n_tsv;
} dgm_audit_files;

typedef struct {
    const char *src, *tgt; /* valid until the next call */
    size_t src_bytes, tgt_bytes;
} dgm_audit_pair;

typedef struct dgm_audit dgm_audit;

/* src_names, ... are what messages call the files.  DGM_ERR_INPUT when a file cannot be read. */
dgm_err dgm_audit_open(const dgm_audit_files *files, const dgm_audit_files *names, const dgm_audit_rules *rules, dgm_audit **out);
void dgm_audit_close(dgm_audit *audit); /* accepts NULL */

/* The next pair and what can be said of it as text: kept, bad, empty, or too long if its spaces alone show it.  *more is false at the
 * end.  DGM_ERR_INPUT names file and line: sides of different lengths, damaged archives, and bad lines unless they are to be dropped.
 * DGM_ERR_STOPPED when the process is asked to stop (stop.h): the passes over text are what takes long. */
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
/* Lines so far that ended in CR LF instead of LF: the CR is no part of them. */
int64_t dgm_audit_n_cr(const dgm_audit *audit);

#endif
