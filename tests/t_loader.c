/* Every replica count sees the same stream, each epoch each sentence once, and any place of it can be found again. */
#include "dgm/io.h"
#include "dgm/loader.h"
#include "dgm/manifest.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_TGT = 9 };

static char dir[] = "/tmp/dgm_loader_XXXXXX", data_dir[64];

/* Sentence i: its number in base 256 as source, 1 to MAX_TGT tokens as target. */
static dgm_pair pair_of(int64_t i, int32_t *src, int32_t *tgt)
{
    for (int k = 0; k < 3; k++) src[k] = DGM_TOKEN_BYTE + (int32_t)(i >> (8 * k) & 255);
    int32_t n = 1 + (int32_t)(i * 7 % MAX_TGT);
    for (int k = 0; k < n; k++) tgt[k] = DGM_TOKEN_BYTE + (int32_t)((i + k) % 251);
    return (dgm_pair){src, tgt, 3, n};
}

static int64_t number_of(const int32_t *src)
{
    return (src[0] - DGM_TOKEN_BYTE) | (int64_t)(src[1] - DGM_TOKEN_BYTE) << 8 | (int64_t)(src[2] - DGM_TOKEN_BYTE) << 16;
}

static dgm_err write_part(int64_t from, int64_t to, const char *name, dgm_manifest_part *part)
{
    dgm_shard_writer *w = NULL;
    char path[128];
    dgm_manifest_shard *s = realloc(part->shards, ((size_t)part->n_shards + 1) * sizeof *s);
    part->shards = s;
    s += part->n_shards++;
    snprintf(s->file, sizeof s->file, "%s", name);
    snprintf(path, sizeof path, "%s/%s", data_dir, name);
    dgm_err err = dgm_shard_writer_create(path, &w);
    for (int64_t i = from; err == DGM_OK && i < to; i++) {
        int32_t src[3], tgt[MAX_TGT];
        dgm_pair p = pair_of(i, src, tgt);
        err = dgm_shard_writer_add(w, &p);
    }
    if (err == DGM_OK) err = dgm_shard_writer_finish(w, &s->totals);
    dgm_shard_writer_destroy(w);
    part->audit.n_read += to - from;
    part->audit.n[DGM_AUDIT_KEPT] += to - from;
    return err == DGM_OK ? dgm_sha256_file(path, s->sha256) : err;
}

/* A DATA folder of n sentences in two shards, and 10 to validate. */
static dgm_err make_data(int64_t n)
{
    char path[128];
    int32_t space;
    dgm_vocab *vocab = NULL;
    dgm_tokenizer *tokenizer = NULL;
    dgm_manifest m = {.rules = {.max_length = 100, .max_ratio = 9}, .joint_vocab = true};
    snprintf(data_dir, sizeof data_dir, "%s/data", dir);
    DGM_TRY(dgm_io_make_dirs(data_dir));
    DGM_TRY(dgm_vocab_create(&vocab));
    DGM_TRY(dgm_vocab_add(vocab, DGM_SPACE_MARK, DGM_SPACE_MARK_BYTES, &space));
    DGM_TRY(dgm_tokenizer_create(vocab, NULL, 0, &tokenizer));
    snprintf(path, sizeof path, "%s/tokenizer.json", data_dir);
    DGM_TRY(dgm_tokenizer_save(tokenizer, path));
    snprintf(m.src.file, sizeof m.src.file, "tokenizer.json");
    m.src.vocab_size = dgm_tokenizer_vocab_size(tokenizer);
    DGM_TRY(dgm_tokenizer_hash(tokenizer, m.src.sha256));
    m.tgt = m.src;
    dgm_tokenizer_destroy(tokenizer);
    DGM_TRY(write_part(0, n / 3, "train-00000.zst", &m.train));
    DGM_TRY(write_part(n / 3, n, "train-00001.zst", &m.train));
    DGM_TRY(write_part(0, 10, "valid.zst", &m.valid));
    snprintf(path, sizeof path, "%s/manifest.json", data_dir);
    dgm_err err = dgm_manifest_write(&m, path);
    dgm_manifest_fini(&m);
    return err;
}

static dgm_loader_options options_of(int replica, int n_replicas, int64_t micro)
{
    return (dgm_loader_options){.seed = 5, .batch_tokens = 600, .micro_batch_tokens = micro, .virtual_dp = 8, .replica = replica, .n_replicas = n_replicas};
}

/* A fingerprint of what the leaves of a step hold, and a count for each sentence. */
static uint64_t look(const dgm_step_batch *step, int64_t *seen, int64_t *n_right)
{
    uint64_t sum = 0;
    for (int r = 0; r < step->n_rounds; r++) {
        const dgm_batch *b = &step->rounds[r];
        for (int v = 0; v < b->n_leaves; v++)
            for (int64_t s = b->leaf_sent[v]; s < b->leaf_sent[v + 1]; s++) {
                int32_t src[3], tgt[MAX_TGT];
                int64_t i = number_of(b->src.ids + b->src.start[s]);
                dgm_pair p = pair_of(i, src, tgt);
                *n_right += b->tgt.start[s + 1] - b->tgt.start[s] == p.n_tgt + 1 &&
                            memcmp(b->tgt_out + b->tgt.start[s], tgt, (size_t)p.n_tgt * sizeof *tgt) == 0;
                if (seen != NULL) seen[i]++;
                uint64_t place[4] = {(uint64_t)(b->first_leaf + v), (uint64_t)(s - b->leaf_sent[v]), b->sentence[s], (uint64_t)i};
                sum += dgm_checksum_xxh64(place, sizeof place);
            }
    }
    return sum;
}

enum { STEPS = 40, SENTENCES = 3000 }; /* 40 steps of about 100 sentences: more than one epoch */
static uint64_t expected[STEPS];
static int64_t expected_tokens[STEPS];

static void test_epochs(const dgm_dataset *data)
{
    dgm_loader *l = NULL;
    dgm_loader_options o = options_of(0, 1, 0);
    static int64_t seen[SENTENCES];
    int64_t n_right = 0, n_taken = 0, least = 600, most = 0;
    tap_err(dgm_loader_create(data, &o, &l), DGM_OK, "loader");
    tap_int(dgm_loader_epoch_sentences(l), SENTENCES, "sentences of an epoch");
    int64_t n_tokens = 0;
    for (int64_t i = 0; i < SENTENCES; i++) n_tokens += 2 + i * 7 % MAX_TGT;
    tap_int(dgm_loader_epoch_tokens(l), n_tokens, "target tokens of an epoch");
    bool in_order = true;
    for (int k = 0; k < STEPS; k++) {
        dgm_step_batch step;
        if (dgm_loader_next(l, &step) != DGM_OK) break;
        expected[k] = look(&step, seen, &n_right);
        expected_tokens[k] = step.n_tgt_tokens;
        least = DGM_MIN(least, step.n_tgt_tokens);
        most = DGM_MAX(most, step.n_tgt_tokens);
        n_taken += step.n_sentences;
        dgm_loader_state s = dgm_loader_get_state(l);
        in_order = in_order && s.epoch * SENTENCES + s.position == n_taken;
    }
    int64_t low = STEPS, high = 0;
    for (int i = 0; i < SENTENCES; i++) low = DGM_MIN(low, seen[i]), high = DGM_MAX(high, seen[i]);
    tap_int(n_right, n_taken, "every sentence is whole");
    tap_ok(low == n_taken / SENTENCES && high == low + 1, "after %lld of %d sentences each was seen %lld or %lld times", (long long)n_taken,
           (int)SENTENCES, (long long)low, (long long)high);
    tap_ok(most <= 600 && least > 600 - (MAX_TGT + 1), "all batches are full: %lld to %lld of 600 tokens", (long long)least, (long long)most);
    tap_ok(in_order, "the state counts what was taken");
    dgm_loader_destroy(l);
}

static void test_replicas(const dgm_dataset *data)
{
    static const int counts[] = {1, 2, 3, 4, 8};
    static const int64_t micro[] = {0, 100, 1};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        uint64_t sum[STEPS] = {0};
        bool same_tokens = true;
        int64_t n_right = 0;
        for (int r = 0; r < counts[c]; r++) {
            dgm_loader *l = NULL;
            dgm_loader_options o = options_of(r, counts[c], micro[(c + (size_t)r) % 3]);
            if (dgm_loader_create(data, &o, &l) != DGM_OK) break;
            for (int k = 0; k < STEPS; k++) {
                dgm_step_batch step;
                if (dgm_loader_next(l, &step) != DGM_OK) break;
                sum[k] += look(&step, NULL, &n_right);
                same_tokens = same_tokens && step.n_tgt_tokens == expected_tokens[k];
            }
            dgm_loader_destroy(l);
        }
        tap_same(sum, expected, sizeof sum, "%d replicas with rounds of different sizes: the same leaves", counts[c]);
        tap_ok(same_tokens, "and every replica knows the size of the global batch");
    }
}

static void test_resume(const dgm_dataset *data)
{
    dgm_loader *l = NULL, *fresh = NULL;
    dgm_loader_options o = options_of(0, 1, 0);
    int n_same = 0;
    int64_t n_right = 0;
    tap_err(dgm_loader_create(data, &o, &l), DGM_OK, "loader");
    for (int k = 0; k < STEPS; k++) {
        dgm_step_batch step;
        dgm_loader_state state = dgm_loader_get_state(l);
        dgm_loader_next(l, &step);
        if (dgm_loader_create(data, &o, &fresh) != DGM_OK || dgm_loader_set_state(fresh, state) != DGM_OK) break;
        n_same += dgm_loader_next(fresh, &step) == DGM_OK && look(&step, NULL, &n_right) == expected[k];
        dgm_loader_destroy(fresh);
    }
    tap_int(n_same, STEPS, "a fresh loader set to any state gives the batch that comes there");
    tap_err(dgm_loader_set_state(l, (dgm_loader_state){0, 0}), DGM_OK, "back to the beginning");
    dgm_step_batch step;
    tap_err(dgm_loader_next(l, &step), DGM_OK, "next");
    tap_ok(look(&step, NULL, &n_right) == expected[0], "the first batch again");
    tap_err(dgm_loader_set_state(l, (dgm_loader_state){0, SENTENCES}), DGM_ERR_INPUT, "a sentence past the end");
    tap_err(dgm_loader_set_state(l, (dgm_loader_state){-1, 0}), DGM_ERR_INPUT, "an epoch before the first");
    dgm_loader_destroy(l);

    o.seed = 6;
    tap_err(dgm_loader_create(data, &o, &l), DGM_OK, "another seed");
    tap_err(dgm_loader_next(l, &step), DGM_OK, "next");
    tap_ok(look(&step, NULL, &n_right) != expected[0], "gives another order");
    dgm_loader_destroy(l);
}

static void test_options(const dgm_dataset *data)
{
    dgm_loader *l = NULL;
    dgm_step_batch step;
    dgm_loader_options o = options_of(0, 9, 0);
    tap_err(dgm_loader_create(data, &o, &l), DGM_ERR_USAGE, "more replicas than leaves");
    o = options_of(0, 1, 0);
    o.virtual_dp = 12;
    tap_err(dgm_loader_create(data, &o, &l), DGM_ERR_USAGE, "12 leaves");
    o = options_of(0, 1, 0);
    o.batch_tokens = 1;
    tap_err(dgm_loader_create(data, &o, &l), DGM_OK, "batches of one token");
    tap_err(dgm_loader_next(l, &step), DGM_OK, "next");
    tap_int(step.n_sentences, 1, "hold one sentence");
    dgm_loader_destroy(l);
    o.batch_tokens = 50000;
    tap_err(dgm_loader_create(data, &o, &l), DGM_OK, "batches of more than an epoch");
    tap_err(dgm_loader_next(l, &step), DGM_OK, "next");
    tap_ok(step.n_tgt_tokens > 50000 - (MAX_TGT + 1) && step.n_tgt_tokens <= 50000, "go on into the next ones: %lld tokens",
           (long long)step.n_tgt_tokens);
    dgm_loader_destroy(l);
}

/* More sentences than a window holds. */
static void test_windows(void)
{
    enum { MANY = 400000 };
    dgm_dataset *data = NULL;
    dgm_loader *l = NULL;
    dgm_loader_options o = options_of(0, 1, 0);
    o.batch_tokens = 40000;
    int64_t *seen = calloc(MANY, sizeof *seen), n_right = 0, n_taken = 0;
    tap_err(make_data(MANY), DGM_OK, "%d sentences", (int)MANY);
    tap_err(dgm_dataset_open(data_dir, &data), DGM_OK, "open");
    tap_err(dgm_loader_create(data, &o, &l), DGM_OK, "loader");
    dgm_step_batch step;
    dgm_loader_state late = {0};
    uint64_t late_sum = 0;
    while (n_taken < MANY) {
        dgm_loader_state before = dgm_loader_get_state(l);
        if (dgm_loader_next(l, &step) != DGM_OK) break;
        n_taken += step.n_sentences;
        uint64_t sum = look(&step, seen, &n_right);
        if (late.position == 0 && n_taken > 3 * MANY / 4) late = before, late_sum = sum;
    }
    int64_t n_missed = 0, n_twice = 0;
    for (int i = 0; i < MANY; i++) n_missed += seen[i] == 0, n_twice += seen[i] > 1;
    tap_ok(n_right == n_taken && n_missed == 0 && n_twice == n_taken - MANY, "over several windows: %lld missed, %lld taken again of %lld",
           (long long)n_missed, (long long)n_twice, (long long)(n_taken - MANY));
    tap_err(dgm_loader_set_state(l, late), DGM_OK, "back into the last window");
    tap_err(dgm_loader_next(l, &step), DGM_OK, "next");
    tap_ok(look(&step, NULL, &n_right) == late_sum, "the same batch");
    dgm_loader_destroy(l);
    dgm_dataset_close(data);
    free(seen);
}

static void edit_manifest(const char *from, const char *to, const char *says)
{
    char path[128], *text, *edited;
    size_t n;
    dgm_dataset *data = NULL;
    snprintf(path, sizeof path, "%s/manifest.json", data_dir);
    dgm_io_read_file(path, &text, &n);
    char *at = strstr(text, from);
    if (at == NULL) {
        tap_ok(false, "the manifest holds %s", from);
        free(text);
        return;
    }
    edited = malloc(n + strlen(to) + 1);
    int length = sprintf(edited, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    dgm_io_write_file(path, edited, (size_t)length);
    tap_err(dgm_dataset_open(data_dir, &data), DGM_ERR_INPUT, "%s instead of %s", to, from);
    tap_error_says(says);
    dgm_io_write_file(path, text, n);
    free(edited);
    free(text);
}

static void test_dataset(void)
{
    dgm_dataset *data = NULL;
    const dgm_pair *pairs;
    int64_t n;
    char path[128], *bytes;
    size_t n_bytes;
    tap_err(dgm_dataset_open(data_dir, &data), DGM_OK, "open");
    tap_err(dgm_dataset_verify(data), DGM_OK, "every shard has its hash");
    tap_err(dgm_dataset_valid(data, &pairs, &n), DGM_OK, "validation part");
    tap_ok(n == 10 && number_of(pairs[9].src) == 9 && pairs[9].n_tgt == 1 + 63 % MAX_TGT, "10 pairs in order");
    tap_int(dgm_dataset_vocab_size(data, DGM_SIDE_TGT), 261, "vocabulary");
    dgm_dataset_close(data);

    edit_manifest("\"version\": 1", "\"version\": 2", "version is 2");
    edit_manifest("dragoman-data", "other-data", "format is");
    edit_manifest("\"version\": 1", "\"version\": 1, \"more\": 0", "more");
    edit_manifest("\"vocab_size\": 261", "\"vocab_size\": \"261\"", "manifest.json");
    edit_manifest("\"max_length\": 100", "\"max_length\": 0", "expected 1 to 4095");
    edit_manifest("\"train-00001.zst\"", "\"../train-00001.zst\"", "train-00001.zst");
    edit_manifest("\"kept\": 10", "\"kept\": 9", "add up");
    edit_manifest("\"pairs\": 10", "\"pairs\": 11", "kept");
    edit_manifest("\"frames\": 1", "\"frames\": 2", "manifest says");
    edit_manifest("\"joint\": true", "\"joint\": false", "tokenizer.src.json");
    edit_manifest("{", "", "manifest.json, line ");

    snprintf(path, sizeof path, "%s/tokenizer.json", data_dir);
    dgm_io_read_file(path, &bytes, &n_bytes);
    dgm_io_write_file(path, bytes, n_bytes - 1);
    tap_err(dgm_dataset_open(data_dir, &data), DGM_ERR_INPUT, "a tokenizer that was changed");
    tap_error_says("SHA-256");
    dgm_io_write_file(path, bytes, n_bytes);
    free(bytes);
    snprintf(path, sizeof path, "%s/train-00000.zst", data_dir);
    dgm_io_read_file(path, &bytes, &n_bytes);
    bytes[20] ^= 1;
    dgm_io_write_file(path, bytes, n_bytes);
    free(bytes);
    tap_err(dgm_dataset_open(data_dir, &data), DGM_OK, "a shard with a changed byte opens");
    tap_err(dgm_dataset_verify(data), DGM_ERR_INPUT, "but does not have its hash");
    dgm_dataset_close(data);
    unlink(path);
    tap_err(dgm_dataset_open(data_dir, &data), DGM_ERR_INPUT, "a missing shard");
    tap_err(dgm_dataset_open(dir, &data), DGM_ERR_INPUT, "a folder that is no DATA");
    tap_error_says("manifest.json");
}

int main(void)
{
    if (mkdtemp(dir) == NULL) return 99;
    dgm_dataset *data = NULL;
    tap_err(make_data(SENTENCES), DGM_OK, "a DATA folder of %d sentences", (int)SENTENCES);
    if (tap_err(dgm_dataset_open(data_dir, &data), DGM_OK, "open")) {
        test_epochs(data);
        test_replicas(data);
        test_resume(data);
        test_options(data);
    }
    dgm_dataset_close(data);
    test_dataset();
    dgm_io_remove_tree(data_dir);
    test_windows();
    dgm_io_remove_tree(dir);
    return tap_done();
}
