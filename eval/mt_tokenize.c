/* The tokenizers by name: which rules each applies, and the last step of all, the splitting at white space. */
#include "dgm/mt_tokenize.h"

#include "mt_passes.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[DGM_MT_N_TOKENIZERS] = {"13a", "intl", "zh", "char", "none"};

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

dgm_err mt_run_passes(dgm_mt_tokens *tokens, const mt_pass *passes, size_t n)
{
    dgm_mt_buffer *text = &tokens->text, *out = &tokens->scratch;
    for (size_t i = 0; i < n; i++) {
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

dgm_err dgm_mt_split(const char *text, size_t n, dgm_mt_tokens *tokens)
{
    size_t start = 0;
    tokens->n = 0;
    for (size_t at = 0, width; at < n; at += width) {
        if (text[at] > ' ' && text[at] < 0x7F) { /* ASCII that is no white space */
            width = 1;
            continue;
        }
        if (!dgm_mt_is_white_space(dgm_mt_code_point(text, n, at, &width))) continue;
        if (at > start) DGM_TRY(add_token(tokens, text + start, at - start));
        start = at + width;
    }
    return n > start ? add_token(tokens, text + start, n - start) : DGM_OK;
}

/* The line, in lower case if asked, without white space at its end. */
static dgm_err take_line(bool lowercase, const char *line, size_t n_bytes, dgm_mt_tokens *tokens)
{
    tokens->text.n = 0;
    if (lowercase) DGM_TRY(dgm_mt_lowercase(line, n_bytes, &tokens->text));
    else DGM_TRY(dgm_mt_buffer_append(&tokens->text, line, n_bytes));
    tokens->text.n = dgm_mt_rstrip(tokens->text.data, tokens->text.n);
    return DGM_OK;
}

dgm_err dgm_mt_tokenize(dgm_mt_tokenizer tokenizer, bool lowercase, const char *line, size_t n_bytes, dgm_mt_tokens *tokens)
{
    DGM_TRY(take_line(lowercase, line, n_bytes, tokens));
    switch (tokenizer) {
    case DGM_MT_TOKENIZER_13A:
        mt_replace(&tokens->text, "<skipped>", "");
        mt_resolve_entities(&tokens->text);
        DGM_TRY(mt_pad(&tokens->text));
        DGM_TRY(mt_split_western(tokens));
        break;
    case DGM_MT_TOKENIZER_INTL: DGM_TRY(mt_split_international(tokens)); break;
    case DGM_MT_TOKENIZER_ZH: /* no padding here: a full stop that ends the line behind a digit stays with it */
        DGM_TRY(mt_split_chinese(tokens));
        DGM_TRY(mt_split_western(tokens));
        break;
    case DGM_MT_TOKENIZER_CHAR: DGM_TRY(mt_split_characters(tokens)); break;
    case DGM_MT_TOKENIZER_NONE:
    case DGM_MT_N_TOKENIZERS: break;
    }
    return dgm_mt_split(tokens->text.data, tokens->text.n, tokens);
}
