/* Lines come out the same whatever the file is packed in, and nothing damaged passes for text. */
#include "dgm/corpus.h"
#include "dgm/io.h"
#include "tap.h"

#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static char dir[] = "/tmp/dgm_corpus_XXXXXX";
static char path_text[4][128];

static const char *path_of(int i, const char *name)
{
    snprintf(path_text[i], sizeof path_text[i], "%s/%s", dir, name);
    return path_text[i];
}

static void put(const char *path, const void *data, size_t n)
{
    if (dgm_io_write_file(path, data, n) != DGM_OK) tap_err(DGM_ERR_IO, DGM_OK, "write %s", path);
}

typedef enum { PLAIN, ZSTD, GZIP, XZ } packing;
static const char *const packing_names[] = {"plain", "zstd", "gzip", "xz"};

/* Packs text[n] as one frame; returns the bytes in out. */
static size_t pack(packing kind, const char *text, size_t n, unsigned char *out, size_t room)
{
    size_t used = 0;
    if (kind == PLAIN) memcpy(out, text, used = n);
    if (kind == ZSTD) {
        ZSTD_CCtx *c = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
        used = ZSTD_compress2(c, out, room, text, n);
        ZSTD_freeCCtx(c);
    }
    if (kind == GZIP) {
        z_stream z = {0};
        deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
        z.next_in = (unsigned char *)(uintptr_t)text;
        z.avail_in = (unsigned)n;
        z.next_out = out;
        z.avail_out = (unsigned)room;
        deflate(&z, Z_FINISH);
        used = z.total_out;
        deflateEnd(&z);
    }
    if (kind == XZ) lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL, (const uint8_t *)text, n, out, &used, room);
    return used;
}

/* Reads all lines; they are joined with '|' in out.  Returns the error. */
static dgm_err read_all(const char *const *paths, int n_paths, char *out, size_t room, dgm_corpus_file *first)
{
    dgm_corpus *c = NULL;
    dgm_line line;
    bool more;
    size_t at = 0;
    dgm_err err = dgm_corpus_open(paths, NULL, n_paths, &c);
    while (err == DGM_OK && (err = dgm_corpus_next(c, &line, &more)) == DGM_OK && more) {
        if ((err = dgm_corpus_refuse(&line)) != DGM_OK) break;
        if (at + line.n_bytes + 2 <= room) {
            memcpy(out + at, line.text, line.n_bytes);
            at += line.n_bytes;
            out[at++] = '|';
        }
    }
    out[at] = '\0';
    if (err == DGM_OK && first != NULL) *first = *dgm_corpus_file_read(c, 0);
    dgm_corpus_close(c);
    return err;
}

static void test_lines(void)
{
    static const char text[] = "one\r\n\ntwo\xE2\x80\xA8still two\xC2\x85\x0B\x0C\n  three \nlast";
    static unsigned char packed[4096];
    char got[256];
    dgm_corpus_file file;
    char sha[DGM_SHA256_HEX];
    dgm_sha256_buffer(text, sizeof text - 1, sha);
    for (packing kind = PLAIN; kind <= XZ; kind++) {
        const char *p = path_of(0, "misleading.name");
        size_t n = pack(kind, text, sizeof text - 1, packed, sizeof packed);
        put(p, packed, n);
        tap_err(read_all(&p, 1, got, sizeof got, &file), DGM_OK, "%s text", packing_names[kind]);
        tap_text(got, "one\r||two\xE2\x80\xA8still two\xC2\x85\x0B\x0C|  three |last|", "only LF ends a line");
        tap_text(file.sha256, sha, "digest of the text");
        tap_ok(file.n_lines == 5 && file.n_bytes == (int64_t)sizeof text - 1, "5 lines, all bytes");
    }
}

static void test_files(void)
{
    unsigned char packed[512];
    char got[64];
    const char *paths[3] = {path_of(0, "a"), path_of(1, "b"), path_of(2, "c")};
    size_t n = pack(GZIP, "x\n", 2, packed, sizeof packed);
    n += pack(GZIP, "y", 1, packed + n, sizeof packed - n);
    put(paths[0], packed, n); /* two members */
    put(paths[1], "", 0);
    n = pack(ZSTD, "z\n", 2, packed, sizeof packed);
    n += pack(ZSTD, "zz\n", 3, packed + n, sizeof packed - n);
    put(paths[2], packed, n); /* two frames */
    tap_err(read_all(paths, 3, got, sizeof got, NULL), DGM_OK, "several files of several parts, one empty");
    tap_text(got, "x|y|z|zz|", "in order, and no line goes over the end of a file");
    n = pack(XZ, "p\n", 2, packed, sizeof packed);
    n += pack(XZ, "q\n", 2, packed + n, sizeof packed - n);
    put(paths[0], packed, n);
    tap_err(read_all(paths, 1, got, sizeof got, NULL), DGM_OK, "two xz streams");
    tap_text(got, "p|q|", "one after the other");
}

static void test_bad_lines(void)
{
    static const struct { const char *text; size_t n; const char *says; } bad[] = {
        {"good\nbad\0line\n", 14, "line 2, byte 4: a zero byte"},
        {"gut\n\xC3\xBC\xFF\n", 8, "line 2, byte 3: not valid UTF-8 (byte 0xff)"},
        {"\xC0\xAF\n", 3, "line 1, byte 1"},              /* overlong */
        {"12345678\xED\xA0\x80\n", 12, "line 1, byte 9"}, /* a surrogate */
        {"a\xF4\x90\x80\x80\n", 6, "line 1, byte 2"},     /* above U+10FFFF */
        {"cut \xE2\x82\nmore", 11, "line 1, byte 5"},      /* a character may not go over the line's end */
    };
    char got[64];
    const char *p = path_of(0, "bad.txt");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(p, bad[i].text, bad[i].n);
        tap_err(read_all(&p, 1, got, sizeof got, NULL), DGM_ERR_INPUT, "bad line %zu", i);
        tap_error_says(bad[i].says);
        tap_error_says("bad.txt");
    }
    tap_int((int64_t)dgm_corpus_valid_utf8("\xF0\x9F\x98\x80 \xEF\xBF\xBF \xC2\x80", 11), 11, "characters of 2, 3 and 4 bytes are valid");
}

static void test_long_lines(void)
{
    size_t n = 3 * (size_t)DGM_CORPUS_MAX_LINE;
    char *text = malloc(n + 16);
    memset(text, 'x', n + 16);
    text[DGM_CORPUS_MAX_LINE] = '\n'; /* just fits */
    memcpy(text + n, "\nend\n", 5);
    const char *p = path_of(0, "long.txt");
    put(p, text, n + 5);
    dgm_corpus *c = NULL;
    dgm_line line;
    bool more = false;
    tap_err(dgm_corpus_open(&p, NULL, 1, &c), DGM_OK, "open");
    tap_err(dgm_corpus_next(c, &line, &more), DGM_OK, "first line");
    tap_ok(more && line.fault == DGM_LINE_GOOD && line.n_bytes == DGM_CORPUS_MAX_LINE, "the longest line allowed");
    tap_err(dgm_corpus_next(c, &line, &more), DGM_OK, "second line");
    tap_ok(more && line.fault == DGM_LINE_TOO_LONG && line.number == 2, "a line too long is bad");
    tap_err(dgm_corpus_refuse(&line), DGM_ERR_INPUT, "refused");
    tap_error_says("line 2: more than 1048576 bytes");
    tap_err(dgm_corpus_next(c, &line, &more), DGM_OK, "third line");
    tap_ok(more && line.n_bytes == 3 && memcmp(line.text, "end", 3) == 0 && line.number == 3, "and the next one follows");
    dgm_corpus_close(c);
    free(text);
}

static void test_damage(void)
{
    enum { LINES = 20000, ROOM = LINES * 16 };
    char *text = malloc(ROOM), *got = malloc(ROOM);
    unsigned char *packed = malloc(ROOM);
    size_t n = 0;
    for (int i = 0; i < LINES; i++) n += (size_t)snprintf(text + n, ROOM - n, "%d %d\n", i, i * 7919 % 10007);
    const char *p = path_of(0, "archive");
    for (packing kind = ZSTD; kind <= XZ; kind++) {
        size_t whole = pack(kind, text, n, packed, ROOM);
        static const int per_mille[] = {20, 500, 900, 999};
        bool refused = true;
        for (size_t i = 0; i < sizeof per_mille / sizeof *per_mille; i++) {
            put(p, packed, whole * (size_t)per_mille[i] / 1000);
            refused = refused && read_all(&p, 1, got, ROOM, NULL) == DGM_ERR_INPUT && strstr(dgm_error_text(), "archive") != NULL &&
                      strstr(dgm_error_text(), "reading line ") != NULL;
        }
        put(p, packed, whole - 1);
        refused = refused && read_all(&p, 1, got, ROOM, NULL) == DGM_ERR_INPUT;
        tap_ok(refused, "a truncated %s file is refused: %s", packing_names[kind], dgm_error_text());
        packed[whole / 2] ^= 0x10;
        put(p, packed, whole);
        tap_err(read_all(&p, 1, got, ROOM, NULL), DGM_ERR_INPUT, "a damaged %s file is refused: %s", packing_names[kind], dgm_error_text());
        packed[whole / 2] ^= 0x10;
        memcpy(packed + whole, "tail", 4);
        put(p, packed, whole + 4);
        tap_err(read_all(&p, 1, got, ROOM, NULL), DGM_ERR_INPUT, "%s with something behind it is refused", packing_names[kind]);
    }
    free(packed);
    free(got);
    free(text);
}

static void test_missing(void)
{
    char got[16];
    const char *paths[2] = {path_of(0, "a"), path_of(1, "no-such-file")};
    put(paths[0], "x\n", 2);
    tap_err(read_all(paths, 2, got, sizeof got, NULL), DGM_ERR_INPUT, "a missing file");
    tap_error_says("no-such-file: No such file");
    const char *d = dir;
    tap_err(read_all(&d, 1, got, sizeof got, NULL), DGM_ERR_INPUT, "a folder");
    tap_error_says("it is a folder");
}

/* A pipe: what has been written can be had, what has not is waited for; the first bytes of a short line do not wait for more. */
static void test_waits(void)
{
    int ends[2];
    char path[64];
    const char *paths[1] = {path};
    dgm_corpus *c = NULL;
    dgm_line line;
    bool more, waits;
    if (pipe(ends) != 0) abort();
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    tap_err(dgm_corpus_open(paths, NULL, 1, &c), DGM_OK, "a pipe");
    if (write(ends[1], "P\nno", 4) != 4) abort();
    tap_err(dgm_corpus_next(c, &line, &more), DGM_OK, "a line of one letter, with which an archive could begin");
    tap_ok(more && line.n_bytes == 1 && line.text[0] == 'P', "is had at once");
    tap_err(dgm_corpus_waits(c, &waits), DGM_OK, "half a line");
    tap_ok(waits, "is waited for");
    if (write(ends[1], "w\nlast", 6) != 6) abort();
    tap_ok(dgm_corpus_waits(c, &waits) == DGM_OK && !waits, "a whole one is not");
    tap_ok(dgm_corpus_next(c, &line, &more) == DGM_OK && more && line.n_bytes == 3 && memcmp(line.text, "now", 3) == 0, "and comes whole");
    close(ends[1]);
    tap_ok(dgm_corpus_waits(c, &waits) == DGM_OK && !waits, "nobody waits at the end");
    tap_ok(dgm_corpus_next(c, &line, &more) == DGM_OK && more && line.n_bytes == 4, "the last line needs no line feed");
    tap_ok(dgm_corpus_next(c, &line, &more) == DGM_OK && !more, "no more");
    tap_ok(dgm_corpus_waits(c, &waits) == DGM_OK && !waits, "nor behind it");
    dgm_corpus_close(c);
    close(ends[0]);
}

int main(void)
{
    test_waits();
    if (mkdtemp(dir) == NULL) return 99;
    test_lines();
    test_files();
    test_bad_lines();
    test_long_lines();
    test_damage();
    test_missing();
    dgm_io_remove_tree(dir);
    return tap_done();
}
