/* Lines of text out of one or several files in order, compressed or not (decompress.h), in memory that does not grow.
 *
 * Only LF ends a line: a CR stays part of it (but see dgm_corpus_strip), and so do U+2028 and the other characters that some tools break lines at.  A last line
 * without LF counts; a line does not go on from one file into the next.  A SHA-256 of each file's decompressed text is taken on the way. */
#ifndef DGM_CORPUS_H
#define DGM_CORPUS_H

#include "dgm/checksum.h"
#include "dgm/error.h"

#include <stddef.h>

enum { DGM_CORPUS_MAX_LINE = 1 << 20 }; /* bytes; a longer line is bad */

typedef enum {
    DGM_LINE_GOOD,
    DGM_LINE_NUL,     /* holds a zero byte */
    DGM_LINE_UTF8,    /* is not valid UTF-8 */
    DGM_LINE_TOO_LONG /* has more than DGM_CORPUS_MAX_LINE bytes */
} dgm_line_fault;

typedef struct {
    const char *text; /* [n_bytes], without the LF; not zero-terminated; valid until the next call */
    size_t n_bytes;   /* 0 for a line that is too long */
    const char *file; /* name of the file it is in */
    int64_t number;   /* in that file, from 1 */
    dgm_line_fault fault;
    size_t fault_byte; /* the first bad byte of the line, from 1 */
} dgm_line;

typedef struct dgm_corpus dgm_corpus;

/* DGM_ERR_INPUT, saying what was expected, unless `path` is a file that can be read, or "-".  `name` is what messages call it. */
dgm_err dgm_corpus_look(const char *path, const char *name);

/* paths[n_paths] are copied; "-" is standard input.  names[n_paths] are what messages call the files; NULL: the paths.
 * Files are opened one by one on the way, but looked at now: DGM_ERR_INPUT names the first that cannot be read. */
dgm_err dgm_corpus_open(const char *const *paths, const char *const *names, int n_paths, dgm_corpus **out);
void dgm_corpus_close(dgm_corpus *corpus); /* accepts NULL */

/* The next line, good or bad; *more is false at the end of the last file.  DGM_ERR_INPUT when an archive is damaged, naming file
 * and line. */
dgm_err dgm_corpus_next(dgm_corpus *corpus, dgm_line *line, bool *more);

/* *waits: dgm_corpus_next would wait for somebody to write more (a terminal, a pipe).  Reads what there is.  An archive is taken to be there. */
dgm_err dgm_corpus_waits(dgm_corpus *corpus, bool *waits);

/* DGM_ERR_INPUT with "FILE, line N, byte B: what is wrong with it"; DGM_OK for a good line. */
dgm_err dgm_corpus_refuse(const dgm_line *line);

/* Takes from a good line what some editors add to text: the byte order mark at the beginning of a file, and the CR of a CR LF.  Both are left in the
 * lines: what is text to encode does without them, what is scored keeps them, as sacreBLEU does.  Returns whether there was a CR. */
bool dgm_corpus_strip(const char **text, size_t *n_bytes, bool first_line);

/* What has been read of each file: whole files once dgm_corpus_next has said that there is no more. */
typedef struct {
    int64_t n_bytes, n_lines; /* of decompressed text */
    char sha256[DGM_SHA256_HEX];
} dgm_corpus_file;
int dgm_corpus_n_files(const dgm_corpus *corpus);
const dgm_corpus_file *dgm_corpus_file_read(const dgm_corpus *corpus, int i);

/* Position (from 0) of the first byte that is not valid UTF-8, or n_bytes. */
size_t dgm_corpus_valid_utf8(const char *text, size_t n_bytes);

#endif
