/* Where a translation departs from its reference, word by word, for readers. */
#ifndef DGM_WORD_DIFF_H
#define DGM_WORD_DIFF_H

#include "dgm/html.h"
#include "dgm/mt_text.h"

/* Writes `line` with <mark> around the words that are not in a longest common subsequence of its words and those of `reference`.  Words are runs of
 * characters other than white space; ASCII punctuation and Chinese and Japanese characters are words of their own.  Lines of more words than can be
 * compared at once (DGM_WORD_DIFF_MAX each) are written without marks. */
enum { DGM_WORD_DIFF_MAX = 1024 };
void dgm_word_diff_write(dgm_html *html, dgm_mt_span line, dgm_mt_span reference);

#endif
