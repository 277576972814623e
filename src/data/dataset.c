/* A DATA folder opened: the manifest says what must be there, and each file must agree with it. */
#include "dgm/dataset.h"

#include "dgm/io.h"
#include "dgm/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct { /* where a frame of the training part is */
    int shard;
    int64_t i;
} frame_place;

typedef struct { /* a training part in memory instead of shards */
    dgm_pair *pairs;
    int32_t *words;
    dgm_shard_frame *frames; /* [totals.n_frames] of FRAME_PAIRS pairs; n_words and counts alone are set */
} memory_part;

enum { FRAME_PAIRS = 4096 };

struct dgm_dataset {
    char *dir;
    char hash[DGM_SHA256_HEX];
    dgm_manifest manifest;
    dgm_tokenizer *src, *tgt; /* tgt is src when the vocabulary is joint */
    dgm_shard **train;        /* [manifest.train.n_shards] */
    dgm_shard *valid;
    frame_place *frames; /* [totals.n_frames] */
    dgm_shard_totals totals;
    memory_part memory; /* pairs is NULL when there are shards */
    int32_t **valid_words; /* [frames of valid] once they are read */
    dgm_pair *valid_pairs;
};

static dgm_err open_shard(const dgm_dataset *d, const dgm_manifest_shard *m, dgm_shard **out)
{
    char *path = dgm_io_join(d->dir, m->file);
    if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path in %s", d->dir);
    dgm_err err = dgm_shard_open(path, out);
    if (err == DGM_OK) {
        const dgm_shard_totals *t = dgm_shard_read_totals(*out), *w = &m->totals;
        if (t->n_bytes != w->n_bytes || t->n_frames != w->n_frames || t->n_pairs != w->n_pairs || t->n_src_tokens != w->n_src_tokens ||
            t->n_tgt_tokens != w->n_tgt_tokens)
            err = DGM_FAIL(DGM_ERR_INPUT,
                           "%s holds %lld bytes, %lld frames, %lld pairs of %lld and %lld tokens; its manifest says %lld bytes, %lld frames, "
                           "%lld pairs of %lld and %lld tokens: they do not belong together, prepare again",
                           path, (long long)t->n_bytes, (long long)t->n_frames, (long long)t->n_pairs, (long long)t->n_src_tokens,
                           (long long)t->n_tgt_tokens, (long long)w->n_bytes, (long long)w->n_frames, (long long)w->n_pairs,
                           (long long)w->n_src_tokens, (long long)w->n_tgt_tokens);
    }
    free(path);
    return err;
}

static dgm_err open_tokenizer(const dgm_dataset *d, const dgm_manifest_tokenizer *m, dgm_tokenizer **out)
{
    char sha[DGM_SHA256_HEX];
    char *path = dgm_io_join(d->dir, m->file);
    if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path in %s", d->dir);
    dgm_err err = dgm_sha256_file(path, sha);
    if (err == DGM_OK && strcmp(sha, m->sha256) != 0)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s: its SHA-256 is %s, the manifest says %s: they do not belong together, prepare again", path, sha,
                       m->sha256);
    if (err == DGM_OK) err = dgm_tokenizer_load(path, out);
    if (err == DGM_OK && dgm_tokenizer_vocab_size(*out) != m->vocab_size)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s has %d pieces, the manifest says %lld", path, dgm_tokenizer_vocab_size(*out),
                       (long long)m->vocab_size);
    free(path);
    return err;
}

static dgm_err open_train(dgm_dataset *d)
{
    int n = d->manifest.train.n_shards;
    d->train = calloc((size_t)n, sizeof(dgm_shard *));
    if (d->train == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s: %d shards", d->dir, n);
    for (int i = 0; i < n; i++) {
        DGM_TRY(open_shard(d, &d->manifest.train.shards[i], &d->train[i]));
        const dgm_shard_totals *t = dgm_shard_read_totals(d->train[i]);
        d->totals.n_frames += t->n_frames;
        d->totals.n_pairs += t->n_pairs;
        d->totals.n_src_tokens += t->n_src_tokens;
        d->totals.n_tgt_tokens += t->n_tgt_tokens;
        d->totals.n_bytes += t->n_bytes;
    }
    d->frames = malloc(((size_t)d->totals.n_frames + 1) * sizeof *d->frames);
    if (d->frames == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s: %lld frames", d->dir, (long long)d->totals.n_frames);
    int64_t k = 0;
    for (int s = 0; s < n; s++)
        for (int64_t i = 0; i < dgm_shard_read_totals(d->train[s])->n_frames; i++) d->frames[k++] = (frame_place){s, i};
    return DGM_OK;
}

dgm_err dgm_dataset_open(const char *dir, dgm_dataset **out)
{
    dgm_err err;
    char *path = NULL;
    dgm_dataset *d = calloc(1, sizeof *d);
    if (d == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "dataset %s", dir);
    d->dir = strdup(dir);
    path = dgm_io_join(dir, "manifest.json");
    if (d->dir == NULL || path == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "dataset %s", dir);
        goto fail;
    }
    if (!dgm_io_exists(dir)) {
        err = DGM_FAIL(DGM_ERR_INPUT, "--data %s: %s; expected a DATA folder: make one with dragoman prepare", dir, strerror(errno));
        goto fail;
    }
    if (!dgm_io_exists(path)) {
        err = DGM_FAIL(DGM_ERR_INPUT, "%s is no DATA folder: it has no manifest.json; make one with dragoman prepare", dir);
        goto fail;
    }
    DGM_GOTO(dgm_manifest_read(path, &d->manifest, d->hash));
    DGM_GOTO(open_tokenizer(d, &d->manifest.src, &d->src));
    if (d->manifest.joint_vocab) d->tgt = d->src;
    else DGM_GOTO(open_tokenizer(d, &d->manifest.tgt, &d->tgt));
    DGM_GOTO(open_train(d));
    DGM_GOTO(open_shard(d, &d->manifest.valid.shards[0], &d->valid));
    free(path);
    *out = d;
    return DGM_OK;
fail:
    free(path);
    dgm_dataset_close(d);
    return err;
}

static void free_valid(dgm_dataset *d)
{
    for (int64_t i = 0; d->valid_words != NULL && i < dgm_shard_read_totals(d->valid)->n_frames; i++) free(d->valid_words[i]);
    free(d->valid_words);
    free(d->valid_pairs);
    d->valid_words = NULL;
    d->valid_pairs = NULL;
}

void dgm_dataset_close(dgm_dataset *d)
{
    if (d == NULL) return;
    free_valid(d);
    free(d->memory.frames);
    free(d->memory.words);
    free(d->memory.pairs);
    free(d->frames);
    dgm_shard_close(d->valid);
    for (int i = 0; d->train != NULL && i < d->manifest.train.n_shards; i++) dgm_shard_close(d->train[i]);
    free(d->train);
    if (d->tgt != d->src) dgm_tokenizer_destroy(d->tgt);
    dgm_tokenizer_destroy(d->src);
    dgm_manifest_fini(&d->manifest);
    free(d->dir);
    free(d);
}

/* ---- in memory ---- */

static dgm_err count_memory(dgm_dataset *d, int64_t n_pairs)
{
    int64_t vocab_size = d->manifest.src.vocab_size;
    for (int64_t i = 0; i < n_pairs; i++) {
        const dgm_pair *p = &d->memory.pairs[i];
        dgm_shard_frame *f = &d->memory.frames[i / FRAME_PAIRS];
        int32_t n = p->n_src + p->n_tgt;
        for (int32_t k = 0; k < n; k++)
            if (p->src[k] < 0 || p->src[k] >= vocab_size)
                return DGM_FAIL(DGM_ERR_INPUT, "pair %lld in memory has token %d, expected 0 to %lld", (long long)i, p->src[k], (long long)vocab_size - 1);
        f->n_pairs++;
        f->n_words += (uint32_t)n;
        f->n_src_tokens += (uint32_t)p->n_src;
        f->n_tgt_tokens += (uint32_t)p->n_tgt;
        d->totals.n_src_tokens += p->n_src;
        d->totals.n_tgt_tokens += p->n_tgt;
        d->manifest.rules.max_length = DGM_MAX(d->manifest.rules.max_length, DGM_MAX(p->n_src, p->n_tgt));
    }
    return DGM_OK;
}

dgm_err dgm_dataset_in_memory(int64_t vocab_size, dgm_pair *pairs, int64_t n_pairs, int32_t *words, dgm_dataset **out)
{
    DGM_ASSERT(n_pairs >= 1);
    int64_t n_frames = (n_pairs + FRAME_PAIRS - 1) / FRAME_PAIRS;
    dgm_dataset *d = calloc(1, sizeof *d);
    dgm_shard_frame *frames = calloc((size_t)n_frames, sizeof *frames);
    if (d == NULL || frames == NULL) {
        free(d), free(frames), free(pairs), free(words);
        return DGM_FAIL(DGM_ERR_NOMEM, "%lld pairs in memory", (long long)n_pairs);
    }
    d->memory = (memory_part){pairs, words, frames};
    d->manifest.joint_vocab = true;
    d->manifest.src.vocab_size = d->manifest.tgt.vocab_size = vocab_size;
    d->totals = (dgm_shard_totals){.n_frames = n_frames, .n_pairs = n_pairs};
    dgm_err err = count_memory(d, n_pairs);
    if (err != DGM_OK) {
        dgm_dataset_close(d);
        return err;
    }
    *out = d;
    return DGM_OK;
}

static void copy_frame(const dgm_dataset *d, int64_t i, int32_t *words, dgm_pair *pairs)
{
    for (int64_t k = 0; k < (int64_t)d->memory.frames[i].n_pairs; k++) {
        dgm_pair p = d->memory.pairs[i * FRAME_PAIRS + k];
        size_t n = (size_t)p.n_src + (size_t)p.n_tgt;
        memcpy(words, p.src, n * sizeof *words);
        pairs[k] = (dgm_pair){words, words + p.n_src, p.n_src, p.n_tgt};
        words += n;
    }
}

/* ---- what is in it ---- */

static dgm_err verify_part(const dgm_dataset *d, const dgm_manifest_part *part)
{
    for (int i = 0; i < part->n_shards; i++) {
        char sha[DGM_SHA256_HEX];
        char *path = dgm_io_join(d->dir, part->shards[i].file);
        if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path in %s", d->dir);
        dgm_err err = dgm_sha256_file(path, sha);
        if (err == DGM_OK && strcmp(sha, part->shards[i].sha256) != 0)
            err = DGM_FAIL(DGM_ERR_INPUT, "%s: its SHA-256 is %s, the manifest says %s: the file was changed, prepare again", path, sha,
                           part->shards[i].sha256);
        free(path);
        if (err != DGM_OK) return err;
    }
    return DGM_OK;
}

dgm_err dgm_dataset_verify(const dgm_dataset *d)
{
    if (d->memory.pairs != NULL) return DGM_OK;
    DGM_TRY(verify_part(d, &d->manifest.train));
    return verify_part(d, &d->manifest.valid);
}

const char *dgm_dataset_hash(const dgm_dataset *d) { return d->hash; }
bool dgm_dataset_joint_vocab(const dgm_dataset *d) { return d->manifest.joint_vocab; }
const dgm_tokenizer *dgm_dataset_tokenizer(const dgm_dataset *d, dgm_side side) { return side == DGM_SIDE_SRC ? d->src : d->tgt; }

int64_t dgm_dataset_vocab_size(const dgm_dataset *d, dgm_side side)
{
    return side == DGM_SIDE_SRC ? d->manifest.src.vocab_size : d->manifest.tgt.vocab_size;
}

int64_t dgm_dataset_max_length(const dgm_dataset *d) { return d->manifest.rules.max_length; }
const dgm_shard_totals *dgm_dataset_train_totals(const dgm_dataset *d) { return &d->totals; }

const dgm_shard_frame *dgm_dataset_frame(const dgm_dataset *d, int64_t i)
{
    DGM_ASSERT(i >= 0 && i < d->totals.n_frames);
    if (d->memory.pairs != NULL) return &d->memory.frames[i];
    return dgm_shard_frame_at(d->train[d->frames[i].shard], d->frames[i].i);
}

/* dgm_shard_read, and no side longer than the manifest promises. */
static dgm_err read_frame(const dgm_dataset *d, dgm_shard *shard, int64_t i, int32_t *words, dgm_pair *pairs)
{
    DGM_TRY(dgm_shard_read(shard, i, d->manifest.src.vocab_size, d->manifest.tgt.vocab_size, words, pairs));
    int64_t n = dgm_shard_frame_at(shard, i)->n_pairs, most = d->manifest.rules.max_length;
    for (int64_t k = 0; k < n; k++)
        if (pairs[k].n_src > most || pairs[k].n_tgt > most)
            return DGM_FAIL(DGM_ERR_INPUT, "%s: a pair of %d and %d tokens, the manifest says at most %lld", d->dir, pairs[k].n_src,
                            pairs[k].n_tgt, (long long)most);
    return DGM_OK;
}

dgm_err dgm_dataset_read_frame(const dgm_dataset *d, int64_t i, int32_t *words, dgm_pair *pairs)
{
    DGM_ASSERT(i >= 0 && i < d->totals.n_frames);
    if (d->memory.pairs != NULL) {
        copy_frame(d, i, words, pairs);
        return DGM_OK;
    }
    return read_frame(d, d->train[d->frames[i].shard], d->frames[i].i, words, pairs);
}

static dgm_err read_valid(dgm_dataset *d)
{
    const dgm_shard_totals *t = dgm_shard_read_totals(d->valid);
    int64_t at = 0;
    d->valid_words = calloc((size_t)t->n_frames + 1, sizeof(int32_t *));
    d->valid_pairs = malloc(((size_t)t->n_pairs + 1) * sizeof *d->valid_pairs);
    if (d->valid_words == NULL || d->valid_pairs == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s: validation part", d->dir);
    for (int64_t i = 0; i < t->n_frames; i++) {
        const dgm_shard_frame *f = dgm_shard_frame_at(d->valid, i);
        d->valid_words[i] = malloc((size_t)f->n_words * sizeof(int32_t));
        if (d->valid_words[i] == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s: validation part", d->dir);
        DGM_TRY(read_frame(d, d->valid, i, d->valid_words[i], d->valid_pairs + at));
        at += f->n_pairs;
    }
    return DGM_OK;
}

dgm_err dgm_dataset_valid(dgm_dataset *d, const dgm_pair **pairs, int64_t *n_pairs)
{
    DGM_ASSERT(d->valid != NULL);
    dgm_err err = d->valid_pairs == NULL ? read_valid(d) : DGM_OK;
    if (err != DGM_OK) {
        free_valid(d);
        return err;
    }
    *pairs = d->valid_pairs;
    *n_pairs = dgm_shard_read_totals(d->valid)->n_pairs;
    return DGM_OK;
}
