/* Text from elsewhere can become no markup, whatever it holds. */
#include "dgm/html.h"
#include "tap.h"

#include <string.h>

static void shows(const char *text, size_t n, const char *want, const char *name)
{
    dgm_html h = {0};
    dgm_html_put(&h, "");
    dgm_html_line(&h, text, n);
    tap_err(h.err, DGM_OK, "%s: written", name);
    tap_text(h.text.text, want, "%s", name);
    dgm_html_fini(&h);
}
#define SHOWS(text, want, name) shows(text, sizeof(text) - 1, want, name)

static void test_every_byte(void)
{
    char all[512];
    for (int i = 0; i < 256; i++) all[2 * i] = (char)i, all[2 * i + 1] = 'x'; /* no two of them make up a character */
    dgm_html h = {0};
    dgm_html_line(&h, all, sizeof all);
    int low = 0, high = 0;
    for (size_t i = 0; i < h.text.bytes; i++) {
        unsigned char c = (unsigned char)h.text.text[i];
        low += (c < 0x20 && c != '\t') || c == 0x7F;
        high += c >= 0x80;
    }
    tap_int(low, 0, "of all bytes no control character is left");
    tap_int(high, 3 * 32, "and of those above 127 the pictures of control characters alone"); /* 31 below space, tab aside, and DEL */
    tap_ok(strpbrk(h.text.text, "<>\"'") == NULL, "no bracket or quote");
    dgm_html_fini(&h);
}

static void test_counts(void)
{
    static const struct { int64_t n; const char *want; } cases[] = {
        {0, "0"}, {999, "999"}, {1000, "1,000"}, {-1000, "-1,000"}, {-100, "-100"}, {1234567, "1,234,567"}, {INT64_MIN, "-9,223,372,036,854,775,808"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dgm_html h = {0};
        dgm_html_count(&h, cases[i].n);
        tap_text(h.text.text, cases[i].want, "%s", cases[i].want);
        dgm_html_fini(&h);
    }
}

int main(void)
{
    SHOWS("a house", "a house", "plain text stays");
    SHOWS("<script>alert(\"1\" & '2')</script>", "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;", "a script is text");
    SHOWS("&amp;lt;", "&amp;amp;lt;", "entities are text too");
    SHOWS("Gr\xC3\xB6\xC3\x9F" "e \xE4\xBD\xA0 \xF0\x9F\x98\x80 \xD7\xA9", "Gr\xC3\xB6\xC3\x9F" "e \xE4\xBD\xA0 \xF0\x9F\x98\x80 \xD7\xA9", "characters of all lengths stay");
    SHOWS("a\tb", "a\tb", "a tab stays");
    SHOWS("a\0b\nc\x1B[1m\x7F", "a\xE2\x90\x80" "b\xE2\x90\x8A" "c\xE2\x90\x9B[1m\xE2\x90\xA1", "control characters are shown");
    SHOWS("\xC2\x85|\xEF\xBF\xBE|\xEF\xBF\xBF", "\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBD", "C1 and what is no character: U+FFFD");
    SHOWS("a\xFF\xC3(\xE2\x82", "a\\xFF\\xC3(\\xE2\\x82", "bytes that are not UTF-8 are shown as such");
    SHOWS("\xED\xA0\x80", "\\xED\\xA0\\x80", "a surrogate is none either");
    test_every_byte();
    test_counts();
    return tap_done();
}
