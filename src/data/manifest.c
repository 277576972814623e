/* The manifest as JSON and back, through jansson.  Reading is strict: what this program did not write, it does not guess at. */
#include "dgm/manifest.h"

#include "dgm/io.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format_name[] = "dragoman-data";
enum { VERSION = 1, MAX_SOURCES = 1 << 20 };

const char dgm_manifest_valid_shard_name[] = "valid.zst";
static const char *const list_names[DGM_MANIFEST_N_LISTS] = {"src", "tgt", "tsv"};
static const char *const reasons[DGM_AUDIT_N] = {"kept", "bad_line", "empty", "too_long", "lopsided"};

const char *dgm_audit_reason(dgm_audit_verdict verdict) { return reasons[verdict]; }

void dgm_manifest_train_shard_name(int i, char *name) { snprintf(name, DGM_MANIFEST_FILE_NAME, "train-%05d.zst", i); }

static void part_fini(dgm_manifest_part *part)
{
    for (int i = 0; i < DGM_MANIFEST_N_LISTS; i++) free(part->sources[i]);
    free(part->shards);
}

void dgm_manifest_fini(dgm_manifest *m)
{
    part_fini(&m->valid);
    part_fini(&m->train);
    *m = (dgm_manifest){0};
}

/* ---- writing; a NULL on the way (memory ended) makes the whole NULL, which is seen once, at the end ---- */

static json_t *files_to_json(const dgm_corpus_file *files, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        json_t *item = json_pack("{s:I, s:I, s:s}", "bytes", (json_int_t)files[i].n_bytes, "lines", (json_int_t)files[i].n_lines, "sha256",
                                 files[i].sha256);
        if (json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *sources_to_json(const dgm_manifest_part *part)
{
    json_t *all = json_object();
    for (int i = 0; i < DGM_MANIFEST_N_LISTS; i++)
        if (part->n_sources[i] > 0 &&
            json_object_set_new(all, list_names[i], files_to_json(part->sources[i], part->n_sources[i])) != 0) {
            json_decref(all);
            return NULL;
        }
    return all;
}

static json_t *audit_to_json(const dgm_audit_counts *c)
{
    json_t *dropped = json_object();
    for (int v = DGM_AUDIT_KEPT + 1; v < DGM_AUDIT_N; v++)
        if (json_object_set_new(dropped, reasons[v], json_integer(c->n[v])) != 0) {
            json_decref(dropped);
            return NULL;
        }
    return json_pack("{s:I, s:I, s:o}", "read", (json_int_t)c->n_read, "kept", (json_int_t)c->n[DGM_AUDIT_KEPT], "dropped", dropped);
}

static json_t *shards_to_json(const dgm_manifest_part *part)
{
    json_t *list = json_array();
    for (int i = 0; i < part->n_shards; i++) {
        const dgm_manifest_shard *s = &part->shards[i];
        json_t *item = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "file", s->file, "sha256", s->sha256, "bytes",
                                 (json_int_t)s->totals.n_bytes, "frames", (json_int_t)s->totals.n_frames, "pairs",
                                 (json_int_t)s->totals.n_pairs, "src_tokens", (json_int_t)s->totals.n_src_tokens, "tgt_tokens",
                                 (json_int_t)s->totals.n_tgt_tokens);
        if (json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *tokenizer_to_json(const dgm_manifest_tokenizer *t)
{
    return json_pack("{s:s, s:s, s:I}", "file", t->file, "sha256", t->sha256, "vocab_size", (json_int_t)t->vocab_size);
}

dgm_err dgm_manifest_write(const dgm_manifest *m, const char *path)
{
    json_t *root = json_pack(
        "{s:s, s:i, s:{s:I, s:f, s:s}, s:{s:o, s:o}, s:{s:o, s:o}, s:{s:b, s:o, s:o}, s:{s:o, s:o}}", "format", format_name, "version",
        (int)VERSION, "settings", "max_length", (json_int_t)m->rules.max_length, "max_ratio", m->rules.max_ratio, "on_bad_line",
        m->rules.drop_bad_lines ? "drop" : "fail", "sources", "train", sources_to_json(&m->train), "valid", sources_to_json(&m->valid),
        "audit", "train", audit_to_json(&m->train.audit), "valid", audit_to_json(&m->valid.audit), "tokenizers", "joint", (int)m->joint_vocab,
        "src", tokenizer_to_json(&m->src), "tgt", tokenizer_to_json(&m->tgt), "shards", "train", shards_to_json(&m->train), "valid",
        shards_to_json(&m->valid));
    char *text = root != NULL ? json_dumps(root, JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(root);
    if (text == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "manifest %s", path);
    size_t n = strlen(text);
    text[n] = '\n'; /* in the place of the zero byte */
    dgm_err err = dgm_io_write_file(path, text, n + 1);
    free(text);
    return err;
}

/* ---- reading ---- */

#define WRONG(...) DGM_FAIL(DGM_ERR_INPUT, __VA_ARGS__)

static dgm_err unpacked(int code, const json_error_t *error, const char *what)
{
    return code == 0 ? DGM_OK : WRONG("%s: %s", what, error->text);
}

static dgm_err read_hash(const char *text, const char *what, char *out)
{
    if (strlen(text) != DGM_SHA256_HEX - 1 || strspn(text, "0123456789abcdef") != DGM_SHA256_HEX - 1)
        return WRONG("%s: sha256 is \"%s\", expected 64 hex digits", what, text);
    memcpy(out, text, DGM_SHA256_HEX);
    return DGM_OK;
}

static dgm_err read_count(json_int_t value, const char *what, const char *field, int64_t lo, int64_t hi, int64_t *out)
{
    if (value < lo || value > hi)
        return WRONG("%s: %s is %lld, expected %lld to %lld", what, field, (long long)value, (long long)lo, (long long)hi);
    *out = value;
    return DGM_OK;
}

static dgm_err read_list(const json_t *list, const char *what, size_t item_bytes, void **items, int *n)
{
    if (!json_is_array(list)) return WRONG("%s: expected a list", what);
    if (json_array_size(list) > MAX_SOURCES) return WRONG("%s: %zu entries, expected at most %d", what, json_array_size(list), (int)MAX_SOURCES);
    *items = calloc(json_array_size(list) + 1, item_bytes);
    if (*items == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s", what);
    *n = (int)json_array_size(list);
    return DGM_OK;
}

static dgm_err read_sources(json_t *json, const char *what, dgm_manifest_part *part)
{
    json_error_t error;
    if (!json_is_object(json)) return WRONG("%s: expected an object", what);
    size_t n_known = 0;
    for (int i = 0; i < DGM_MANIFEST_N_LISTS; i++) {
        json_t *list = json_object_get(json, list_names[i]);
        if (list == NULL) continue;
        n_known++;
        DGM_TRY(read_list(list, what, sizeof *part->sources[i], (void **)&part->sources[i], &part->n_sources[i]));
        for (int k = 0; k < part->n_sources[i]; k++) {
            dgm_corpus_file *f = &part->sources[i][k];
            json_int_t bytes, lines;
            const char *sha;
            DGM_TRY(unpacked(json_unpack_ex(json_array_get(list, (size_t)k), &error, JSON_STRICT, "{s:I, s:I, s:s}", "bytes", &bytes, "lines",
                                            &lines, "sha256", &sha),
                             &error, what));
            DGM_TRY(read_count(bytes, what, "bytes", 0, INT64_MAX, &f->n_bytes));
            DGM_TRY(read_count(lines, what, "lines", 0, bytes, &f->n_lines));
            DGM_TRY(read_hash(sha, what, f->sha256));
        }
    }
    return n_known == json_object_size(json) ? DGM_OK : WRONG("%s: an entry is neither src, tgt nor tsv", what);
}

static dgm_err read_audit(json_t *json, const char *what, dgm_audit_counts *out)
{
    json_error_t error;
    json_int_t n_read, n[DGM_AUDIT_N];
    DGM_TRY(unpacked(json_unpack_ex(json, &error, JSON_STRICT, "{s:I, s:I, s:{s:I, s:I, s:I, s:I}}", "read", &n_read, "kept",
                                    &n[DGM_AUDIT_KEPT], "dropped", reasons[1], &n[1], reasons[2], &n[2], reasons[3], &n[3], reasons[4], &n[4]),
                     &error, what));
    int64_t left = n_read;
    DGM_TRY(read_count(n_read, what, "read", 0, INT64_MAX, &out->n_read));
    for (int v = 0; v < DGM_AUDIT_N; v++) {
        DGM_TRY(read_count(n[v], what, reasons[v], 0, left, &out->n[v]));
        left -= n[v];
    }
    return left == 0 ? DGM_OK : WRONG("%s: kept and dropped do not add up to read", what);
}

static dgm_err read_shard(json_t *json, const char *what, const char *expected_name, dgm_manifest_shard *out)
{
    json_error_t error;
    json_int_t bytes, frames, pairs, src, tgt;
    const char *file, *sha;
    DGM_TRY(unpacked(json_unpack_ex(json, &error, JSON_STRICT, "{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "file", &file, "sha256", &sha, "bytes",
                                    &bytes, "frames", &frames, "pairs", &pairs, "src_tokens", &src, "tgt_tokens", &tgt),
                     &error, what));
    if (strcmp(file, expected_name) != 0) return WRONG("%s: file is \"%s\", expected \"%s\"", what, file, expected_name);
    snprintf(out->file, sizeof out->file, "%s", expected_name);
    DGM_TRY(read_hash(sha, what, out->sha256));
    DGM_TRY(read_count(bytes, what, "bytes", 1, INT64_MAX, &out->totals.n_bytes));
    DGM_TRY(read_count(frames, what, "frames", 0, INT32_MAX, &out->totals.n_frames));
    DGM_TRY(read_count(pairs, what, "pairs", 0, INT64_MAX >> 16, &out->totals.n_pairs));
    DGM_TRY(read_count(src, what, "src_tokens", 0, INT64_MAX >> 16, &out->totals.n_src_tokens));
    return read_count(tgt, what, "tgt_tokens", 0, INT64_MAX >> 16, &out->totals.n_tgt_tokens);
}

static dgm_err read_shards(json_t *list, const char *what, bool train, dgm_manifest_part *part)
{
    DGM_TRY(read_list(list, what, sizeof *part->shards, (void **)&part->shards, &part->n_shards));
    if (part->n_shards < 1 || (!train && part->n_shards != 1))
        return WRONG("%s: %d shards, expected %s", what, part->n_shards, train ? "at least 1" : "1");
    int64_t n_pairs = 0;
    for (int i = 0; i < part->n_shards; i++) {
        char name[DGM_MANIFEST_FILE_NAME];
        if (train) dgm_manifest_train_shard_name(i, name);
        else snprintf(name, sizeof name, "%s", dgm_manifest_valid_shard_name);
        DGM_TRY(read_shard(json_array_get(list, (size_t)i), what, name, &part->shards[i]));
        n_pairs += part->shards[i].totals.n_pairs;
    }
    if (n_pairs != part->audit.n[DGM_AUDIT_KEPT])
        return WRONG("%s: %lld pairs, but the audit kept %lld", what, (long long)n_pairs, (long long)part->audit.n[DGM_AUDIT_KEPT]);
    return DGM_OK;
}

static dgm_err read_tokenizer(json_t *json, const char *what, const char *expected_name, dgm_manifest_tokenizer *out)
{
    json_error_t error;
    json_int_t vocab_size;
    const char *file, *sha;
    DGM_TRY(unpacked(
        json_unpack_ex(json, &error, JSON_STRICT, "{s:s, s:s, s:I}", "file", &file, "sha256", &sha, "vocab_size", &vocab_size), &error, what));
    if (strcmp(file, expected_name) != 0) return WRONG("%s: file is \"%s\", expected \"%s\"", what, file, expected_name);
    snprintf(out->file, sizeof out->file, "%s", expected_name);
    DGM_TRY(read_hash(sha, what, out->sha256));
    return read_count(vocab_size, what, "vocab_size", 4, INT32_MAX, &out->vocab_size);
}

static dgm_err read_rules(json_int_t max_length, double max_ratio, const char *on_bad_line, dgm_audit_rules *out)
{
    DGM_TRY(read_count(max_length, "settings", "max_length", 1, DGM_AUDIT_MAX_LENGTH, &out->max_length));
    if (!(max_ratio >= 1)) return WRONG("settings: max_ratio is %g, expected at least 1", max_ratio);
    out->max_ratio = max_ratio;
    out->drop_bad_lines = strcmp(on_bad_line, "drop") == 0;
    if (!out->drop_bad_lines && strcmp(on_bad_line, "fail") != 0)
        return WRONG("settings: on_bad_line is \"%s\", expected \"fail\" or \"drop\"", on_bad_line);
    return DGM_OK;
}

static dgm_err from_json(json_t *root, dgm_manifest *m)
{
    json_error_t error;
    const char *format, *on_bad_line;
    json_int_t version, max_length;
    double max_ratio;
    int joint;
    json_t *sources[2], *audit[2], *shards[2], *tokenizer[2];
    /* The version decides what else there may be, so it is looked at first. */
    DGM_TRY(unpacked(json_unpack_ex(root, &error, 0, "{s:s, s:I}", "format", &format, "version", &version), &error, "top level"));
    if (strcmp(format, format_name) != 0) return WRONG("format is \"%s\", expected \"%s\"", format, format_name);
    if (version != VERSION) return WRONG("version is %lld, but this program reads version %d", (long long)version, (int)VERSION);
    DGM_TRY(unpacked(
        json_unpack_ex(root, &error, JSON_STRICT, "{s:s, s:I, s:{s:I, s:F, s:s}, s:{s:o, s:o}, s:{s:o, s:o}, s:{s:b, s:o, s:o}, s:{s:o, s:o}}",
                       "format", &format, "version", &version, "settings", "max_length", &max_length, "max_ratio", &max_ratio, "on_bad_line",
                       &on_bad_line, "sources", "train", &sources[0], "valid", &sources[1], "audit", "train", &audit[0], "valid", &audit[1],
                       "tokenizers", "joint", &joint, "src", &tokenizer[0], "tgt", &tokenizer[1], "shards", "train", &shards[0], "valid",
                       &shards[1]),
        &error, "top level"));
    DGM_TRY(read_rules(max_length, max_ratio, on_bad_line, &m->rules));
    m->joint_vocab = joint;
    DGM_TRY(read_tokenizer(tokenizer[0], "tokenizers, src", joint ? "tokenizer.json" : "tokenizer.src.json", &m->src));
    DGM_TRY(read_tokenizer(tokenizer[1], "tokenizers, tgt", joint ? "tokenizer.json" : "tokenizer.tgt.json", &m->tgt));
    if (joint && (strcmp(m->src.sha256, m->tgt.sha256) != 0 || m->src.vocab_size != m->tgt.vocab_size))
        return WRONG("tokenizers: joint is true, but src and tgt differ");
    DGM_TRY(read_sources(sources[0], "sources, train", &m->train));
    DGM_TRY(read_sources(sources[1], "sources, valid", &m->valid));
    DGM_TRY(read_audit(audit[0], "audit, train", &m->train.audit));
    DGM_TRY(read_audit(audit[1], "audit, valid", &m->valid.audit));
    DGM_TRY(read_shards(shards[0], "shards, train", true, &m->train));
    return read_shards(shards[1], "shards, valid", false, &m->valid);
}

dgm_err dgm_manifest_read(const char *path, dgm_manifest *out, char *sha256)
{
    char *text;
    size_t n;
    json_error_t error;
    DGM_TRY(dgm_io_read_file(path, &text, &n));
    dgm_err err = dgm_sha256_buffer(text, n, sha256);
    json_t *root = err == DGM_OK ? json_loadb(text, n, JSON_REJECT_DUPLICATES, &error) : NULL;
    free(text);
    if (err != DGM_OK) return err;
    if (root == NULL) return DGM_FAIL(DGM_ERR_INPUT, "%s, line %d: %s", path, error.line, error.text);
    err = from_json(root, out);
    json_decref(root);
    if (err == DGM_OK) return DGM_OK;
    dgm_manifest_fini(out);
    return dgm_error_context(err, "%s", path);
}
