/* Tokenizers of machine-translation metrics: how a line becomes the words that are counted.
 *
 * A score means something only together with its tokenizer, so each has the name that score signatures give it.  These have
 * nothing to do with the pieces a model works on.
 *
 *   13a   mteval-v13a's, as sacreBLEU applies it: entities resolved, ASCII punctuation split off, numbers kept together
 *   intl  mteval-v14's: punctuation (Unicode category P) next to a character that is no number (N) is split off, symbols (S) always
 *   zh    Chinese characters, and what sacreBLEU counts among them, stand alone; the rest as 13a, entities left as they are
 *   char  every character is a token
 *   none  the line is already tokenized
 * All drop white space at the end first and split at Unicode white space in the end.  TER has a tokenizer of its own, Tercom's. */
#ifndef DGM_MT_TOKENIZE_H
#define DGM_MT_TOKENIZE_H

#include "dgm/mt_text.h"

typedef enum {
    DGM_MT_TOKENIZER_13A,
    DGM_MT_TOKENIZER_INTL,
    DGM_MT_TOKENIZER_ZH,
    DGM_MT_TOKENIZER_CHAR,
    DGM_MT_TOKENIZER_NONE,
    DGM_MT_N_TOKENIZERS
} dgm_mt_tokenizer;

/* The names, separated by '|', as an option table wants them. */
#define DGM_MT_TOKENIZER_NAMES "13a|intl|zh|char|none"

const char *dgm_mt_tokenizer_name(dgm_mt_tokenizer tokenizer);

/* DGM_ERR_USAGE, naming the tokenizers there are, for any other name. */
dgm_err dgm_mt_tokenizer_find(const char *name, dgm_mt_tokenizer *out);

/* The tokens of one line and the memory they lie in, used again from line to line.  Starts as {0}. */
typedef struct {
    dgm_mt_span *token; /* [n], valid until the next call with this struct */
    int64_t n, room;
    dgm_mt_buffer text, scratch;
} dgm_mt_tokens;

void dgm_mt_tokens_fini(dgm_mt_tokens *tokens);

/* Tokenizes line[0..n_bytes), in lower case first if asked.  Any bytes are accepted.  DGM_ERR_NOMEM. */
dgm_err dgm_mt_tokenize(dgm_mt_tokenizer tokenizer, bool lowercase, const char *line, size_t n_bytes, dgm_mt_tokens *tokens);

typedef struct { /* {0} is Tercom's default: lower case, split at white space */
    bool normalized;     /* entities resolved, punctuation and 's split off */
    bool no_punct;       /* . , ? : ; ! " ( ) removed */
    bool asian_support;  /* with normalized: CJK characters and punctuation stand alone; with no_punct: that punctuation is removed */
    bool case_sensitive;
} dgm_mt_tercom_options;

/* The tokens that TER compares: Tercom's Normalizer as sacreBLEU applies it.  DGM_ERR_NOMEM. */
dgm_err dgm_mt_tokenize_tercom(const dgm_mt_tercom_options *options, const char *line, size_t n_bytes, dgm_mt_tokens *tokens);

/* The words of a line as they stand, parted by white space, pointing into the line.  DGM_ERR_NOMEM. */
dgm_err dgm_mt_split(const char *line, size_t n_bytes, dgm_mt_tokens *tokens);

#endif
