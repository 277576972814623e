/* Logs may have been cut by a kill, and edited by hand: every line is looked at before a number of it is drawn. */
#include "dgm/run_columns.h"

#include "dgm/io.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void dgm_run_columns_fini(dgm_run_columns *c)
{
    free(c->step);
    free(c->value);
    *c = (dgm_run_columns){0};
}

/* Where a line is, for messages. */
typedef struct {
    const char *path;
    int64_t number;
} place;

static const json_t *find(const json_t *line, const char *field)
{
    const char *dot = strchr(field, '.');
    if (dot == NULL) return json_object_get(line, field);
    char outer[64];
    snprintf(outer, sizeof outer, "%.*s", (int)(dot - field), field);
    return json_object_get(json_object_get(line, outer), dot + 1);
}

static dgm_err read_number(const place *p, const json_t *line, const char *field, double *out)
{
    const json_t *value = find(line, field);
    *out = json_is_number(value) ? json_number_value(value) : NAN;
    if (value == NULL || json_is_null(value) || json_is_number(value)) return DGM_OK;
    char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    dgm_err err = DGM_FAIL(DGM_ERR_INPUT, "%s, line %lld: %s is %.60s, expected a number", p->path, (long long)p->number, field,
                           shown != NULL ? shown : "?");
    free(shown);
    return err;
}

static dgm_err read_line(const place *p, const char *text, size_t bytes, const char *const *fields, double before, int64_t i, dgm_run_columns *c)
{
    json_error_t why;
    json_t *line = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &why);
    const json_t *step = json_object_get(line, "step");
    dgm_err err = DGM_OK;
    if (line == NULL) err = DGM_FAIL(DGM_ERR_INPUT, "%s, line %lld is damaged: %s", p->path, (long long)p->number, why.text);
    else if (!json_is_integer(step) || json_integer_value(step) < 0)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s, line %lld: expected an object with a \"step\" of 0 or more", p->path, (long long)p->number);
    else if ((double)json_integer_value(step) < before)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s, line %lld: step %lld comes after step %.0f, expected rising steps", p->path, (long long)p->number,
                       (long long)json_integer_value(step), before);
    if (err == DGM_OK) c->step[i] = (double)json_integer_value(step);
    for (int f = 0; err == DGM_OK && f < c->n_fields; f++) err = read_number(p, line, fields[f], &c->value[f * c->n + i]);
    json_decref(line);
    return err;
}

static dgm_err read_lines(const char *path, const char *text, size_t bytes, const char *const *fields, dgm_run_columns *c)
{
    for (size_t i = 0; i < bytes; i++) c->n += text[i] == '\n';
    size_t rows = (size_t)DGM_MAX(c->n, 1);
    c->step = malloc(rows * sizeof *c->step);
    c->value = malloc(rows * (size_t)DGM_MAX(c->n_fields, 1) * sizeof *c->value);
    if (c->step == NULL || c->value == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld lines of %s", (long long)c->n, path);
    const char *at = text;
    for (int64_t i = 0; i < c->n; i++) {
        const char *end = memchr(at, '\n', bytes - (size_t)(at - text));
        const place p = {path, i + 1};
        DGM_TRY(read_line(&p, at, (size_t)(end - at), fields, i > 0 ? c->step[i - 1] : 0, i, c));
        at = end + 1;
    }
    return DGM_OK;
}

dgm_err dgm_run_columns_read(const char *path, const char *const *fields, int n_fields, dgm_run_columns *out)
{
    char *text = NULL;
    size_t bytes;
    dgm_run_columns c = {.n_fields = n_fields};
    DGM_TRY(dgm_io_read_file(path, &text, &bytes));
    dgm_err err = read_lines(path, text, bytes, fields, &c);
    free(text);
    if (err == DGM_OK) *out = c;
    else dgm_run_columns_fini(&c);
    return err;
}
