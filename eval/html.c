/* Escaping happens in one place, so that nothing from a corpus, a path or a setting can become markup. */
#include "dgm/html.h"

#include "dgm/unicode.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void dgm_html_fini(dgm_html *html)
{
    dgm_text_fini(&html->text);
    html->err = DGM_OK;
}

static void append(dgm_html *html, const char *text, size_t bytes)
{
    if (html->err == DGM_OK) html->err = dgm_text_append(&html->text, text, bytes);
}

void dgm_html_put(dgm_html *html, const char *markup) { append(html, markup, strlen(markup)); }

void dgm_html_putf(dgm_html *html, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    DGM_ASSERT(n >= 0 && n < (int)sizeof text);
    append(html, text, (size_t)n);
}

/* What stands for a character of one byte; NULL: itself. */
static const char *entity(char c)
{
    switch (c) {
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '&': return "&amp;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

static void put_character(dgm_html *html, int32_t code, const char *utf8, size_t n)
{
    const char *as = n == 1 ? entity(*utf8) : NULL;
    if (as != NULL) dgm_html_put(html, as);
    else if (code < 0x20 && code != '\t') append(html, (char[]){(char)0xE2, (char)0x90, (char)(0x80 + code)}, 3); /* U+2400 + code */
    else if (code == 0x7F) dgm_html_put(html, "\xE2\x90\xA1");
    else if ((code > 0x7F && code < 0xA0) || code == 0xFFFE || code == 0xFFFF) dgm_html_put(html, "\xEF\xBF\xBD");
    else append(html, utf8, n);
}

void dgm_html_line(dgm_html *html, const char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        int32_t code;
        size_t n = dgm_unicode_next(text + at, bytes - at, &code);
        if (n > 0) put_character(html, code, text + at, n);
        else dgm_html_putf(html, "\\x%02X", (unsigned)(unsigned char)text[at]);
        at += n > 0 ? n : 1;
    }
}

void dgm_html_text(dgm_html *html, const char *text)
{
    if (text != NULL) dgm_html_line(html, text, strlen(text));
}

void dgm_html_count(dgm_html *html, int64_t n)
{
    char digits[32], out[48];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n), at = 0;
    for (int i = 0; i < length; i++) {
        int left = length - i;
        if (i > 0 && left % 3 == 0 && digits[i - 1] != '-') out[at++] = ',';
        out[at++] = digits[i];
    }
    append(html, out, (size_t)at);
}
