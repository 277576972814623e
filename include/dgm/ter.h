/* TER, translation edit rate (Snover et al. 2006), as sacreBLEU computes it: insertions, deletions, substitutions of words and shifts
 * of whole phrases that turn the hypothesis into the reference, found greedily as Tercom does, per word of the reference.
 *
 *   score = 100 * edits / reference words, of several references the fewest edits over the mean length; the lower the better */
#ifndef DGM_TER_H
#define DGM_TER_H

#include "dgm/metric_score.h"
#include "dgm/mt_tokenize.h"

/* Counts of a sentence or of any sum of sentences with the same number of references. */
typedef struct {
    int64_t edits;
    int64_t ref_words; /* of all references together: divided by their number only in the score, so that sums are exact */
} dgm_ter_counts;

#define DGM_TER_N_COUNTS ((int)(sizeof(dgm_ter_counts) / sizeof(int64_t)))

/* Counts one sentence after another; holds the memory for it.  Not to be shared between threads. */
typedef struct dgm_ter dgm_ter;

dgm_err dgm_ter_create(const dgm_mt_tercom_options *options, dgm_ter **out);
void dgm_ter_destroy(dgm_ter *ter); /* accepts NULL */

/* Counts one hypothesis against its n_refs >= 1 references.  DGM_ERR_NOMEM. */
dgm_err dgm_ter_count(dgm_ter *ter, dgm_mt_span hyp, const dgm_mt_span *refs, int n_refs, dgm_ter_counts *out);

/* 0 for two empty sides, 100 where only the references are empty. */
double dgm_ter_compute(const dgm_ter_counts *counts, int n_refs);

/* Ready for dgm_metric_print and dgm_metric_json:
 *   signature  nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:dragoman-0.1 */
void dgm_ter_report(const dgm_mt_tercom_options *options, const dgm_ter_counts *counts, int n_refs, dgm_metric_score *out);

#endif
