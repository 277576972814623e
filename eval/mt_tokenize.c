/* The tokenizers' rules in the order of their definition, each one pass over the bytes.
 *
 * 13a is defined by regular expressions over characters (NIST's mteval-v13a.pl; sacreBLEU, Post 2018).  They name ASCII characters
 * and "not a digit" only, and a substitution only adds spaces, so working on the bytes of UTF-8 gives the same tokens. */
#include "dgm/mt_tokenize.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[DGM_MT_N_TOKENIZERS] = {"13a", "none"};

const char *dgm_mt_tokenizer_name(dgm_mt_tokenizer tokenizer) { return names[tokenizer]; }

dgm_err dgm_mt_tokenizer_find(const char *name, dgm_mt_tokenizer *out)
{
    for (int i = 0; i < DGM_MT_N_TOKENIZERS; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (dgm_mt_tokenizer)i;
            return DGM_OK;
        }
    return DGM_FAIL(DGM_ERR_USAGE, "no tokenizer \"%s\" for scores; there are " DGM_MT_TOKENIZER_NAMES, name);
}

void dgm_mt_tokens_fini(dgm_mt_tokens *tokens)
{
    free(tokens->token);
    dgm_mt_buffer_fini(&tokens->text);
    dgm_mt_buffer_fini(&tokens->scratch);
    *tokens = (dgm_mt_tokens){0};
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The class [\{-\~\[-\` -\&\(-\+\:-\@\/]: ASCII punctuation except ' , - and the full stop; and the space. */
static bool is_split_off(char c)
{
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
           (c >= ':' && c <= '@') || c == '/';
}

/* Replaces every `from` by `to`, which is not longer. */
static void replace(dgm_mt_buffer *text, const char *from, const char *to)
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

/* The passes below write at most three bytes for one; `out` has room for that. */
static void put(dgm_mt_buffer *out, char c) { out->data[out->n++] = c; }

static void put_alone(dgm_mt_buffer *out, char c)
{
    put(out, ' ');
    put(out, c);
    put(out, ' ');
}

/* s/([class])/ \1 /g */
static void split_punctuation(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t i = 0; i < in->n; i++)
        if (is_split_off(in->data[i])) put_alone(out, in->data[i]);
        else put(out, in->data[i]);
}

static bool is_stop(char c) { return c == '.' || c == ','; }

/* s/([^0-9])([.,])/\1 \2 /g: a match takes both, so a stop that was the second of one is not the first of the next. */
static void split_stop_after_non_digit(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t i = 0; i < in->n; i++) {
        put(out, in->data[i]);
        if (!is_digit(in->data[i]) && i + 1 < in->n && is_stop(in->data[i + 1])) put_alone(out, in->data[++i]);
    }
}

/* s/([.,])([^0-9])/ \1 \2/g */
static void split_stop_before_non_digit(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t i = 0; i < in->n; i++) {
        if (is_stop(in->data[i]) && i + 1 < in->n && !is_digit(in->data[i + 1])) {
            put_alone(out, in->data[i]);
            i++;
        }
        put(out, in->data[i]);
    }
}

/* s/([0-9])(-)/\1 \2 /g */
static void split_dash_after_digit(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t i = 0; i < in->n; i++) {
        put(out, in->data[i]);
        if (is_digit(in->data[i]) && i + 1 < in->n && in->data[i + 1] == '-') put_alone(out, in->data[++i]);
    }
}

static dgm_err tokenize_13a(dgm_mt_tokens *tokens)
{
    static void (*const passes[])(const dgm_mt_buffer *, dgm_mt_buffer *) = {
        split_punctuation, split_stop_after_non_digit, split_stop_before_non_digit, split_dash_after_digit};
    dgm_mt_buffer *text = &tokens->text, *out = &tokens->scratch;
    replace(text, "<skipped>", "");
    replace(text, "&quot;", "\"");
    replace(text, "&amp;", "&");
    replace(text, "&lt;", "<");
    replace(text, "&gt;", ">");
    /* The rules look at neighbours: a line is given a space at either end. */
    DGM_TRY(dgm_mt_buffer_reserve(text, text->n + 2));
    memmove(text->data + 1, text->data, text->n);
    text->data[0] = text->data[text->n + 1] = ' ';
    text->n += 2;
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        out->n = 0;
        DGM_TRY(dgm_mt_buffer_reserve(out, 3 * text->n));
        passes[i](text, out);
        dgm_mt_buffer swap = *text;
        *text = *out;
        *out = swap;
    }
    return DGM_OK;
}

static dgm_err add_token(dgm_mt_tokens *tokens, const char *text, size_t n_bytes)
{
    if (tokens->n == tokens->room) {
        int64_t room = tokens->room > 0 ? 2 * tokens->room : 64;
        dgm_mt_span *more = realloc(tokens->token, (size_t)room * sizeof *more);
        if (more == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld tokens of a line", (long long)room);
        tokens->token = more;
        tokens->room = room;
    }
    tokens->token[tokens->n++] = (dgm_mt_span){text, n_bytes};
    return DGM_OK;
}

static dgm_err split_at_white_space(dgm_mt_tokens *tokens)
{
    const char *text = tokens->text.data;
    size_t n = tokens->text.n, start = 0;
    for (size_t at = 0, width; at < n; at += width) {
        if (!dgm_mt_is_white_space(dgm_mt_code_point(text, n, at, &width))) continue;
        if (at > start) DGM_TRY(add_token(tokens, text + start, at - start));
        start = at + width;
    }
    return n > start ? add_token(tokens, text + start, n - start) : DGM_OK;
}

dgm_err dgm_mt_tokenize(dgm_mt_tokenizer tokenizer, bool lowercase, const char *line, size_t n_bytes, dgm_mt_tokens *tokens)
{
    tokens->n = 0;
    tokens->text.n = 0;
    if (lowercase) DGM_TRY(dgm_mt_lowercase(line, n_bytes, &tokens->text));
    else DGM_TRY(dgm_mt_buffer_append(&tokens->text, line, n_bytes));
    if (tokenizer == DGM_MT_TOKENIZER_13A) DGM_TRY(tokenize_13a(tokens));
    return split_at_white_space(tokens);
}
