/* Logs are flushed before a checkpoint is made, so up to the checkpoint that training goes on from they hold a line for every step that the
 * settings of the time asked for.  What is missing was taken away since, and nothing else would tell: the run goes on behind the hole. */
#include "dgm/log_gaps.h"

#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/run_record.h"
#include "dgm/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The lines that a step can have, as bits. */
enum { UPDATE = 1, VALIDATION = 2 };

static const struct {
    const char *file, *name, *way_back; /* log_lines.h sorts those of metrics; a trace is too large for that */
} logs[DGM_LOG_N] = {[DGM_LOG_METRICS] = {"metrics.jsonl", "metrics",
                                          "from a copy they can be added to its end when the run has ended, and --resume auto, once more, puts them "
                                          "where they belong"},
                     [DGM_LOG_TRACE] = {"trace.jsonl", "trace", "they are lost"}};

/* ---- what is there ---- */

/* Parsing hashes of hundreds of tensors takes longer than reading them: of a trace the beginning of the line is looked at. */
static int64_t step_of(dgm_log_kind kind, const char *line, unsigned *lines)
{
    *lines = UPDATE;
    if (kind == DGM_LOG_TRACE) return strstr(line, "\"gradient\"") != NULL ? dgm_trace_line_step(line) : -1;
    json_t *json = json_loads(line, 0, NULL);
    const json_t *number = json_object_get(json, "step");
    int64_t step = json_is_integer(number) ? json_integer_value(number) : -1;
    if (json_object_get(json, "valid_nll") != NULL) *lines = VALIDATION;
    json_decref(json);
    return step;
}

/* Marks in seen [n_steps + 1] which lines the file has; one that is not there has none. */
static dgm_err read_log(dgm_log_kind kind, const char *path, int64_t n_steps, unsigned char *seen)
{
    if (!dgm_io_exists(path)) return DGM_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL) return DGM_FAIL(DGM_ERR_IO, "open %s: %s", path, strerror(errno));
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) > 0) {
        unsigned lines;
        int64_t step = step_of(kind, line, &lines);
        if (step > 0 && step <= n_steps) seen[step] |= (unsigned char)lines;
    }
    bool failed = ferror(file);
    fclose(file);
    free(line);
    return failed ? DGM_FAIL(DGM_ERR_IO, "read %s: %s", path, strerror(errno)) : DGM_OK;
}

/* ---- what should be ---- */

typedef struct {
    int64_t log_every, validate_every, trace_every, max_steps; /* 0: never, or not known */
} periods;

static periods periods_of(const json_t *record, const json_t *start)
{
    json_t *was = dgm_run_record_of_start(record, start);
    const json_t *settings = json_object_get(was, "settings");
    const char *traces = json_string_value(json_object_get(settings, "trace_hash"));
    periods p = {.log_every = dgm_run_record_number(settings, "log_every"),
                 .validate_every = dgm_run_record_number(settings, "validate_every"),
                 .trace_every = traces != NULL && strcmp(traces, "true") == 0 ? dgm_run_record_number(settings, "trace_hash_every") : 0,
                 .max_steps = dgm_run_record_number(settings, "max_steps")};
    json_decref(was);
    return p;
}

int64_t dgm_log_gaps_trace_period(const json_t *record)
{
    const json_t *starts = json_object_get(record, "starts");
    int64_t last = periods_of(record, NULL).trace_every;
    for (size_t i = 0; i < json_array_size(starts); i++)
        if (periods_of(record, json_array_get(starts, i)).trace_every != last) return -1;
    return last;
}

static bool is_multiple(int64_t step, int64_t of) { return of > 0 && step % of == 0; }

/* An end by max_epochs validates, too, but run.json cannot tell it from a stop by a signal: that line is not asked for. */
static unsigned expected_at(dgm_log_kind kind, const periods *p, int64_t step)
{
    if (kind == DGM_LOG_TRACE) return is_multiple(step, p->trace_every) ? UPDATE : 0;
    bool end = step == p->max_steps;
    return (end || is_multiple(step, p->log_every) ? UPDATE : 0U) | (end || is_multiple(step, p->validate_every) ? VALIDATION : 0U);
}

static int64_t begin_of(const json_t *start) { return json_integer_value(json_object_get(start, "after_step")); }

/* The first start whose lines are in this folder. */
static size_t first_start(const json_t *starts)
{
    size_t first = 0;
    for (size_t i = 0; i < json_array_size(starts); i++)
        if (json_object_get(json_array_get(starts, i), "from") != NULL) first = i;
    return first;
}

static void compare(dgm_log_kind kind, const json_t *record, int64_t n_steps, const unsigned char *seen, dgm_log_gap *gap)
{
    const json_t *starts = json_object_get(record, "starts");
    *gap = (dgm_log_gap){0};
    for (int64_t step = 1; step <= n_steps; step++)
        if (seen[step] != 0) gap->found = step;
    for (size_t i = first_start(starts); i < json_array_size(starts); i++) {
        periods p = periods_of(record, json_array_get(starts, i));
        int64_t end = i + 1 < json_array_size(starts) ? DGM_MIN(begin_of(json_array_get(starts, i + 1)), n_steps) : n_steps;
        for (int64_t step = begin_of(json_array_get(starts, i)) + 1; step > 0 && step <= end; step++) {
            unsigned expected = expected_at(kind, &p, step), missing = expected & ~(unsigned)seen[step];
            if (expected != 0) gap->expected = step;
            if (missing == 0) continue;
            if (gap->n_lines == 0) gap->from = step;
            gap->to = step;
            gap->n_lines += (missing & UPDATE ? 1 : 0) + (missing & VALIDATION ? 1 : 0);
        }
    }
}

dgm_err dgm_log_gaps_find(const char *run, const json_t *record, int64_t step, dgm_log_gap gap[DGM_LOG_N])
{
    dgm_err err = DGM_OK;
    for (int kind = 0; err == DGM_OK && kind < DGM_LOG_N; kind++) {
        char *path = dgm_io_join(run, logs[kind].file);
        unsigned char *seen = calloc((size_t)step + 1, 1);
        err = path != NULL && seen != NULL ? read_log((dgm_log_kind)kind, path, step, seen) : DGM_FAIL(DGM_ERR_NOMEM, "steps of %s", logs[kind].file);
        if (err == DGM_OK) compare((dgm_log_kind)kind, record, step, seen, &gap[kind]);
        free(seen);
        free(path);
    }
    return err;
}

/* ---- telling ---- */

void dgm_log_gaps_text(int64_t n_lines, int64_t from, int64_t to, char *text, size_t bytes)
{
    int at = snprintf(text, bytes, "%lld line%s of step%s %lld", (long long)n_lines, n_lines == 1 ? "" : "s", from == to ? "" : "s", (long long)from);
    if (from != to) snprintf(text + at, bytes - (size_t)at, " to %lld", (long long)to);
}

void dgm_log_gaps_warn(const char *run, const dgm_log_gap gap[DGM_LOG_N], int64_t step)
{
    for (int kind = 0; kind < DGM_LOG_N; kind++) {
        const dgm_log_gap *g = &gap[kind];
        char what[DGM_LOG_GAP_TEXT], where[96] = "";
        if (g->n_lines == 0 || g->to <= step) continue;
        dgm_log_gaps_text(g->n_lines, g->from, g->to, what, sizeof what);
        if (g->found == 0) snprintf(where, sizeof where, " (it has none up to step %lld)", (long long)g->expected);
        else if (g->found < g->expected)
            snprintf(where, sizeof where, " (the last there is of step %lld, expected step %lld)", (long long)g->found, (long long)g->expected);
        dgm_log(DGM_LOG_WARN,
                "%s/%s lacks %s%s: %s. The model is not affected; compare and --repeat will have the other lines only",
                run, logs[kind].file, what, where, logs[kind].way_back);
    }
}

json_t *dgm_log_gaps_json(const dgm_log_gap gap[DGM_LOG_N])
{
    json_t *object = NULL;
    for (int kind = 0; kind < DGM_LOG_N; kind++) {
        const dgm_log_gap *g = &gap[kind];
        if (g->n_lines == 0) continue;
        if (object == NULL) object = json_object();
        json_object_set_new(object, logs[kind].name,
                            json_pack("{s:I, s:I, s:I}", "from", (json_int_t)g->from, "to", (json_int_t)g->to, "lines", (json_int_t)g->n_lines));
    }
    return object;
}
