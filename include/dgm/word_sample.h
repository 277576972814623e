/* Counts of words that are rather phrases: those of scripts that put no spaces between words, and other very long ones.  Hardly two are alike, so
 * that a table of all of them would grow with the text.
 *
 * While they are few all are kept.  When the distinct ones take more than a budget, those stay whose hash begins with a zero bit, then with two,
 * and so on: a sample that depends on the set of words alone, neither on their order nor on how the text was cut into files.  Each word that is kept
 * then stands for 2^shift like it.  Characters of words that go are counted all the same. */
#ifndef DGM_WORD_SAMPLE_H
#define DGM_WORD_SAMPLE_H

#include "dgm/word_count.h"

/* Whether a word belongs here: more than 64 bytes, or more than 16 and its first character is of a script without spaces (Han, Kana, Thai, Lao,
 * Tibetan, Burmese, Khmer, or full-width forms). */
bool dgm_word_is_phrase(const char *word, size_t bytes);

typedef struct dgm_word_sample dgm_word_sample;

/* budget_bytes: of the distinct words kept. */
dgm_err dgm_word_sample_create(int64_t budget_bytes, dgm_word_sample **out);
void dgm_word_sample_destroy(dgm_word_sample *sample); /* accepts NULL */

/* Counts word[bytes] once more.  DGM_ERR_INPUT when one that is not kept is no valid UTF-8. */
dgm_err dgm_word_sample_add(dgm_word_sample *sample, const char *word, size_t bytes);

/* Those that are kept, valid until the next add; each stands for 2^shift. */
const dgm_word_count *dgm_word_sample_kept(const dgm_word_sample *sample);
int dgm_word_sample_shift(const dgm_word_sample *sample);

/* How often each character, in normal form, was in words that were not kept: [DGM_N_CODES], or NULL when all were. */
const int64_t *dgm_word_sample_characters(const dgm_word_sample *sample);

#endif
