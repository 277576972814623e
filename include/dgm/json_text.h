/* JSON strings of any bytes.  Paths need not be UTF-8, JSON strings must be: a byte that is no part of a valid character is written \xHH (a
 * backslash, an x, two hex digits), and so is a backslash in front of an x: "\x5Cx".  Everything else stands for itself. */
#ifndef DGM_JSON_TEXT_H
#define DGM_JSON_TEXT_H

#include "dgm/error.h"

#include <jansson.h>
#include <stddef.h>

/* A new reference; NULL when memory ends. */
json_t *dgm_json_text(const char *text, size_t bytes);

/* The bytes that such a string stands for, ended by a zero byte; the caller frees them; NULL when memory ends. */
char *dgm_json_text_bytes(const char *string);

#endif
