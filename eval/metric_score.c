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

void dgm_metric_sign(dgm_metric_score *score, const char *key_value)
{
    char rest[sizeof score->signature];
    size_t at = strcspn(score->signature, "|");
    snprintf(rest, sizeof rest, "%s", score->signature + at);
    snprintf(score->signature + at, sizeof score->signature - at, "|%s%s", key_value, rest);
}

/* Copies the signature with other keys. */
void dgm_metric_short_signature(const dgm_metric_score *score, char *out, size_t bytes)
{
    static const char *const keys[][2] = {{"nrefs", "#"}, {"seed", "rs"}, {"case", "c"}, {"eff", "e"}, {"smooth", "s"}, {"space", "s"},
                                          {"norm", "nr"}, {"punct", "pn"}, {"asian", "as"}, {"version", "v"}};
    size_t used = 0;
    bool ter = strcmp(score->name, "TER") == 0; /* of which the tokenizer is t; of BLEU it stays tok */
    out[0] = '\0';
    for (const char *part = score->signature; *part != '\0' && used < bytes;) {
        size_t n = strcspn(part, "|"), n_key = strcspn(part, ":");
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)DGM_MIN(n_key, n), part);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (strcmp(key, keys[i][0]) == 0) {
                strcpy(key, keys[i][1]);
                break;
            }
        if (ter && strcmp(key, "tok") == 0) strcpy(key, "t");
        used += (size_t)snprintf(out + used, bytes - used, "%s%s%.*s", used > 0 ? "|" : "", key, (int)(n - DGM_MIN(n_key, n)), part + n_key);
        part += n + (part[n] == '|');
    }
}

static void write_interval(const dgm_metric_score *score, int width, char *out, size_t bytes)
{
    snprintf(out, bytes, "μ = %.*f ± %.*f", width, score->mean, width, score->half_width);
}

void dgm_metric_line(const dgm_metric_score *score, const dgm_metric_style *style, char *out)
{
    char interval[96] = "", number[160], signature[sizeof score->signature];
    if (score->has_interval) write_interval(score, style->width, interval, sizeof interval);
    snprintf(number, sizeof number, score->has_interval ? "%.*f (%s)" : "%.*f%s", style->width, score->score, interval);
    if (style->short_signature) dgm_metric_short_signature(score, signature, sizeof signature);
    else strcpy(signature, score->signature);
    if (style->score_only) snprintf(out, DGM_METRIC_LINE_BYTES, "%s", number);
    else
        snprintf(out, DGM_METRIC_LINE_BYTES, "%s|%s = %s%s%s", score->name, signature, number, score->verbose[0] != '\0' ? " " : "", score->verbose);
}

void dgm_metric_print_all(FILE *out, const char *prefix, const dgm_metric_score *scores, int n, const dgm_metric_style *style)
{
    char line[DGM_METRIC_LINE_BYTES];
    int widest = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < n; i++) {
            dgm_metric_line(&scores[i], style, line);
            const char *equals = style->score_only ? NULL : strstr(line, " = ");
            int left = equals != NULL ? (int)(equals - line) : 0;
            if (pass == 0) widest = DGM_MAX(widest, left);
            else fprintf(out, "%s%*s%s\n", prefix, widest - left, "", line);
        }
}

void dgm_metric_print(FILE *out, const dgm_metric_score *score, int width)
{
    dgm_metric_print_all(out, "", score, 1, &(dgm_metric_style){.width = width});
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

json_t *dgm_metric_json(const dgm_metric_score *score, int width)
{
    json_t *object = json_object();
    int failed = object == NULL;
    failed |= json_object_set_new(object, "name", json_string(score->name));
    failed |= json_object_set_new(object, "score", json_real(score->score));
    failed |= json_object_set_new(object, "signature", json_string(score->signature));
    if (score->has_interval) {
        char text[96];
        write_interval(score, width, text, sizeof text);
        failed |= json_object_set_new(object, "confidence_mean", json_real(score->mean));
        failed |= json_object_set_new(object, "confidence_var", json_real(score->half_width));
        failed |= json_object_set_new(object, "confidence", json_string(text));
    }
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
