/* The demonstration's parallel corpus: training, validation and test part of sentence pairs (demo_grammar.h), and what a
 * word-by-word dictionary makes of them.
 *
 * No sentence occurs twice on either side.  No validation or test sentence occurs in another part, not even as a bag of words, on
 * either side: who only knows which words go together learns nothing about the test.  The same options give the same bytes. */
#ifndef DGM_DEMO_CORPUS_H
#define DGM_DEMO_CORPUS_H

#include "dgm/demo_grammar.h"
#include "dgm/error.h"

typedef enum { DGM_DEMO_TRAIN, DGM_DEMO_VALID, DGM_DEMO_TEST, DGM_DEMO_N_PARTS } dgm_demo_part;

typedef struct dgm_demo_corpus dgm_demo_corpus;

/* n_pairs[part] pairs each, at least 1, at most a million altogether. */
dgm_err dgm_demo_corpus_create(uint64_t seed, const int64_t n_pairs[DGM_DEMO_N_PARTS], dgm_demo_corpus **out);
void dgm_demo_corpus_destroy(dgm_demo_corpus *corpus); /* accepts NULL */

int64_t dgm_demo_corpus_n(const dgm_demo_corpus *corpus, dgm_demo_part part);
void dgm_demo_corpus_pair(const dgm_demo_corpus *corpus, dgm_demo_part part, int64_t i, dgm_demo_pair *out);

/* Writes DIR/train.en, DIR/train.wld and so on, a sentence per line; makes the folder. */
dgm_err dgm_demo_corpus_write(const dgm_demo_corpus *corpus, const char *dir);

/* For each source word its most frequent translation in the training part: the best that can be done word by word, knowing
 * which word stands for which. */
typedef struct dgm_demo_dictionary dgm_demo_dictionary;

dgm_err dgm_demo_dictionary_create(const dgm_demo_corpus *corpus, dgm_demo_dictionary **out);
void dgm_demo_dictionary_destroy(dgm_demo_dictionary *dictionary); /* accepts NULL */

/* Each word's translation in the order of the source; a word that most often has none is left out. */
void dgm_demo_dictionary_translate(const dgm_demo_dictionary *dictionary, const dgm_demo_side *src, dgm_demo_side *out);

#endif
