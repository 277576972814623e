/* Two metrics.jsonl side by side.  A line is known by its step and by what it tells of, an update or a validation; fields that one of two lines
 * does not have (BLEU, say) are a matter of what was logged. */
#include "dgm/compare.h"
#include "dgm/io.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *path;
    char *text;
    size_t bytes, at;
    int64_t number; /* of the line */
    json_t *line;   /* NULL at the end */
    int64_t key;    /* 2 * step, + 1 for a validation; INT64_MAX at the end */
} cursor;

static dgm_err advance(cursor *c)
{
    char *end = c->at < c->bytes ? memchr(c->text + c->at, '\n', c->bytes - c->at) : NULL;
    json_decref(c->line);
    c->line = NULL;
    c->key = INT64_MAX;
    if (end == NULL) return DGM_OK; /* also a torn last line */
    size_t next = (size_t)(end - c->text) + 1;
    c->line = json_loadb(c->text + c->at, next - c->at, 0, NULL);
    c->at = next;
    c->number++;
    const json_t *step = json_object_get(c->line, "step");
    if (!json_is_integer(step) || json_integer_value(step) < 0 || json_integer_value(step) > INT64_MAX / 4)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: line %lld is none of a metrics.jsonl", c->path, (long long)c->number);
    c->key = 2 * json_integer_value(step) + (json_object_get(c->line, "valid_nll") != NULL);
    return DGM_OK;
}

static dgm_err start(cursor *c, const char *path)
{
    *c = (cursor){.path = path};
    DGM_TRY(dgm_io_read_file(path, &c->text, &c->bytes));
    return advance(c);
}

static void finish(cursor *c)
{
    json_decref(c->line);
    free(c->text);
}

static void show(const json_t *value, char *out, size_t bytes)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    snprintf(out, bytes, "%s", text != NULL ? text : "?");
    free(text);
}

static void compare_lines(const cursor *a, const cursor *b, dgm_metrics_difference *out)
{
    static const char *const of_batch[] = {"src_tokens", "tgt_tokens", "sentences", "epoch"};
    const char *name;
    json_t *value;
    json_object_foreach(a->line, name, value)
    {
        const json_t *other = json_object_get(b->line, name);
        if (other == NULL || json_equal(value, other)) continue;
        for (size_t i = 0; i < sizeof of_batch / sizeof of_batch[0]; i++) out->other_batch = out->other_batch || strcmp(name, of_batch[i]) == 0;
        if (out->step >= 0) {
            size_t used = strlen(out->others);
            snprintf(out->others + used, sizeof out->others - used, "%s%.40s", used > 0 ? ", " : "", name);
            continue;
        }
        out->step = a->key / 2;
        out->validation = a->key % 2 != 0;
        snprintf(out->field, sizeof out->field, "%.100s", name);
        show(value, out->value_a, sizeof out->value_a);
        show(other, out->value_b, sizeof out->value_b);
    }
}

static dgm_err compare_all(cursor *a, cursor *b, dgm_metrics_difference *out)
{
    while (a->line != NULL || b->line != NULL) {
        bool from_a = a->key <= b->key, from_b = b->key <= a->key, inside = a->line != NULL && b->line != NULL;
        if (from_a && from_b && out->step < 0) compare_lines(a, b, out);
        if (from_a && from_b && out->step < 0) out->before = a->key / 2;
        out->n_common += from_a && from_b;
        out->n_only_a += inside && !from_b;
        out->n_only_b += inside && !from_a;
        if (from_a) out->last_a = a->key / 2;
        if (from_b) out->last_b = b->key / 2;
        if (from_a) DGM_TRY(advance(a));
        if (from_b) DGM_TRY(advance(b));
    }
    return DGM_OK;
}

dgm_err dgm_compare_metrics(const char *a, const char *b, dgm_metrics_difference *out)
{
    cursor at_a = {0}, at_b = {0};
    dgm_metrics_difference d = {.last_a = -1, .last_b = -1, .step = -1, .before = -1};
    dgm_err err = start(&at_a, a);
    if (err == DGM_OK) err = start(&at_b, b);
    if (err == DGM_OK) err = compare_all(&at_a, &at_b, &d);
    finish(&at_a);
    finish(&at_b);
    if (err == DGM_OK) *out = d;
    return err;
}
