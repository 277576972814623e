/* Tercom's tokenizer: Snover's Normalizer.java, as sacreBLEU applies it line by line.
 *
 * Its rules for runs of kana ask for the beginning of the line right before them, but a normalized line begins with a space: they never
 * take effect, and kana stay together. */
#include "mt_passes.h"

#include <string.h>

typedef struct { int32_t first, last; } range;

static bool is_in(const range *ranges, size_t n, int32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= ranges[i].first && c <= ranges[i].last) return true;
    return false;
}

static bool is_asian_punctuation(int32_t c)
{
    static const range ranges[] = {{0x3001, 0x3002}, {0x3008, 0x3011}, {0x3014, 0x301F}, {0xFF61, 0xFF65}, {0x30FB, 0x30FB}, /* Asian */
                                   {0xFF01, 0xFF02}, {0xFF08, 0xFF09}, {0xFF0C, 0xFF0C}, {0xFF0E, 0xFF0E}, /* full width */
                                   {0xFF1A, 0xFF1B}, {0xFF1F, 0xFF1F}};
    return c >= 0x3001 && is_in(ranges, sizeof ranges / sizeof *ranges, c);
}

/* Ideographs, strokes, radicals, compatibility forms, enclosed letters (whose published range goes on to U+3F22). */
static bool is_asian_alone(int32_t c)
{
    static const range ranges[] = {{0x4E00, 0x9FFF}, {0x3200, 0x4DBF}, {0x31C0, 0x31EF}, {0x2E80, 0x2EFF}, {0xF900, 0xFAFF}, {0xFE30, 0xFE4F}};
    return c >= 0x2E80 && (is_in(ranges, sizeof ranges / sizeof *ranges, c) || is_asian_punctuation(c));
}

/* s/'s / 's /g, after the stops have been split off: "Anna's," is Anna 's and the comma.  (In Tercom's own order the comma would keep
 * them together; sacreBLEU 2.6 splits.) */
static void split_possessives(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t i = 0; i < in->n; i++) {
        if (in->n - i >= 3 && memcmp(in->data + i, "'s ", 3) == 0) mt_put(out, ' ');
        mt_put(out, in->data[i]);
    }
}

static void split_asian(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t at = 0, width; at < in->n; at += width) {
        bool alone = is_asian_alone(dgm_mt_code_point(in->data, in->n, at, &width));
        if (alone) mt_put(out, ' ');
        memcpy(out->data + out->n, in->data + at, width);
        out->n += width;
        if (alone) mt_put(out, ' ');
    }
}

static void remove_punctuation(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t i = 0; i < in->n; i++)
        if (in->data[i] == '\0' || strchr(".,?:;!\"()", in->data[i]) == NULL) mt_put(out, in->data[i]);
}

static void remove_asian_punctuation(const dgm_mt_buffer *in, dgm_mt_buffer *out)
{
    for (size_t at = 0, width; at < in->n; at += width) {
        if (is_asian_punctuation(dgm_mt_code_point(in->data, in->n, at, &width))) continue;
        memcpy(out->data + out->n, in->data + at, width);
        out->n += width;
    }
}

dgm_err dgm_mt_tokenize_tercom(const dgm_mt_tercom_options *options, const char *line, size_t n_bytes, dgm_mt_tokens *tokens)
{
    size_t n = dgm_mt_rstrip(line, n_bytes);
    tokens->text.n = 0;
    if (options->case_sensitive) DGM_TRY(dgm_mt_buffer_append(&tokens->text, line, n));
    else DGM_TRY(dgm_mt_lowercase(line, n, &tokens->text));
    if (options->normalized) {
        mt_resolve_entities(&tokens->text);
        DGM_TRY(mt_pad(&tokens->text));
        DGM_TRY(mt_split_western(tokens));
        DGM_TRY(mt_run_passes(tokens, &(mt_pass){split_possessives}, 1));
        if (options->asian_support) DGM_TRY(mt_run_passes(tokens, &(mt_pass){split_asian}, 1));
    }
    if (options->no_punct) {
        DGM_TRY(mt_run_passes(tokens, &(mt_pass){remove_punctuation}, 1));
        if (options->asian_support) DGM_TRY(mt_run_passes(tokens, &(mt_pass){remove_asian_punctuation}, 1));
    }
    return dgm_mt_split(tokens->text.data, tokens->text.n, tokens);
}
