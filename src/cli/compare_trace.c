/* Two traces side by side, a line of each in memory: equal lines are compared as text, only those that differ are taken apart. */
#include "dgm/compare.h"
#include "dgm/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *path;
    FILE *file;
    char *line, *previous; /* the line that is looked at, NULL at the end, and the one before */
    size_t room, previous_room;
    int64_t number, step;  /* of the line; the step after the end is INT64_MAX */
    json_t *header;
    dgm_log_damage *damage;
} cursor;

static void note_damage(const cursor *c) { dgm_log_damage_note(c->damage, c->path, c->number, "is damaged, or not where it belongs"); }

/* To the next line that may stand behind the one before. */
static dgm_err advance(cursor *c)
{
    char *line = c->previous;
    size_t room = c->previous_room;
    c->previous = c->line, c->previous_room = c->room;
    c->line = line, c->room = room;
    for (;;) {
        errno = 0;
        ssize_t n = getline(&c->line, &c->room, c->file);
        if (n < 0 && errno == ENOMEM) return DGM_FAIL(DGM_ERR_NOMEM, "a line of %s", c->path);
        if (n < 0 && ferror(c->file)) return DGM_FAIL(DGM_ERR_IO, "read %s: %s", c->path, strerror(errno));
        c->number++;
        c->step = n < 0 || c->line[n - 1] != '\n' ? INT64_MAX : dgm_trace_line_step(c->line); /* a run that was killed leaves a torn line */
        if (c->step == INT64_MAX || dgm_trace_line_follows(c->line, c->previous)) return DGM_OK;
        note_damage(c);
    }
}

static dgm_err start(cursor *c, const char *path, dgm_log_damage *damage)
{
    *c = (cursor){.path = path, .file = fopen(path, "re"), .damage = damage};
    if (c->file == NULL) return DGM_FAIL(DGM_ERR_INPUT, "open %s: %s", path, strerror(errno));
    DGM_TRY(advance(c));
    if (c->step == INT64_MAX) return DGM_OK;
    c->header = json_loads(c->line, 0, NULL);
    if (!json_is_array(json_object_get(c->header, "tensors"))) {
        note_damage(c);
        c->step = INT64_MAX;
        return DGM_OK;
    }
    json_int_t version = json_integer_value(json_object_get(c->header, "version"));
    if (version != DGM_TRACE_VERSION)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: version %lld: this program reads version %d", path, (long long)version, DGM_TRACE_VERSION);
    return DGM_OK;
}

static void finish(cursor *c)
{
    if (c->file != NULL) fclose(c->file);
    free(c->line);
    free(c->previous);
    json_decref(c->header);
}

/* ---- one step ---- */

static void name_of(const cursor *c, int tensor, char *out)
{
    const char *name = json_string_value(json_array_get(json_object_get(c->header, "tensors"), (size_t)tensor));
    snprintf(out, DGM_COMPARE_NAME, "%s", name != NULL ? name : "?");
}

/* Tensors whose hashes differ; the first and the last of them.  NULL: a line does not have them, and nothing differs. */
static int count(const char *a, const char *b, int n_tensors, int *first, int *last)
{
    int n = 0;
    for (int i = 0; a != NULL && b != NULL && i < n_tensors; i++) {
        if (memcmp(a + (size_t)i * DGM_TRACE_DIGITS, b + (size_t)i * DGM_TRACE_DIGITS, DGM_TRACE_DIGITS) == 0) continue;
        if (n++ == 0) *first = i;
        *last = i;
    }
    return n;
}

static bool hashes_of(const json_t *line, const char *key, int n_tensors, const char **out)
{
    const json_t *value = json_object_get(line, key);
    *out = json_string_value(value);
    return value == NULL || (*out != NULL && strlen(*out) == (size_t)n_tensors * DGM_TRACE_DIGITS);
}

/* Compares a line of each, of the same step; `weights_only` for one that was written when a checkpoint was taken up.  false: one is damaged. */
static bool compare_lines(const cursor *a, const char *line_a, const cursor *b, const char *line_b, bool weights_only, dgm_trace_difference *out)
{
    if (strcmp(line_a, line_b) == 0) return true;
    json_t *json_a = json_loads(line_a, 0, NULL), *json_b = json_loads(line_b, 0, NULL);
    const char *gradient[2] = {NULL, NULL}, *weight[2] = {NULL, NULL};
    int first = 0, last = 0, n = out->n_tensors;
    bool whole_a = hashes_of(json_a, "gradient", n, &gradient[0]) && hashes_of(json_a, "weight", n, &weight[0]) && weight[0] != NULL;
    bool whole_b = hashes_of(json_b, "gradient", n, &gradient[1]) && hashes_of(json_b, "weight", n, &weight[1]) && weight[1] != NULL;
    if (!whole_a) note_damage(a);
    if (!whole_b) note_damage(b);
    if (whole_a && whole_b) {
        out->has_gradients = !weights_only && gradient[0] != NULL && gradient[1] != NULL;
        out->n_gradients = weights_only ? 0 : count(gradient[0], gradient[1], n, &first, &last);
        if (out->n_gradients > 0) name_of(a, first, out->first_gradient), name_of(a, last, out->last_gradient);
        out->n_weights = count(weight[0], weight[1], n, &first, &last);
        if (out->n_weights > 0) name_of(a, first, out->first_weight);
    }
    json_decref(json_a);
    json_decref(json_b);
    return whole_a && whole_b;
}

/* ---- all steps ---- */

static bool parted(const dgm_trace_difference *d) { return d->n_gradients + d->n_weights > 0; }

static dgm_err go_to_end(cursor *c, int64_t *last)
{
    while (c->step != INT64_MAX) {
        *last = c->step;
        DGM_TRY(advance(c));
    }
    return DGM_OK;
}

/* The trace that is ahead waits for the other.  A second line of one step is held against the first one of the other trace. */
static dgm_err compare_steps(cursor *a, cursor *b, dgm_trace_difference *out)
{
    int64_t step = -1;
    while (!parted(out) && (a->step != INT64_MAX || b->step != INT64_MAX)) {
        int64_t last = step;
        bool from_a = a->step <= b->step, from_b = b->step <= a->step;
        step = DGM_MIN(a->step, b->step);
        bool both = from_a && from_b && compare_lines(a, a->line, b, b->line, false, out);
        out->n_common += both;
        if (step == last && !from_b && b->previous != NULL && dgm_trace_line_step(b->previous) == step)
            (void)compare_lines(a, a->line, b, b->previous, true, out);
        else if (step == last && !from_a && a->previous != NULL && dgm_trace_line_step(a->previous) == step)
            (void)compare_lines(a, a->previous, b, b->line, true, out);
        if (parted(out)) out->step = step;
        else if (both) out->before = step;
        if (from_a) out->last_a = step;
        if (from_b) out->last_b = step;
        if (from_a) DGM_TRY(advance(a));
        if (from_b) DGM_TRY(advance(b));
    }
    DGM_TRY(go_to_end(a, &out->last_a));
    return go_to_end(b, &out->last_b);
}

dgm_err dgm_compare_traces(const char *a, const char *b, dgm_trace_difference *out)
{
    cursor at_a = {0}, at_b = {0};
    dgm_trace_difference d = {.last_a = -1, .last_b = -1, .step = -1, .before = -1};
    dgm_err err = start(&at_a, a, &d.damage_a);
    if (err == DGM_OK) err = start(&at_b, b, &d.damage_b);
    if (err == DGM_OK) {
        const json_t *names = json_object_get(at_a.header, "tensors"), *others = json_object_get(at_b.header, "tensors");
        d.n_tensors = (int)json_array_size(names);
        d.other_tensors = names != NULL && others != NULL && !json_equal(names, others);
        if (!d.other_tensors) err = compare_steps(&at_a, &at_b, &d);
        d.exact = d.step - d.before <= 1;
    }
    finish(&at_a);
    finish(&at_b);
    if (err == DGM_OK) *out = d;
    return err;
}
