/* One table says everything about an option, so that the command line, config files, --help and the saved settings agree.
 *
 * Values are checked the moment they are given and kept as canonical text (reals with the fewest digits that read back the
 * same), so that the settings saved with a model do not depend on how somebody spelled them. */
#include "config_entry.h"

#include "dgm/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 96 };

/* ---- values ---- */

void dgm_config_expected(const dgm_option *option, char *out, size_t bytes)
{
    const char *what = option->kind == DGM_OPTION_INT ? "a whole number" : "a number";
    bool low = isfinite(option->lo) && option->lo > (double)INT64_MIN, high = isfinite(option->hi) && option->hi < (double)INT64_MAX;
    switch (option->kind) {
    case DGM_OPTION_INT:
    case DGM_OPTION_REAL:
        if (low && high) snprintf(out, bytes, "%s from %.10g to %.10g", what, option->lo, option->hi);
        else if (low) snprintf(out, bytes, "%s of at least %.10g", what, option->lo);
        else if (high) snprintf(out, bytes, "%s of at most %.10g", what, option->hi);
        else snprintf(out, bytes, "%s", what);
        break;
    case DGM_OPTION_FLAG: snprintf(out, bytes, "true or false"); break;
    case DGM_OPTION_CHOICE: snprintf(out, bytes, "one of %s", option->choices); break;
    case DGM_OPTION_TEXT: snprintf(out, bytes, "a text"); break;
    case DGM_OPTION_LIST: snprintf(out, bytes, "one or more texts"); break;
    }
}

static bool is_choice(const char *choices, const char *word)
{
    size_t n = strcspn(word, "|");
    if (word[n] != '\0') return false;
    for (const char *c = choices; c != NULL; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
        if (n > 0 && strncmp(c, word, n) == 0 && (c[n] == '|' || c[n] == '\0')) return true;
    return false;
}

/* Words for a flag. */
static bool read_flag(const char *text, bool *out)
{
    static const char *const words[2][3] = {{"false", "off", "no"}, {"true", "on", "yes"}};
    for (int i = 0; i < 6; i++) {
        if (strcmp(text, words[i / 3][i % 3]) != 0) continue;
        *out = i / 3 != 0;
        return true;
    }
    return false;
}

/* The fewest digits that read back as the same number. */
static void write_real(double x, char *out, size_t bytes)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, bytes, "%.*g", digits, x);
        if (strtod(out, NULL) == x) return;
    }
}

/* Checks `text` against the option and gives its value and canonical form (in `canonical`, when it differs from the text). */
static bool read_value(const dgm_option *option, const char *text, config_entry *value, char *canonical, size_t bytes)
{
    char *end;
    bool on = false;
    bool starts_well = isdigit((unsigned char)text[0]) || (text[0] != '\0' && strchr("+-.", text[0]) != NULL);
    errno = 0;
    canonical[0] = '\0';
    switch (option->kind) {
    case DGM_OPTION_INT:
        value->integer = strtoll(text, &end, 10);
        snprintf(canonical, bytes, "%lld", (long long)value->integer);
        return starts_well && *end == '\0' && end != text && errno == 0 && (double)value->integer >= option->lo &&
               (double)value->integer <= option->hi;
    case DGM_OPTION_REAL:
        value->real = strtod(text, &end);
        write_real(value->real, canonical, bytes);
        return starts_well && *end == '\0' && end != text && isfinite(value->real) && value->real >= option->lo && value->real <= option->hi;
    case DGM_OPTION_FLAG:
        if (!read_flag(text, &on)) return false;
        value->flag = on;
        snprintf(canonical, bytes, "%s", on ? "true" : "false");
        return true;
    case DGM_OPTION_CHOICE:
        if (strcmp(option->choices, "on|off") != 0) return is_choice(option->choices, text);
        if (!read_flag(text, &on)) return false;
        snprintf(canonical, bytes, "%s", on ? "on" : "off");
        return true;
    case DGM_OPTION_TEXT:
    case DGM_OPTION_LIST: break;
    }
    return true;
}

static void free_texts(char **texts, int n)
{
    for (int i = 0; i < n; i++) free(texts[i]);
    free(texts);
}

dgm_err dgm_config_assign(config_entry *entry, const char *where, const char *const *items, int n, config_source source, bool append)
{
    char expected[512], canonical[64];
    dgm_config_expected(entry->option, expected, sizeof expected);
    if (n < 1) return DGM_FAIL(DGM_ERR_USAGE, "%s: a value is missing: expected %s", where, expected);
    config_entry value = *entry;
    for (int i = 0; i < n; i++)
        if (!read_value(entry->option, items[i], &value, canonical, sizeof canonical))
            return DGM_FAIL(DGM_ERR_USAGE, "%s: \"%s\" is not %s", where, items[i], expected);
    if (entry->source > source) return DGM_OK;

    int n_kept = append && entry->source == source && entry->option->kind == DGM_OPTION_LIST ? entry->n_items : 0;
    value.source = source;
    value.n_items = 0;
    value.items = calloc((size_t)(n_kept + n), sizeof *value.items);
    if (value.items == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s: %d values", where, n);
    for (; value.n_items < n_kept + n; value.n_items++) {
        const char *text = value.n_items < n_kept ? entry->items[value.n_items] : items[value.n_items - n_kept];
        value.items[value.n_items] = strdup(canonical[0] != '\0' ? canonical : text);
        if (value.items[value.n_items] == NULL) {
            free_texts(value.items, value.n_items);
            return DGM_FAIL(DGM_ERR_NOMEM, "%s: %d values", where, n);
        }
    }
    free_texts(entry->items, entry->n_items);
    *entry = value;
    return DGM_OK;
}

/* ---- creation ---- */

static dgm_err check_option(const dgm_option *option)
{
    for (const char *c = option->name; *c; c++)
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_')
            return DGM_FAIL(DGM_ERR_INTERNAL, "option table: the name \"%s\" may hold only a-z, 0-9 and _", option->name);
    bool negated = option->kind == DGM_OPTION_FLAG && strncmp(option->name, "no_", 3) == 0;
    if (strlen(option->name) >= NAME_BYTES - 8 || negated)
        return DGM_FAIL(DGM_ERR_INTERNAL, "option table: the name \"%s\" is too long or a flag that begins with no_", option->name);
    if (option->kind == DGM_OPTION_CHOICE && option->choices == NULL)
        return DGM_FAIL(DGM_ERR_INTERNAL, "option table: %s has no choices", option->name);
    return DGM_OK;
}

static dgm_err assign_text(config_entry *entry, const char *where, const char *text, config_source source)
{
    bool whole = entry->option->kind != DGM_OPTION_LIST;
    size_t n_bytes = strlen(text) + 1;
    int n = 0, max = (int)(n_bytes / 2) + 1;
    char *copy = malloc(n_bytes), **items = calloc((size_t)max, sizeof *items);
    dgm_err err = DGM_OK;
    if (copy == NULL || items == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "%s", where);
    } else if (whole) {
        err = dgm_config_assign(entry, where, &text, 1, source, false);
    } else {
        memcpy(copy, text, n_bytes);
        err = dgm_config_split(copy, false, where, items, max, &n);
        if (err == DGM_OK) err = dgm_config_assign(entry, where, (const char *const *)items, n, source, false);
    }
    free(items);
    free(copy);
    return err;
}

dgm_err dgm_config_create(const dgm_option *const *tables, int n_tables, dgm_config **out)
{
    dgm_err err;
    int n = 0;
    for (int t = 0; t < n_tables; t++)
        for (const dgm_option *o = tables[t]; o->name != NULL; o++) n++;
    dgm_config *config = calloc(1, sizeof *config);
    if (config == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "options");
    config->entries = calloc((size_t)n + 1, sizeof *config->entries);
    config->names = calloc((size_t)n + 1, sizeof *config->names);
    if (config->entries == NULL || config->names == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "options");
        goto fail;
    }
    for (int t = 0; t < n_tables; t++) {
        for (const dgm_option *o = tables[t]; o->name != NULL; o++) {
            DGM_GOTO(check_option(o));
            if (dgm_config_find(config, o->name, strlen(o->name)) != NULL) {
                err = DGM_FAIL(DGM_ERR_INTERNAL, "option table: %s comes twice", o->name);
                goto fail;
            }
            config_entry *entry = &config->entries[config->n_entries];
            config->names[config->n_entries++] = o->name;
            entry->option = o;
            if (o->fallback == NULL) continue;
            if (assign_text(entry, o->name, o->fallback, SET_BY_DEFAULT) != DGM_OK) {
                err = dgm_error_context(DGM_ERR_INTERNAL, "option table: default of %s", o->name);
                goto fail;
            }
        }
    }
    *out = config;
    return DGM_OK;
fail:
    dgm_config_destroy(config);
    return err;
}

void dgm_config_destroy(dgm_config *config)
{
    if (config == NULL) return;
    for (int i = 0; i < config->n_entries; i++) free_texts(config->entries[i].items, config->entries[i].n_items);
    free_texts(config->operands, config->n_operands);
    free(config->entries);
    free(config->names);
    free(config);
}

config_entry *dgm_config_find(const dgm_config *config, const char *name, size_t n)
{
    for (int i = 0; i < config->n_entries; i++) {
        const char *own = config->names[i];
        size_t at = 0;
        while (at < n && own[at] != '\0' && own[at] == (name[at] == '-' ? '_' : name[at])) at++;
        if (at == n && own[at] == '\0') return &config->entries[i];
    }
    return NULL;
}

/* ---- the command line ---- */

static bool is_option(const char *arg)
{
    if (arg[0] != '-' || arg[1] == '\0') return false; /* "-" is stdin or stdout */
    return !isdigit((unsigned char)arg[1]) && arg[1] != '.';
}

void dgm_config_dashed(const char *name, char *out, size_t bytes)
{
    snprintf(out, bytes, "%s", name);
    for (char *c = out; *c; c++)
        if (*c == '_') *c = '-';
}

static dgm_err unknown_option(const dgm_config *config, const char *command, const char *arg)
{
    const char *word = arg + strspn(arg, "-");
    char name[NAME_BYTES], meant[NAME_BYTES + 32] = "";
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    const char *near = dgm_suggest(name, config->names, config->n_entries);
    if (near != NULL) {
        char dashed[NAME_BYTES];
        dgm_config_dashed(near, dashed, sizeof dashed);
        snprintf(meant, sizeof meant, "; did you mean --%s?", dashed);
    }
    return DGM_FAIL(DGM_ERR_USAGE, "unknown option %s%s  (dragoman %s --help lists all)", arg, meant, command);
}

/* Which of two values is meant nobody can tell; a flag may be said twice, but not both ways. */
static dgm_err check_once(const config_entry *entry, const char *where, const char *text)
{
    const bool flag = entry->option->kind == DGM_OPTION_FLAG;
    if (entry->source != SET_BY_COMMAND_LINE || entry->option->kind == DGM_OPTION_LIST || text == NULL) return DGM_OK;
    if (flag && strcmp(entry->items[0], text) == 0) return DGM_OK;
    if (flag) return DGM_FAIL(DGM_ERR_USAGE, "%s: given both ways, as %s and as %s: leave one out", where, entry->items[0], text);
    return DGM_FAIL(DGM_ERR_USAGE, "%s: given twice, with %s and with %s: leave one out", where, entry->items[0], text);
}

/* One value of an option on the command line. */
static dgm_err assign_one(config_entry *entry, const char *where, const char *text)
{
    DGM_TRY(check_once(entry, where, text));
    return dgm_config_assign(entry, where, &text, 1, SET_BY_COMMAND_LINE, true);
}

/* Reads the option at argv[*at], moves *at behind its last value. */
static dgm_err read_option(dgm_config *config, int argc, char *const *argv, int *at)
{
    const char *arg = argv[(*at)++], *name = arg + 2, *equals = strchr(arg, '=');
    if (strncmp(arg, "--", 2) != 0) return unknown_option(config, argv[0], arg);
    size_t n = equals != NULL ? (size_t)(equals - name) : strlen(name);
    char where[NAME_BYTES];
    snprintf(where, sizeof where, "%.*s", (int)n + 2, arg);
    config_entry *entry = dgm_config_find(config, name, n);
    if (entry == NULL && strncmp(name, "no-", 3) == 0 && equals == NULL) {
        entry = dgm_config_find(config, name + 3, n - 3);
        if (entry != NULL && entry->option->kind == DGM_OPTION_FLAG)
            return assign_one(entry, where, "false");
        entry = NULL;
    }
    if (entry == NULL) return unknown_option(config, argv[0], arg);
    if (equals != NULL) return assign_one(entry, where, equals + 1);
    if (entry->option->kind == DGM_OPTION_FLAG) return assign_one(entry, where, "true");
    int first = *at, max = entry->option->kind == DGM_OPTION_LIST ? argc : first + 1;
    while (*at < argc && *at < max && !is_option(argv[*at])) ++*at;
    DGM_TRY(check_once(entry, where, first < *at ? argv[first] : NULL));
    return dgm_config_assign(entry, where, (const char *const *)argv + first, *at - first, SET_BY_COMMAND_LINE, true);
}

static dgm_err add_operand(dgm_config *config, const char *command, const char *text, int max_operands)
{
    if (config->n_operands >= max_operands)
        return max_operands == 0
                   ? DGM_FAIL(DGM_ERR_USAGE, "\"%s\": not an option, nor the value of one  (dragoman %s --help lists all)", text, command)
                   : DGM_FAIL(DGM_ERR_USAGE, "\"%s\" is one argument too many: expected at most %d", text, max_operands);
    char **operands = realloc(config->operands, (size_t)(config->n_operands + 1) * sizeof *operands);
    if (operands != NULL) config->operands = operands;
    char *copy = operands != NULL ? strdup(text) : NULL;
    if (copy == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "argument %s", text);
    config->operands[config->n_operands++] = copy;
    return DGM_OK;
}

dgm_err dgm_config_parse(dgm_config *config, int argc, char *const *argv, int max_operands)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) config->help_asked = true;
    if (config->help_asked) return DGM_OK;
    bool only_operands = false;
    for (int at = 1; at < argc;) {
        if (!only_operands && strcmp(argv[at], "--") == 0) only_operands = true, at++;
        else if (!only_operands && is_option(argv[at])) DGM_TRY(read_option(config, argc, argv, &at));
        else DGM_TRY(add_operand(config, argv[0], argv[at++], max_operands));
    }
    const config_entry *file = dgm_config_find(config, "config", strlen("config"));
    return file != NULL && file->n_items > 0 ? dgm_config_read(config, file->items[0]) : DGM_OK;
}

bool dgm_config_help_asked(const dgm_config *config) { return config->help_asked; }

int dgm_config_n_operands(const dgm_config *config) { return config->n_operands; }

const char *dgm_config_operand(const dgm_config *config, int i)
{
    DGM_ASSERT(i >= 0 && i < config->n_operands);
    return config->operands[i];
}

/* ---- what commands ask ---- */

/* The entry of a name that the program itself wrote: one that is in no table, or of another kind, is a mistake in the program. */
static const config_entry *own(const dgm_config *config, const char *name, unsigned kinds)
{
    const config_entry *entry = dgm_config_find(config, name, strlen(name));
    char message[NAME_BYTES + 32];
    snprintf(message, sizeof message, "option %s of the kind asked for", name);
    if (entry == NULL || !(kinds >> entry->option->kind & 1)) dgm_error_fatal(__FILE__, __LINE__, message);
    return entry;
}

enum { ANY_KIND = 0xff, TEXT_KINDS = 1 << DGM_OPTION_TEXT | 1 << DGM_OPTION_CHOICE };

dgm_err dgm_config_set(dgm_config *config, const char *name, const char *value)
{
    config_entry *entry = dgm_config_find(config, name, strlen(name));
    if (entry == NULL) return DGM_FAIL(DGM_ERR_USAGE, "unknown setting %s", name);
    return assign_text(entry, name, value, SET_BY_COMMAND_LINE);
}

bool dgm_option_in(const dgm_option *table, const char *name)
{
    for (; table->name != NULL; table++)
        if (strcmp(table->name, name) == 0) return true;
    return false;
}

bool dgm_config_has(const dgm_config *config, const char *name) { return own(config, name, ANY_KIND)->source != SET_BY_NOBODY; }

bool dgm_config_given(const dgm_config *config, const char *name) { return own(config, name, ANY_KIND)->source > SET_BY_DEFAULT; }
bool dgm_config_given_here(const dgm_config *config, const char *name) { return own(config, name, ANY_KIND)->source == SET_BY_COMMAND_LINE; }

int64_t dgm_config_int(const dgm_config *config, const char *name) { return own(config, name, 1u << DGM_OPTION_INT)->integer; }

double dgm_config_real(const dgm_config *config, const char *name) { return own(config, name, 1u << DGM_OPTION_REAL)->real; }

bool dgm_config_flag(const dgm_config *config, const char *name) { return own(config, name, 1u << DGM_OPTION_FLAG)->flag; }

const char *dgm_config_text(const dgm_config *config, const char *name)
{
    const config_entry *entry = own(config, name, TEXT_KINDS);
    return entry->n_items > 0 ? entry->items[0] : NULL;
}

int dgm_config_count(const dgm_config *config, const char *name) { return own(config, name, 1u << DGM_OPTION_LIST)->n_items; }

const char *dgm_config_item(const dgm_config *config, const char *name, int i)
{
    const config_entry *entry = own(config, name, 1u << DGM_OPTION_LIST);
    DGM_ASSERT(i >= 0 && i < entry->n_items);
    return entry->items[i];
}

dgm_err dgm_config_require(const dgm_config *config, const char *name)
{
    const config_entry *entry = own(config, name, ANY_KIND);
    if (entry->source != SET_BY_NOBODY) return DGM_OK;
    char dashed[NAME_BYTES];
    dgm_config_dashed(name, dashed, sizeof dashed);
    return DGM_FAIL(DGM_ERR_USAGE, "missing --%s: %s", dashed, entry->option->help);
}
