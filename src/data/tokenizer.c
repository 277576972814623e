/* Words are encoded once and remembered: natural text repeats them, so a line costs little more than finding its words in a table.
 * The memory is keyed by the word's bytes as they came, which leaves validity, normal form and merging to the first time a word
 * is seen; normal form C can be taken word by word because no space takes part in it (unicode.h). */
#include "dgm/tokenizer.h"

#include "dgm/io.h"
#include "dgm/unicode.h"

#include <stdlib.h>
#include <string.h>

struct dgm_tokenizer {
    dgm_vocab *vocab;
    dgm_bpe *bpe;
    int32_t mark; /* id of U+2581 alone */
};

/* Pieces must be what merges of words can make and what one line of text can show. */
static dgm_err check_pieces(const dgm_vocab *vocab)
{
    for (int32_t id = DGM_VOCAB_N_FIXED; id < dgm_vocab_size(vocab); id++) {
        size_t bytes;
        const char *piece = dgm_vocab_piece(vocab, id, &bytes);
        for (size_t at = 0, length; at < bytes; at += length) {
            int32_t code;
            length = dgm_unicode_next(piece + at, bytes - at, &code);
            if (length == 0 || code <= ' ')
                return DGM_FAIL(DGM_ERR_INPUT, "piece %d has byte 0x%02X at offset %zu: pieces are valid UTF-8 without spaces and control characters",
                                id, (unsigned)(unsigned char)piece[at], at);
        }
    }
    return DGM_OK;
}

dgm_err dgm_tokenizer_create(dgm_vocab *vocab, const dgm_merge *merges, int64_t n_merges, dgm_tokenizer **out)
{
    dgm_err err;
    dgm_tokenizer *t = calloc(1, sizeof *t);
    if (t == NULL) {
        dgm_vocab_destroy(vocab);
        return DGM_FAIL(DGM_ERR_NOMEM, "tokenizer");
    }
    t->vocab = vocab;
    DGM_GOTO(check_pieces(vocab));
    t->mark = dgm_vocab_find(vocab, DGM_SPACE_MARK, DGM_SPACE_MARK_BYTES);
    if (t->mark < 0) {
        err = DGM_FAIL(DGM_ERR_INPUT, "the vocabulary has no piece \"%s\" (U+2581), which stands for a space", DGM_SPACE_MARK);
        goto fail;
    }
    DGM_GOTO(dgm_bpe_create(vocab, merges, n_merges, &t->bpe));
    *out = t;
    return DGM_OK;
fail:
    dgm_tokenizer_destroy(t);
    return err;
}

void dgm_tokenizer_destroy(dgm_tokenizer *t)
{
    if (t == NULL) return;
    dgm_bpe_destroy(t->bpe);
    dgm_vocab_destroy(t->vocab);
    free(t);
}

int32_t dgm_tokenizer_vocab_size(const dgm_tokenizer *t) { return dgm_vocab_size(t->vocab); }
const char *dgm_tokenizer_piece(const dgm_tokenizer *t, int32_t id) { return dgm_vocab_piece(t->vocab, id, NULL); }
const dgm_vocab *dgm_tokenizer_vocab(const dgm_tokenizer *t) { return t->vocab; }
const dgm_bpe *dgm_tokenizer_bpe(const dgm_tokenizer *t) { return t->bpe; }

dgm_err dgm_tokenizer_hash(const dgm_tokenizer *t, char hex[DGM_SHA256_HEX])
{
    dgm_text json = {0};
    dgm_err err = dgm_tokenizer_to_json(t, &json);
    if (err == DGM_OK) err = dgm_sha256_buffer(json.text, json.bytes, hex);
    dgm_text_fini(&json);
    return err;
}

dgm_err dgm_tokenizer_save(const dgm_tokenizer *t, const char *path)
{
    dgm_text json = {0};
    dgm_err err = dgm_tokenizer_to_json(t, &json);
    if (err == DGM_OK) err = dgm_io_write_file(path, json.text, json.bytes);
    dgm_text_fini(&json);
    return err;
}

/* ---- encoding ---- */

typedef struct {
    uint64_t hash;
    size_t text_at;
    int64_t ids_at;
    uint32_t text_bytes;
    int32_t n_ids; /* 0: a free place; a word has one id at least */
} seen_word;

enum {
    FIRST_PLACES = 1 << 12,
    MOST_PLACES = 1 << 20,    /* 32 MiB of them */
    MOST_SEEN_BYTES = 1 << 23 /* of text; hardly more ids than that */
};

struct dgm_tokenizer_state {
    const dgm_tokenizer *tokenizer;
    dgm_bpe_work work;
    dgm_text normal; /* a word in normal form */
    dgm_ids word;    /* its pieces */
    seen_word *seen; /* [n_places], at most half full */
    size_t n_places, n_seen;
    dgm_text seen_text;
    dgm_ids seen_ids;
};

dgm_err dgm_tokenizer_state_create(const dgm_tokenizer *tokenizer, dgm_tokenizer_state **out)
{
    dgm_tokenizer_state *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "tokenizer state");
    s->tokenizer = tokenizer;
    s->n_places = FIRST_PLACES;
    s->seen = calloc(s->n_places, sizeof *s->seen);
    if (s->seen == NULL) {
        dgm_tokenizer_state_destroy(s);
        return DGM_FAIL(DGM_ERR_NOMEM, "tokenizer state");
    }
    *out = s;
    return DGM_OK;
}

void dgm_tokenizer_state_destroy(dgm_tokenizer_state *s)
{
    if (s == NULL) return;
    dgm_bpe_work_fini(&s->work);
    dgm_text_fini(&s->normal);
    dgm_ids_fini(&s->word);
    dgm_text_fini(&s->seen_text);
    dgm_ids_fini(&s->seen_ids);
    free(s->seen);
    free(s);
}

static dgm_err append_bytes(dgm_ids *ids, const char *text, size_t bytes)
{
    DGM_TRY(dgm_ids_reserve(ids, (int64_t)bytes));
    for (size_t i = 0; i < bytes; i++) ids->ids[ids->n++] = DGM_TOKEN_BYTE + (unsigned char)text[i];
    return DGM_OK;
}

/* The pieces of a word (what stands between two spaces) into s->word. */
static dgm_err encode_word(dgm_tokenizer_state *s, const char *word, size_t bytes, dgm_bpe_tracer tracer, void *context)
{
    dgm_text_clear(&s->normal);
    dgm_ids_clear(&s->word);
    DGM_TRY(dgm_unicode_nfc(word, bytes, &s->normal));
    DGM_TRY(dgm_ids_append(&s->word, &s->tokenizer->mark, 1));
    for (size_t at = 0, length; at < s->normal.bytes; at += length) {
        int32_t code = 0;
        length = dgm_unicode_next(s->normal.text + at, s->normal.bytes - at, &code);
        DGM_ASSERT(length > 0);
        int32_t id = code == DGM_SPACE_MARK_CODE ? -1 : dgm_vocab_find(s->tokenizer->vocab, s->normal.text + at, length);
        if (id >= 0) DGM_TRY(dgm_ids_append(&s->word, &id, 1));
        else DGM_TRY(append_bytes(&s->word, s->normal.text + at, length));
    }
    if (tracer != NULL) tracer(context, -1, s->word.ids, s->word.n);
    return dgm_bpe_apply(s->tokenizer->bpe, &s->work, s->word.ids, &s->word.n, tracer, context);
}

static seen_word *place_of(const dgm_tokenizer_state *s, uint64_t hash, const char *word, size_t bytes)
{
    size_t at = hash & (s->n_places - 1);
    for (; s->seen[at].n_ids > 0; at = (at + 1) & (s->n_places - 1)) {
        const seen_word *known = &s->seen[at];
        if (known->hash == hash && known->text_bytes == bytes && memcmp(s->seen_text.text + known->text_at, word, bytes) == 0) break;
    }
    return &s->seen[at];
}

/* Makes room for one more word: a larger table, or an empty one. */
static dgm_err make_room(dgm_tokenizer_state *s, size_t bytes)
{
    if (s->n_seen + 1 > MOST_PLACES / 2 || s->seen_text.bytes + bytes > MOST_SEEN_BYTES) {
        memset(s->seen, 0, s->n_places * sizeof *s->seen);
        s->n_seen = 0;
        dgm_text_clear(&s->seen_text);
        dgm_ids_clear(&s->seen_ids);
        return DGM_OK;
    }
    if (2 * (s->n_seen + 1) <= s->n_places) return DGM_OK;
    seen_word *old = s->seen, *larger = calloc(2 * s->n_places, sizeof *larger);
    if (larger == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "memory of %zu words", s->n_seen);
    size_t n_old = s->n_places;
    s->seen = larger;
    s->n_places *= 2;
    for (size_t i = 0; i < n_old; i++) {
        if (old[i].n_ids == 0) continue;
        size_t at = old[i].hash & (s->n_places - 1);
        while (s->seen[at].n_ids > 0) at = (at + 1) & (s->n_places - 1);
        s->seen[at] = old[i];
    }
    free(old);
    return DGM_OK;
}

static dgm_err remember(dgm_tokenizer_state *s, uint64_t hash, const char *word, size_t bytes)
{
    if (bytes > MOST_SEEN_BYTES / 64) return DGM_OK; /* no word that comes again */
    DGM_TRY(make_room(s, bytes));
    seen_word known = {.hash = hash, .text_at = s->seen_text.bytes, .ids_at = s->seen_ids.n,
                       .text_bytes = (uint32_t)bytes, .n_ids = (int32_t)s->word.n};
    DGM_TRY(dgm_text_append(&s->seen_text, word, bytes));
    DGM_TRY(dgm_ids_append(&s->seen_ids, s->word.ids, s->word.n));
    *place_of(s, hash, word, bytes) = known;
    s->n_seen++;
    return DGM_OK;
}

static dgm_err append_word(dgm_tokenizer_state *s, const char *word, size_t bytes, dgm_ids *ids)
{
    uint64_t hash = dgm_checksum_xxh64(word, bytes);
    const seen_word *known = place_of(s, hash, word, bytes);
    if (known->n_ids > 0) {
        DGM_TRY(dgm_ids_reserve(ids, known->n_ids));
        for (int32_t i = 0; i < known->n_ids; i++) ids->ids[ids->n + i] = s->seen_ids.ids[known->ids_at + i];
        ids->n += known->n_ids;
        return DGM_OK;
    }
    DGM_TRY(encode_word(s, word, bytes, NULL, NULL));
    DGM_TRY(remember(s, hash, word, bytes));
    return dgm_ids_append(ids, s->word.ids, s->word.n);
}

dgm_err dgm_tokenizer_trace(dgm_tokenizer_state *s, const char *line, size_t bytes, dgm_ids *ids, dgm_bpe_tracer tracer, void *context)
{
    int64_t n_before = ids->n;
    if (bytes == 0) return DGM_OK;
    if (bytes > INT32_MAX / 8) return DGM_FAIL(DGM_ERR_INPUT, "a line of %zu bytes; at most %d", bytes, INT32_MAX / 8);
    for (size_t start = 0, end; start <= bytes; start = end + 1) { /* n spaces, n + 1 words, the empty ones too */
        const char *space = memchr(line + start, ' ', bytes - start);
        end = space != NULL ? (size_t)(space - line) : bytes;
        dgm_err err;
        if (tracer == NULL) err = append_word(s, line + start, end - start, ids);
        else if ((err = encode_word(s, line + start, end - start, tracer, context)) == DGM_OK)
            err = dgm_ids_append(ids, s->word.ids, s->word.n);
        if (err == DGM_OK) continue;
        ids->n = n_before;
        return dgm_error_context(err, "word at byte %zu", start + 1);
    }
    return DGM_OK;
}

dgm_err dgm_tokenizer_encode(dgm_tokenizer_state *s, const char *line, size_t bytes, dgm_ids *ids)
{
    return dgm_tokenizer_trace(s, line, bytes, ids, NULL, NULL);
}

/* ---- decoding ---- */

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* A run of byte tokens: its valid characters, and U+FFFD for every byte outside them. */
static dgm_err decode_bytes(const dgm_text *run, dgm_text *text)
{
    for (size_t at = 0, length; at < run->bytes; at += DGM_MAX(length, (size_t)1)) {
        int32_t code;
        length = dgm_unicode_next(run->text + at, run->bytes - at, &code);
        DGM_TRY(length > 0 ? dgm_text_append(text, run->text + at, length) : dgm_text_append(text, replacement, 3));
    }
    return DGM_OK;
}

static dgm_err decode_piece(const char *piece, size_t bytes, dgm_text *text)
{
    const char *end = piece + bytes;
    for (const char *mark; (mark = memmem(piece, (size_t)(end - piece), DGM_SPACE_MARK, DGM_SPACE_MARK_BYTES)) != NULL;
         piece = mark + DGM_SPACE_MARK_BYTES) {
        DGM_TRY(dgm_text_append(text, piece, (size_t)(mark - piece)));
        DGM_TRY(dgm_text_append(text, " ", 1));
    }
    return dgm_text_append(text, piece, (size_t)(end - piece));
}

static dgm_err decode_all(const dgm_tokenizer *t, const int32_t *ids, int64_t n, dgm_text *run, dgm_text *text)
{
    for (int64_t i = 0; i <= n; i++) { /* one more round for the last run of bytes */
        if (i < n && (ids[i] < 0 || ids[i] >= dgm_vocab_size(t->vocab)))
            return DGM_FAIL(DGM_ERR_INPUT, "token %lld is %d; the vocabulary has ids 0 to %d", (long long)(i + 1), ids[i],
                            dgm_vocab_size(t->vocab) - 1);
        if (i < n && dgm_vocab_is_special(ids[i])) continue;
        if (i < n && dgm_vocab_is_byte(ids[i])) {
            char byte = (char)(unsigned char)(ids[i] - DGM_TOKEN_BYTE);
            DGM_TRY(dgm_text_append(run, &byte, 1));
            continue;
        }
        DGM_TRY(decode_bytes(run, text));
        dgm_text_clear(run);
        if (i == n) break;
        size_t bytes;
        const char *piece = dgm_vocab_piece(t->vocab, ids[i], &bytes);
        DGM_TRY(decode_piece(piece, bytes, text));
    }
    return DGM_OK;
}

dgm_err dgm_tokenizer_decode(const dgm_tokenizer *t, const int32_t *ids, int64_t n, dgm_text *text)
{
    dgm_text run = {0};
    size_t start = text->bytes;
    DGM_TRY(dgm_text_append(text, "", 0)); /* ends with a zero byte even where nothing follows */
    dgm_err err = decode_all(t, ids, n, &run, text);
    dgm_text_fini(&run);
    if (err != DGM_OK) {
        text->bytes = start;
        text->text[start] = '\0';
    } else if (text->bytes > start && text->text[start] == ' ') { /* the space that encoding put before the line */
        memmove(text->text + start, text->text + start + 1, text->bytes - start);
        text->bytes--;
    }
    return err;
}
