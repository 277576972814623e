/* The hash that says which words stay is that of their bytes; its first bits, which no table of theirs uses to find places. */
#include "dgm/word_sample.h"

#include "dgm/checksum.h"
#include "dgm/unicode.h"

#include <stdlib.h>

enum { LONG_BYTES = 64, LONG_UNSPACED_BYTES = 16, MAX_SHIFT = 32 };

struct dgm_word_sample {
    dgm_word_count *kept;
    int64_t budget_bytes;
    int shift;
    int64_t *characters; /* [DGM_N_CODES] once a word has gone */
    dgm_text normal;
};

static bool is_unspaced(int32_t code)
{
    static const struct { int32_t lo, hi; } scripts[] = {{0x0E00, 0x0FFF}, /* Thai, Lao, Tibetan */
                                                         {0x1000, 0x109F}, /* Burmese */
                                                         {0x1780, 0x17FF}, /* Khmer */
                                                         {0x2E80, 0xA4CF}, /* Kana, Han, their punctuation, Yi */
                                                         {0xF900, 0xFAFF}, {0xFF00, 0xFFEF}, /* compatibility, full width */
                                                         {0x20000, 0x3FFFF}}; /* Han */
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        if (code >= scripts[i].lo && code <= scripts[i].hi) return true;
    return false;
}

bool dgm_word_is_phrase(const char *word, size_t bytes)
{
    int32_t code;
    if (bytes > LONG_BYTES) return true;
    return bytes > LONG_UNSPACED_BYTES && dgm_unicode_next(word, bytes, &code) > 0 && is_unspaced(code);
}

dgm_err dgm_word_sample_create(int64_t budget_bytes, dgm_word_sample **out)
{
    dgm_word_sample *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "sample of words");
    s->budget_bytes = budget_bytes;
    dgm_err err = dgm_word_count_create(&s->kept);
    if (err != DGM_OK) {
        dgm_word_sample_destroy(s);
        return err;
    }
    *out = s;
    return DGM_OK;
}

void dgm_word_sample_destroy(dgm_word_sample *s)
{
    if (s == NULL) return;
    dgm_word_count_destroy(s->kept);
    free(s->characters);
    dgm_text_fini(&s->normal);
    free(s);
}

static bool stays(const dgm_word_sample *s, const char *word, size_t bytes)
{
    return s->shift == 0 || dgm_checksum_xxh64(word, bytes) >> (64 - s->shift) == 0;
}

/* Counts the characters of a word that goes. */
static dgm_err drop(dgm_word_sample *s, const char *word, size_t bytes, int64_t times)
{
    return dgm_word_characters(word, bytes, times, &s->normal, s->characters);
}

/* One bit more: about half of the words stay. */
static dgm_err thin(dgm_word_sample *s)
{
    dgm_word_count *half = NULL;
    if (s->characters == NULL) s->characters = calloc(DGM_N_CODES, sizeof *s->characters);
    dgm_err err = s->characters != NULL ? dgm_word_count_create(&half) : DGM_FAIL(DGM_ERR_NOMEM, "counts of characters");
    s->shift++;
    for (int64_t i = 0; err == DGM_OK && i < dgm_word_count_n(s->kept); i++) {
        size_t bytes;
        int64_t times;
        const char *word = dgm_word_count_at(s->kept, i, &bytes, &times);
        err = stays(s, word, bytes) ? dgm_word_count_add(half, word, bytes, times) : drop(s, word, bytes, times);
    }
    if (err != DGM_OK) {
        dgm_word_count_destroy(half);
        return err;
    }
    dgm_word_count_destroy(s->kept);
    s->kept = half;
    return DGM_OK;
}

dgm_err dgm_word_sample_add(dgm_word_sample *s, const char *word, size_t bytes)
{
    if (!stays(s, word, bytes)) return drop(s, word, bytes, 1);
    DGM_TRY(dgm_word_count_add(s->kept, word, bytes, 1));
    while (dgm_word_count_bytes(s->kept) > s->budget_bytes && s->shift < MAX_SHIFT) DGM_TRY(thin(s));
    return DGM_OK;
}

const dgm_word_count *dgm_word_sample_kept(const dgm_word_sample *s) { return s->kept; }

int dgm_word_sample_shift(const dgm_word_sample *s) { return s->shift; }

const int64_t *dgm_word_sample_characters(const dgm_word_sample *s) { return s->characters; }
