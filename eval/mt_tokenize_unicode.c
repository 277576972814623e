/* Rules that look at characters rather than bytes: intl by Unicode's general categories, zh by ranges, char by each for itself. */
#include "mt_passes.h"

#include <string.h>
#include <utf8proc.h>

typedef enum { OTHER, NUMBER, PUNCTUATION, SYMBOL } char_class;

static char_class class_of(int32_t c)
{
    if (c < 0x80) { /* of ASCII, $ + < = > ^ ` | ~ are symbols and the rest of what prints is punctuation */
        if (c >= '0' && c <= '9') return NUMBER;
        if (c <= ' ' || c == 0x7F || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return OTHER;
        return memchr("$+<=>^`|~", c, 9) != NULL ? SYMBOL : PUNCTUATION;
    }
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return NUMBER;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return PUNCTUATION;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO: return SYMBOL;
    default: return OTHER;
    }
}

/* One character of a text. */
typedef struct {
    const char *text;
    size_t n;
    int32_t code;
} character;

/* The character at `at`; n is 0 at the end. */
static character look(const dgm_mt_buffer *in, size_t at)
{
    character c = {.text = in->data + at};
    if (at < in->n) c.code = dgm_mt_code_point(in->data, in->n, at, &c.n);
    return c;
}

static void put_character(dgm_mt_buffer *out, character c)
{
    memcpy(out->data + out->n, c.text, c.n);
    out->n += c.n;
}

static void put_character_alone(dgm_mt_buffer *out, character c)
{
    mt_put(out, ' ');
    put_character(out, c);
    mt_put(out, ' ');
}

/* s/(\P{N})(\p{P})/\1 \2 /g: a match takes both. */
static void split_after_no_number(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t at = 0; at < in->n;) {
        character c = look(in, at), next = look(in, at + c.n);
        put_character(out, c);
        at += c.n;
        if (next.n == 0 || class_of(next.code) != PUNCTUATION || class_of(c.code) == NUMBER) continue;
        put_character_alone(out, next);
        at += next.n;
    }
}

/* s/(\p{P})(\P{N})/ \1 \2/g */
static void split_before_no_number(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t at = 0; at < in->n;) {
        character c = look(in, at), next;
        at += c.n;
        if (class_of(c.code) == PUNCTUATION && (next = look(in, at)).n > 0 && class_of(next.code) != NUMBER) {
            put_character_alone(out, c);
            put_character(out, next);
            at += next.n;
        } else {
            put_character(out, c);
        }
    }
}

/* s/(\p{S})/ \1 /g */
static void split_symbols(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t at = 0; at < in->n;) {
        character c = look(in, at);
        if (class_of(c.code) == SYMBOL) put_character_alone(out, c);
        else put_character(out, c);
        at += c.n;
    }
}

dgm_err mt_split_international(dgm_mt_tokens *tokens)
{
    static const mt_pass passes[] = {split_after_no_number, split_before_no_number, split_symbols};
    return mt_run_passes(tokens, passes, sizeof passes / sizeof *passes);
}

/* Two of the published ranges were meant for the supplementary planes, but written with four hexadecimal digits and a fifth behind
 * them: as text comparisons they are U+2001..U+2A6D (general punctuation, arrows, mathematics) and U+2F81..U+2FA1, and scores
 * everywhere were computed so. */
static bool is_chinese(int32_t c)
{
    static const struct { int32_t first, last; } ranges[] = {
        {0x3400, 0x4DB5}, {0x4E00, 0x9FBB}, /* ideographs */
        {0xF900, 0xFA2D}, {0xFA30, 0xFA6A}, {0xFA70, 0xFAD9}, /* compatibility ideographs */
        {0x2001, 0x2A6D}, {0x2F81, 0x2FA1}, /* see above */
        {0xFF00, 0xFFEF}, /* full and half width forms */
        {0x2E80, 0x2EFF}, {0x2F00, 0x2FDF}, {0x31C0, 0x31EF}, {0x2FF0, 0x2FFF}, /* radicals, strokes, structure */
        {0x3000, 0x303F}, {0xFE10, 0xFE1F}, {0xFE30, 0xFE4F}, /* punctuation */
        {0x3100, 0x312F}, {0x31A0, 0x31BF}, /* phonetic symbols */
        {0x2600, 0x26FF}, {0x2700, 0x27BF}, {0x3200, 0x32FF}, {0x3300, 0x33FF}, /* symbols */
    };
    if (c < ranges[5].first) return false;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i].first && c <= ranges[i].last) return true;
    return false;
}

static void split_chinese(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t at = 0; at < in->n;) {
        character c = look(in, at);
        if (is_chinese(c.code)) put_character_alone(out, c);
        else put_character(out, c);
        at += c.n;
    }
}

dgm_err mt_split_chinese(dgm_mt_tokens *tokens)
{
    size_t white = dgm_mt_lstrip(tokens->text.data, tokens->text.n);
    memmove(tokens->text.data, tokens->text.data + white, tokens->text.n -= white);
    return mt_run_passes(tokens, &(mt_pass){split_chinese}, 1);
}

static void split_characters(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t at = 0; at < in->n;) {
        character c = look(in, at);
        put_character_alone(out, c);
        at += c.n;
    }
}

dgm_err mt_split_characters(dgm_mt_tokens *tokens) { return mt_run_passes(tokens, &(mt_pass){split_characters}, 1); }
