/* JSON strings of any bytes, and JSON documents as output.
 *
 * Paths need not be UTF-8, JSON strings must be: a byte that is no part of a valid character is written \xHH (a backslash, an x, two hex digits), and
 * so is a backslash in front of an x: "\x5Cx".  Everything else stands for itself. */
#ifndef DGM_JSON_TEXT_H
#define DGM_JSON_TEXT_H

#include "dgm/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* A new reference; NULL when memory ends. */
json_t *dgm_json_text(const char *text, size_t bytes);

/* The same of a string that ends with a zero byte. */
json_t *dgm_json_name(const char *name);

/* Prints a document and a line end, and releases it.  DGM_ERR_IO with the reason when it could not be written, DGM_ERR_NOMEM for NULL. */
dgm_err dgm_json_print(json_t *json, size_t flags, FILE *out);

/* The bytes that such a string stands for, ended by a zero byte; the caller frees them; NULL when memory ends. */
char *dgm_json_text_bytes(const char *string);

#endif
