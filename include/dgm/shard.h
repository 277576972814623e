/* Token ids of sentence pairs in a compressed file whose parts can be read in any order.
 *
 * A shard is a zstd file: `zstd -d` gives all of its ids.  It is also in zstd's seekable format (contrib/seekable_format in the zstd
 * sources, version 0.1.0).  All numbers are little-endian.
 *
 *   data frames      n - 1 zstd frames, each with its content size (at most DGM_SHARD_FRAME_BYTES) and content checksum.
 *                    Decompressed, a frame is whole sentence pairs, end to end, in 32-bit words:
 *                      u32 n_src   u32 n_tgt   n_src x u32 source ids   n_tgt x u32 target ids        (no begin or end tokens)
 *   index            a skippable frame, which decompressors pass over:
 *                      0  u32  magic 0x184D2A50
 *                      4  u32  bytes that follow: 16 + 12 (n - 1) + 8
 *                      8  u32  magic 0x58495344, "DSIX"
 *                     12  u32  version, 1
 *                     16  u32  number of data frames, n - 1
 *                     20  u32  reserved, 0
 *                     24  per data frame: u32 sentence pairs, u32 source tokens, u32 target tokens
 *                         u64  XXH64 (seed 0) of the index from its byte 8 to here
 *   seek table       a skippable frame, the last of the file:
 *                      0  u32  magic 0x184D2A5E
 *                      4  u32  bytes that follow: 12 n + 9
 *                      8  per frame (data frames, then the index): u32 compressed bytes, u32 decompressed bytes (0 for the index),
 *                         u32 lower half of XXH64 (seed 0) of the decompressed bytes
 *                         u32  number of frames, n
 *                         u8   descriptor 0x80: checksums are there; the other bits are reserved, 0
 *                         u32  magic 0x8F92EAB1
 *
 * Every field is checked before it is used.  A file that is truncated or damaged is DGM_ERR_INPUT with its path and the byte. */
#ifndef DGM_SHARD_H
#define DGM_SHARD_H

#include "dgm/batch.h"
#include "dgm/error.h"

enum {
    DGM_SHARD_FRAME_BYTES = 1 << 20, /* decompressed */
    DGM_SHARD_MAX_TOKENS = 1 << 16   /* on one side of a pair: any pair fits a frame */
};

typedef struct {
    int64_t n_frames; /* data frames */
    int64_t n_pairs, n_src_tokens, n_tgt_tokens;
    int64_t n_bytes; /* of the file */
} dgm_shard_totals;

typedef struct dgm_shard_writer dgm_shard_writer;

/* Creates (or empties) the file.  The same pairs give the same bytes with the same version of zstd. */
dgm_err dgm_shard_writer_create(const char *path, dgm_shard_writer **out);
/* DGM_ERR_SHAPE when a side has more than DGM_SHARD_MAX_TOKENS ids or an id is negative. */
dgm_err dgm_shard_writer_add(dgm_shard_writer *writer, const dgm_pair *pair);
/* Writes what is left, index and seek table and flushes the file to disk; only dgm_shard_writer_destroy may follow. */
dgm_err dgm_shard_writer_finish(dgm_shard_writer *writer, dgm_shard_totals *out);
int64_t dgm_shard_writer_n_frames(const dgm_shard_writer *writer); /* frames written so far */
void dgm_shard_writer_destroy(dgm_shard_writer *writer);           /* accepts NULL; removes a file that was not finished */

typedef struct {
    int64_t offset;            /* of the compressed frame in the file */
    uint32_t compressed_bytes; /* of the frame */
    uint32_t n_words;          /* 32-bit words of the decompressed frame */
    uint32_t checksum;         /* of the decompressed frame */
    uint32_t n_pairs, n_src_tokens, n_tgt_tokens;
} dgm_shard_frame;

typedef struct dgm_shard dgm_shard;

/* Reads and checks index and seek table. */
dgm_err dgm_shard_open(const char *path, dgm_shard **out);
void dgm_shard_close(dgm_shard *shard); /* accepts NULL */
const dgm_shard_totals *dgm_shard_read_totals(const dgm_shard *shard);
const dgm_shard_frame *dgm_shard_frame_at(const dgm_shard *shard, int64_t i); /* 0 <= i < n_frames */

/* Reads and checks data frame i.
 *   words  [n_words]  out  the decompressed frame
 *   pairs  [n_pairs]  out  point into words
 * DGM_ERR_INPUT also when an id is not below src_vocab_size or tgt_vocab_size.  One thread at a time per shard.
 * Takes no memory. */
dgm_err dgm_shard_read(dgm_shard *shard, int64_t i, int64_t src_vocab_size, int64_t tgt_vocab_size, int32_t *words, dgm_pair *pairs);

#endif
