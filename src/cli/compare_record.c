/* What run.json and state.json say, two of them side by side: every value that differs and whether it may change what is learned.  A run.json is of
 * the last start: what earlier ones did otherwise is told besides. */
#include "dgm/compare.h"
#include "dgm/run_record.h"
#include "dgm/train_options.h"

#include <stdlib.h>
#include <string.h>

/* What says which rank computes what, and who adds it up. */
static bool is_layout(const char *name)
{
    static const char *const names[] = {"layout.dp", "layout.tp", "libraries.mpi"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* Fields besides the settings.  Our own kernels are the same in all families; the products are not in those of BLIS. */
static dgm_effect effect_of(const char *name, dgm_circumstances in)
{
    static const char *const harmless[] = {"kernels", "hosts", "layout", "cpu", "libraries.mpi", "data_path", "init.path"};
    static const char *const record[] = {"step", "epoch", "position", "n_validations", "best_step", "best_value", "best_by", "n_stale"};
    static const char settings[] = "settings.";
    if (in.fast && is_layout(name)) return DGM_EFFECT_BITS;
    if (strncmp(name, settings, sizeof settings - 1) == 0) return dgm_train_setting_effect(name + sizeof settings - 1, in);
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        size_t n = strlen(harmless[i]);
        if (strncmp(name, harmless[i], n) == 0 && (name[n] == '\0' || name[n] == '.')) return DGM_EFFECT_NONE;
    }
    for (size_t i = 0; i < sizeof record / sizeof record[0]; i++)
        if (strcmp(name, record[i]) == 0) return DGM_EFFECT_RECORD;
    return DGM_EFFECT_BITS;
}

/* What a run left and how it was started again are compared elsewhere; where it was written is known; where DATA lay, `data_path` says if they are
 * the same. */
static bool is_left_out(const char *name, bool same_data)
{
    static const char *const names[] = {"result", "starts", "settings.out", "settings.config", "settings.resume", "settings.repeat"};
    if (same_data && strcmp(name, "settings.data") == 0) return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static json_t *shown(const json_t *value)
{
    if (value == NULL) return json_string("(unset)");
    if (json_is_string(value)) return json_string(json_string_value(value));
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_t *string = text != NULL ? json_string(text) : NULL;
    free(text);
    return string;
}

/* A list of differences that grows, and what the two values are called in it. */
typedef struct {
    json_t *list;
    const char *a, *b;
    dgm_circumstances in;
    bool same_data;
} differences;

static void add(const differences *d, const char *name, const json_t *a, const json_t *b)
{
    static const char *const words[] = {[DGM_EFFECT_NONE] = "none", [DGM_EFFECT_RECORD] = "record", [DGM_EFFECT_BITS] = "bits"};
    json_array_append_new(d->list, json_pack("{s:s, s:o, s:o, s:s}", "name", name, d->a, shown(a), d->b, shown(b), "effect",
                                             words[effect_of(name, d->in)]));
}

/* Every name of a, then those that b alone has. */
static void walk(const differences *d, const char *prefix, const json_t *a, const json_t *b)
{
    for (int side = 0; side < 2; side++) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(side == 0 ? a : b), key, value)
        {
            char name[DGM_COMPARE_NAME];
            const json_t *in_a = json_object_get(a, key), *in_b = json_object_get(b, key);
            snprintf(name, sizeof name, "%s%s%.60s", prefix, *prefix ? "." : "", key);
            if ((side == 1 && in_a != NULL) || is_left_out(name, d->same_data) || (in_a != NULL && in_b != NULL && json_equal(in_a, in_b))) continue;
            if ((in_a == NULL || json_is_object(in_a)) && (in_b == NULL || json_is_object(in_b))) walk(d, name, in_a, in_b);
            else add(d, name, in_a, in_b);
        }
    }
}

static bool is_set(const json_t *record, const char *setting, const char *value)
{
    const char *is = json_string_value(json_object_get(json_object_get(record, "settings"), setting));
    return is != NULL && strcmp(is, value) == 0;
}

static json_t *differences_of(const json_t *a, const json_t *b, const char *name_a, const char *name_b)
{
    differences d = {.list = json_array(), .a = name_a, .b = name_b};
    d.in = (dgm_circumstances){.cosine = is_set(a, "schedule", "cosine") || is_set(b, "schedule", "cosine"),
                               .fast = is_set(a, "reduction", "fast") || is_set(b, "reduction", "fast")};
    d.same_data = json_object_get(a, "data") != NULL && json_equal(json_object_get(a, "data"), json_object_get(b, "data"));
    if (d.list != NULL) walk(&d, "", a, b);
    return d.list;
}

json_t *dgm_compare_records(const json_t *a, const json_t *b) { return differences_of(a, b, "a", "b"); }

/* ---- earlier starts ---- */

static json_t *start_differences(const json_t *record, const json_t *start)
{
    json_t *was = dgm_run_record_of_start(record, start), *list = differences_of(was, record, "then", "last");
    json_decref(was);
    return list;
}

/* A run that was started a hundred times in one way has one entry. */
static bool goes_on(const json_t *list, int64_t after, const json_t *differ, const json_t *from)
{
    const json_t *previous = json_array_get(list, json_array_size(list) - 1);
    return from == NULL && json_integer_value(json_object_get(previous, "until")) == after &&
           json_equal(json_object_get(previous, "differences"), differ);
}

json_t *dgm_compare_starts(const json_t *record)
{
    const json_t *starts = json_object_get(record, "starts");
    json_t *list = json_array(), *start;
    size_t i;
    json_array_foreach(starts, i, start)
    {
        const json_t *next = json_array_get(starts, i + 1);
        json_t *until = json_object_get(next, "after_step"), *from = json_object_get(start, "from");
        json_int_t after = json_integer_value(json_object_get(start, "after_step"));
        if (i == 0 && after > 0) json_array_append_new(list, json_pack("{s:i, s:I, s:n}", "after_step", 0, "until", after, "differences"));
        json_t *differ = next != NULL ? start_differences(record, start) : json_array();
        if (goes_on(list, after, differ, from)) json_object_set(json_array_get(list, json_array_size(list) - 1), "until", until);
        else if (json_array_size(differ) > 0 || from != NULL)
            json_array_append_new(list, json_pack("{s:I, s:O*, s:O*, s:O*}", "after_step", after, "until", until, "from", from, "differences",
                                                  differ));
        json_decref(differ);
    }
    return list;
}
