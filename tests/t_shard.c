/* What is written is read back, plain zstd reads it too, and no truncated or altered file passes. */
#include "dgm/io.h"
#include "dgm/rng.h"
#include "dgm/shard.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { N = 9000, MAX_LEN = 60, VOCAB = 5000 };

static char dir[] = "/tmp/dgm_shard_XXXXXX", path[128];
static int32_t text[N][2][MAX_LEN];
static dgm_pair pairs[N];
static int32_t words[DGM_SHARD_FRAME_BYTES / 4];
static dgm_pair got[DGM_SHARD_FRAME_BYTES / 8];

static void make_pairs(void)
{
    dgm_rng rng = dgm_rng_make(2, DGM_RNG_TEST);
    for (int i = 0; i < N; i++) {
        pairs[i] = (dgm_pair){text[i][0], text[i][1], (int32_t)dgm_rng_below(rng, MAX_LEN + 1, (uint64_t)i, 0),
                              (int32_t)dgm_rng_below(rng, MAX_LEN + 1, (uint64_t)i, 1)};
        for (int k = 0; k < 2 * MAX_LEN; k++) text[i][k / MAX_LEN][k % MAX_LEN] = (int32_t)dgm_rng_below(rng, VOCAB, (uint64_t)i, 2 + (uint64_t)k);
    }
}

static dgm_err write_shard(int n, dgm_shard_totals *totals)
{
    dgm_shard_writer *w = NULL;
    dgm_err err = dgm_shard_writer_create(path, &w);
    for (int i = 0; err == DGM_OK && i < n; i++) err = dgm_shard_writer_add(w, &pairs[i]);
    if (err == DGM_OK) err = dgm_shard_writer_finish(w, totals);
    dgm_shard_writer_destroy(w);
    return err;
}

static dgm_err read_frames(int64_t vocab, bool backwards, int *n_right)
{
    dgm_shard *s = NULL;
    DGM_TRY(dgm_shard_open(path, &s));
    dgm_err err = DGM_OK;
    int64_t n = dgm_shard_read_totals(s)->n_frames;
    *n_right = 0;
    for (int64_t k = 0; err == DGM_OK && k < n; k++) {
        int64_t i = backwards ? n - 1 - k : k, first = 0;
        for (int64_t j = 0; j < i; j++) first += dgm_shard_frame_at(s, j)->n_pairs;
        err = dgm_shard_read(s, i, vocab, vocab, words, got);
        for (int64_t j = 0; err == DGM_OK && j < dgm_shard_frame_at(s, i)->n_pairs; j++) {
            const dgm_pair *a = &got[j], *b = &pairs[first + j];
            *n_right += a->n_src == b->n_src && a->n_tgt == b->n_tgt && memcmp(a->src, b->src, (size_t)a->n_src * 4) == 0 &&
                        memcmp(a->tgt, b->tgt, (size_t)a->n_tgt * 4) == 0;
        }
    }
    dgm_shard_close(s);
    return err;
}

static void test_round_trip(void)
{
    dgm_shard_totals totals;
    int n_right = 0;
    int64_t n_src = 0, n_tgt = 0;
    for (int i = 0; i < N; i++) n_src += pairs[i].n_src, n_tgt += pairs[i].n_tgt;
    tap_err(write_shard(N, &totals), DGM_OK, "write %d pairs", (int)N);
    tap_ok(totals.n_pairs == N && totals.n_src_tokens == n_src && totals.n_tgt_tokens == n_tgt, "totals");
    tap_ok(totals.n_frames == 3, "in %lld frames", (long long)totals.n_frames);
    tap_err(read_frames(VOCAB, false, &n_right), DGM_OK, "read");
    tap_int(n_right, N, "every pair is back");
    tap_err(read_frames(VOCAB, true, &n_right), DGM_OK, "read backwards");
    tap_int(n_right, N, "every pair is back");
    tap_err(read_frames(VOCAB - 1, false, &n_right), DGM_ERR_INPUT, "a vocabulary too small for the ids is noticed");

    char *file, *again;
    size_t n_file, n_again;
    dgm_io_read_file(path, &file, &n_file);
    size_t bytes = 4 * (size_t)(2 * N + n_src + n_tgt);
    char *plain = malloc(bytes);
    tap_int((int64_t)ZSTD_decompress(plain, bytes, file, n_file), (int64_t)bytes, "plain zstd reads the whole file");
    tap_ok(memcmp(plain, &pairs[0].n_src, 4) == 0 && memcmp(plain + 8, pairs[0].src, (size_t)pairs[0].n_src * 4) == 0,
           "its first words are the first pair");
    free(plain);
    tap_err(write_shard(N, &totals), DGM_OK, "write again");
    dgm_io_read_file(path, &again, &n_again);
    tap_ok(n_again == n_file && memcmp(file, again, n_file) == 0, "the same bytes");
    free(again);
    free(file);
}

/* The file as it is must be good; each change made to it must be refused when opened or read. */
static void test_damage(void)
{
    dgm_shard_totals totals;
    int n_right;
    char *file;
    size_t n;
    tap_err(write_shard(N, &totals), DGM_OK, "write");
    dgm_io_read_file(path, &file, &n);
    int64_t tail = 8 + 12 * (totals.n_frames + 1) + 9, index = 24 + 12 * totals.n_frames + 8;
    int64_t tail_at = (int64_t)n - tail - index;

    int refused = 0, tried = 0;
    const int64_t cuts[] = {0, 1, 100, tail_at / 2, tail_at, tail_at + 5, (int64_t)n - tail, (int64_t)n - 9, (int64_t)n - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++, tried++) {
        dgm_io_write_file(path, file, (size_t)cuts[i]);
        refused += read_frames(VOCAB, false, &n_right) == DGM_ERR_INPUT;
        if (strstr(dgm_error_text(), path) == NULL || strstr(dgm_error_text(), "byte ") == NULL) refused = -100;
    }
    tap_int(refused, tried, "truncated anywhere: refused, with the path and the byte");
    dgm_io_write_file(path, file + 1, n - 1);
    tap_err(read_frames(VOCAB, false, &n_right), DGM_ERR_INPUT, "without its first byte");

    refused = tried = 0;
    for (int64_t at = tail_at; at < (int64_t)n; at++, tried++) { /* every byte of index and seek table */
        file[at] ^= 0x04;
        dgm_io_write_file(path, file, n);
        bool bad = read_frames(VOCAB, false, &n_right) == DGM_ERR_INPUT;
        if (!bad) tap_note("a change at byte %lld of the tail passes", (long long)(at - tail_at));
        refused += bad;
        file[at] ^= 0x04;
    }
    tap_int(refused, tried, "any byte of index or seek table changed: refused");
    refused = tried = 0;
    for (int64_t at = 0; at < tail_at; at += tail_at / 40, tried++) {
        file[at] ^= 0x20;
        dgm_io_write_file(path, file, n);
        refused += read_frames(VOCAB, false, &n_right) == DGM_ERR_INPUT;
        file[at] ^= 0x20;
    }
    tap_int(refused, tried, "a byte of a frame changed: refused");
    tap_error_says(path);
    dgm_io_write_file(path, file, n);
    tap_err(read_frames(VOCAB, false, &n_right), DGM_OK, "unchanged it is good");
    free(file);
}

static void test_edges(void)
{
    dgm_shard_totals totals;
    int n_right = -1;
    tap_err(write_shard(0, &totals), DGM_OK, "a shard of nothing");
    tap_err(read_frames(VOCAB, false, &n_right), DGM_OK, "is a shard");
    tap_ok(totals.n_frames == 0 && n_right == 0, "without frames");

    dgm_shard_writer *w = NULL;
    static int32_t long_text[DGM_SHARD_MAX_TOKENS + 1];
    dgm_pair p = {long_text, long_text, DGM_SHARD_MAX_TOKENS, DGM_SHARD_MAX_TOKENS};
    tap_err(dgm_shard_writer_create(path, &w), DGM_OK, "create");
    for (int i = 0; i < 3; i++) tap_err(dgm_shard_writer_add(w, &p), DGM_OK, "the longest pair");
    p.n_tgt++;
    tap_err(dgm_shard_writer_add(w, &p), DGM_ERR_SHAPE, "a longer one");
    long_text[3] = -1;
    p.n_tgt = 4;
    tap_err(dgm_shard_writer_add(w, &p), DGM_ERR_SHAPE, "a negative id");
    dgm_shard_writer_destroy(w);
    tap_ok(!dgm_io_exists(path), "an unfinished shard leaves no file");
    dgm_shard *s = NULL;
    tap_err(dgm_shard_open(path, &s), DGM_ERR_INPUT, "a missing shard");
    dgm_io_write_file(path, "hello", 5);
    tap_err(dgm_shard_open(path, &s), DGM_ERR_INPUT, "a text file");
}

int main(void)
{
    if (mkdtemp(dir) == NULL) return 99;
    snprintf(path, sizeof path, "%s/train-00000.zst", dir);
    make_pairs();
    test_round_trip();
    test_damage();
    test_edges();
    dgm_io_remove_tree(dir);
    return tap_done();
}
