/* Characters of UTF-8 text: code points, normal form C, classes. */
#ifndef DGM_UNICODE_H
#define DGM_UNICODE_H

#include "dgm/buffer.h"

/* One character of text[bytes], bytes >= 1: its code point into `code`, its length (1 to 4) as the result; 0 when the bytes are
 * not valid UTF-8 (overlong forms, surrogates and what lies above U+10FFFF are not). */
size_t dgm_unicode_next(const char *text, size_t bytes, int32_t *code);

/* Appends the normal form C of valid UTF-8 text to `out`.  Spaces (U+0020) neither appear nor disappear nor join with their
 * neighbours, so a line may be normalised word by word.  DGM_ERR_INPUT, with the byte's offset, when the text is not valid. */
dgm_err dgm_unicode_nfc(const char *text, size_t bytes, dgm_text *out);

typedef enum {
    DGM_UNICODE_LETTER,
    DGM_UNICODE_DIGIT,    /* category N: other numbers too */
    DGM_UNICODE_MARK,     /* combining: belongs to the character before it */
    DGM_UNICODE_CONTROL,  /* category Cc */
    DGM_UNICODE_OTHER     /* punctuation, symbols, white space, unassigned */
} dgm_unicode_class;

dgm_unicode_class dgm_unicode_class_of(int32_t code);

/* Whether text has nothing but white space, control and format characters; text that is not valid UTF-8 is not blank. */
bool dgm_unicode_is_blank(const char *text, size_t bytes);

#endif
