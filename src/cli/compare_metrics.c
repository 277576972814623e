/* Two metrics.jsonl side by side.  A line is known by its step and by what it tells of, an update or a validation; fields that one of two lines
 * does not have (BLEU, say) are a matter of what was logged. */
#include "dgm/compare.h"
#include "dgm/io.h"
#include "dgm/log_lines.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *path;
    char *text;
    size_t bytes, at;
    int64_t number; /* of the line */
    json_t *line;   /* NULL at the end */
    int64_t key;    /* as of dgm_log_line_key; INT64_MAX at the end */
    dgm_log_damage *damage;
} cursor;

/* What is wrong with a line behind that of key `before`; NULL: nothing. */
static const char *wrong_with(const char *end, int64_t key, int64_t before)
{
    if (key < 0) return "is none of a metrics.jsonl";
    if (key == before) return "tells of the same step again";
    if (key < before) return "is of an earlier step than one before it";
    return end[-1] == '\r' ? "does not end as the program ends lines (\\r)" : NULL;
}

/* To the next line that is where it belongs.  A torn one at the end is that of a run that was killed. */
static void advance(cursor *c)
{
    const char *end;
    int64_t before = c->key;
    json_decref(c->line);
    c->line = NULL;
    while (c->line == NULL && c->at < c->bytes && (end = memchr(c->text + c->at, '\n', c->bytes - c->at)) != NULL) {
        size_t next = (size_t)(end - c->text) + 1;
        c->line = json_loadb(c->text + c->at, next - c->at, 0, NULL);
        c->at = next;
        c->number++;
        c->key = dgm_log_line_key(c->line);
        const char *wrong = wrong_with(end, c->key, before);
        if (wrong != NULL) dgm_log_damage_note(c->damage, c->path, c->number, wrong);
        if (c->key > before) return;
        json_decref(c->line);
        c->line = NULL;
    }
    c->key = INT64_MAX;
}

static dgm_err start(cursor *c, const char *path, dgm_log_damage *damage)
{
    *c = (cursor){.path = path, .damage = damage, .key = -1};
    DGM_TRY(dgm_io_read_file(path, &c->text, &c->bytes));
    advance(c);
    return DGM_OK;
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

static void compare_all(cursor *a, cursor *b, dgm_metrics_difference *out)
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
        if (from_a) advance(a);
        if (from_b) advance(b);
    }
}

dgm_err dgm_compare_metrics(const char *a, const char *b, dgm_metrics_difference *out)
{
    cursor at_a = {0}, at_b = {0};
    dgm_metrics_difference d = {.last_a = -1, .last_b = -1, .step = -1, .before = -1};
    dgm_err err = start(&at_a, a, &d.damage_a);
    if (err == DGM_OK) err = start(&at_b, b, &d.damage_b);
    if (err == DGM_OK) compare_all(&at_a, &at_b, &d);
    finish(&at_a);
    finish(&at_b);
    if (err == DGM_OK) *out = d;
    return err;
}
