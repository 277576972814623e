/* Translating on all ranks: each takes its share of the sentences, rank 0 gets all results in the order of the input. */
#ifndef DGM_TRANSLATE_H
#define DGM_TRANSLATE_H

#include "dgm/config.h"
#include "dgm/grid.h"
#include "dgm/search.h"
#include "dgm/tokenizer.h"

typedef struct {
    dgm_search_options search;
    int64_t batch_tokens;   /* max_rows of dgm_search_run: memory and speed, no effect on the results */
    int64_t max_src_tokens; /* a longer line is refused */
} dgm_translate_options;

/* Search as dgm_search_defaults, batch_tokens 1024, max_src_tokens 1024. */
dgm_translate_options dgm_translate_defaults(void);

/* The command-line options of all that but sampling and ensembles, and what they say once parsed.  DGM_ERR_USAGE as dgm_search_check. */
extern const dgm_option dgm_translate_option_table[];
dgm_err dgm_translate_options_read(const dgm_config *config, dgm_translate_options *out);

/* How it is searched, in words for who wants to repeat it: beam and length penalty, and whatever is not the default. */
dgm_err dgm_translate_describe(const dgm_translate_options *options, dgm_text *out);

/* The options that only `translate` has: n_best, sampling, ensembles.  *out has been read from the other table. */
extern const dgm_option dgm_translate_more_table[];
dgm_err dgm_translate_more_read(const dgm_config *config, dgm_translate_options *out);

/* Sentences and the memory they are in.  Zero-initialise ({0}). */
typedef struct {
    dgm_sentence *sentence; /* [n] */
    int64_t n, capacity;
    dgm_ids ids;            /* of all of them, end to end */
} dgm_sentence_list;
void dgm_sentence_list_fini(dgm_sentence_list *list); /* leaves it empty and usable */
void dgm_sentence_list_clear(dgm_sentence_list *list); /* keeps the memory */

/* What is encoded of line `number` (from 1) of a file: not what editors add (dgm_corpus_strip), and nothing of a line that holds but spaces, tabs and
 * carriage returns, whose translation is empty. */
void dgm_translate_text_of(const char **line, size_t *bytes, int64_t number);

/* Appends a line's tokens.  DGM_ERR_INPUT "WHERE, line N: ..." when it has more than max_tokens or is not valid UTF-8. */
dgm_err dgm_sentence_list_encode(dgm_sentence_list *list, dgm_tokenizer_state *tokenizer, const char *line, size_t bytes, int64_t max_tokens,
                                 const char *where, int64_t number);

void dgm_sentence_list_drop_last(dgm_sentence_list *list); /* which has one */

/* Every rank's list becomes rank 0's.  Collective on grid->world. */
dgm_err dgm_sentence_list_broadcast(const dgm_grid *grid, dgm_sentence_list *list);

/* Every sentence begins its translation with the tokens of its counterpart in `prefixes`, which must stay as they are. */
void dgm_sentence_list_prefix(dgm_sentence_list *list, const dgm_sentence_list *prefixes);

/* out[n], on rank 0: what dgm_search_run says of each sentence; release each with dgm_hypotheses_fini.  Not touched on other ranks.
 * Logically collective on grid->world: sentences, options and the model equal on all ranks; an error is every rank's. */
dgm_err dgm_translate_sentences(const dgm_grid *grid, dgm_search *search, const dgm_translate_options *options,
                                const dgm_sentence *sentences, int64_t n, dgm_hypotheses *out);

/* Appends the text of a hypothesis, in one line of text: line feeds and zero bytes spelt by byte tokens become spaces. */
dgm_err dgm_translate_text(const dgm_tokenizer *tokenizer, const dgm_hypothesis *hypothesis, dgm_text *text);

#endif
