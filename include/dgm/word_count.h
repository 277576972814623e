/* How often each distinct word occurs: the table behind tokenizer learning. */
#ifndef DGM_WORD_COUNT_H
#define DGM_WORD_COUNT_H

#include "dgm/buffer.h"

enum { DGM_N_CODES = 0x110000 }; /* of Unicode */

typedef struct dgm_word_count dgm_word_count;

dgm_err dgm_word_count_create(dgm_word_count **out);
void dgm_word_count_destroy(dgm_word_count *table); /* accepts NULL */

/* Counts word[bytes] `times` more. */
dgm_err dgm_word_count_add(dgm_word_count *table, const char *word, size_t bytes, int64_t times);

int64_t dgm_word_count_n(const dgm_word_count *table); /* distinct words */
int64_t dgm_word_count_bytes(const dgm_word_count *table); /* of all of them */
/* Word i of 0 .. n - 1, in order of first appearance, not zero-terminated; valid until the next add. */
const char *dgm_word_count_at(const dgm_word_count *table, int64_t i, size_t *bytes, int64_t *times);

/* Counts the characters of a word, in normal form C: adds n to times[DGM_N_CODES] for each.  `normal` is room that is used again.
 * DGM_ERR_INPUT when the word is no valid UTF-8. */
dgm_err dgm_word_characters(const char *word, size_t bytes, int64_t n, dgm_text *normal, int64_t *times);

#endif
