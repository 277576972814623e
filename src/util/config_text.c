/* Options as text: config files, the folder of presets, the saved settings and --help.  What is written here reads back the same. */
#include "config_entry.h"

#include "dgm/io.h"
#include "dgm/suggest.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PRESETS = 64, HELP_COLUMN = 32 };

static const char byte_order_mark[] = "\xEF\xBB\xBF"; /* what some editors begin a file with */

/* ---- values in files ---- */

/* One quoted word: *in is behind the opening quote and is moved behind the closing one; *to is moved as characters are kept. */
static dgm_err unquote(char **in, char **to, const char *where)
{
    for (; **in != '"'; ++*in) {
        if (**in == '\0') return DGM_FAIL(DGM_ERR_USAGE, "%s: a quote is opened and not closed", where);
        if (**in == '\\' && (*in)[1] != '\0') {
            ++*in;
            *(*to)++ = **in == 'n' ? '\n' : **in;
        } else {
            *(*to)++ = **in;
        }
    }
    ++*in;
    return DGM_OK;
}

dgm_err dgm_config_split(char *text, bool whole, const char *where, char **out, int max, int *n)
{
    char *in = text, *to = text;
    *n = 0;
    while (*in != '\0' && *n < max) {
        while (isspace((unsigned char)*in)) in++;
        if (*in == '\0' || *in == '#') break;
        char *word = to, *kept = to; /* kept: end of what trailing blanks may not be cut from */
        while (*in != '\0' && *in != '#' && (whole || !isspace((unsigned char)*in))) {
            if (*in == '"') {
                in++;
                DGM_TRY(unquote(&in, &to, where));
                kept = to;
            } else {
                *to++ = *in++;
            }
        }
        bool comment = *in == '#';
        if (*in != '\0') in++;
        while (whole && to > kept && isspace((unsigned char)to[-1])) to--;
        *to++ = '\0';
        out[(*n)++] = word;
        if (comment) break;
    }
    return DGM_OK;
}

/* One line of a config file: blank, comment, or "name = value". */
static dgm_err read_line(dgm_config *config, char *line, const char *file, int number)
{
    char where[PATH_MAX + 128];
    char *name = line + strspn(line, " \t\r");
    if (*name == '\0' || *name == '#') return DGM_OK;
    char *equals = strchr(name, '=');
    if (equals == NULL) return DGM_FAIL(DGM_ERR_USAGE, "%s:%d: \"%s\": expected name = value", file, number, name);
    char *end = equals;
    while (end > name && isspace((unsigned char)end[-1])) end--;
    *end = '\0';
    snprintf(where, sizeof where, "%s:%d: %s", file, number, name);
    config_entry *entry = dgm_config_find(config, name, strlen(name));
    if (entry == NULL) {
        const char *near = dgm_suggest(name, config->names, config->n_entries);
        return DGM_FAIL(DGM_ERR_USAGE, "%s: unknown setting%s%s%s", where, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    if (strcmp(entry->option->name, "config") == 0) return DGM_FAIL(DGM_ERR_USAGE, "%s: a config file cannot name another", where);
    if (entry->file_line != 0) return DGM_FAIL(DGM_ERR_USAGE, "%s: line %d has set it already", where, entry->file_line);
    entry->file_line = number;

    int n, max = (int)(strlen(equals + 1) / 2) + 2;
    char **items = calloc((size_t)max, sizeof *items);
    if (items == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s", where);
    dgm_err err = dgm_config_split(equals + 1, entry->option->kind != DGM_OPTION_LIST, where, items, max, &n);
    if (err == DGM_OK) err = dgm_config_assign(entry, where, (const char *const *)items, n, SET_BY_FILE, false);
    free(items);
    return err;
}

dgm_err dgm_config_read_text(dgm_config *config, const char *text, const char *where)
{
    if (strncmp(text, byte_order_mark, strlen(byte_order_mark)) == 0) text += strlen(byte_order_mark);
    dgm_err err = DGM_OK;
    char *copy = strdup(text);
    if (copy == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s", where);
    for (int i = 0; i < config->n_entries; i++) config->entries[i].file_line = 0;
    int number = 1;
    for (char *line = copy, *next; err == DGM_OK && line != NULL; line = next, number++) {
        next = strchr(line, '\n');
        if (next != NULL) *next++ = '\0';
        err = read_line(config, line, where, number);
    }
    free(copy);
    return err;
}

/* ---- presets ---- */

const char *dgm_config_preset_dir(void)
{
    static char built[PATH_MAX + 16];
    const char *chosen = getenv("DRAGOMAN_CONFIGS");
    if (chosen != NULL && *chosen != '\0') return chosen;
    ssize_t n = readlink("/proc/self/exe", built, PATH_MAX - 1);
    char *slash = n > 0 ? memrchr(built, '/', (size_t)n) : NULL;
    if (slash != NULL) {
        strcpy(slash, "/build_config.h"); /* lies beside the program in a build folder only */
        bool build_folder = dgm_io_exists(built);
        strcpy(slash, "/../configs");
        if (build_folder && dgm_io_is_dir(built)) return built;
    }
    return DGM_CONFIG_DIR;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Names of the presets, sorted; each freed by the caller. */
static int list_presets(char **names)
{
    int n = 0;
    DIR *dir = opendir(dgm_config_preset_dir());
    if (dir == NULL) return 0;
    for (struct dirent *e; n < MAX_PRESETS && (e = readdir(dir)) != NULL;) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot == NULL || dot == e->d_name || strcmp(dot, ".cfg") != 0) continue;
        names[n] = strndup(e->d_name, (size_t)(dot - e->d_name));
        if (names[n] != NULL) n++;
    }
    closedir(dir);
    qsort(names, (size_t)n, sizeof *names, by_name);
    return n;
}

static dgm_err no_such_preset(const char *name)
{
    char *presets[MAX_PRESETS], list[1024] = "";
    int n = list_presets(presets);
    for (int i = 0; i < n; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? " " : "", presets[i]);
    }
    const char *near = dgm_suggest(name, (const char *const *)presets, n);
    dgm_err err = DGM_FAIL(DGM_ERR_USAGE, "config %s: neither a file nor a preset%s%s%s  (presets in %s: %s)", name,
                           near ? "; did you mean " : "", near ? near : "", near ? "?" : "", dgm_config_preset_dir(), n ? list : "none");
    for (int i = 0; i < n; i++) free(presets[i]);
    return err;
}

dgm_err dgm_config_read(dgm_config *config, const char *path_or_preset)
{
    /* A bare word is a preset first: what `tiny` means must not depend on the folder one stands in.  ./tiny is a file. */
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s.cfg", dgm_config_preset_dir(), path_or_preset);
    if (n >= PATH_MAX) return DGM_FAIL(DGM_ERR_USAGE, "config %s: the name is too long", path_or_preset);
    if (strchr(path_or_preset, '/') != NULL || !dgm_io_exists(path)) strcpy(path, path_or_preset);
    if (!dgm_io_exists(path)) return no_such_preset(path_or_preset);
    char *text;
    size_t n_bytes;
    DGM_TRY(dgm_io_read_file(path, &text, &n_bytes));
    dgm_err err = memchr(text, '\0', n_bytes) != NULL ? DGM_FAIL(DGM_ERR_USAGE, "%s: not a text file: it holds a zero byte", path)
                                                      : dgm_config_read_text(config, text, path);
    free(text);
    return err;
}

/* ---- saved settings ---- */

static void write_item(FILE *out, const char *item, bool in_list)
{
    size_t n = strlen(item);
    bool plain = n > 0 && strpbrk(item, "\"\\#\n\r") == NULL && !isspace((unsigned char)item[0]) && !isspace((unsigned char)item[n - 1]);
    for (const char *c = item; in_list && *c; c++) plain = plain && !isspace((unsigned char)*c);
    if (plain) {
        fputs(item, out);
        return;
    }
    fputc('"', out);
    for (const char *c = item; *c; c++) {
        if (*c == '"' || *c == '\\') fputc('\\', out);
        fputs(*c == '\n' ? "\\n" : (char[]){*c, '\0'}, out);
    }
    fputc('"', out);
}

char *dgm_config_write(const dgm_config *config)
{
    char *text = NULL;
    size_t n_bytes;
    FILE *out = open_memstream(&text, &n_bytes);
    if (out == NULL) return NULL;
    for (int i = 0; i < config->n_entries; i++) {
        const config_entry *entry = &config->entries[i];
        /* What the config file said is in the other lines already. */
        if (entry->source == SET_BY_NOBODY || strcmp(entry->option->name, "config") == 0) continue;
        fprintf(out, "%s =", entry->option->name);
        for (int k = 0; k < entry->n_items; k++) {
            fputc(' ', out);
            write_item(out, entry->items[k], entry->option->kind == DGM_OPTION_LIST);
        }
        fputc('\n', out);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- --help ---- */

static void print_option(const dgm_option *o, FILE *out)
{
    char dashed[64], left[160], range[512], facts[640] = "";
    dgm_config_dashed(o->name, dashed, sizeof dashed);
    snprintf(left, sizeof left, "  --%s%s", o->kind == DGM_OPTION_FLAG && o->fallback && strcmp(o->fallback, "true") == 0 ? "no-" : "", dashed);
    if (o->kind != DGM_OPTION_FLAG) {
        size_t used = strlen(left);
        const char *value = o->value != NULL ? o->value : o->kind == DGM_OPTION_CHOICE ? o->choices : "VALUE";
        snprintf(left + used, sizeof left - used, " %s%s", value, o->kind == DGM_OPTION_LIST ? "..." : "");
    }
    dgm_config_expected(o, range, sizeof range);
    bool has_range = (o->kind == DGM_OPTION_INT || o->kind == DGM_OPTION_REAL) && strpbrk(range, "0123456789") != NULL;
    has_range = has_range || (o->kind == DGM_OPTION_CHOICE && o->value != NULL);
    bool has_default = o->fallback != NULL && o->kind != DGM_OPTION_FLAG;
    if (has_range || has_default)
        snprintf(facts, sizeof facts, "  (%s%s%s%s)", has_range ? range : "", has_range && has_default ? "; " : "",
                 has_default ? "default " : "", has_default ? o->fallback : "");
    if (strlen(left) > HELP_COLUMN - 2) fprintf(out, "%s\n%*s%s%s\n", left, HELP_COLUMN, "", o->help, facts);
    else fprintf(out, "%-*s%s%s\n", HELP_COLUMN, left, o->help, facts);
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; names != NULL && *names != NULL; names++)
        if (strcmp(name, *names) == 0) return true;
    return false;
}

void dgm_config_print_help(const dgm_config *config, FILE *out, const char *command, const char *synopsis, const char *summary,
                           const char *const *unlisted)
{
    fprintf(out, "usage: dragoman %s%s%s\n\n%s\n", command, synopsis && *synopsis ? " " : "", synopsis ? synopsis : "", summary);
    bool reads_files = dgm_config_find(config, "config", strlen("config")) != NULL;
    const char *in_files = reads_files ? " (in a config file: name = value, with _ for -; name = true or false where no value is shown)" : "";
    if (config->n_entries > 0) fprintf(out, "\nOptions%s:\n", in_files);
    for (int i = 0; i < config->n_entries; i++)
        if (!is_one_of(config->names[i], unlisted)) print_option(config->entries[i].option, out);
}
