/* Capacity doubles, so appending is linear in all that was appended. */
#include "dgm/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dgm_err text_reserve(dgm_text *text, size_t more)
{
    if (more >= SIZE_MAX / 2 - text->bytes) return DGM_FAIL(DGM_ERR_NOMEM, "text of %zu and %zu bytes", text->bytes, more);
    size_t need = text->bytes + more + 1;
    if (need <= text->capacity) return DGM_OK;
    size_t capacity = DGM_MAX(need, DGM_MAX(2 * text->capacity, (size_t)64));
    char *grown = realloc(text->text, capacity);
    if (grown == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%zu bytes of text", capacity);
    text->text = grown;
    text->capacity = capacity;
    return DGM_OK;
}

void dgm_text_fini(dgm_text *text)
{
    free(text->text);
    *text = (dgm_text){0};
}

dgm_err dgm_text_append(dgm_text *text, const void *data, size_t bytes)
{
    DGM_TRY(text_reserve(text, bytes));
    if (bytes > 0) memcpy(text->text + text->bytes, data, bytes);
    text->bytes += bytes;
    text->text[text->bytes] = '\0';
    return DGM_OK;
}

dgm_err dgm_text_printf(dgm_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) return DGM_FAIL(DGM_ERR_INTERNAL, "format \"%s\"", format);
    DGM_TRY(text_reserve(text, (size_t)n));
    va_start(args, format);
    vsnprintf(text->text + text->bytes, (size_t)n + 1, format, args);
    va_end(args);
    text->bytes += (size_t)n;
    return DGM_OK;
}

void dgm_text_clear(dgm_text *text)
{
    text->bytes = 0;
    if (text->text != NULL) text->text[0] = '\0';
}

void dgm_ids_fini(dgm_ids *ids)
{
    free(ids->ids);
    *ids = (dgm_ids){0};
}

dgm_err dgm_ids_reserve(dgm_ids *ids, int64_t more)
{
    DGM_ASSERT(more >= 0);
    if (more > INT64_MAX / 16 - ids->n) return DGM_FAIL(DGM_ERR_NOMEM, "%lld more ids", (long long)more);
    if (ids->n + more <= ids->capacity) return DGM_OK;
    int64_t capacity = DGM_MAX(ids->n + more, DGM_MAX(2 * ids->capacity, 64));
    int32_t *grown = realloc(ids->ids, (size_t)capacity * sizeof *grown);
    if (grown == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld ids", (long long)capacity);
    ids->ids = grown;
    ids->capacity = capacity;
    return DGM_OK;
}

dgm_err dgm_ids_append(dgm_ids *ids, const int32_t *more, int64_t n)
{
    DGM_TRY(dgm_ids_reserve(ids, n));
    if (n > 0) memcpy(ids->ids + ids->n, more, (size_t)n * sizeof *more);
    ids->n += n;
    return DGM_OK;
}
