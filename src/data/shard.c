/* Writes and reads shards; the layout is described in shard.h.
 *
 * A frame is the unit of everything: of compression, of checksums, of random access and of the memory that reading takes.  The reader
 * trusts no field: sums of sizes must give the size of the file, counts must give the size of each frame. */
#include "dgm/shard.h"

#include "dgm/io.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

enum {
    FRAME_WORDS = DGM_SHARD_FRAME_BYTES / 4,
    LEVEL = 6,
    INDEX_HEAD_BYTES = 24,
    INDEX_ENTRY_BYTES = 12,
    TABLE_ENTRY_BYTES = 12,
    TABLE_FOOT_BYTES = 9,
    DESCRIPTOR = 0x80,
    VERSION = 1,
    MAX_FRAMES = 1 << 20
};
static const uint32_t INDEX_FRAME_MAGIC = 0x184D2A50, INDEX_MAGIC = 0x58495344, TABLE_FRAME_MAGIC = 0x184D2A5E, TABLE_MAGIC = 0x8F92EAB1;

#define BAD(path, at, ...) dgm_error_context(DGM_FAIL(DGM_ERR_INPUT, __VA_ARGS__), "%s, byte %lld", (path), (long long)(at))

static void put_u32(unsigned char *to, uint32_t v)
{
    v = htole32(v);
    memcpy(to, &v, sizeof v);
}

static uint32_t get_u32(const unsigned char *from)
{
    uint32_t v;
    memcpy(&v, from, sizeof v);
    return le32toh(v);
}

/* ---- writing ---- */

struct dgm_shard_writer {
    char *path;
    int fd;
    bool finished;
    ZSTD_CCtx *zstd;
    uint32_t *words; /* [FRAME_WORDS] the frame being filled, little-endian */
    unsigned char *packed;
    size_t packed_room;
    dgm_shard_frame frame;   /* counts of the frame being filled */
    dgm_shard_frame *frames; /* [totals.n_frames], room for more */
    int64_t frames_room;
    dgm_shard_totals totals;
};

dgm_err dgm_shard_writer_create(const char *path, dgm_shard_writer **out)
{
    dgm_err err;
    dgm_shard_writer *w = calloc(1, sizeof *w);
    if (w == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "shard %s", path);
    w->fd = -1;
    w->path = strdup(path);
    w->zstd = ZSTD_createCCtx();
    w->packed_room = ZSTD_compressBound(DGM_SHARD_FRAME_BYTES);
    w->packed = malloc(w->packed_room);
    w->words = malloc(DGM_SHARD_FRAME_BYTES);
    if (w->path == NULL || w->zstd == NULL || w->packed == NULL || w->words == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "shard %s", path);
        goto fail;
    }
    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1);
    w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd < 0) {
        err = DGM_FAIL(DGM_ERR_IO, "create %s: %s", path, strerror(errno));
        goto fail;
    }
    *out = w;
    return DGM_OK;
fail:
    dgm_shard_writer_destroy(w);
    return err;
}

void dgm_shard_writer_destroy(dgm_shard_writer *w)
{
    if (w == NULL) return;
    if (w->fd >= 0) {
        close(w->fd);
        if (!w->finished) unlink(w->path);
    }
    free(w->frames);
    free(w->words);
    free(w->packed);
    ZSTD_freeCCtx(w->zstd);
    free(w->path);
    free(w);
}

int64_t dgm_shard_writer_n_frames(const dgm_shard_writer *w) { return w->totals.n_frames; }

static dgm_err write_block(dgm_shard_writer *w, const void *data, size_t bytes)
{
    DGM_TRY(dgm_io_write(w->fd, data, bytes, w->path));
    w->totals.n_bytes += (int64_t)bytes;
    return DGM_OK;
}

static dgm_err flush_frame(dgm_shard_writer *w)
{
    dgm_shard_frame *f = &w->frame;
    if (f->n_pairs == 0) return DGM_OK;
    if (w->totals.n_frames == w->frames_room) {
        int64_t room = 2 * w->frames_room + 16;
        dgm_shard_frame *more = realloc(w->frames, (size_t)room * sizeof *more);
        if (more == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "shard %s: index of %lld frames", w->path, (long long)room);
        w->frames = more;
        w->frames_room = room;
    }
    size_t bytes = (size_t)f->n_words * sizeof *w->words;
    size_t packed = ZSTD_compress2(w->zstd, w->packed, w->packed_room, w->words, bytes);
    if (ZSTD_isError(packed)) return DGM_FAIL(DGM_ERR_INTERNAL, "shard %s: zstd: %s", w->path, ZSTD_getErrorName(packed));
    f->compressed_bytes = (uint32_t)packed;
    f->checksum = (uint32_t)XXH64(w->words, bytes, 0);
    DGM_TRY(write_block(w, w->packed, packed));
    w->frames[w->totals.n_frames++] = *f;
    *f = (dgm_shard_frame){0};
    return DGM_OK;
}

static dgm_err put_ids(dgm_shard_writer *w, const int32_t *ids, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        if (ids[i] < 0) return DGM_FAIL(DGM_ERR_SHAPE, "shard %s: token id %d", w->path, ids[i]);
        w->words[w->frame.n_words++] = htole32((uint32_t)ids[i]);
    }
    return DGM_OK;
}

dgm_err dgm_shard_writer_add(dgm_shard_writer *w, const dgm_pair *p)
{
    if (p->n_src < 0 || p->n_tgt < 0 || p->n_src > DGM_SHARD_MAX_TOKENS || p->n_tgt > DGM_SHARD_MAX_TOKENS)
        return DGM_FAIL(DGM_ERR_SHAPE, "shard %s: a pair of %d and %d tokens, expected 0 to %d", w->path, p->n_src, p->n_tgt,
                        (int)DGM_SHARD_MAX_TOKENS);
    if ((int64_t)w->frame.n_words + 2 + p->n_src + p->n_tgt > FRAME_WORDS) DGM_TRY(flush_frame(w));
    w->words[w->frame.n_words++] = htole32((uint32_t)p->n_src);
    w->words[w->frame.n_words++] = htole32((uint32_t)p->n_tgt);
    DGM_TRY(put_ids(w, p->src, p->n_src));
    DGM_TRY(put_ids(w, p->tgt, p->n_tgt));
    w->frame.n_pairs++;
    w->frame.n_src_tokens += (uint32_t)p->n_src;
    w->frame.n_tgt_tokens += (uint32_t)p->n_tgt;
    w->totals.n_pairs++;
    w->totals.n_src_tokens += p->n_src;
    w->totals.n_tgt_tokens += p->n_tgt;
    return DGM_OK;
}

static size_t index_bytes(int64_t n_frames) { return INDEX_HEAD_BYTES + INDEX_ENTRY_BYTES * (size_t)n_frames + 8; }
static size_t table_bytes(int64_t n_frames) { return 8 + TABLE_ENTRY_BYTES * ((size_t)n_frames + 1) + TABLE_FOOT_BYTES; }

static void make_index(const dgm_shard_writer *w, unsigned char *to)
{
    int64_t n = w->totals.n_frames;
    size_t bytes = index_bytes(n);
    put_u32(to, INDEX_FRAME_MAGIC);
    put_u32(to + 4, (uint32_t)(bytes - 8));
    put_u32(to + 8, INDEX_MAGIC);
    put_u32(to + 12, VERSION);
    put_u32(to + 16, (uint32_t)n);
    put_u32(to + 20, 0);
    for (int64_t i = 0; i < n; i++) {
        unsigned char *entry = to + INDEX_HEAD_BYTES + INDEX_ENTRY_BYTES * i;
        put_u32(entry, w->frames[i].n_pairs);
        put_u32(entry + 4, w->frames[i].n_src_tokens);
        put_u32(entry + 8, w->frames[i].n_tgt_tokens);
    }
    uint64_t sum = htole64(XXH64(to + 8, bytes - 16, 0));
    memcpy(to + bytes - 8, &sum, sizeof sum);
}

static void make_table(const dgm_shard_writer *w, unsigned char *to)
{
    int64_t n = w->totals.n_frames;
    put_u32(to, TABLE_FRAME_MAGIC);
    put_u32(to + 4, (uint32_t)(table_bytes(n) - 8));
    unsigned char *entry = to + 8;
    for (int64_t i = 0; i <= n; i++, entry += TABLE_ENTRY_BYTES) { /* the last is the index, which gives no bytes */
        put_u32(entry, i < n ? w->frames[i].compressed_bytes : (uint32_t)index_bytes(n));
        put_u32(entry + 4, i < n ? 4 * w->frames[i].n_words : 0);
        put_u32(entry + 8, i < n ? w->frames[i].checksum : (uint32_t)XXH64("", 0, 0));
    }
    put_u32(entry, (uint32_t)n + 1);
    entry[4] = DESCRIPTOR;
    put_u32(entry + 5, TABLE_MAGIC);
}

dgm_err dgm_shard_writer_finish(dgm_shard_writer *w, dgm_shard_totals *out)
{
    DGM_TRY(flush_frame(w));
    if (w->totals.n_frames > MAX_FRAMES)
        return DGM_FAIL(DGM_ERR_SHAPE, "shard %s: %lld frames, at most %d", w->path, (long long)w->totals.n_frames, (int)MAX_FRAMES);
    size_t n_index = index_bytes(w->totals.n_frames), n_table = table_bytes(w->totals.n_frames);
    unsigned char *tail = malloc(n_index + n_table);
    if (tail == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "shard %s: index", w->path);
    make_index(w, tail);
    make_table(w, tail + n_index);
    dgm_err err = write_block(w, tail, n_index + n_table);
    free(tail);
    if (err == DGM_OK && fsync(w->fd) != 0) err = DGM_FAIL(DGM_ERR_IO, "flush %s: %s", w->path, strerror(errno));
    if (err != DGM_OK) return err;
    w->finished = true;
    *out = w->totals;
    return DGM_OK;
}

/* ---- reading ---- */

struct dgm_shard {
    char *path;
    int fd;
    int64_t file_bytes;
    ZSTD_DCtx *zstd;
    unsigned char *packed;   /* room for the largest compressed frame */
    dgm_shard_frame *frames; /* [totals.n_frames] */
    dgm_shard_totals totals;
};

/* The foot of the seek table: how many data frames there are, and where the index begins. */
static dgm_err read_foot(dgm_shard *s, int64_t *tail_at)
{
    unsigned char foot[TABLE_FOOT_BYTES];
    int64_t at = s->file_bytes - TABLE_FOOT_BYTES;
    if (s->file_bytes < (int64_t)(index_bytes(0) + table_bytes(0)))
        return BAD(s->path, s->file_bytes, "the file ends here, too short for a shard");
    DGM_TRY(dgm_io_pread(s->fd, foot, sizeof foot, at, s->path));
    if (get_u32(foot + 5) != TABLE_MAGIC)
        return BAD(s->path, at + 5, "0x%08x, expected the magic number 0x%08x of a seek table: not a shard, or truncated", get_u32(foot + 5),
                   TABLE_MAGIC);
    if (foot[4] != DESCRIPTOR) return BAD(s->path, at + 4, "descriptor 0x%02x, expected 0x%02x", foot[4], (unsigned)DESCRIPTOR);
    uint32_t n = get_u32(foot);
    if (n < 1 || n > MAX_FRAMES + 1) return BAD(s->path, at, "%u frames, expected 1 to %d", n, MAX_FRAMES + 1);
    s->totals.n_frames = (int64_t)n - 1;
    *tail_at = s->file_bytes - (int64_t)(index_bytes(s->totals.n_frames) + table_bytes(s->totals.n_frames));
    if (*tail_at < 0) return BAD(s->path, at, "%u frames do not fit a file of %lld bytes", n, (long long)s->file_bytes);
    return DGM_OK;
}

static dgm_err check_index(const dgm_shard *s, const unsigned char *index, int64_t at)
{
    static const struct { int offset; const char *what; } fields[] = {
        {0, "magic number of the index frame"}, {4, "size of the index"}, {8, "magic number of the index"},
        {12, "version"},                        {16, "number of frames"}, {20, "reserved field"}};
    size_t bytes = index_bytes(s->totals.n_frames);
    const uint32_t want[] = {INDEX_FRAME_MAGIC, (uint32_t)(bytes - 8), INDEX_MAGIC, VERSION, (uint32_t)s->totals.n_frames, 0};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        uint32_t got = get_u32(index + fields[i].offset);
        if (got != want[i]) return BAD(s->path, at + fields[i].offset, "%s is 0x%x, expected 0x%x", fields[i].what, got, want[i]);
    }
    uint64_t sum;
    memcpy(&sum, index + bytes - 8, sizeof sum);
    if (le64toh(sum) != XXH64(index + 8, bytes - 16, 0)) return BAD(s->path, at + 8, "the index does not have its checksum");
    return DGM_OK;
}

/* Seek table and index side by side: sizes must lead from the first byte of the file to the index. */
static dgm_err read_entries(dgm_shard *s, const unsigned char *index, const unsigned char *table, int64_t tail_at)
{
    int64_t n = s->totals.n_frames, offset = 0, table_at = tail_at + (int64_t)index_bytes(n);
    if (get_u32(table) != TABLE_FRAME_MAGIC || get_u32(table + 4) != table_bytes(n) - 8)
        return BAD(s->path, table_at, "no seek table of %lld frames begins here", (long long)n + 1);
    for (int64_t i = 0; i < n; i++) {
        const unsigned char *seek = table + 8 + TABLE_ENTRY_BYTES * i, *counts = index + INDEX_HEAD_BYTES + INDEX_ENTRY_BYTES * i;
        int64_t at = table_at + 8 + TABLE_ENTRY_BYTES * i;
        uint32_t bytes = get_u32(seek + 4);
        dgm_shard_frame f = {.offset = offset, .compressed_bytes = get_u32(seek), .n_words = bytes / 4, .checksum = get_u32(seek + 8),
                             .n_pairs = get_u32(counts), .n_src_tokens = get_u32(counts + 4), .n_tgt_tokens = get_u32(counts + 8)};
        int64_t most = DGM_MIN(tail_at - offset, (int64_t)ZSTD_compressBound(DGM_SHARD_FRAME_BYTES));
        if (f.compressed_bytes == 0 || f.compressed_bytes > most)
            return BAD(s->path, at, "frame %lld of %u compressed bytes, expected at most %lld", (long long)i, f.compressed_bytes,
                       (long long)most);
        if (bytes == 0 || bytes % 4 != 0 || bytes > DGM_SHARD_FRAME_BYTES)
            return BAD(s->path, at + 4, "frame %lld of %u bytes, expected a multiple of 4 up to %d", (long long)i, bytes,
                       (int)DGM_SHARD_FRAME_BYTES);
        if (f.n_pairs == 0 || 2 * (uint64_t)f.n_pairs + f.n_src_tokens + f.n_tgt_tokens != f.n_words)
            return BAD(s->path, tail_at + INDEX_HEAD_BYTES + INDEX_ENTRY_BYTES * i, "frame %lld: %u pairs of %u and %u tokens in %u words",
                       (long long)i, f.n_pairs, f.n_src_tokens, f.n_tgt_tokens, f.n_words);
        s->frames[i] = f;
        offset += f.compressed_bytes;
        s->totals.n_pairs += f.n_pairs;
        s->totals.n_src_tokens += f.n_src_tokens;
        s->totals.n_tgt_tokens += f.n_tgt_tokens;
    }
    const unsigned char *last = table + 8 + TABLE_ENTRY_BYTES * n;
    if (get_u32(last) != index_bytes(n) || get_u32(last + 4) != 0 || get_u32(last + 8) != (uint32_t)XXH64("", 0, 0))
        return BAD(s->path, table_at + 8 + TABLE_ENTRY_BYTES * n, "the entry of the index is wrong");
    if (offset != tail_at)
        return BAD(s->path, offset, "the frames end here, but the index begins at byte %lld", (long long)tail_at);
    return DGM_OK;
}

static dgm_err read_tail(dgm_shard *s)
{
    int64_t tail_at = 0;
    DGM_TRY(read_foot(s, &tail_at));
    size_t n_index = index_bytes(s->totals.n_frames), n_tail = n_index + table_bytes(s->totals.n_frames);
    unsigned char *tail = malloc(n_tail);
    s->frames = malloc(((size_t)s->totals.n_frames + 1) * sizeof *s->frames);
    dgm_err err = tail != NULL && s->frames != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "shard %s: index", s->path);
    if (err == DGM_OK) err = dgm_io_pread(s->fd, tail, n_tail, tail_at, s->path);
    if (err == DGM_OK) err = check_index(s, tail, tail_at);
    if (err == DGM_OK) err = read_entries(s, tail, tail + n_index, tail_at);
    free(tail);
    return err;
}

dgm_err dgm_shard_open(const char *path, dgm_shard **out)
{
    dgm_err err;
    dgm_shard *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "shard %s", path);
    s->path = strdup(path);
    s->zstd = ZSTD_createDCtx();
    s->fd = -1;
    if (s->path == NULL || s->zstd == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "shard %s", path);
        goto fail;
    }
    DGM_GOTO(dgm_io_open_read(path, &s->fd, &s->file_bytes));
    s->totals.n_bytes = s->file_bytes;
    DGM_GOTO(read_tail(s));
    size_t largest = 1;
    for (int64_t i = 0; i < s->totals.n_frames; i++) largest = DGM_MAX(largest, (size_t)s->frames[i].compressed_bytes);
    s->packed = malloc(largest);
    if (s->packed == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "shard %s: frame of %zu bytes", path, largest);
        goto fail;
    }
    *out = s;
    return DGM_OK;
fail:
    dgm_shard_close(s);
    return err;
}

void dgm_shard_close(dgm_shard *s)
{
    if (s == NULL) return;
    free(s->frames);
    free(s->packed);
    if (s->fd >= 0) close(s->fd);
    ZSTD_freeDCtx(s->zstd);
    free(s->path);
    free(s);
}

const dgm_shard_totals *dgm_shard_read_totals(const dgm_shard *s) { return &s->totals; }

const dgm_shard_frame *dgm_shard_frame_at(const dgm_shard *s, int64_t i)
{
    DGM_ASSERT(i >= 0 && i < s->totals.n_frames);
    return &s->frames[i];
}

/* words[f->n_words] of the pairs a frame holds, every count and id in its range. */
static dgm_err read_pairs(const dgm_shard *s, const dgm_shard_frame *f, int64_t src_vocab_size, int64_t tgt_vocab_size,
                          const int32_t *words, dgm_pair *pairs)
{
    int64_t at = 0, n_src = 0;
    for (uint32_t k = 0; k < f->n_pairs; k++) {
        int64_t left = (int64_t)f->n_words - at - 2;
        if (left < 0 || words[at] < 0 || words[at + 1] < 0 || (int64_t)words[at] + words[at + 1] > left)
            return BAD(s->path, f->offset, "pair %u of the frame that begins here does not fit it", k);
        dgm_pair p = {words + at + 2, words + at + 2 + words[at], words[at], words[at + 1]};
        bool in_range = true;
        for (int32_t i = 0; i < p.n_src; i++) in_range &= p.src[i] >= 0 && p.src[i] < src_vocab_size;
        for (int32_t i = 0; i < p.n_tgt; i++) in_range &= p.tgt[i] >= 0 && p.tgt[i] < tgt_vocab_size;
        if (!in_range)
            return BAD(s->path, f->offset, "pair %u of the frame that begins here has ids outside vocabularies of %lld and %lld", k,
                       (long long)src_vocab_size, (long long)tgt_vocab_size);
        pairs[k] = p;
        at += (int64_t)2 + p.n_src + p.n_tgt;
        n_src += p.n_src;
    }
    if (at != f->n_words || n_src != f->n_src_tokens)
        return BAD(s->path, f->offset, "the frame that begins here does not hold what the index says");
    return DGM_OK;
}

dgm_err dgm_shard_read(dgm_shard *s, int64_t i, int64_t src_vocab_size, int64_t tgt_vocab_size, int32_t *words, dgm_pair *pairs)
{
    DGM_ASSERT(i >= 0 && i < s->totals.n_frames);
    const dgm_shard_frame *f = &s->frames[i];
    DGM_TRY(dgm_io_pread(s->fd, s->packed, f->compressed_bytes, f->offset, s->path));
    size_t bytes = (size_t)f->n_words * 4;
    if (ZSTD_findFrameCompressedSize(s->packed, f->compressed_bytes) != f->compressed_bytes ||
        ZSTD_getFrameContentSize(s->packed, f->compressed_bytes) != bytes)
        return BAD(s->path, f->offset, "no frame of %u bytes that gives %zu begins here: the file is damaged", f->compressed_bytes, bytes);
    size_t n = ZSTD_decompressDCtx(s->zstd, words, bytes, s->packed, f->compressed_bytes);
    if (ZSTD_isError(n) || n != bytes)
        return BAD(s->path, f->offset, "the frame that begins here is damaged: %s", ZSTD_isError(n) ? ZSTD_getErrorName(n) : "short");
    if ((uint32_t)XXH64(words, bytes, 0) != f->checksum)
        return BAD(s->path, f->offset, "the frame that begins here does not have its checksum");
    for (uint32_t k = 0; k < f->n_words; k++) words[k] = (int32_t)le32toh((uint32_t)words[k]);
    return read_pairs(s, f, src_vocab_size, tgt_vocab_size, words, pairs);
}
