/* Numbers for words: equal words get the same number, others another.  For one sentence and its references at a time. */
#ifndef DGM_WORD_IDS_H
#define DGM_WORD_IDS_H

#include "dgm/mt_tokenize.h"

/* Numbers that stand in a row, with the memory they are in.  Starts as {0}. */
typedef struct {
    int32_t *id; /* [n] */
    int64_t n, room;
} dgm_id_list;

void dgm_id_list_fini(dgm_id_list *list);
dgm_err dgm_id_list_reserve(dgm_id_list *list, int64_t n); /* DGM_ERR_NOMEM */

/* Starts as {0}; memory is kept from sentence to sentence. */
typedef struct {
    dgm_mt_span *word; /* [n], by number from 0 */
    int32_t n;
    int64_t room;
    int32_t *slot; /* open addressing: number + 1, 0 is free */
    size_t n_slots, slots_room;
} dgm_word_ids;

void dgm_word_ids_fini(dgm_word_ids *ids);

/* Forgets all words and makes room for n_words new ones.  DGM_ERR_INPUT for more than any line can hold. */
dgm_err dgm_word_ids_clear(dgm_word_ids *ids, int64_t n_words);

/* The number of a word, a new one if it has not been met; its text must stay where it is until the next clear. */
int32_t dgm_word_ids_of(dgm_word_ids *ids, dgm_mt_span word);

/* out->id[i] is the number of token i.  DGM_ERR_NOMEM. */
dgm_err dgm_word_ids_list(dgm_word_ids *ids, const dgm_mt_tokens *tokens, dgm_id_list *out);

#endif
