/* White space and lower case by utf8proc's tables, with the few rules that its simple case mappings leave out. */
#include "dgm/mt_text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void dgm_mt_buffer_fini(dgm_mt_buffer *buffer)
{
    free(buffer->data);
    *buffer = (dgm_mt_buffer){0};
}

dgm_err dgm_mt_buffer_reserve(dgm_mt_buffer *buffer, size_t n)
{
    if (n < buffer->room) return DGM_OK;
    size_t room = DGM_MAX(n + 1, buffer->room * 2);
    char *data = realloc(buffer->data, room);
    if (data == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%zu bytes of text", room);
    if (buffer->data == NULL) data[0] = '\0';
    buffer->data = data;
    buffer->room = room;
    return DGM_OK;
}

dgm_err dgm_mt_buffer_append(dgm_mt_buffer *buffer, const char *text, size_t n)
{
    DGM_TRY(dgm_mt_buffer_reserve(buffer, buffer->n + n));
    if (n > 0) memcpy(buffer->data + buffer->n, text, n);
    buffer->n += n;
    buffer->data[buffer->n] = '\0';
    return DGM_OK;
}

int32_t dgm_mt_code_point(const char *text, size_t n, size_t at, size_t *n_bytes)
{
    unsigned char first = (unsigned char)text[at];
    utf8proc_int32_t c = first;
    *n_bytes = 1;
    if (first < 0x80) return c;
    utf8proc_ssize_t got = utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(n - at), &c);
    if (got <= 0) return first;
    *n_bytes = (size_t)got;
    return c;
}

bool dgm_mt_is_white_space(int32_t c)
{
    if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
    return c == 0x85 || c == 0x2028 || c == 0x2029 || utf8proc_category(c) == UTF8PROC_CATEGORY_ZS;
}

/* Unicode's Case_Ignorable: marks, format characters, modifiers, and what may stand inside a word (Word_Break MidLetter,
 * MidNumLet and Single_Quote). */
static bool is_case_ignorable(int32_t c)
{
    static const int32_t inside_words[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
                                           0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        for (size_t i = 0; i < sizeof inside_words / sizeof *inside_words; i++)
            if (c == inside_words[i]) return true;
        return false;
    }
}

/* Unicode's Cased, for characters that are not case-ignorable: letters with case, and Other_Lowercase, Other_Uppercase. */
static bool is_cased(int32_t c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
        return true;
    default:
        return c == 0xAA || c == 0xBA || (c >= 0x2160 && c <= 0x217F) || (c >= 0x24B6 && c <= 0x24E9) ||
               (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
    }
}

/* The next character from `at` that is not case-ignorable, is cased. */
static bool cased_after(const char *text, size_t n, size_t at)
{
    for (size_t width; at < n; at += width) {
        int32_t c = dgm_mt_code_point(text, n, at, &width);
        if (!is_case_ignorable(c)) return is_cased(c);
    }
    return false;
}

static size_t start_of_last(const char *text, size_t end)
{
    size_t start = end - 1, width;
    while (start > 0 && end - start < 4 && ((unsigned char)text[start] & 0xC0) == 0x80) start--;
    dgm_mt_code_point(text, end, start, &width);
    return start + width == end ? start : end - 1;
}

/* The last character before `end` that is not case-ignorable, is cased. */
static bool cased_before(const char *text, size_t end)
{
    for (size_t width; end > 0;) {
        size_t start = start_of_last(text, end);
        int32_t c = dgm_mt_code_point(text, end, start, &width);
        if (!is_case_ignorable(c)) return is_cased(c);
        end = start;
    }
    return false;
}

size_t dgm_mt_rstrip(const char *text, size_t n)
{
    while (n > 0) {
        size_t start = start_of_last(text, n), width;
        if (!dgm_mt_is_white_space(dgm_mt_code_point(text, n, start, &width))) break;
        n = start;
    }
    return n;
}

size_t dgm_mt_lstrip(const char *text, size_t n)
{
    size_t at = 0;
    for (size_t width; at < n && dgm_mt_is_white_space(dgm_mt_code_point(text, n, at, &width)); at += width) {
    }
    return at;
}

dgm_err dgm_mt_lowercase(const char *text, size_t n, dgm_mt_buffer *out)
{
    out->n = 0;
    DGM_TRY(dgm_mt_buffer_reserve(out, 2 * n)); /* no lower case has more than twice the bytes: U+023A grows from two to three */
    char *to = out->data;
    for (size_t at = 0, width; at < n; at += width) {
        unsigned char first = (unsigned char)text[at];
        if (first < 0x80) {
            *to++ = (char)(first >= 'A' && first <= 'Z' ? first + 32 : first);
            width = 1;
            continue;
        }
        int32_t c = dgm_mt_code_point(text, n, at, &width);
        if (width == 1) { /* not UTF-8: kept */
            *to++ = text[at];
        } else if (c == 0x130) {
            memcpy(to, "i\xCC\x87", 3);
            to += 3;
        } else {
            bool final_sigma = c == 0x3A3 && cased_before(text, at) && !cased_after(text, n, at + width);
            to += utf8proc_encode_char(final_sigma ? 0x3C2 : utf8proc_tolower(c), (utf8proc_uint8_t *)to);
        }
    }
    out->n = (size_t)(to - out->data);
    *to = '\0';
    return DGM_OK;
}
