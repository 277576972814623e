/* Validity is checked here, byte by byte as in table 3-7 of the Unicode standard, because the place of the first bad byte is
 * wanted in messages; normal forms and categories come from utf8proc. */
#include "dgm/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

/* Every character below it is its own normal form C and joins with no character before it. */
enum { FIRST_THAT_MAY_CHANGE = 0x300 };

static bool is_tail(const char *text, size_t at, unsigned lo, unsigned hi)
{
    unsigned byte = (unsigned char)text[at];
    return byte >= lo && byte <= hi;
}

size_t dgm_unicode_next(const char *text, size_t bytes, int32_t *code)
{
    unsigned lead = (unsigned char)text[0];
    if (lead < 0x80) {
        *code = (int32_t)lead;
        return 1;
    }
    size_t length = lead >= 0xC2 && lead <= 0xDF ? 2 : lead >= 0xE0 && lead <= 0xEF ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
    if (length == 0 || length > bytes) return 0;
    unsigned lo = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80; /* no overlong form */
    unsigned hi = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF; /* no surrogate, nothing above U+10FFFF */
    if (!is_tail(text, 1, lo, hi)) return 0;
    uint32_t value = (uint32_t)(lead & (0x7Fu >> length)) << 6 | ((unsigned char)text[1] & 0x3Fu);
    for (size_t i = 2; i < length; i++) {
        if (!is_tail(text, i, 0x80, 0xBF)) return 0;
        value = value << 6 | ((unsigned char)text[i] & 0x3Fu);
    }
    *code = (int32_t)value;
    return length;
}

static dgm_err nfc_by_library(const char *text, size_t bytes, dgm_text *out)
{
    utf8proc_uint8_t *normal = NULL;
    utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, &normal, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n == UTF8PROC_ERROR_NOMEM) return DGM_FAIL(DGM_ERR_NOMEM, "normal form of %zu bytes", bytes);
    if (n < 0) return DGM_FAIL(DGM_ERR_INPUT, "normal form of %zu bytes: %s", bytes, utf8proc_errmsg(n));
    dgm_err err = dgm_text_append(out, normal, (size_t)n);
    free(normal);
    return err;
}

dgm_err dgm_unicode_nfc(const char *text, size_t bytes, dgm_text *out)
{
    bool may_change = false;
    for (size_t at = 0, length; at < bytes; at += length) {
        int32_t code;
        length = dgm_unicode_next(text + at, bytes - at, &code);
        if (length == 0)
            return DGM_FAIL(DGM_ERR_INPUT, "not valid UTF-8: byte 0x%02X at offset %zu", (unsigned)(unsigned char)text[at], at);
        may_change |= code >= FIRST_THAT_MAY_CHANGE;
    }
    return may_change ? nfc_by_library(text, bytes, out) : dgm_text_append(out, text, bytes);
}

dgm_unicode_class dgm_unicode_class_of(int32_t code)
{
    switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return DGM_UNICODE_LETTER;
    case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ME:
        return DGM_UNICODE_MARK;
    case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_NO:
        return DGM_UNICODE_DIGIT;
    case UTF8PROC_CATEGORY_CC:
        return DGM_UNICODE_CONTROL;
    default:
        return DGM_UNICODE_OTHER;
    }
}

bool dgm_unicode_is_blank(const char *text, size_t bytes)
{
    int32_t code;
    for (size_t at = 0, n; at < bytes; at += n) {
        n = dgm_unicode_next(text + at, bytes - at, &code);
        if (n == 0) return false;
        switch (utf8proc_category(code)) {
        case UTF8PROC_CATEGORY_ZS:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF: break;
        default: return false;
        }
    }
    return true;
}
