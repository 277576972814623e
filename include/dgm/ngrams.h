/* How many n-grams a hypothesis shares with its references, for all orders at once: what BLEU and chrF count. */
#ifndef DGM_NGRAMS_H
#define DGM_NGRAMS_H

#include "dgm/word_ids.h"

/* Memory used again from sentence to sentence.  Starts as {0}. */
typedef struct {
    int32_t *number;       /* [room] all texts end to end, each followed by zeros; tokens are numbers from 1 */
    int32_t *place, *next; /* [room] where n-grams begin, in sorted order */
    int32_t *text_of;      /* [room] 0 for the hypothesis, r + 1 for reference r */
    int32_t *end_of;       /* [room] where the text of a place ends */
    int64_t room;
    int32_t *bucket; /* [buckets_room] */
    int64_t buckets_room;
    int64_t *seen; /* [order, n_texts] */
    int64_t seen_room;
} dgm_ngrams;

void dgm_ngrams_fini(dgm_ngrams *ngrams);

/* match[n - 1], n = 1..order: the n-grams of the hypothesis that occur in a reference, each counted no more often than it occurs in
 * the reference that has it most often.  All numbers are >= 0 and < n_ids.  n_refs >= 1.  DGM_ERR_NOMEM; DGM_ERR_INPUT for lines that
 * are together too long to count. */
dgm_err dgm_ngrams_match(dgm_ngrams *ngrams, int order, int32_t n_ids, const dgm_id_list *hyp, const dgm_id_list *refs, int n_refs,
                         int64_t *match);

#endif
