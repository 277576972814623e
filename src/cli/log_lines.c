/* Somebody may have edited, copied or merged a log meanwhile.  Where the order, a doubled line or its end is all that is wrong, what it was is known,
 * and the bytes of a run that was not interrupted come out; a changed number is a number, and nothing tells it from the right one. */
#include "dgm/log_lines.h"

#include "dgm/io.h"
#include "dgm/log.h"

#include <stdlib.h>
#include <string.h>

char *dgm_log_line_text(const json_t *line) { return json_dumps(line, JSON_REAL_PRECISION(17) | JSON_COMPACT); }

int64_t dgm_log_line_key(const json_t *line)
{
    const json_t *step = json_object_get(line, "step");
    if (!json_is_integer(step) || json_integer_value(step) < 0 || json_integer_value(step) > INT64_MAX / 4) return -1;
    return 2 * json_integer_value(step) + (json_object_get(line, "valid_nll") != NULL);
}

typedef struct {
    char *text;
    int64_t key, number; /* in the file */
} line;

typedef struct {
    line *lines;
    int64_t n, room;
    int64_t n_moved, n_doubled, n_rewritten, n_contrary, n_damaged; /* what was not as it should be */
    int64_t contrary_step;                                          /* the first with lines that contradict each other */
} log_lines;

static void fini(log_lines *l)
{
    for (int64_t i = 0; i < l->n; i++) free(l->lines[i].text);
    free(l->lines);
}

/* Takes a line of the file in, if it is one of at most `step`. */
static dgm_err take(log_lines *l, const char *raw, size_t bytes, int64_t step)
{
    json_t *json = json_loadb(raw, bytes, 0, NULL);
    int64_t key = dgm_log_line_key(json);
    char *text = key >= 0 && key / 2 <= step ? dgm_log_line_text(json) : NULL;
    json_decref(json);
    if (key < 0) l->n_damaged++;
    if (key < 0 || key / 2 > step) return DGM_OK;
    if (l->n == l->room) {
        int64_t room = DGM_MAX(2 * l->room, 256);
        line *more = realloc(l->lines, (size_t)room * sizeof *more);
        if (more != NULL) l->lines = more, l->room = room;
    }
    if (text == NULL || l->n == l->room) {
        free(text);
        return DGM_FAIL(DGM_ERR_NOMEM, "lines of a log");
    }
    l->n_rewritten += strlen(text) + 1 != bytes || memcmp(text, raw, bytes - 1) != 0;
    l->lines[l->n] = (line){.text = text, .key = key, .number = l->n};
    l->n++;
    return DGM_OK;
}

static int in_order(const void *a, const void *b)
{
    const line *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Sorts the lines; of those with one key one is left, or none if they are not the same. */
static void put_in_order(log_lines *l)
{
    int64_t n = 0, highest = -1;
    for (int64_t i = 0; i < l->n; i++) {
        l->n_moved += l->lines[i].key < highest;
        highest = DGM_MAX(highest, l->lines[i].key);
    }
    if (l->n_moved > 0) qsort(l->lines, (size_t)l->n, sizeof *l->lines, in_order);
    for (int64_t i = 0, next; i < l->n; i = next) {
        bool same = true;
        for (next = i + 1; next < l->n && l->lines[next].key == l->lines[i].key; next++)
            same = same && strcmp(l->lines[next].text, l->lines[i].text) == 0;
        if (same) l->n_doubled += next - i - 1;
        else if (l->n_contrary == 0) l->contrary_step = l->lines[i].key / 2;
        if (!same) l->n_contrary += next - i;
        for (int64_t k = i + same; k < next; k++) free(l->lines[k].text);
        if (same) l->lines[n++] = l->lines[i];
    }
    l->n = n;
}

static void warn(const char *path, const log_lines *l)
{
    if (l->n_doubled + l->n_moved + l->n_rewritten > 0)
        dgm_log(DGM_LOG_WARN, "%s was not as the program left it, and is put right; lines doubled: %lld, out of order: %lld, written otherwise: %lld",
                path, (long long)l->n_doubled, (long long)l->n_moved, (long long)l->n_rewritten);
    if (l->n_contrary > 0)
        dgm_log(DGM_LOG_WARN, "%s: %lld lines contradict others of the same step (the first are of step %lld): which are right is not known, so all "
                "of them are left out", path, (long long)l->n_contrary, (long long)l->contrary_step);
    if (l->n_damaged > 0) dgm_log(DGM_LOG_WARN, "%s: %lld damaged lines are left out", path, (long long)l->n_damaged);
}

static dgm_err write_lines(const char *path, const log_lines *l)
{
    size_t bytes = 0, at = 0;
    for (int64_t i = 0; i < l->n; i++) bytes += strlen(l->lines[i].text) + 1;
    char *text = malloc(bytes + 1);
    if (text == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "lines of %s", path);
    for (int64_t i = 0; i < l->n; i++) at += (size_t)snprintf(text + at, bytes + 1 - at, "%s\n", l->lines[i].text);
    dgm_err err = dgm_io_write_file(path, text, bytes);
    free(text);
    return err;
}

dgm_err dgm_log_lines_cut_back(const char *path, int64_t step)
{
    char *text;
    size_t n;
    log_lines l = {0};
    int64_t n_lines = 0;
    dgm_err err = DGM_OK;
    bool torn = false;
    if (!dgm_io_exists(path)) return DGM_OK;
    DGM_TRY(dgm_io_read_file(path, &text, &n));
    for (size_t at = 0, bytes; err == DGM_OK && at < n; at += bytes) {
        const char *end = memchr(text + at, '\n', n - at);
        bytes = end != NULL ? (size_t)(end - text) + 1 - at : n - at;
        torn = end == NULL; /* a run that was killed leaves one, behind the checkpoint */
        if (!torn) err = take(&l, text + at, bytes, step);
        n_lines++;
    }
    free(text);
    if (err == DGM_OK) {
        put_in_order(&l);
        warn(path, &l);
        if (torn || l.n < n_lines || l.n_moved + l.n_rewritten > 0) err = write_lines(path, &l);
    }
    fini(&l);
    return err;
}
