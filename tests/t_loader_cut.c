/* Sentences that the loader cuts anew each epoch: each side with its own tokenizer's merges, from the sentence's place in the epoch alone; one
 * that would get too long stays as encoded on both sides; and any place is found again. */
#include "dgm/bpe_dropout.h"
#include "dgm/io.h"
#include "dgm/loader.h"
#include "dgm/manifest.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCES = 400, MAX_LENGTH = 24, MAX_IDS = 64, STEPS = 60, SEED = 5 };
#define RATE 0.4

static char dir[] = "/tmp/dgm_loader_cut_XXXXXX", data_dir[64];

/* One character of the alphabet comes first on one side, so that the same piece has another id on the other. */
static dgm_err make_tokenizer(const char *name, const char *extra, const char *x, const char *y, dgm_manifest_tokenizer *entry, int32_t *word)
{
    char path[128], pair[8], whole[16];
    int32_t id, left, right, both;
    dgm_vocab *vocab = NULL;
    dgm_tokenizer *tokenizer = NULL;
    snprintf(pair, sizeof pair, "%s%s", x, y);
    snprintf(whole, sizeof whole, "%s%s", pair, pair);
    DGM_TRY(dgm_vocab_create(&vocab));
    if (*extra != '\0') DGM_TRY(dgm_vocab_add(vocab, extra, strlen(extra), &id));
    DGM_TRY(dgm_vocab_add(vocab, DGM_SPACE_MARK, DGM_SPACE_MARK_BYTES, &word[0]));
    DGM_TRY(dgm_vocab_add(vocab, x, strlen(x), &left));
    DGM_TRY(dgm_vocab_add(vocab, y, strlen(y), &right));
    DGM_TRY(dgm_vocab_add(vocab, pair, strlen(pair), &both));
    DGM_TRY(dgm_vocab_add(vocab, whole, strlen(whole), &word[1]));
    const dgm_merge merges[] = {{left, right}, {both, both}};
    DGM_TRY(dgm_tokenizer_create(vocab, merges, 2, &tokenizer));
    snprintf(path, sizeof path, "%s/%s", data_dir, name);
    dgm_err err = dgm_tokenizer_save(tokenizer, path);
    snprintf(entry->file, sizeof entry->file, "%s", name);
    entry->vocab_size = dgm_tokenizer_vocab_size(tokenizer);
    if (err == DGM_OK) err = dgm_tokenizer_hash(tokenizer, entry->sha256);
    dgm_tokenizer_destroy(tokenizer);
    return err;
}

/* Sentence i: its number as two bytes, then whole words: few, or so many that most cuts are longer than MAX_LENGTH. */
static int32_t side_of(int64_t i, const int32_t *word, int many, int32_t *ids)
{
    int32_t n = 0, n_words = many ? 9 : 1 + (int32_t)(i % 3);
    ids[n++] = DGM_TOKEN_BYTE + (int32_t)(i & 255);
    ids[n++] = DGM_TOKEN_BYTE + (int32_t)(i >> 8);
    for (int32_t k = 0; k < n_words; k++) ids[n++] = word[0], ids[n++] = word[1];
    return n;
}

static int32_t words[2][2];

static dgm_pair pair_of(int64_t i, int32_t *src, int32_t *tgt)
{
    int32_t n_src = side_of(i, words[0], i % 5 == 1, src), n_tgt = side_of(i, words[1], i % 5 == 2, tgt);
    return (dgm_pair){src, tgt, n_src, n_tgt};
}

static dgm_err write_part(int64_t n, const char *name, dgm_manifest_part *part)
{
    char path[128];
    dgm_shard_writer *w = NULL;
    part->shards = calloc(1, sizeof *part->shards);
    if (part->shards == NULL) return DGM_ERR_NOMEM;
    part->n_shards = 1;
    snprintf(part->shards->file, sizeof part->shards->file, "%s", name);
    snprintf(path, sizeof path, "%s/%s", data_dir, name);
    dgm_err err = dgm_shard_writer_create(path, &w);
    for (int64_t i = 0; err == DGM_OK && i < n; i++) {
        int32_t src[MAX_IDS], tgt[MAX_IDS];
        dgm_pair p = pair_of(i, src, tgt);
        err = dgm_shard_writer_add(w, &p);
    }
    if (err == DGM_OK) err = dgm_shard_writer_finish(w, &part->shards->totals);
    dgm_shard_writer_destroy(w);
    part->audit.n_read = part->audit.n[DGM_AUDIT_KEPT] = n;
    return err == DGM_OK ? dgm_sha256_file(path, part->shards->sha256) : err;
}

static dgm_err make_data(void)
{
    char path[128];
    dgm_manifest m = {.rules = {.max_length = MAX_LENGTH, .max_ratio = 20}, .joint_vocab = false};
    snprintf(data_dir, sizeof data_dir, "%s/data", dir);
    DGM_TRY(dgm_io_make_dirs(data_dir));
    DGM_TRY(make_tokenizer("tokenizer.src.json", "", "a", "b", &m.src, words[0]));
    DGM_TRY(make_tokenizer("tokenizer.tgt.json", "x", "c", "d", &m.tgt, words[1]));
    DGM_TRY(write_part(SENTENCES, "train-00000.zst", &m.train));
    DGM_TRY(write_part(10, "valid.zst", &m.valid));
    snprintf(path, sizeof path, "%s/manifest.json", data_dir);
    dgm_err err = dgm_manifest_write(&m, path);
    dgm_manifest_fini(&m);
    return err;
}

static dgm_loader_options options_of(uint64_t seed, double rate)
{
    return (dgm_loader_options){.seed = seed, .batch_tokens = 300, .virtual_dp = 4, .n_replicas = 1, .bpe_dropout = rate};
}

typedef struct {
    dgm_bpe_dropout *dropout[2];
    int64_t n_wrong, n_cut, n_kept_long;
} checker;

/* What sentence i is at a place of the stream: a cut of either side, or both as encoded where one would be too long. */
static void check_sentence(checker *c, const dgm_batch *b, int64_t s, int64_t epoch, int64_t position)
{
    int32_t src[MAX_IDS], tgt[MAX_IDS];
    const int32_t *got[2] = {b->src.ids + b->src.start[s], b->tgt_out + b->tgt.start[s]};
    int64_t n_got[2] = {b->src.start[s + 1] - b->src.start[s] - 1, b->tgt.start[s + 1] - b->tgt.start[s] - 1};
    int64_t i = (got[0][0] - DGM_TOKEN_BYTE) | (int64_t)(got[0][1] - DGM_TOKEN_BYTE) << 8;
    dgm_pair p = pair_of(i, src, tgt);
    dgm_ids cut[2] = {{0}, {0}};
    if (dgm_bpe_dropout_apply(c->dropout[0], epoch, position, p.src, p.n_src, &cut[0]) != DGM_OK ||
        dgm_bpe_dropout_apply(c->dropout[1], epoch, position, p.tgt, p.n_tgt, &cut[1]) != DGM_OK)
        exit(1);
    bool too_long = cut[0].n > MAX_LENGTH || cut[1].n > MAX_LENGTH;
    for (int side = 0; side < 2; side++) {
        const int32_t *want = too_long ? (side == 0 ? p.src : p.tgt) : cut[side].ids;
        int64_t n = too_long ? (side == 0 ? p.n_src : p.n_tgt) : cut[side].n;
        c->n_wrong += n != n_got[side] || memcmp(want, got[side], (size_t)n * sizeof *want) != 0;
        dgm_ids_fini(&cut[side]);
    }
    c->n_kept_long += too_long;
    c->n_cut += n_got[0] > p.n_src || n_got[1] > p.n_tgt;
}

static void check_step(checker *c, const dgm_step_batch *step, dgm_loader_state from)
{
    for (int r = 0; r < step->n_rounds; r++)
        for (int64_t s = 0; s < step->rounds[r].tgt.n_sent; s++) {
            int64_t at = from.position + step->rounds[r].sentence[s];
            check_sentence(c, &step->rounds[r], s, from.epoch + at / SENTENCES, at % SENTENCES);
        }
}

static uint64_t fingerprint(const dgm_step_batch *step)
{
    uint64_t sum = 0;
    for (int r = 0; r < step->n_rounds; r++) {
        const dgm_batch *b = &step->rounds[r];
        sum = 31 * sum + dgm_checksum_xxh64(b->src.ids, (size_t)b->src.n_rows * sizeof *b->src.ids);
        sum = 31 * sum + dgm_checksum_xxh64(b->tgt_out, (size_t)b->tgt.n_rows * sizeof *b->tgt_out);
    }
    return sum;
}

static void test_cuts(const dgm_dataset *data, uint64_t *sums, dgm_loader_state *states)
{
    dgm_loader *l = NULL;
    dgm_loader_options o = options_of(SEED, RATE);
    checker c = {0};
    int64_t most = 0;
    for (int side = 0; side < 2; side++)
        if (!tap_err(dgm_bpe_dropout_create(dgm_dataset_tokenizer(data, side == 0 ? DGM_SIDE_SRC : DGM_SIDE_TGT), RATE, SEED, side, &c.dropout[side]),
                     DGM_OK, "merges of side %d", side))
            exit(1);
    tap_err(dgm_loader_create(data, &o, &l), DGM_OK, "loader");
    for (int k = 0; k < STEPS; k++) {
        dgm_step_batch step;
        states[k] = dgm_loader_get_state(l);
        if (dgm_loader_next(l, &step) != DGM_OK) break;
        check_step(&c, &step, states[k]);
        sums[k] = fingerprint(&step);
        most = DGM_MAX(most, step.n_tgt_tokens);
    }
    tap_ok(dgm_loader_get_state(l).epoch > 1, "%d updates are more than two epochs", (int)STEPS);
    tap_int(c.n_wrong, 0, "sides that are not cut as their place says");
    tap_ok(c.n_cut > 0 && c.n_kept_long > 0, "%lld sentences got longer, %lld would have got too long", (long long)c.n_cut, (long long)c.n_kept_long);
    tap_ok(most <= 300, "batches count the tokens of the cut: at most %lld of 300", (long long)most);
    dgm_loader_destroy(l);
    for (int side = 0; side < 2; side++) dgm_bpe_dropout_destroy(c.dropout[side]);
}

static void test_places(const dgm_dataset *data, const uint64_t *sums, const dgm_loader_state *states)
{
    int n_same = 0, n_other = 0, n_plain = 0;
    dgm_loader *l = NULL, *other = NULL, *plain = NULL;
    dgm_loader_options o = options_of(SEED, RATE), o_other = options_of(SEED, RATE / 2), o_plain = options_of(SEED, 0);
    dgm_step_batch step;
    if (dgm_loader_create(data, &o, &l) != DGM_OK || dgm_loader_create(data, &o_other, &other) != DGM_OK ||
        dgm_loader_create(data, &o_plain, &plain) != DGM_OK)
        exit(1);
    for (int k = STEPS - 1; k >= 0; k--) {
        n_same += dgm_loader_set_state(l, states[k]) == DGM_OK && dgm_loader_next(l, &step) == DGM_OK && fingerprint(&step) == sums[k];
        n_other += dgm_loader_set_state(other, states[k]) == DGM_OK && dgm_loader_next(other, &step) == DGM_OK && fingerprint(&step) != sums[k];
        n_plain += dgm_loader_set_state(plain, states[k]) == DGM_OK && dgm_loader_next(plain, &step) == DGM_OK && fingerprint(&step) != sums[k];
    }
    tap_int(n_same, STEPS, "set to any place, from the last to the first, the loader gives the batch that comes there");
    tap_ok(n_other == STEPS && n_plain == STEPS, "another rate, and none, cut otherwise");
    dgm_loader_destroy(plain);
    dgm_loader_destroy(other);
    dgm_loader_destroy(l);
}

int main(void)
{
    static uint64_t sums[STEPS];
    static dgm_loader_state states[STEPS];
    dgm_dataset *data = NULL;
    dgm_loader *l = NULL;
    if (mkdtemp(dir) == NULL) return 99;
    tap_err(make_data(), DGM_OK, "a DATA folder of %d sentences and two vocabularies", (int)SENTENCES);
    if (tap_err(dgm_dataset_open(data_dir, &data), DGM_OK, "open")) {
        test_cuts(data, sums, states);
        test_places(data, sums, states);
        dgm_loader_options o = options_of(SEED, 1);
        tap_err(dgm_loader_create(data, &o, &l), DGM_ERR_USAGE, "a rate of 1");
        tap_error_says("bpe_dropout is 1");
    }
    dgm_dataset_close(data);
    dgm_io_remove_tree(dir);
    return tap_done();
}
