/* The tokenizer: text to ids and back on lines made to break it, merges against a plain reference, files that are not what they
 * must be. */
#include "dgm/io.h"
#include "dgm/tokenizer.h"
#include "dgm/unicode.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK DGM_SPACE_MARK

/* Ids from 260: the mark, a to e, u with umlaut, then what the merges make. */
static const char *const pieces[] = {MARK, "a", "b", "c", "d", "e", "\xC3\xBC", "ab", MARK "a", "abc", "cd", MARK "ab", "bc", "aa", "<"};
static const char *const merges[][2] = {{"a", "b"}, {MARK, "a"}, {"ab", "c"}, {"c", "d"}, {MARK, "ab"}, {"b", "c"}, {"a", "a"}};
enum { MARK_ID = 260, A = 261, B = 262, C = 263, E = 265, UE = 266, AB = 267, MARK_A = 268, ABC = 269, CD = 270, MARK_AB = 271, BC = 272, AA = 273,
       N_PIECES = sizeof pieces / sizeof pieces[0], N_MERGES = sizeof merges / sizeof merges[0] };

static dgm_vocab *toy_vocab(void)
{
    dgm_vocab *vocab = NULL;
    int32_t id;
    if (dgm_vocab_create(&vocab) != DGM_OK) exit(1);
    for (int i = 0; i < N_PIECES; i++)
        if (dgm_vocab_add(vocab, pieces[i], strlen(pieces[i]), &id) != DGM_OK) exit(1);
    return vocab;
}

static dgm_tokenizer *toy(void)
{
    dgm_tokenizer *tokenizer = NULL;
    dgm_merge list[N_MERGES];
    dgm_vocab *vocab = toy_vocab();
    for (int i = 0; i < N_MERGES; i++)
        list[i] = (dgm_merge){dgm_vocab_find(vocab, merges[i][0], strlen(merges[i][0])),
                              dgm_vocab_find(vocab, merges[i][1], strlen(merges[i][1]))};
    tap_err(dgm_tokenizer_create(vocab, list, N_MERGES, &tokenizer), DGM_OK, "the toy tokenizer");
    return tokenizer;
}

static void test_vocab(void)
{
    dgm_vocab *vocab = toy_vocab();
    int32_t id = -1;
    tap_int(dgm_vocab_size(vocab), DGM_VOCAB_N_FIXED + N_PIECES, "size");
    tap_text(dgm_vocab_piece(vocab, DGM_TOKEN_END, NULL), "</s>", "</s> is 2");
    tap_text(dgm_vocab_piece(vocab, DGM_TOKEN_BYTE + 0xAF, NULL), "<0xAF>", "bytes follow the specials");
    tap_int(dgm_vocab_find(vocab, "<0xFF>", 6), 259, "the last byte is 259");
    tap_int(dgm_vocab_find(vocab, "abc", 3), ABC, "a piece is found");
    tap_int(dgm_vocab_find(vocab, "abcd", 4), -1, "an absent one is not");
    tap_err(dgm_vocab_add(vocab, "abc", 3, &id), DGM_OK, "adding again");
    tap_int(id, ABC, "gives the id it has");
    tap_err(dgm_vocab_add(vocab, "", 0, &id), DGM_ERR_INPUT, "an empty piece is refused");
    bool found = true;
    for (int i = 0; i < 5000; i++) {
        char piece[16];
        int n = snprintf(piece, sizeof piece, "p%d", i);
        found &= dgm_vocab_add(vocab, piece, (size_t)n, &id) == DGM_OK && id == DGM_VOCAB_N_FIXED + N_PIECES + i;
    }
    for (int32_t i = 0; i < dgm_vocab_size(vocab); i++) {
        size_t bytes;
        const char *piece = dgm_vocab_piece(vocab, i, &bytes);
        found &= dgm_vocab_find(vocab, piece, bytes) == i;
    }
    tap_ok(found, "every piece is found after the table has grown");
    dgm_vocab_destroy(vocab);
}

static void check_ids(dgm_tokenizer_state *state, const char *line, const int32_t *want, int64_t n)
{
    dgm_ids ids = {0};
    tap_err(dgm_tokenizer_encode(state, line, strlen(line), &ids), DGM_OK, "encode \"%s\"", line);
    if (tap_int(ids.n, n, "\"%s\": number of ids", line) && n > 0) tap_same(ids.ids, want, (size_t)n * sizeof *want, "\"%s\": ids", line);
    dgm_ids_fini(&ids);
}
#define CHECK_IDS(line, ...) check_ids(state, (line), (int32_t[]){__VA_ARGS__}, (int64_t)(sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)))

/* By hand. */
static void test_encode(const dgm_tokenizer *tokenizer)
{
    dgm_tokenizer_state *state;
    if (!tap_err(dgm_tokenizer_state_create(tokenizer, &state), DGM_OK, "state")) return;
    const int32_t byte = DGM_TOKEN_BYTE;
    check_ids(state, "", NULL, 0);
    CHECK_IDS(" ", MARK_ID, MARK_ID);
    CHECK_IDS("abc", MARK_ID, ABC);           /* a b first, then ab c before mark ab */
    CHECK_IDS("ab", MARK_AB);                 /* mark a is gone once a b is joined */
    CHECK_IDS("aa", MARK_A, A);               /* mark a has the lower rank, a a is left without its first */
    CHECK_IDS("eaaaa", MARK_ID, E, AA, AA);   /* leftmost first */
    CHECK_IDS("ebcd", MARK_ID, E, B, CD);     /* c d before b c */
    CHECK_IDS("a  b ", MARK_A, MARK_ID, MARK_ID, B, MARK_ID);
    CHECK_IDS("u\xCC\x88", MARK_ID, UE);      /* decomposed: joined by normal form C */
    CHECK_IDS("\t", MARK_ID, byte + 9);
    CHECK_IDS("z", MARK_ID, byte + 'z');
    CHECK_IDS("\xE2\x82\xAC", MARK_ID, byte + 0xE2, byte + 0x82, byte + 0xAC);
    CHECK_IDS(MARK "a", MARK_ID, byte + 0xE2, byte + 0x96, byte + 0x81, A); /* U+2581 in the text is no space */
    CHECK_IDS("</s>", MARK_ID, 274, byte + '/', byte + 's', byte + '>');    /* text, not a special token */
    CHECK_IDS("abc", MARK_ID, ABC);           /* the same when the word has been seen */

    dgm_ids ids = {0};
    tap_err(dgm_ids_append(&ids, (int32_t[]){7}, 1), DGM_OK, "an id that is there");
    tap_err(dgm_tokenizer_encode(state, "ab", 2, &ids), DGM_OK, "ids are appended");
    tap_ok(ids.n == 2 && ids.ids[0] == 7 && ids.ids[1] == MARK_AB, "behind those there");
    tap_err(dgm_tokenizer_encode(state, "ab c\xFF", 5, &ids), DGM_ERR_INPUT, "invalid UTF-8 is refused");
    tap_error_says("word at byte 4: not valid UTF-8: byte 0xFF");
    tap_int(ids.n, 2, "and leaves the ids as they were");
    static const char *const invalid[] = {"\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xC3 \xBC"};
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        tap_err(dgm_tokenizer_encode(state, invalid[i], strlen(invalid[i]), &ids), DGM_ERR_INPUT, "invalid UTF-8, case %zu", i);
    dgm_ids_fini(&ids);
    dgm_tokenizer_state_destroy(state);
}

static void check_decode(const dgm_tokenizer *tokenizer, const int32_t *ids, int64_t n, const char *want, const char *name)
{
    dgm_text text = {0};
    tap_err(dgm_text_append(&text, "| ", 2), DGM_OK, "text that is there");
    tap_err(dgm_tokenizer_decode(tokenizer, ids, n, &text), DGM_OK, "decode: %s", name);
    tap_text(text.text + 2, want, "%s", name);
    dgm_text_fini(&text);
}
#define CHECK_DECODE(want, name, ...) \
    check_decode(tokenizer, (int32_t[]){__VA_ARGS__}, (int64_t)(sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)), (want), (name))

static void test_decode(const dgm_tokenizer *tokenizer)
{
    const int32_t byte = DGM_TOKEN_BYTE;
    check_decode(tokenizer, NULL, 0, "", "no ids");
    CHECK_DECODE("ab c", "pieces", MARK_AB, MARK_ID, C);
    CHECK_DECODE("ab", "specials are left out", DGM_TOKEN_BEGIN, MARK_AB, DGM_TOKEN_END, DGM_TOKEN_PAD, DGM_TOKEN_UNKNOWN);
    CHECK_DECODE("abc", "no mark at the start", ABC);
    CHECK_DECODE("  a", "one space is taken off", MARK_ID, MARK_ID, MARK_A);
    CHECK_DECODE("\xE2\x82\xAC" "a", "bytes make a character", MARK_ID, byte + 0xE2, byte + 0x82, byte + 0xAC, A);
    CHECK_DECODE("\xE2\x82\xAC", "also around a special", byte + 0xE2, DGM_TOKEN_END, byte + 0x82, byte + 0xAC);
    CHECK_DECODE("\xEF\xBF\xBD\xEF\xBF\xBD" "a", "a character cut short is a replacement per byte", byte + 0xE2, byte + 0x82, A);
    CHECK_DECODE("\xEF\xBF\xBDx", "what is valid behind it stays", byte + 0xFF, byte + 'x');
    dgm_text text = {0};
    const int32_t outside = dgm_tokenizer_vocab_size(tokenizer);
    tap_err(dgm_tokenizer_decode(tokenizer, (int32_t[]){A, outside}, 2, &text), DGM_ERR_INPUT, "an id outside the vocabulary");
    tap_error_says("token 2 is 275; the vocabulary has ids 0 to 274");
    tap_int((int64_t)text.bytes, 0, "leaves the text as it was");
    tap_err(dgm_tokenizer_decode(tokenizer, (int32_t[]){-1}, 1, &text), DGM_ERR_INPUT, "a negative id");
    dgm_text_fini(&text);
}

/* decode(encode(line)) is NFC(line). */
static bool round_trip(const dgm_tokenizer *tokenizer, dgm_tokenizer_state *state, const char *line, size_t bytes)
{
    dgm_ids ids = {0};
    dgm_text back = {0}, normal = {0};
    bool same = dgm_tokenizer_encode(state, line, bytes, &ids) == DGM_OK && dgm_tokenizer_decode(tokenizer, ids.ids, ids.n, &back) == DGM_OK &&
                dgm_unicode_nfc(line, bytes, &normal) == DGM_OK && back.bytes == normal.bytes &&
                memcmp(back.text, normal.text, normal.bytes) == 0;
    dgm_ids_fini(&ids);
    dgm_text_fini(&back);
    dgm_text_fini(&normal);
    return same;
}

static void test_round_trip(const dgm_tokenizer *tokenizer)
{
    static const char *const lines[] = {
        "", " ", "  ", "   a", "a   ", " a  b ", "\t\t", "a\tb", "\r", "a\r", "\x01\x02\x1F\x7F", MARK, MARK MARK "a " MARK, "</s> <s><pad>",
        "<0x41>", "e\xCC\x81", " \xCC\x81", "\xCC\x81\xCC\x88" "a\xCC\x88\xCC\x81", "\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8",
        "\xE2\x84\xAB \xE2\x80\x80", "\xC2\xA0" "a\xE2\x80\xAF!", "\xC2\x85\xE2\x80\xA8\xE2\x80\xA9", "\xEF\xBB\xBF" "a", "\xEF\xBF\xBD",
        "\xEF\xBF\xBE\xF4\x8F\xBF\xBF", "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x9A\x80", "\xD7\xA9\xD6\xB8\xD7\x81 \xE0\xA6\x95\xE0\xA7\x8B",
        "abcabcaaaaaaaabababcdcdbcbc aaaaaaaaaaaaa"};
    dgm_tokenizer_state *state;
    if (!tap_err(dgm_tokenizer_state_create(tokenizer, &state), DGM_OK, "state")) return;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        tap_ok(round_trip(tokenizer, state, lines[i], strlen(lines[i])), "round trip of hostile line %zu", i);
    tap_ok(round_trip(tokenizer, state, "a\0b", 3), "round trip of a zero byte");
    dgm_text nfc = {0};
    tap_err(dgm_unicode_nfc("A\xCC\x8A \xE2\x84\xA6 \xEF\xAC\x81", 11, &nfc), DGM_OK, "normal form");
    tap_text(nfc.text, "\xC3\x85 \xCE\xA9 \xEF\xAC\x81", "A with ring is joined, ohm is omega, the ligature fi stays");
    dgm_text_fini(&nfc);

    /* Every code point, in words of up to 7 and lines of 4096: spaces take no part in the normal form of any. */
    char *line = malloc(5 * 4096);
    size_t bytes = 0, in_line = 0;
    int64_t n_bad = 0;
    for (uint32_t c = 1; line != NULL && c < 0x110000; c++) {
        if (c >= 0xD800 && c < 0xE000) continue;
        if (c < 0x80) line[bytes++] = (char)c;
        else if (c < 0x800) line[bytes++] = (char)(0xC0 | c >> 6), line[bytes++] = (char)(0x80 | (c & 63));
        else {
            if (c < 0x10000) line[bytes++] = (char)(0xE0 | c >> 12);
            else line[bytes++] = (char)(0xF0 | c >> 18), line[bytes++] = (char)(0x80 | (c >> 12 & 63));
            line[bytes++] = (char)(0x80 | (c >> 6 & 63)), line[bytes++] = (char)(0x80 | (c & 63));
        }
        if (c % 7 == 0) line[bytes++] = ' ';
        if (++in_line < 4096 && c != 0x10FFFF) continue;
        n_bad += !round_trip(tokenizer, state, line, bytes);
        bytes = in_line = 0;
    }
    tap_int(n_bad, 0, "lines with all code points that do not come back");
    free(line);
    dgm_tokenizer_state_destroy(state);
}

/* The definition: as long as there is a merge, join the leftmost pair of the lowest rank. */
static void plain_merge(const dgm_bpe *bpe, int32_t *word, int64_t *n)
{
    for (;;) {
        int64_t best = -1, at = -1;
        for (int64_t i = 0; i + 1 < *n; i++)
            for (int64_t rank = 0; rank < dgm_bpe_n_merges(bpe); rank++) {
                const dgm_merge *m = dgm_bpe_merge(bpe, rank);
                if (m->left == word[i] && m->right == word[i + 1] && (best < 0 || rank < best)) best = rank, at = i;
            }
        if (best < 0) return;
        word[at] = dgm_bpe_joined(bpe, best);
        memmove(word + at + 1, word + at + 2, (size_t)(*n - at - 2) * sizeof *word);
        --*n;
    }
}

typedef struct { int64_t calls, first, last, n; } traced;

static void note_merge(void *context, int64_t rank, const int32_t *word, int64_t n)
{
    traced *t = context;
    if (t->calls++ == 0) t->first = rank;
    t->last = rank;
    t->n = n;
    (void)word;
}

static void test_merging(const dgm_tokenizer *tokenizer)
{
    enum { WORDS = 3000, MOST = 40 };
    const dgm_bpe *bpe = dgm_tokenizer_bpe(tokenizer);
    dgm_bpe_work work = {0};
    int64_t n_bad = 0;
    uint64_t random = 12345;
    for (int w = 0; w < WORDS; w++) {
        int32_t fast[MOST], plain[MOST];
        int64_t n = 1 + w % MOST, n_plain = n;
        for (int64_t i = 0; i < n; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            fast[i] = plain[i] = i == 0 ? MARK_ID : A + (int32_t)((random >> 33) % 4);
        }
        if (dgm_bpe_apply(bpe, &work, fast, &n, NULL, NULL) != DGM_OK) n = -1;
        plain_merge(bpe, plain, &n_plain);
        n_bad += n != n_plain || memcmp(fast, plain, (size_t)n * sizeof *fast) != 0;
    }
    tap_int(n_bad, 0, "of %d words merged otherwise than by the definition", WORDS);
    dgm_bpe_work_fini(&work);

    traced seen = {0};
    dgm_tokenizer_state *state;
    dgm_ids ids = {0};
    if (!tap_err(dgm_tokenizer_state_create(tokenizer, &state), DGM_OK, "state")) return;
    tap_err(dgm_tokenizer_trace(state, "abc", 3, &ids, note_merge, &seen), DGM_OK, "trace");
    tap_ok(seen.calls == 3 && seen.first == -1 && seen.last == 2 && seen.n == 2 && ids.n == 2, "the word, then its two merges");
    dgm_ids_fini(&ids);
    dgm_tokenizer_state_destroy(state);
}

static void check_bad_merge(int32_t left, int32_t right, const char *says)
{
    dgm_tokenizer *tokenizer = NULL;
    dgm_merge list[2] = {{A, B}, {left, right}};
    tap_err(dgm_tokenizer_create(toy_vocab(), list, 2, &tokenizer), DGM_ERR_INPUT, "merge %d %d", left, right);
    tap_error_says(says);
}

static void test_bad_parts(void)
{
    dgm_tokenizer *tokenizer = NULL;
    dgm_vocab *vocab = NULL;
    int32_t id;
    check_bad_merge(A, B, "merge 1: \"a\" and \"b\" are merge 0 already");
    check_bad_merge(A, E, "make \"ae\", which is not in the vocabulary");
    check_bad_merge(DGM_TOKEN_END, A, "merge 1: token 2; merges are of pieces 260 to 274");
    check_bad_merge(A, 275, "token 275");
    if (dgm_vocab_create(&vocab) != DGM_OK) return;
    tap_err(dgm_tokenizer_create(vocab, NULL, 0, &tokenizer), DGM_ERR_INPUT, "a vocabulary without a space mark");
    tap_error_says("U+2581");
    static const char *const bad[] = {"a b", "\n", "\xFF", "a\xC3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vocab = toy_vocab();
        tap_err(dgm_vocab_add(vocab, bad[i], strlen(bad[i]), &id), DGM_OK, "a piece");
        tap_err(dgm_tokenizer_create(vocab, NULL, 0, &tokenizer), DGM_ERR_INPUT, "that cannot be one, case %zu", i);
        tap_error_says("piece 275");
    }
}

/* ---- tokenizer.json ---- */

/* `json` with the first `from` replaced by `to`. */
static void replaced(const dgm_text *json, const char *from, const char *to, dgm_text *out)
{
    const char *at = strstr(json->text, from);
    dgm_text_clear(out);
    if (!tap_ok(at != NULL, "the file has %s", from)) return;
    if (dgm_text_append(out, json->text, (size_t)(at - json->text)) != DGM_OK || dgm_text_append(out, to, strlen(to)) != DGM_OK ||
        dgm_text_append(out, at + strlen(from), strlen(at + strlen(from))) != DGM_OK)
        exit(1);
}

static void check_refused(const dgm_text *json, const char *from, const char *to, const char *says)
{
    dgm_tokenizer *tokenizer = NULL;
    dgm_text changed = {0};
    replaced(json, from, to, &changed);
    tap_err(dgm_tokenizer_from_json(changed.text, changed.bytes, "t.json", &tokenizer), DGM_ERR_INPUT, "%s instead of %s", to, from);
    tap_error_says("t.json: ");
    tap_error_says(says);
    dgm_text_fini(&changed);
}

static void check_accepted(const dgm_text *json, const char *from, const char *to)
{
    dgm_tokenizer *tokenizer = NULL;
    dgm_text changed = {0}, again = {0};
    replaced(json, from, to, &changed);
    if (tap_err(dgm_tokenizer_from_json(changed.text, changed.bytes, "t.json", &tokenizer), DGM_OK, "%s instead of %s", to, from)) {
        tap_err(dgm_tokenizer_to_json(tokenizer, &again), DGM_OK, "written again");
        tap_ok(again.bytes == json->bytes && memcmp(again.text, json->text, json->bytes) == 0, "the same file");
        dgm_tokenizer_destroy(tokenizer);
    }
    dgm_text_fini(&changed);
    dgm_text_fini(&again);
}

static void test_fields(const dgm_text *json)
{
    check_refused(json, "\"byte_fallback\": true", "\"byte_fallback\": false", "field \"model.byte_fallback\" is false; a Dragoman tokenizer has true");
    check_refused(json, "\"type\": \"NFC\"", "\"type\": \"NFKC\"", "field \"normalizer\" is {");
    check_refused(json, "\"type\": \"BPE\"", "\"type\": \"Unigram\"", "field \"model.type\" is \"Unigram\"");
    check_refused(json, "\"MergedWithNext\"", "\"Isolated\"", "field \"pre_tokenizer\"");
    check_refused(json, "\"start\": 1", "\"start\": 0", "field \"decoder\"");
    check_refused(json, "\"truncation\": null", "\"truncation\": {\"max_length\": 5}", "field \"truncation\" is {\"max_length\":5}");
    check_refused(json, "\"padding\": null", "\"pading\": 1", "field \"pading\"");
    check_refused(json, "\"model\": {", "\"modell\": {", "field \"modell\"");
    check_refused(json, "\"fuse_unk\": true", "\"fuse_unk\": true, \"ignore_merges\": true", "no such field");
    check_refused(json, "\"content\": \"<pad>\"", "\"content\": \"<PAD>\"", "field \"added_tokens\"");
    check_refused(json, "\"<0x41>\": 69", "\"<0x41>\": 70", "both have id 70");
    check_refused(json, "\"<0x41>\": 69", "\"<0x41>\": 275", "\"<0x41>\" has id 275; ids are 0 to 274");
    check_refused(json, "\"<0x41>\": 69", "\"<0x41>\": -1", "has id -1");
    check_refused(json, "\"<0x41>\": 69", "\"<0x41>\": \"69\"", "has id \"69\"");
    check_refused(json, "\"<0x41>\": 69", "\"<0x4>\": 69", "id 69 is \"<0x4>\", expected \"<0x41>\"");
    check_refused(json, "\"abc\":", "\"ab\":", "duplicate");
    check_refused(json, "\"abc\":", "\"ab c\":", "has byte 0x20");
    check_refused(json, "\"ab c\"", "\"abc\"", "field \"model.merges\", entry 2 is \"abc\"; expected two pieces");
    check_refused(json, "\"ab c\"", "\"ab  c\"", "entry 2");
    check_refused(json, "\"ab c\"", "\"ab q\"", "entry 2");
    check_refused(json, "\"ab c\"", "7", "entry 2 is 7");
    check_refused(json, "\"ab c\"", "\"a b\"", "are merge 0 already");
    check_refused(json, "\"merges\": [", "\"merges\": {}, \"other\": [", "field \"model.other\"");
    check_accepted(json, "\"ab c\"", "[\"ab\", \"c\"]");
    check_accepted(json, "\"padding\": null,", "");
    check_accepted(json, "\"fuse_unk\": true", "\"fuse_unk\": true, \"ignore_merges\": false");
}

/* Whatever is on disk, it is read as a tokenizer or refused as input. */
static void test_damage(const dgm_text *json)
{
    dgm_tokenizer *tokenizer;
    int64_t n_read = 0, n_odd = 0;
    for (size_t n = 0; n + 1 < json->bytes; n += 89) {
        dgm_err err = dgm_tokenizer_from_json(json->text, n, "t", &tokenizer);
        n_read += err == DGM_OK;
        n_odd += err != DGM_ERR_INPUT;
    }
    tap_ok(n_read == 0 && n_odd == 0, "a file cut short is refused");
    char *copy = malloc(json->bytes);
    uint64_t random = 7;
    for (int i = 0; copy != NULL && i < 1500; i++) {
        memcpy(copy, json->text, json->bytes);
        for (int k = 0; k <= i % 3; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            copy[(random >> 20) % json->bytes] ^= (char)(1 << (random >> 60) % 8);
        }
        dgm_err err = dgm_tokenizer_from_json(copy, json->bytes, "t", &tokenizer);
        if (err == DGM_OK) dgm_tokenizer_destroy(tokenizer);
        else n_odd += err != DGM_ERR_INPUT;
    }
    tap_int(n_odd, 0, "damaged files that fail otherwise than as bad input");
    free(copy);
}

static void test_file(const dgm_tokenizer *tokenizer)
{
    dgm_text json = {0}, again = {0};
    char hex[DGM_SHA256_HEX] = "", of_file[DGM_SHA256_HEX] = "", dir[] = "/tmp/t_bpe_XXXXXX";
    dgm_tokenizer *loaded = NULL;
    tap_err(dgm_tokenizer_to_json(tokenizer, &json), DGM_OK, "to JSON");
    if (!tap_ok(mkdtemp(dir) != NULL, "a folder")) return;
    char *path = dgm_io_join(dir, "tokenizer.json");
    tap_err(dgm_tokenizer_save(tokenizer, path), DGM_OK, "save");
    tap_err(dgm_tokenizer_hash(tokenizer, hex), DGM_OK, "hash");
    tap_err(dgm_sha256_file(path, of_file), DGM_OK, "hash of the file");
    tap_text(hex, of_file, "the hash is the file's");
    if (tap_err(dgm_tokenizer_load(dir, &loaded), DGM_OK, "load from the folder")) {
        tap_err(dgm_tokenizer_to_json(loaded, &again), DGM_OK, "to JSON again");
        tap_text(again.text, json.text, "the same text");
        tap_int(dgm_tokenizer_vocab_size(loaded), 275, "vocabulary");
        tap_text(dgm_tokenizer_piece(loaded, MARK_AB), MARK "ab", "piece");
        tap_int(dgm_bpe_n_merges(dgm_tokenizer_bpe(loaded)), N_MERGES, "merges");
    }
    dgm_tokenizer_destroy(loaded);
    test_fields(&json);
    test_damage(&json);
    tap_err(dgm_tokenizer_load("/nonexistent/tokenizer.json", &loaded), DGM_ERR_INPUT, "an absent file");
    tap_error_says("/nonexistent/tokenizer.json");
    tap_err(dgm_io_write_file(path, "[1]", 3), DGM_OK, "a file that is something else");
    tap_err(dgm_tokenizer_load(path, &loaded), DGM_ERR_INPUT, "is refused");
    tap_error_says("tokenizer.json: not a JSON object");
    tap_err(dgm_io_remove_tree(dir), DGM_OK, "clean up");
    free(path);
    dgm_text_fini(&json);
    dgm_text_fini(&again);
}

int main(void)
{
    test_vocab();
    dgm_tokenizer *tokenizer = toy();
    if (tokenizer != NULL) {
        test_encode(tokenizer);
        test_decode(tokenizer);
        test_round_trip(tokenizer);
        test_merging(tokenizer);
        test_file(tokenizer);
    }
    test_bad_parts();
    dgm_tokenizer_destroy(tokenizer);
    return tap_done();
}
