/* Text as the metrics see it: a growing byte buffer, and the two Unicode rules that scores depend on.
 *
 * Published scores come from programs that treat lines as Unicode strings (Python's str), so white space and lower case follow
 * Python: str.split() and str.lower(), special casings included. */
#ifndef DGM_MT_TEXT_H
#define DGM_MT_TEXT_H

#include "dgm/error.h"

#include <stddef.h>

/* A piece of text that lies in memory of somebody else's; need not end in a zero byte. */
typedef struct {
    const char *text;
    size_t n_bytes;
} dgm_mt_span;

/* Bytes that grow; `data` has one zero byte after its `n`.  Starts as {0}; dgm_mt_buffer_fini releases it. */
typedef struct {
    char *data;
    size_t n, room;
} dgm_mt_buffer;

void dgm_mt_buffer_fini(dgm_mt_buffer *buffer);
dgm_err dgm_mt_buffer_reserve(dgm_mt_buffer *buffer, size_t n); /* room for n bytes and the zero */
dgm_err dgm_mt_buffer_append(dgm_mt_buffer *buffer, const char *text, size_t n);

/* Reads the code point at text[at..n) and its length in bytes.  A byte that begins no valid sequence is returned as itself, so
 * that every input can be walked through; callers who must refuse invalid UTF-8 have done so when reading. */
int32_t dgm_mt_code_point(const char *text, size_t n, size_t at, size_t *n_bytes);

/* What str.split() splits at: bidirectional types WS, B, S and category Zs (U+00A0, U+2028 and U+3000 are, U+200B is not). */
bool dgm_mt_is_white_space(int32_t code_point);

/* How many bytes are left without the white space at the end (str.rstrip()), and how many bytes of white space begin the text. */
size_t dgm_mt_rstrip(const char *text, size_t n);
size_t dgm_mt_lstrip(const char *text, size_t n);

/* Puts the lower case of text[0..n) into `out` (which must not hold `text`): simple mappings, U+0130 as i and U+0307, and a
 * capital sigma at the end of a word as final sigma (Unicode's SpecialCasing, conditions that do not depend on a language). */
dgm_err dgm_mt_lowercase(const char *text, size_t n, dgm_mt_buffer *out);

#endif
