/* What the tokenizers' rules have in common: each is a pass over the text that writes it anew, with spaces put in or text taken out.
 *
 * The rules are published as regular expressions over characters.  Those of the western part name ASCII characters and "not a digit"
 * only, and a substitution only adds spaces, so working on the bytes of UTF-8 gives the same tokens. */
#ifndef DGM_MT_PASSES_H
#define DGM_MT_PASSES_H

#include "dgm/mt_tokenize.h"

/* Reads `in`, appends to `out`, which is empty and has room for three bytes for each of `in`. */
typedef void (*mt_pass)(const dgm_mt_buffer *in, dgm_mt_buffer *out);

/* tokens->text becomes what the passes, one after the other, make of it. */
dgm_err mt_run_passes(dgm_mt_tokens *tokens, const mt_pass *passes, size_t n);

static inline void mt_put(dgm_mt_buffer *out, char c) { out->data[out->n++] = c; }

static inline void mt_put_alone(dgm_mt_buffer *out, char c)
{
    mt_put(out, ' ');
    mt_put(out, c);
    mt_put(out, ' ');
}

/* Replaces every `from` by `to`, which is not longer. */
void mt_replace(dgm_mt_buffer *text, const char *from, const char *to);

/* &quot; &amp; &lt; &gt; become what they stand for, in this order. */
void mt_resolve_entities(dgm_mt_buffer *text);

/* A space at either end: the rules look at neighbours. */
dgm_err mt_pad(dgm_mt_buffer *text);

/* ASCII punctuation except ' , - and the full stop stands alone; full stops and commas do unless between digits; a dash does behind a
 * digit. */
dgm_err mt_split_western(dgm_mt_tokens *tokens);

dgm_err mt_split_international(dgm_mt_tokens *tokens); /* intl */
dgm_err mt_split_chinese(dgm_mt_tokens *tokens);       /* the first half of zh */
dgm_err mt_split_characters(dgm_mt_tokens *tokens);    /* char, white space apart */

#endif
