/* Words lie end to end in one block; an open-addressing table of their numbers, at most half full, finds them.  The table keeps part
 * of the hash beside the number, so that a search looks at the text of hardly any word but the right one. */
#include "dgm/word_count.h"

#include "dgm/checksum.h"
#include "dgm/unicode.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    size_t at; /* in the text */
    int64_t times;
    uint32_t bytes;
    uint32_t hash; /* its upper half; the lower finds the place */
} word;

typedef struct { uint32_t hash, number; } place; /* number + 1; 0: free */

struct dgm_word_count {
    dgm_text text;
    word *words; /* [n_places / 2] */
    int64_t n;
    place *places; /* [n_places], a power of two */
    size_t n_places;
};

dgm_err dgm_word_count_create(dgm_word_count **out)
{
    dgm_word_count *t = calloc(1, sizeof *t);
    if (t == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "word table");
    *out = t;
    return DGM_OK;
}

void dgm_word_count_destroy(dgm_word_count *t)
{
    if (t == NULL) return;
    dgm_text_fini(&t->text);
    free(t->words);
    free(t->places);
    free(t);
}

static dgm_err grow(dgm_word_count *t)
{
    size_t n_places = t->n_places == 0 ? 1 << 14 : 2 * t->n_places;
    if (n_places / 2 > UINT32_MAX) return DGM_FAIL(DGM_ERR_NOMEM, "more than %lld distinct words", (long long)t->n);
    word *words = realloc(t->words, n_places / 2 * sizeof *words);
    if (words != NULL) t->words = words;
    place *places = calloc(n_places, sizeof *places);
    if (words == NULL || places == NULL) {
        free(places);
        return DGM_FAIL(DGM_ERR_NOMEM, "table of %lld distinct words", (long long)t->n);
    }
    for (int64_t i = 0; i < t->n; i++) {
        uint64_t hash = dgm_checksum_xxh64(t->text.text + words[i].at, words[i].bytes);
        size_t at = hash & (n_places - 1);
        while (places[at].number != 0) at = (at + 1) & (n_places - 1);
        places[at] = (place){words[i].hash, (uint32_t)i + 1};
    }
    free(t->places);
    t->places = places;
    t->n_places = n_places;
    return DGM_OK;
}

dgm_err dgm_word_count_add(dgm_word_count *t, const char *text, size_t bytes, int64_t times)
{
    if (bytes > UINT32_MAX) return DGM_FAIL(DGM_ERR_INPUT, "a word of %zu bytes", bytes);
    if (2 * (size_t)t->n >= t->n_places) DGM_TRY(grow(t));
    uint64_t hash = dgm_checksum_xxh64(text, bytes);
    uint32_t upper = (uint32_t)(hash >> 32);
    size_t at = hash & (t->n_places - 1);
    for (; t->places[at].number != 0; at = (at + 1) & (t->n_places - 1)) {
        if (t->places[at].hash != upper) continue;
        word *w = &t->words[t->places[at].number - 1];
        if (w->bytes != bytes || memcmp(t->text.text + w->at, text, bytes) != 0) continue;
        w->times += times;
        return DGM_OK;
    }
    word w = {.at = t->text.bytes, .times = times, .bytes = (uint32_t)bytes, .hash = upper};
    DGM_TRY(dgm_text_append(&t->text, text, bytes));
    t->words[t->n++] = w;
    t->places[at] = (place){upper, (uint32_t)t->n};
    return DGM_OK;
}

int64_t dgm_word_count_n(const dgm_word_count *t) { return t->n; }

int64_t dgm_word_count_bytes(const dgm_word_count *t) { return (int64_t)t->text.bytes; }

const char *dgm_word_count_at(const dgm_word_count *t, int64_t i, size_t *bytes, int64_t *times)
{
    DGM_ASSERT(i >= 0 && i < t->n);
    *bytes = t->words[i].bytes;
    *times = t->words[i].times;
    return t->text.text + t->words[i].at;
}

dgm_err dgm_word_characters(const char *text, size_t bytes, int64_t n, dgm_text *normal, int64_t *times)
{
    dgm_text_clear(normal);
    DGM_TRY(dgm_unicode_nfc(text, bytes, normal));
    for (size_t at = 0, length; at < normal->bytes; at += length) {
        int32_t code = 0;
        length = dgm_unicode_next(normal->text + at, normal->bytes - at, &code);
        DGM_ASSERT(length > 0);
        times[code] += n;
    }
    return DGM_OK;
}
