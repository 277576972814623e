/* The escape is one that readers who know nothing of it still show as something sensible. */
#include "dgm/json_text.h"

#include "dgm/io.h"
#include "dgm/unicode.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

json_t *dgm_json_text(const char *text, size_t bytes)
{
    dgm_text out = {0};
    dgm_err err = DGM_OK;
    for (size_t at = 0; err == DGM_OK && at < bytes;) {
        int32_t code;
        size_t n = dgm_unicode_next(text + at, bytes - at, &code);
        bool escapes = n == 0 || code == 0 || (text[at] == '\\' && at + 1 < bytes && text[at + 1] == 'x');
        if (escapes) err = dgm_text_printf(&out, "\\x%02X", (unsigned char)text[at]);
        else err = dgm_text_append(&out, text + at, n);
        at += escapes ? 1 : n;
    }
    json_t *string = err == DGM_OK ? json_stringn(out.text != NULL ? out.text : "", out.bytes) : NULL;
    dgm_text_fini(&out);
    return string;
}

json_t *dgm_json_name(const char *name) { return dgm_json_text(name, strlen(name)); }

dgm_err dgm_json_print(json_t *json, size_t flags, FILE *out)
{
    bool failed = json == NULL || json_dumpf(json, out, flags) != 0 || fputc('\n', out) == EOF;
    dgm_err err = failed && json != NULL ? dgm_io_flush(out, "standard output") : DGM_OK;
    json_decref(json);
    return failed && err == DGM_OK ? DGM_FAIL(DGM_ERR_NOMEM, "the answer as JSON") : err;
}

char *dgm_json_text_bytes(const char *string)
{
    char *out = strdup(string), *to = out;
    for (const char *from = string; out != NULL && *from != '\0';) {
        if (from[0] == '\\' && from[1] == 'x' && isxdigit((unsigned char)from[2]) && isxdigit((unsigned char)from[3])) {
            *to++ = (char)strtoul((char[]){from[2], from[3], '\0'}, NULL, 16);
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    if (out != NULL) *to = '\0';
    return out;
}
