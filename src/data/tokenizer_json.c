/* tokenizer.json, the file format of Hugging Face's `tokenizers`.
 *
 * The format can say far more than a Dragoman tokenizer does, so a file is accepted only when all its fields but the vocabulary and
 * the merges have the one value that means what tokenizer.h promises; anything else would be read and silently tokenized otherwise. */
#include "dgm/io.h"
#include "dgm/tokenizer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ADDED(id, name)                                                                                                           \
    "{\"id\": " #id ", \"content\": \"" name "\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false,"                  \
    " \"normalized\": false, \"special\": true}"

/* All fields in the order they are written.  Prepend comes before Replace, so that a line that begins with a space keeps it. */
static const char frame_text[] =
    "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null,"
    " \"added_tokens\": [" ADDED(0, "<pad>") "," ADDED(1, "<s>") "," ADDED(2, "</s>") "," ADDED(3, "<unk>") "],"
    " \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"},"
    "  {\"type\": \"Prepend\", \"prepend\": \"" DGM_SPACE_MARK "\"},"
    "  {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" DGM_SPACE_MARK "\"}]},"
    " \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \"" DGM_SPACE_MARK "\"},"
    "  \"behavior\": \"MergedWithNext\", \"invert\": false},"
    " \"post_processor\": null,"
    " \"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"" DGM_SPACE_MARK
    "\"}, \"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"},"
    "  {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]},"
    " \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": \"<unk>\", \"continuing_subword_prefix\": null,"
    "  \"end_of_word_suffix\": null, \"fuse_unk\": true, \"byte_fallback\": true, \"vocab\": {}, \"merges\": []}}";

static dgm_err make_frame(json_t **out)
{
    json_error_t problem;
    *out = json_loads(frame_text, 0, &problem);
    return *out != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_INTERNAL, "frame of tokenizer.json: %s", problem.text);
}

/* ---- writing ---- */

static dgm_err put_vocab(json_t *into, const dgm_vocab *vocab)
{
    for (int32_t id = 0; id < dgm_vocab_size(vocab); id++)
        if (json_object_set_new(into, dgm_vocab_piece(vocab, id, NULL), json_integer(id)) != 0)
            return DGM_FAIL(DGM_ERR_NOMEM, "tokenizer.json: piece %d", id);
    return DGM_OK;
}

static dgm_err put_merges(json_t *into, const dgm_vocab *vocab, const dgm_bpe *bpe)
{
    for (int64_t rank = 0; rank < dgm_bpe_n_merges(bpe); rank++) {
        const dgm_merge *m = dgm_bpe_merge(bpe, rank);
        json_t *line = json_sprintf("%s %s", dgm_vocab_piece(vocab, m->left, NULL), dgm_vocab_piece(vocab, m->right, NULL));
        if (json_array_append_new(into, line) != 0) return DGM_FAIL(DGM_ERR_NOMEM, "tokenizer.json: merge %lld", (long long)rank);
    }
    return DGM_OK;
}

dgm_err dgm_tokenizer_to_json(const dgm_tokenizer *tokenizer, dgm_text *text)
{
    dgm_err err;
    char *dump = NULL;
    json_t *file;
    DGM_TRY(make_frame(&file));
    json_t *model = json_object_get(file, "model");
    DGM_GOTO(put_vocab(json_object_get(model, "vocab"), dgm_tokenizer_vocab(tokenizer)));
    DGM_GOTO(put_merges(json_object_get(model, "merges"), dgm_tokenizer_vocab(tokenizer), dgm_tokenizer_bpe(tokenizer)));
    dump = json_dumps(file, JSON_INDENT(2));
    if (dump == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "text of tokenizer.json");
        goto fail;
    }
    DGM_GOTO(dgm_text_append(text, dump, strlen(dump)));
    DGM_GOTO(dgm_text_append(text, "\n", 1));
fail:
    free(dump);
    json_decref(file);
    return err;
}

/* ---- reading ---- */

/* A value as short text for messages. */
static void brief(const json_t *value, char *out, size_t room)
{
    char *dump = value != NULL ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    const char *text = dump != NULL ? dump : "absent";
    size_t bytes = strlen(text);
    if (bytes < room) memcpy(out, text, bytes + 1);
    else {
        size_t keep = room - 4;
        while (keep > 0 && ((unsigned char)text[keep] & 0xC0) == 0x80) keep--; /* not within a character */
        memcpy(out, text, keep);
        memcpy(out + keep, "...", 4);
    }
    free(dump);
}

/* Every field of `want` but the empty containers is in `got` with that value (null may be left out), and `got` has nothing else
 * that is set. */
static dgm_err check_fields(json_t *got, json_t *want, const char *prefix)
{
    const char *key;
    json_t *value;
    char seen[256], expected[768];
    json_object_foreach(want, key, value) {
        json_t *here = json_object_get(got, key);
        bool is_container = strcmp(key, "model") == 0 || strcmp(key, "vocab") == 0 || strcmp(key, "merges") == 0;
        if (is_container || (json_is_null(value) && here == NULL) || json_equal(here, value)) continue;
        brief(here, seen, sizeof seen);
        brief(value, expected, sizeof expected);
        return DGM_FAIL(DGM_ERR_INPUT, "field \"%s%s\" is %s; a Dragoman tokenizer has %s", prefix, key, seen, expected);
    }
    json_object_foreach(got, key, value) {
        if (json_object_get(want, key) != NULL || json_is_null(value) || json_is_false(value)) continue;
        brief(value, seen, sizeof seen);
        return DGM_FAIL(DGM_ERR_INPUT, "field \"%s%s\" is %s; a Dragoman tokenizer has no such field", prefix, key, seen);
    }
    return DGM_OK;
}

/* by_id[n] from the object {piece: id}; every id 0 .. n - 1 once. */
static dgm_err order_pieces(json_t *pieces, const char **by_id, json_int_t n)
{
    const char *piece;
    json_t *value;
    json_object_foreach(pieces, piece, value) {
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id >= n) {
            char seen[64];
            brief(value, seen, sizeof seen);
            return DGM_FAIL(DGM_ERR_INPUT, "field \"model.vocab\": \"%s\" has id %s; ids are 0 to %lld, each once", piece, seen,
                            (long long)(n - 1));
        }
        if (by_id[id] != NULL)
            return DGM_FAIL(DGM_ERR_INPUT, "field \"model.vocab\": \"%s\" and \"%s\" both have id %lld", by_id[id], piece, (long long)id);
        by_id[id] = piece;
    }
    return DGM_OK;
}

static dgm_err add_pieces(const char *const *by_id, int32_t n, dgm_vocab *vocab)
{
    for (int32_t want = 0; want < n; want++) {
        int32_t id;
        if (want < DGM_VOCAB_N_FIXED) {
            const char *fixed = dgm_vocab_piece(vocab, want, NULL);
            if (strcmp(by_id[want], fixed) != 0)
                return DGM_FAIL(DGM_ERR_INPUT, "field \"model.vocab\": id %d is \"%s\", expected \"%s\" (ids 0 to 259 are <pad>, <s>, </s>, "
                                "<unk> and the bytes <0x00> to <0xFF>)", want, by_id[want], fixed);
            continue;
        }
        DGM_TRY(dgm_vocab_add(vocab, by_id[want], strlen(by_id[want]), &id));
        DGM_ASSERT(id == want); /* keys of a JSON object differ */
    }
    return DGM_OK;
}

static dgm_err read_vocab(json_t *pieces, dgm_vocab **out)
{
    dgm_err err;
    dgm_vocab *vocab = NULL;
    size_t n = json_object_size(pieces);
    if (!json_is_object(pieces) || n <= DGM_VOCAB_N_FIXED || n > DGM_VOCAB_MAX)
        return DGM_FAIL(DGM_ERR_INPUT, "field \"model.vocab\": expected an object of %d to %d pieces, found %zu",
                        DGM_VOCAB_N_FIXED + 1, (int)DGM_VOCAB_MAX, n);
    const char **by_id = calloc(n, sizeof *by_id);
    if (by_id == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "vocabulary of %zu pieces", n);
    DGM_GOTO(order_pieces(pieces, by_id, (json_int_t)n));
    DGM_GOTO(dgm_vocab_create(&vocab));
    DGM_GOTO(add_pieces(by_id, (int32_t)n, vocab));
    free(by_id);
    *out = vocab;
    return DGM_OK;
fail:
    free(by_id);
    dgm_vocab_destroy(vocab);
    return err;
}

static int32_t find_piece(const dgm_vocab *vocab, const char *piece, size_t bytes)
{
    return bytes > 0 ? dgm_vocab_find(vocab, piece, bytes) : -1;
}

/* One merge: "left right", or ["left", "right"] as later versions of the library write it. */
static dgm_err read_merge(json_t *value, size_t rank, const dgm_vocab *vocab, dgm_merge *out)
{
    *out = (dgm_merge){-1, -1};
    if (json_is_string(value)) {
        const char *text = json_string_value(value), *space = strchr(text, ' ');
        if (space != NULL) {
            out->left = find_piece(vocab, text, (size_t)(space - text));
            out->right = find_piece(vocab, space + 1, json_string_length(value) - (size_t)(space + 1 - text));
        }
    } else if (json_is_array(value) && json_array_size(value) == 2 && json_is_string(json_array_get(value, 0)) &&
               json_is_string(json_array_get(value, 1))) {
        const json_t *left = json_array_get(value, 0), *right = json_array_get(value, 1);
        out->left = find_piece(vocab, json_string_value(left), json_string_length(left));
        out->right = find_piece(vocab, json_string_value(right), json_string_length(right));
    }
    if (out->left >= 0 && out->right >= 0) return DGM_OK;
    char seen[128];
    brief(value, seen, sizeof seen);
    return DGM_FAIL(DGM_ERR_INPUT, "field \"model.merges\", entry %zu is %s; expected two pieces of the vocabulary with one space between",
                    rank, seen);
}

static dgm_err read_merges(json_t *list, const dgm_vocab *vocab, dgm_merge **out, int64_t *n)
{
    if (!json_is_array(list)) return DGM_FAIL(DGM_ERR_INPUT, "field \"model.merges\": expected a list");
    size_t rank;
    json_t *value;
    dgm_merge *merges = malloc((json_array_size(list) + 1) * sizeof *merges);
    if (merges == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%zu merges", json_array_size(list));
    json_array_foreach(list, rank, value) {
        dgm_err err = read_merge(value, rank, vocab, &merges[rank]);
        if (err == DGM_OK) continue;
        free(merges);
        return err;
    }
    *out = merges;
    *n = (int64_t)json_array_size(list);
    return DGM_OK;
}

static dgm_err read_file(json_t *file, json_t *frame, dgm_tokenizer **out)
{
    if (!json_is_object(file)) return DGM_FAIL(DGM_ERR_INPUT, "not a JSON object");
    json_t *model = json_object_get(file, "model");
    DGM_TRY(check_fields(file, frame, ""));
    if (!json_is_object(model)) return DGM_FAIL(DGM_ERR_INPUT, "field \"model\": expected an object");
    DGM_TRY(check_fields(model, json_object_get(frame, "model"), "model."));
    dgm_vocab *vocab = NULL;
    dgm_merge *merges = NULL;
    int64_t n_merges = 0;
    DGM_TRY(read_vocab(json_object_get(model, "vocab"), &vocab));
    dgm_err err = read_merges(json_object_get(model, "merges"), vocab, &merges, &n_merges);
    if (err != DGM_OK) {
        dgm_vocab_destroy(vocab);
        return err;
    }
    err = dgm_tokenizer_create(vocab, merges, n_merges, out);
    free(merges);
    return err;
}

dgm_err dgm_tokenizer_from_json(const char *text, size_t bytes, const char *where, dgm_tokenizer **out)
{
    json_error_t problem;
    json_t *frame;
    json_t *file = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &problem);
    if (file == NULL && json_error_code(&problem) == json_error_out_of_memory)
        return DGM_FAIL(DGM_ERR_NOMEM, "%s: %zu bytes of JSON", where, bytes);
    if (file == NULL)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: not a tokenizer.json: line %d, column %d: %s", where, problem.line, problem.column,
                        problem.text);
    dgm_err err = make_frame(&frame);
    if (err == DGM_OK) {
        err = read_file(file, frame, out);
        json_decref(frame);
    }
    json_decref(file);
    return err == DGM_OK ? DGM_OK : dgm_error_context(err, "%s", where);
}

dgm_err dgm_tokenizer_load(const char *path, dgm_tokenizer **out)
{
    char *inside = NULL, *text = NULL;
    size_t bytes;
    dgm_err err;
    if (dgm_io_is_dir(path)) {
        inside = dgm_io_join(path, "tokenizer.json");
        if (inside == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "name of %s", path);
        path = inside;
    }
    DGM_GOTO(dgm_io_read_file(path, &text, &bytes));
    err = dgm_tokenizer_from_json(text, bytes, path, out);
fail:
    free(text);
    free(inside);
    return err;
}
