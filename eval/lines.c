/* A whole text, read through the corpus reader so that every command takes the same kinds of files and refuses the same lines. */
#include "dgm/lines.h"

#include "dgm/corpus.h"

#include <stdlib.h>
#include <string.h>

void dgm_lines_fini(dgm_lines *lines)
{
    free(lines->name);
    free(lines->line);
    dgm_mt_buffer_fini(&lines->text);
    *lines = (dgm_lines){0};
}

/* A zero byte is a character like others to who scores; what stands behind it must be valid all the same. */
static bool has_only_zero_bytes(const dgm_line *line)
{
    return line->fault == DGM_LINE_NUL && dgm_corpus_valid_utf8(line->text, line->n_bytes) == line->n_bytes;
}

/* Notes only the length: the text may still move. */
static dgm_err append_line(dgm_lines *lines, bool zero_bytes, int64_t *room, const dgm_line *line)
{
    if (!zero_bytes || !has_only_zero_bytes(line)) DGM_TRY(dgm_corpus_refuse(line));
    if (lines->n == *room) {
        int64_t more = *room > 0 ? 2 * *room : 1024;
        dgm_mt_span *grown = realloc(lines->line, (size_t)more * sizeof *grown);
        if (grown == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld lines of %s", (long long)more, lines->name);
        lines->line = grown;
        *room = more;
    }
    DGM_TRY(dgm_mt_buffer_append(&lines->text, line->text, line->n_bytes));
    lines->line[lines->n++].n_bytes = line->n_bytes;
    return DGM_OK;
}

dgm_err dgm_lines_read(const char *path, bool zero_bytes, dgm_lines *out)
{
    dgm_err err;
    dgm_lines lines = {0};
    dgm_corpus *corpus = NULL;
    int64_t room = 0;
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    lines.name = strdup(name);
    if (lines.name == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path %s", path);
    DGM_GOTO(dgm_corpus_open(&path, &name, 1, &corpus));
    for (;;) {
        dgm_line line;
        bool more;
        DGM_GOTO(dgm_corpus_next(corpus, &line, &more));
        if (!more) break;
        DGM_GOTO(append_line(&lines, zero_bytes, &room, &line));
    }
    dgm_corpus_close(corpus);
    const char *at = lines.text.data;
    for (int64_t i = 0; i < lines.n; at += lines.line[i++].n_bytes) lines.line[i].text = at;
    *out = lines;
    return DGM_OK;
fail:
    dgm_corpus_close(corpus);
    dgm_lines_fini(&lines);
    return err;
}

dgm_err dgm_lines_check_aligned(const dgm_lines *a, const dgm_lines *b)
{
    if (a->n == b->n) return DGM_OK;
    return DGM_FAIL(DGM_ERR_INPUT, "%s has %lld line%s and %s has %lld: line i of one belongs to line i of the other, so the numbers must be equal",
                    a->name, (long long)a->n, a->n == 1 ? "" : "s", b->name, (long long)b->n);
}

int64_t dgm_lines_count_words(const dgm_lines *lines)
{
    int64_t n = 0;
    for (int64_t i = 0; i < lines->n; i++) {
        bool inside = false;
        size_t width;
        for (size_t at = 0; at < lines->line[i].n_bytes; at += width) {
            bool space = dgm_mt_is_white_space(dgm_mt_code_point(lines->line[i].text, lines->line[i].n_bytes, at, &width));
            n += !space && !inside;
            inside = !space;
        }
    }
    return n;
}
