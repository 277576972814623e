/* Three decompressors and a copy behind one read call.
 *
 * What matters here is the end of the file: each library says in its own way whether a frame was complete, and a file that stops
 * inside one must not pass for a shorter text. */
#include "dgm/decompress.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { INPUT_BYTES = 1 << 17, MAGIC_BYTES = 6, WINDOW_LOG_MAX = 31 };

typedef enum { FORMAT_PLAIN, FORMAT_ZSTD, FORMAT_GZIP, FORMAT_XZ } format;
static const char *const format_names[] = {"plain", "zstd", "gzip", "xz"};

struct dgm_decompress {
    char *name;
    int fd;
    format format;
    unsigned char *input; /* [INPUT_BYTES] bytes of the file, [at, end) not yet used */
    size_t at, end;
    bool at_eof;     /* the file has no more bytes behind input */
    bool open_frame; /* inside a frame or member: the file may not end here */
    int64_t n_out;
    ZSTD_DStream *zstd;
    z_stream gzip;
    lzma_stream xz;
    bool gzip_ready, xz_ready;
};

static dgm_err fill(dgm_decompress *s)
{
    while (s->at == s->end && !s->at_eof) {
        ssize_t n = read(s->fd, s->input, INPUT_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return DGM_FAIL(errno == EISDIR ? DGM_ERR_INPUT : DGM_ERR_IO, "read %s: %s", s->name, strerror(errno));
        s->at = 0;
        s->end = (size_t)n;
        s->at_eof = n == 0;
    }
    return DGM_OK;
}

static const struct { size_t n; unsigned char bytes[MAGIC_BYTES], mask[MAGIC_BYTES]; format format; } magics[] = {
    {4, {0x28, 0xB5, 0x2F, 0xFD}, {0xFF, 0xFF, 0xFF, 0xFF}, FORMAT_ZSTD},
    {4, {0x50, 0x2A, 0x4D, 0x18}, {0xF0, 0xFF, 0xFF, 0xFF}, FORMAT_ZSTD}, /* skippable frame */
    {2, {0x1F, 0x8B}, {0xFF, 0xFF}, FORMAT_GZIP},
    {6, {0xFD, '7', 'z', 'X', 'Z', 0}, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, FORMAT_XZ},
};

/* What the first n bytes say; *open: more of them could still say otherwise. */
static format recognise(const unsigned char *b, size_t n, bool *open)
{
    *open = false;
    for (size_t m = 0; m < sizeof magics / sizeof *magics; m++) {
        size_t i = 0;
        while (i < DGM_MIN(n, magics[m].n) && (b[i] & magics[m].mask[i]) == magics[m].bytes[i]) i++;
        if (i == magics[m].n) return magics[m].format;
        *open = *open || i == n;
    }
    return FORMAT_PLAIN;
}

/* Reads until it is known what the file is: a pipe may give its first bytes one by one, and who types text waits for an answer. */
static dgm_err peek(dgm_decompress *s)
{
    bool open = true;
    while (open && !s->at_eof) {
        ssize_t n = read(s->fd, s->input + s->end, INPUT_BYTES - s->end);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return DGM_FAIL(errno == EISDIR ? DGM_ERR_INPUT : DGM_ERR_IO, "read %s: %s", s->name, strerror(errno));
        s->end += (size_t)n;
        s->at_eof = n == 0;
        s->format = recognise(s->input, s->end, &open);
    }
    return DGM_OK;
}

static dgm_err start_codec(dgm_decompress *s)
{
    bool ready = true;
    if (s->format == FORMAT_ZSTD) {
        s->zstd = ZSTD_createDStream();
        ready = s->zstd != NULL && !ZSTD_isError(ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX));
    } else if (s->format == FORMAT_GZIP) {
        ready = s->gzip_ready = inflateInit2(&s->gzip, 15 + 16) == Z_OK; /* 15: largest window; 16: gzip header and checksum */
        s->open_frame = true;
    } else if (s->format == FORMAT_XZ) {
        s->xz = (lzma_stream)LZMA_STREAM_INIT;
        ready = s->xz_ready = lzma_stream_decoder(&s->xz, UINT64_MAX, LZMA_CONCATENATED) == LZMA_OK;
    }
    return ready ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%s: %s decompressor", s->name, format_names[s->format]);
}

dgm_err dgm_decompress_open(const char *path, const char *name, dgm_decompress **out)
{
    dgm_err err;
    bool standard = strcmp(path, "-") == 0;
    dgm_decompress *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "open %s", path);
    s->fd = -1;
    s->name = strdup(name != NULL ? name : standard ? "standard input" : path);
    s->input = malloc(INPUT_BYTES);
    if (s->name == NULL || s->input == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "open %s", path);
        goto fail;
    }
    s->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0) {
        err = DGM_FAIL(DGM_ERR_INPUT, "open %s: %s", s->name, strerror(errno));
        goto fail;
    }
    DGM_GOTO(peek(s));
    DGM_GOTO(start_codec(s));
    *out = s;
    return DGM_OK;
fail:
    dgm_decompress_close(s);
    return err;
}

void dgm_decompress_close(dgm_decompress *s)
{
    if (s == NULL) return;
    if (s->xz_ready) lzma_end(&s->xz);
    if (s->gzip_ready) inflateEnd(&s->gzip);
    ZSTD_freeDStream(s->zstd);
    if (s->fd > STDIN_FILENO) close(s->fd);
    free(s->input);
    free(s->name);
    free(s);
}

bool dgm_decompress_waits(const dgm_decompress *s)
{
    struct pollfd input = {.fd = s->fd, .events = POLLIN};
    return s->format == FORMAT_PLAIN && s->at == s->end && !s->at_eof && poll(&input, 1, 0) == 0;
}

const char *dgm_decompress_name(const dgm_decompress *s) { return s->name; }

static dgm_err damaged(const dgm_decompress *s, const char *why)
{
    return DGM_FAIL(DGM_ERR_INPUT, "%s: the %s archive is damaged after %lld bytes of text (%s); get the file again", s->name,
                    format_names[s->format], (long long)s->n_out, why);
}

static dgm_err truncated(const dgm_decompress *s)
{
    return DGM_FAIL(DGM_ERR_INPUT, "%s: the %s archive is truncated: it ends after %lld bytes of text; get the file again", s->name,
                    format_names[s->format], (long long)s->n_out);
}

static dgm_err read_plain(dgm_decompress *s, void *data, size_t capacity, size_t *n)
{
    *n = DGM_MIN(capacity, s->end - s->at);
    memcpy(data, s->input + s->at, *n);
    s->at += *n;
    return DGM_OK;
}

static dgm_err read_zstd(dgm_decompress *s, void *data, size_t capacity, size_t *n)
{
    ZSTD_inBuffer in = {s->input, s->end, s->at};
    ZSTD_outBuffer out = {data, capacity, 0};
    size_t left = ZSTD_decompressStream(s->zstd, &out, &in);
    if (ZSTD_isError(left)) return damaged(s, ZSTD_getErrorName(left));
    bool stuck = out.pos == 0 && in.pos == s->at; /* neither took nor gave: only more input could help */
    s->at = in.pos;
    s->open_frame = left != 0;
    *n = out.pos;
    return stuck && s->at_eof ? truncated(s) : DGM_OK;
}

static dgm_err read_gzip(dgm_decompress *s, void *data, size_t capacity, size_t *n)
{
    if (!s->open_frame && inflateReset(&s->gzip) != Z_OK) return damaged(s, "next member"); /* there is input: another member */
    s->open_frame = true;
    s->gzip.next_in = s->input + s->at;
    s->gzip.avail_in = (unsigned)(s->end - s->at);
    s->gzip.next_out = data;
    s->gzip.avail_out = (unsigned)DGM_MIN(capacity, (size_t)1 << 30);
    unsigned room = s->gzip.avail_out;
    int code = inflate(&s->gzip, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return damaged(s, s->gzip.msg != NULL ? s->gzip.msg : "inflate");
    s->at = s->end - s->gzip.avail_in;
    s->open_frame = code != Z_STREAM_END;
    *n = room - s->gzip.avail_out;
    return code == Z_BUF_ERROR && *n == 0 && s->at_eof ? truncated(s) : DGM_OK;
}

static dgm_err read_xz(dgm_decompress *s, void *data, size_t capacity, size_t *n)
{
    s->xz.next_in = s->input + s->at;
    s->xz.avail_in = s->end - s->at;
    s->xz.next_out = data;
    s->xz.avail_out = capacity;
    lzma_ret code = lzma_code(&s->xz, s->at_eof ? LZMA_FINISH : LZMA_RUN);
    if (code == LZMA_BUF_ERROR && s->at_eof) return truncated(s);
    if (code == LZMA_MEM_ERROR) return DGM_FAIL(DGM_ERR_NOMEM, "%s: xz decompressor", s->name);
    if (code != LZMA_OK && code != LZMA_STREAM_END && code != LZMA_BUF_ERROR)
        return damaged(s, code == LZMA_FORMAT_ERROR    ? "not xz"
                          : code == LZMA_OPTIONS_ERROR ? "options this version does not know"
                                                       : "bad data");
    s->at = s->end - s->xz.avail_in;
    s->open_frame = code != LZMA_STREAM_END; /* with LZMA_CONCATENATED it comes at the end of the file alone */
    *n = capacity - s->xz.avail_out;
    return DGM_OK;
}

dgm_err dgm_decompress_read(dgm_decompress *s, void *data, size_t capacity, size_t *n_bytes)
{
    static dgm_err (*const readers[])(dgm_decompress *, void *, size_t, size_t *) = {read_plain, read_zstd, read_gzip, read_xz};
    size_t n = 0;
    while (n == 0) {
        DGM_TRY(fill(s));
        if (s->at == s->end && s->at_eof && !s->open_frame) break;
        DGM_TRY(readers[s->format](s, data, capacity, &n));
    }
    s->n_out += (int64_t)n;
    *n_bytes = n;
    return DGM_OK;
}
