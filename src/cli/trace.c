/* Rank 0 writes whole lines.  A trace of a long run is large: it is read line by line, and what is too much at its end is cut off in place. */
#include "dgm/trace.h"

#include "dgm/coll.h"
#include "dgm/io.h"
#include "dgm/log.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dgm_trace {
    FILE *file; /* NULL on the other ranks */
    char *path;
    int n_tensors;
};

static char *trace_path(const char *run) { return dgm_io_join(run, "trace.jsonl"); }

int64_t dgm_trace_line_step(const char *line)
{
    static const char key[] = "{\"step\":";
    char *end;
    if (strncmp(line, key, sizeof key - 1) != 0) return -1;
    errno = 0;
    long long step = strtoll(line + sizeof key - 1, &end, 10);
    return errno == 0 && end != line + sizeof key - 1 && *end == ',' && step >= 0 ? step : -1;
}

/* ---- cutting back ---- */

bool dgm_trace_line_follows(const char *line, const char *previous)
{
    int64_t step = dgm_trace_line_step(line), before = previous != NULL ? dgm_trace_line_step(previous) : -1;
    if (step < 0 || strchr(line, '\r') != NULL) return false;
    if (previous == NULL) return strstr(line, "\"tensors\":") != NULL;
    return step > before || (step == before && strstr(line, "\"gradient\"") == NULL && strcmp(line, previous) != 0);
}

/* How many bytes of the file are lines of at most `step`, and the last of these (the caller frees it; NULL: none).  A torn line is none, and
 * without a header the file is no trace. */
static dgm_err measure(const char *path, int64_t step, int64_t *kept, int64_t *all, char **last)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) return DGM_FAIL(DGM_ERR_IO, "open %s: %s", path, strerror(errno));
    char *line = NULL, *previous = NULL;
    size_t room = 0, previous_room = 0;
    ssize_t n;
    int64_t at = 0, n_lines = 0;
    while ((n = getline(&line, &room, file)) > 0) {
        if (line[n - 1] != '\n' || dgm_trace_line_step(line) > step) break;
        if (!dgm_trace_line_follows(line, previous)) {
            dgm_log(DGM_LOG_WARN, "%s: line %lld is damaged, or not where it belongs: all from there on is cut off", path, (long long)n_lines + 1);
            break;
        }
        at += n;
        n_lines++;
        char *line_room = line;
        size_t line_bytes = room;
        line = previous, room = previous_room;
        previous = line_room, previous_room = line_bytes;
    }
    bool failed = ferror(file) || fseeko(file, 0, SEEK_END) != 0;
    *all = failed ? 0 : (int64_t)ftello(file);
    fclose(file);
    free(line);
    if (failed) {
        free(previous);
        return DGM_FAIL(DGM_ERR_IO, "read %s: %s", path, strerror(errno));
    }
    *kept = at;
    *last = previous;
    return DGM_OK;
}

static dgm_err cut(const char *path, int64_t step, char **last)
{
    int64_t kept = 0, all = 0;
    DGM_TRY(measure(path, step, &kept, &all, last));
    if (kept == all || truncate(path, kept) == 0) return DGM_OK;
    free(*last);
    *last = NULL;
    return DGM_FAIL(DGM_ERR_IO, "cut %s back to step %lld: %s", path, (long long)step, strerror(errno));
}

dgm_err dgm_trace_cut_back(const char *run, int64_t step)
{
    char *path = trace_path(run), *last = NULL;
    if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path in %s", run);
    dgm_err err = DGM_OK;
    bool there = dgm_io_exists(path);
    if (there && step > 0) err = cut(path, step, &last);
    if (there && err == DGM_OK && last == NULL) err = dgm_io_remove_tree(path);
    free(last);
    free(path);
    return err;
}

/* ---- beginning and going on ---- */

static char *hex(const uint64_t *hash, int n)
{
    char *text = malloc((size_t)n * DGM_TRACE_DIGITS + 1);
    for (int i = 0; text != NULL && i < n; i++) snprintf(text + i * DGM_TRACE_DIGITS, DGM_TRACE_DIGITS + 1, "%016" PRIx64, hash[i]);
    return text;
}

static dgm_err write_header(const char *path, int64_t step, const dgm_params *params, const char *weight)
{
    json_t *names = json_array();
    for (int i = 0; i < params->n_tensors; i++) json_array_append_new(names, json_string(params->tensors[i].name));
    json_t *json = json_pack("{s:I, s:i, s:o, s:s}", "step", (json_int_t)step, "version", DGM_TRACE_VERSION, "tensors", names, "weight", weight);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    size_t n = text != NULL ? strlen(text) : 0;
    if (text != NULL) text[n] = '\n'; /* in place of the final zero */
    dgm_err err = text != NULL ? dgm_io_write_file(path, text, n + 1) : DGM_FAIL(DGM_ERR_NOMEM, "header of %s", path);
    free(text);
    json_decref(json);
    return err;
}

/* The last line of an earlier part of the run, of the step that training goes on from, must have the weights that it goes on with. */
static dgm_err check_weights(const char *path, int64_t step, const dgm_params *params, const char *weight, const char *last, bool *differs)
{
    json_error_t why;
    json_t *line = json_loads(last, 0, &why);
    const char *before = json_string_value(json_object_get(line, "weight"));
    dgm_err err = DGM_OK;
    *differs = false;
    if (before == NULL || strlen(before) != (size_t)params->n_tensors * DGM_TRACE_DIGITS)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s: the line of step %lld has not the hashes of %d tensors: remove the file, or go on without --trace-hash",
                       path, (long long)dgm_trace_line_step(last), params->n_tensors);
    for (int i = 0; err == DGM_OK && i < params->n_tensors && !*differs && dgm_trace_line_step(last) == step; i++) {
        *differs = memcmp(before + i * DGM_TRACE_DIGITS, weight + i * DGM_TRACE_DIGITS, DGM_TRACE_DIGITS) != 0;
        if (*differs)
            dgm_log(DGM_LOG_WARN, "%s: the weights of the checkpoint are not those that step %lld left: %s is the first that differs", path,
                    (long long)step, params->tensors[i].name);
    }
    json_decref(line);
    return err;
}

static dgm_err open_file(dgm_trace *t, int64_t step, const dgm_params *params, const char *weight)
{
    char *last = NULL;
    bool differs = false;
    if (step > 0 && dgm_io_exists(t->path)) DGM_TRY(cut(t->path, step, &last));
    dgm_err err = last == NULL ? write_header(t->path, step, params, weight) : check_weights(t->path, step, params, weight, last, &differs);
    free(last);
    if (err != DGM_OK) return err;
    t->file = fopen(t->path, "ae");
    if (t->file == NULL) return DGM_FAIL(DGM_ERR_IO, "open %s: %s", t->path, strerror(errno));
    if (differs && fprintf(t->file, "{\"step\":%lld,\"weight\":\"%s\"}\n", (long long)step, weight) < 0)
        return DGM_FAIL(DGM_ERR_IO, "write %s: %s", t->path, strerror(errno));
    return DGM_OK;
}

dgm_err dgm_trace_open(const char *run, int64_t step, const dgm_grid *grid, const dgm_params *params, const uint64_t *weight, dgm_trace **out)
{
    dgm_trace *t = calloc(1, sizeof *t);
    dgm_err err = t != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "trace");
    if (err == DGM_OK && grid->rank == 0) {
        char *text = hex(weight, params->n_tensors);
        t->n_tensors = params->n_tensors;
        t->path = trace_path(run);
        err = text != NULL && t->path != NULL ? open_file(t, step, params, text) : DGM_FAIL(DGM_ERR_NOMEM, "trace");
        free(text);
    }
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    if (err != DGM_OK) {
        dgm_trace_close(t);
        return err;
    }
    *out = t;
    return DGM_OK;
}

void dgm_trace_close(dgm_trace *trace)
{
    if (trace == NULL) return;
    if (trace->file != NULL) fclose(trace->file);
    free(trace->path);
    free(trace);
}

/* ---- lines ---- */

static void put_hashes(FILE *file, const char *key, const uint64_t *hash, int n)
{
    fprintf(file, ",\"%s\":\"", key);
    for (int i = 0; i < n; i++) fprintf(file, "%016" PRIx64, hash[i]);
    fputc('"', file);
}

dgm_err dgm_trace_step(dgm_trace *trace, int64_t step, const uint64_t *hash)
{
    if (trace->file == NULL) return DGM_OK;
    fprintf(trace->file, "{\"step\":%lld", (long long)step);
    put_hashes(trace->file, "gradient", hash, trace->n_tensors);
    put_hashes(trace->file, "weight", hash + trace->n_tensors, trace->n_tensors);
    fputs("}\n", trace->file);
    if (fflush(trace->file) != 0 || ferror(trace->file)) return DGM_FAIL(DGM_ERR_IO, "write %s: %s", trace->path, strerror(errno));
    return DGM_OK;
}

dgm_err dgm_trace_sync(dgm_trace *trace)
{
    if (trace == NULL || trace->file == NULL) return DGM_OK;
    if (fflush(trace->file) != 0 || fsync(fileno(trace->file)) != 0) return DGM_FAIL(DGM_ERR_IO, "flush %s: %s", trace->path, strerror(errno));
    return DGM_OK;
}
