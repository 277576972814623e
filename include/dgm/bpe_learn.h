/* Learning a tokenizer from text: counts words as lines stream by, then finds the merges.
 *
 * Only the table of distinct words grows with the text, and words that are rather phrases, of scripts without spaces, are kept in part where they
 * are many (word_sample.h).  The result depends on the multiset of words alone: not on the order of lines, threads or time.
 *
 * The rules:
 *   words       as in tokenizer.h; within a word merges join only letters with letters, digits with digits and other characters
 *               with other characters (a space mark goes with what follows), as sentencepiece does: "dog." shares "dog" with "dog"
 *   characters  the most frequent ones that together make `character_coverage` of all characters get a piece (equal counts: lower
 *               code point first); the rest, control characters and U+2581 are spelt in bytes
 *   merges      the pair that occurs most often, adjacent places counted one by one; of equal ones the lower left id, then the
 *               lower right id.  A pair that occurs once is not merged, nor one whose text is a piece already */
#ifndef DGM_BPE_LEARN_H
#define DGM_BPE_LEARN_H

#include "dgm/tokenizer.h"

typedef enum {
    DGM_TOKENIZER_BPE,
    DGM_TOKENIZER_CHARACTER /* no merges; vocab_size is the most that is allowed, and the coverage is 1 */
} dgm_tokenizer_kind;

typedef struct {
    dgm_tokenizer_kind kind;
    int32_t vocab_size;        /* pieces in all, the 260 fixed ones included */
    double character_coverage; /* above 0, up to 1; 0 means the default, 0.9999 */
    int64_t phrase_bytes;      /* how much of text without spaces is kept (word_sample.h); 0 means the default, 32 MiB */
} dgm_bpe_learn_options;

typedef struct dgm_bpe_learner dgm_bpe_learner;

/* DGM_ERR_USAGE when an option is out of range. */
dgm_err dgm_bpe_learner_create(const dgm_bpe_learn_options *options, dgm_bpe_learner **out);
void dgm_bpe_learner_destroy(dgm_bpe_learner *learner); /* accepts NULL */

/* Counts the words of one line (no line end in it).  Whether it is valid UTF-8 is seen here or by dgm_bpe_learner_learn. */
dgm_err dgm_bpe_learner_add_line(dgm_bpe_learner *learner, const char *line, size_t bytes);

/* Makes the tokenizer.  DGM_ERR_USAGE when vocab_size is below what the characters need (says how much) or above what the
 * text can give (says how much that is); DGM_ERR_INPUT when a word is not valid UTF-8 or there was no text.  The words stay
 * counted. */
dgm_err dgm_bpe_learner_learn(dgm_bpe_learner *learner, dgm_tokenizer **out);

#endif
