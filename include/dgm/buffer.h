/* Growing text and lists of token ids: what an operation appends to, reused from line to line so that memory is taken rarely. */
#ifndef DGM_BUFFER_H
#define DGM_BUFFER_H

#include "dgm/error.h"

#include <stddef.h>

/* Zero-initialise ({0}) and release with dgm_text_fini.  `text` ends with a zero byte once anything was appended. */
typedef struct {
    char *text; /* [bytes + 1] */
    size_t bytes;
    size_t capacity;
} dgm_text;

/* Zero-initialise ({0}) and release with dgm_ids_fini. */
typedef struct {
    int32_t *ids; /* [n] */
    int64_t n;
    int64_t capacity;
} dgm_ids;

void dgm_text_fini(dgm_text *text); /* leaves it empty and usable */
dgm_err dgm_text_append(dgm_text *text, const void *data, size_t bytes);
dgm_err dgm_text_printf(dgm_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void dgm_text_clear(dgm_text *text); /* keeps the memory */

void dgm_ids_fini(dgm_ids *ids); /* leaves it empty and usable */
/* Makes room for `more` ids behind the present ones. */
dgm_err dgm_ids_reserve(dgm_ids *ids, int64_t more);
dgm_err dgm_ids_append(dgm_ids *ids, const int32_t *more, int64_t n);
static inline void dgm_ids_clear(dgm_ids *ids) { ids->n = 0; }

#endif
