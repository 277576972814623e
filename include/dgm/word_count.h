/* How often each distinct word occurs: the table behind tokenizer learning. */
#ifndef DGM_WORD_COUNT_H
#define DGM_WORD_COUNT_H

#include "dgm/error.h"

#include <stddef.h>

typedef struct dgm_word_count dgm_word_count;

dgm_err dgm_word_count_create(dgm_word_count **out);
void dgm_word_count_destroy(dgm_word_count *table); /* accepts NULL */

/* Counts word[bytes] `times` more. */
dgm_err dgm_word_count_add(dgm_word_count *table, const char *word, size_t bytes, int64_t times);

int64_t dgm_word_count_n(const dgm_word_count *table); /* distinct words */
/* Word i of 0 .. n - 1, in order of first appearance, not zero-terminated; valid until the next add. */
const char *dgm_word_count_at(const dgm_word_count *table, int64_t i, size_t *bytes, int64_t *times);

#endif
