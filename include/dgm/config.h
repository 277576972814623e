/* Options: one table per command; every option is also a key of the same name in a config file.
 *
 *   --warmup-steps 400     on the command line (also --warmup-steps=400)
 *   warmup_steps = 400     in a config file; # begins a comment; "a b#c" is one word, with \" \\ \n inside quotes
 *
 * A list takes all words up to the next option and grows when it is given again; --name=value takes one word that may begin
 * with anything; what stands behind a bare -- are operands.  Any other option is given once on a command line.
 *
 * The command line wins over the config file, which wins over the table's defaults.  Unknown names, values out of range and
 * values of the wrong type are DGM_ERR_USAGE and name the option, the value, what is expected and, where one is near, the
 * name that was meant. */
#ifndef DGM_CONFIG_H
#define DGM_CONFIG_H

#include "dgm/error.h"

#include <stdio.h>

typedef enum {
    DGM_OPTION_INT,    /* lo..hi */
    DGM_OPTION_REAL,   /* lo..hi */
    DGM_OPTION_FLAG,   /* --name, --no-name, or name = true|false; on|off and yes|no are understood, too */
    DGM_OPTION_TEXT,   /* any string */
    DGM_OPTION_CHOICE, /* one word of `choices`; with on|off also those words of a flag */
    DGM_OPTION_LIST    /* one or more strings: --src A B C; in a file, separated by spaces */
} dgm_option_kind;

typedef struct {
    const char *name; /* as in config files: letters and underscores */
    dgm_option_kind kind;
    const char *fallback; /* default as text; NULL: unset */
    double lo, hi;        /* INT and REAL */
    const char *choices;  /* CHOICE: words separated by '|' */
    const char *value;    /* what --help shows after the name: N, FILE, DIR, ... */
    const char *help;     /* one line */
} dgm_option;

typedef struct dgm_config dgm_config;

/* `tables` are n_tables arrays, each ended by an entry whose name is NULL; they must outlive the config. */
dgm_err dgm_config_create(const dgm_option *const *tables, int n_tables, dgm_config **out);
void dgm_config_destroy(dgm_config *config); /* accepts NULL */

/* Reads argv[1..]; argv[0] names the command in messages.  `--help` sets help_asked and nothing else is checked.
 * An option `config` (if the table has one) names a file, or a preset (see dgm_config_find), read before the others count.
 * Arguments that are neither options nor their values are collected as operands when max_operands allows them. */
dgm_err dgm_config_parse(dgm_config *config, int argc, char *const *argv, int max_operands);
bool dgm_config_help_asked(const dgm_config *config);
int dgm_config_n_operands(const dgm_config *config);
const char *dgm_config_operand(const dgm_config *config, int i);

/* Reads a config file: PATH, or the preset of that name (tiny, small, base, big, ...) from the folder of presets. */
dgm_err dgm_config_read(dgm_config *config, const char *path_or_preset);

/* Takes settings from text in the form of a config file, as dgm_config_write makes it.  `where` names it in messages. */
dgm_err dgm_config_read_text(dgm_config *config, const char *text, const char *where);

/* Sets one option as if given on the command line. */
dgm_err dgm_config_set(dgm_config *config, const char *name, const char *value);

/* Where presets are: $DRAGOMAN_CONFIGS, else ../configs beside the build's binary, else the installed folder. */
const char *dgm_config_preset_dir(void);

/* Names here are the program's own: one that is in no table, or of another kind, ends the program through the fatal handler.
 * An unset number is 0, an unset flag false.  Texts are valid until the option is set again or the config destroyed. */
bool dgm_config_has(const dgm_config *config, const char *name); /* set by anyone, default included */
/* The name of an option as it is typed, without its dashes in front: batch-tokens for batch_tokens. */
void dgm_config_dashed(const char *name, char *out, size_t bytes);
bool dgm_config_given(const dgm_config *config, const char *name); /* set by the user: command line or file */
bool dgm_config_given_here(const dgm_config *config, const char *name); /* on the command line, not in a file */
int64_t dgm_config_int(const dgm_config *config, const char *name);
double dgm_config_real(const dgm_config *config, const char *name);
bool dgm_config_flag(const dgm_config *config, const char *name);
const char *dgm_config_text(const dgm_config *config, const char *name); /* NULL when unset; also for CHOICE */
int dgm_config_count(const dgm_config *config, const char *name);        /* LIST: how many */
const char *dgm_config_item(const dgm_config *config, const char *name, int i);

/* "missing --src: ..." as DGM_ERR_USAGE when unset. */
dgm_err dgm_config_require(const dgm_config *config, const char *name);

/* The resolved settings in table order, one `name = value` line each, unset ones left out.  Caller frees. */
char *dgm_config_write(const dgm_config *config);

/* Usage text: "usage: dragoman COMMAND synopsis", the options with defaults and ranges but for those of `unlisted` (ended by NULL, or NULL). */
void dgm_config_print_help(const dgm_config *config, FILE *out, const char *command, const char *synopsis, const char *summary,
                           const char *const *unlisted);

/* Whether a table has an option of that name. */
bool dgm_option_in(const dgm_option *table, const char *name);

#endif
