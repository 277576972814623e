/* One buffer slides over the text: lines are found and checked where they lie, and only the part of a line that the buffer's end
 * cuts off is moved. */
#include "dgm/corpus.h"

#include "dgm/decompress.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>

enum { CHUNK_BYTES = 1 << 18, BUFFER_BYTES = DGM_CORPUS_MAX_LINE + CHUNK_BYTES };

typedef struct {
    char *path, *name;
    dgm_corpus_file read;
} source;

struct dgm_corpus {
    source *files;
    int n_files, current; /* the file being read, from 0; n_files when all are */
    dgm_decompress *stream;
    dgm_sha256 *digest;
    char *buffer; /* [BUFFER_BYTES] text, [at, end) not yet given out */
    size_t at, end;
    bool file_ended; /* the stream has no more behind the buffer */
};

/* People leave the suffix out, or write one where there is none: the name of such a file in place of `path`, or "". */
static void find_beside(const char *path, char *out, size_t bytes)
{
    static const char *const suffixes[] = {"", ".zst", ".gz", ".xz"};
    enum { N = sizeof suffixes / sizeof suffixes[0] };
    size_t stem = strlen(path);
    for (int i = 1; i < N; i++) {
        size_t n = strlen(suffixes[i]);
        if (stem > n && strcmp(path + stem - n, suffixes[i]) == 0) stem -= n;
    }
    for (int i = 0; i < N; i++)
        if (snprintf(out, bytes, "%.*s%s", (int)stem, path, suffixes[i]) < (int)bytes && access(out, R_OK) == 0) return;
    out[0] = '\0';
}

dgm_err dgm_corpus_look(const char *path, const char *name)
{
    struct stat st;
    char beside[PATH_MAX];
    if (strcmp(path, "-") == 0) return DGM_OK;
    if (stat(path, &st) != 0 || access(path, R_OK) != 0) {
        int why = errno;
        find_beside(path, beside, sizeof beside);
        return DGM_FAIL(DGM_ERR_INPUT, "%s: %s; expected a file of text, plain or .zst, .gz, .xz%s%s", name, strerror(why),
                        beside[0] != '\0' ? "; there is " : "", beside);
    }
    if (S_ISDIR(st.st_mode)) return DGM_FAIL(DGM_ERR_INPUT, "%s: it is a folder, expected a file of text", name);
    return DGM_OK;
}

dgm_err dgm_corpus_open(const char *const *paths, const char *const *names, int n_paths, dgm_corpus **out)
{
    dgm_err err;
    dgm_corpus *c = calloc(1, sizeof *c);
    if (c == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "corpus of %d files", n_paths);
    c->files = calloc((size_t)n_paths + 1, sizeof *c->files);
    c->buffer = malloc(BUFFER_BYTES);
    c->n_files = c->files != NULL ? n_paths : 0;
    if (c->files == NULL || c->buffer == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "corpus of %d files", n_paths);
        goto fail;
    }
    for (int i = 0; i < n_paths; i++) {
        const char *name = names != NULL ? names[i] : strcmp(paths[i], "-") == 0 ? "standard input" : paths[i];
        c->files[i].path = strdup(paths[i]);
        c->files[i].name = strdup(name);
        if (c->files[i].path == NULL || c->files[i].name == NULL) {
            err = DGM_FAIL(DGM_ERR_NOMEM, "corpus of %d files", n_paths);
            goto fail;
        }
        DGM_GOTO(dgm_corpus_look(paths[i], name));
    }
    *out = c;
    return DGM_OK;
fail:
    dgm_corpus_close(c);
    return err;
}

void dgm_corpus_close(dgm_corpus *c)
{
    if (c == NULL) return;
    dgm_sha256_destroy(c->digest);
    dgm_decompress_close(c->stream);
    free(c->buffer);
    for (int i = 0; i < c->n_files; i++) {
        free(c->files[i].name);
        free(c->files[i].path);
    }
    free(c->files);
    free(c);
}

int dgm_corpus_n_files(const dgm_corpus *c) { return c->n_files; }
const dgm_corpus_file *dgm_corpus_file_read(const dgm_corpus *c, int i) { return &c->files[i].read; }

static dgm_err begin_file(dgm_corpus *c)
{
    const source *f = &c->files[c->current];
    c->at = c->end = 0;
    c->file_ended = false;
    DGM_TRY(dgm_sha256_create(&c->digest));
    return dgm_decompress_open(f->path, f->name, &c->stream);
}

static dgm_err end_file(dgm_corpus *c)
{
    DGM_TRY(dgm_sha256_finish(c->digest, c->files[c->current].read.sha256));
    dgm_sha256_destroy(c->digest);
    c->digest = NULL;
    dgm_decompress_close(c->stream);
    c->stream = NULL;
    c->current++;
    return DGM_OK;
}

/* Moves what is left to the front and reads behind it. */
static dgm_err refill(dgm_corpus *c)
{
    dgm_corpus_file *f = &c->files[c->current].read;
    size_t n;
    memmove(c->buffer, c->buffer + c->at, c->end - c->at);
    c->end -= c->at;
    c->at = 0;
    dgm_err err = dgm_decompress_read(c->stream, c->buffer + c->end, BUFFER_BYTES - c->end, &n);
    if (err == DGM_ERR_INPUT) err = dgm_error_context(err, "reading line %lld", (long long)f->n_lines + 1);
    if (err != DGM_OK) return err;
    c->file_ended = n == 0;
    DGM_TRY(dgm_sha256_update(c->digest, c->buffer + c->end, n));
    c->end += n;
    f->n_bytes += (int64_t)n;
    return DGM_OK;
}

/* Drops the rest of a line that is too long, its LF included. */
static dgm_err skip_line(dgm_corpus *c)
{
    for (;;) {
        const char *lf = memchr(c->buffer + c->at, '\n', c->end - c->at);
        if (lf != NULL) {
            c->at = (size_t)(lf - c->buffer) + 1;
            return DGM_OK;
        }
        c->at = c->end;
        if (c->file_ended) return DGM_OK;
        DGM_TRY(refill(c));
    }
}

size_t dgm_corpus_valid_utf8(const char *text, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint64_t eight;
        if (n - i >= sizeof eight && (memcpy(&eight, text + i, sizeof eight), (eight & 0x8080808080808080u) == 0)) {
            i += sizeof eight; /* plain ASCII, eight at a time */
            continue;
        }
        utf8proc_int32_t code;
        utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(n - i), &code);
        if (used <= 0) break;
        i += (size_t)used;
    }
    return i;
}

bool dgm_corpus_strip(const char **text, size_t *n_bytes, bool first_line)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const size_t n_mark = sizeof mark - 1;
    if (first_line && *n_bytes >= n_mark && memcmp(*text, mark, n_mark) == 0) {
        *text += n_mark;
        *n_bytes -= n_mark;
    }
    bool has_cr = *n_bytes > 0 && (*text)[*n_bytes - 1] == '\r';
    *n_bytes -= has_cr;
    return has_cr;
}

static void judge(dgm_line *line)
{
    const char *nul = memchr(line->text, '\0', line->n_bytes);
    size_t valid = dgm_corpus_valid_utf8(line->text, line->n_bytes);
    if (nul != NULL && (size_t)(nul - line->text) < valid) {
        line->fault = DGM_LINE_NUL;
        line->fault_byte = (size_t)(nul - line->text) + 1;
    } else if (valid < line->n_bytes) {
        line->fault = DGM_LINE_UTF8;
        line->fault_byte = valid + 1;
    }
}

/* The next line of the current file, which has one: [at, end) is not empty. */
static dgm_err take_line(dgm_corpus *c, dgm_line *line)
{
    source *f = &c->files[c->current];
    const char *lf = NULL;
    for (size_t seen = 0;;) {
        lf = memchr(c->buffer + c->at + seen, '\n', c->end - c->at - seen);
        if (lf != NULL || c->file_ended) break;
        seen = c->end - c->at;
        if (seen > DGM_CORPUS_MAX_LINE) break;
        DGM_TRY(refill(c));
    }
    size_t n = lf != NULL ? (size_t)(lf - c->buffer) - c->at : c->end - c->at;
    *line = (dgm_line){.text = c->buffer + c->at, .n_bytes = n, .file = f->name, .number = f->read.n_lines + 1};
    if (n > DGM_CORPUS_MAX_LINE) {
        DGM_TRY(skip_line(c));
        line->text = ""; /* its bytes have been moved about */
        line->n_bytes = 0;
        line->fault = DGM_LINE_TOO_LONG;
        line->fault_byte = (size_t)DGM_CORPUS_MAX_LINE + 1;
    } else {
        c->at += n + (lf != NULL);
        judge(line);
    }
    f->read.n_lines++;
    return DGM_OK;
}

dgm_err dgm_corpus_next(dgm_corpus *c, dgm_line *line, bool *more)
{
    *more = false;
    while (c->current < c->n_files) {
        if (c->stream == NULL) DGM_TRY(begin_file(c));
        if (c->at == c->end && !c->file_ended) DGM_TRY(refill(c));
        if (c->at < c->end) {
            *more = true;
            return take_line(c, line);
        }
        DGM_TRY(end_file(c));
    }
    return DGM_OK;
}

dgm_err dgm_corpus_waits(dgm_corpus *c, bool *waits)
{
    *waits = false;
    if (c->current == c->n_files || c->stream == NULL) return DGM_OK;
    while (!c->file_ended && c->end - c->at <= DGM_CORPUS_MAX_LINE && memchr(c->buffer + c->at, '\n', c->end - c->at) == NULL) {
        *waits = dgm_decompress_waits(c->stream);
        if (*waits) return DGM_OK;
        DGM_TRY(refill(c));
    }
    return DGM_OK;
}

dgm_err dgm_corpus_refuse(const dgm_line *line)
{
    long long number = (long long)line->number;
    switch (line->fault) {
    case DGM_LINE_GOOD: break;
    case DGM_LINE_NUL:
        return DGM_FAIL(DGM_ERR_INPUT, "%s, line %lld, byte %zu: a zero byte, which text does not have", line->file, number,
                        line->fault_byte);
    case DGM_LINE_UTF8:
        return DGM_FAIL(DGM_ERR_INPUT, "%s, line %lld, byte %zu: not valid UTF-8 (byte 0x%02x)", line->file, number, line->fault_byte,
                        (unsigned char)line->text[line->fault_byte - 1]);
    case DGM_LINE_TOO_LONG:
        return DGM_FAIL(DGM_ERR_INPUT, "%s, line %lld: more than %d bytes without a line end", line->file, number,
                        (int)DGM_CORPUS_MAX_LINE);
    }
    return DGM_OK;
}
