/* The western rules, NIST's mteval-v13a.pl: those of 13a, of the part of zh that is not Chinese, and of Tercom's normalization. */
#include "mt_passes.h"

#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_stop(char c) { return c == '.' || c == ','; }

/* The class [\{-\~\[-\` -\&\(-\+\:-\@\/]: ASCII punctuation except ' , - and the full stop; and the space. */
static bool is_split_off(char c)
{
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
           (c >= ':' && c <= '@') || c == '/';
}

void mt_replace(dgm_mt_buffer *text, const char *from, const char *to)
{
    size_t n_from = strlen(from), n_to = strlen(to), at = 0, kept = 0;
    if (memmem(text->data, text->n, from, n_from) == NULL) return;
    while (at < text->n) {
        if (text->n - at >= n_from && memcmp(text->data + at, from, n_from) == 0) {
            memcpy(text->data + kept, to, n_to);
            kept += n_to;
            at += n_from;
        } else {
            text->data[kept++] = text->data[at++];
        }
    }
    text->data[text->n = kept] = '\0';
}

void mt_resolve_entities(dgm_mt_buffer *text)
{
    if (memchr(text->data, '&', text->n) == NULL) return;
    mt_replace(text, "&quot;", "\"");
    mt_replace(text, "&amp;", "&");
    mt_replace(text, "&lt;", "<");
    mt_replace(text, "&gt;", ">");
}

dgm_err mt_pad(dgm_mt_buffer *text)
{
    DGM_TRY(dgm_mt_buffer_reserve(text, text->n + 2));
    memmove(text->data + 1, text->data, text->n);
    text->data[0] = text->data[text->n + 1] = ' ';
    text->n += 2;
    return DGM_OK;
}

/* s/([class])/ \1 /g */
static void split_punctuation(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t i = 0; i < in->n; i++)
        if (is_split_off(in->data[i])) mt_put_alone(out, in->data[i]);
        else mt_put(out, in->data[i]);
}

/* s/([^0-9])([.,])/\1 \2 /g: a match takes both, so a stop that was the second of one is not the first of the next. */
static void split_stop_after_non_digit(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t i = 0; i < in->n; i++) {
        mt_put(out, in->data[i]);
        if (!is_digit(in->data[i]) && i + 1 < in->n && is_stop(in->data[i + 1])) mt_put_alone(out, in->data[++i]);
    }
}

/* s/([.,])([^0-9])/ \1 \2/g */
static void split_stop_before_non_digit(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t i = 0; i < in->n; i++) {
        if (is_stop(in->data[i]) && i + 1 < in->n && !is_digit(in->data[i + 1])) {
            mt_put_alone(out, in->data[i]);
            i++;
        }
        mt_put(out, in->data[i]);
    }
}

/* s/([0-9])(-)/\1 \2 /g */
static void split_dash_after_digit(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t i = 0; i < in->n; i++) {
        mt_put(out, in->data[i]);
        if (is_digit(in->data[i]) && i + 1 < in->n && in->data[i + 1] == '-') mt_put_alone(out, in->data[++i]);
    }
}

dgm_err mt_split_western(dgm_mt_tokens *tokens)
{
    static const mt_pass passes[] = {split_punctuation, split_stop_after_non_digit, split_stop_before_non_digit, split_dash_after_digit};
    return mt_run_passes(tokens, passes, sizeof passes / sizeof *passes);
}
