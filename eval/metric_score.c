/* The printed forms follow sacreBLEU's, so that scripts and eyes that know those read ours. */
#include "dgm/metric_score.h"

#include "build_config.h"

#include <string.h>

const char *dgm_metric_version(void)
{
    static char version[32];
    if (version[0] == '\0') { /* the same text whoever writes it */
        int major = 0, minor = 0;
        sscanf(PACKAGE_VERSION, "%d.%d", &major, &minor);
        snprintf(version, sizeof version, "dragoman-%d.%d", major, minor);
    }
    return version;
}

void dgm_metric_detail(dgm_metric_score *score, const char *name, bool is_int, int n_values, const double *values)
{
    DGM_ASSERT(score->n_details < DGM_METRIC_MAX_DETAILS && n_values >= 1 && n_values <= 4);
    int i = score->n_details++;
    score->detail[i].name = name;
    score->detail[i].n_values = n_values;
    score->detail[i].is_int = is_int;
    memcpy(score->detail[i].value, values, (size_t)n_values * sizeof *values);
}

void dgm_metric_print(FILE *out, const dgm_metric_score *score, int width)
{
    fprintf(out, "%s|%s = %.*f%s%s\n", score->name, score->signature, width, score->score, score->verbose[0] ? " " : "",
            score->verbose);
}

static json_t *number(bool is_int, double value) { return is_int ? json_integer((json_int_t)value) : json_real(value); }

/* The parts of "key:value|key:value" as fields; a value may hold anything but '|'. */
static int add_signature_parts(json_t *object, const char *signature)
{
    int failed = 0;
    while (*signature != '\0') {
        size_t n = strcspn(signature, "|"), n_key = strcspn(signature, ":");
        char key[64];
        if (n_key < n && n_key < sizeof key) {
            memcpy(key, signature, n_key);
            key[n_key] = '\0';
            failed |= json_object_set_new(object, key, json_stringn(signature + n_key + 1, n - n_key - 1));
        }
        signature += n + (signature[n] == '|');
    }
    return failed;
}

json_t *dgm_metric_json(const dgm_metric_score *score)
{
    json_t *object = json_object();
    int failed = object == NULL;
    failed |= json_object_set_new(object, "name", json_string(score->name));
    failed |= json_object_set_new(object, "score", json_real(score->score));
    failed |= json_object_set_new(object, "signature", json_string(score->signature));
    if (score->verbose[0] != '\0') failed |= json_object_set_new(object, "verbose_score", json_string(score->verbose));
    failed |= add_signature_parts(object, score->signature);
    for (int i = 0; i < score->n_details; i++) {
        const double *value = score->detail[i].value;
        bool is_int = score->detail[i].is_int;
        json_t *item = score->detail[i].n_values == 1 ? number(is_int, value[0]) : json_array();
        for (int k = 0; score->detail[i].n_values > 1 && k < score->detail[i].n_values; k++)
            failed |= json_array_append_new(item, number(is_int, value[k]));
        failed |= json_object_set_new(object, score->detail[i].name, item);
    }
    if (!failed) return object;
    json_decref(object);
    return NULL;
}
