/* What config.c (values, command line) and config_text.c (files, presets, help) share: the inside of a dgm_config. */
#ifndef DGM_CONFIG_ENTRY_H
#define DGM_CONFIG_ENTRY_H

#include "dgm/config.h"

/* Who set a value; a later one wins over an earlier one. */
typedef enum { SET_BY_NOBODY, SET_BY_DEFAULT, SET_BY_FILE, SET_BY_COMMAND_LINE } config_source;

typedef struct {
    const dgm_option *option;
    config_source source;
    char **items; /* canonical text: one for all kinds but LIST */
    int n_items;
    int64_t integer;
    double real;
    bool flag;
    int file_line; /* where the file being read set it, 0: has not yet */
} config_entry;

struct dgm_config {
    config_entry *entries; /* in table order */
    int n_entries;
    const char **names; /* of the entries, for suggestions */
    char **operands;
    int n_operands;
    bool help_asked;
};

/* The entry of a name in which '-' stands for '_'; NULL when there is none.  `n` characters of `name` count. */
config_entry *dgm_config_find(const dgm_config *config, const char *name, size_t n);

/* Sets an entry from n texts after checking them; leaves it when somebody stronger has set it.  `append` adds to a LIST set by
 * the same source.  `where` begins messages: "--seed" or "tiny.cfg:3: seed". */
dgm_err dgm_config_assign(config_entry *entry, const char *where, const char *const *items, int n, config_source source, bool append);

/* Splits text in the form of a config file's value (words, "quoted \" \\ \n words") in place.  With whole, blanks outside quotes
 * do not separate.  `out` holds pointers into `text`; *n is set.  DGM_ERR_USAGE for an open quote. */
dgm_err dgm_config_split(char *text, bool whole, const char *where, char **out, int max, int *n);

/* "a whole number from 1 to 8", "true or false", ...: what an option accepts. */
void dgm_config_expected(const dgm_option *option, char *out, size_t bytes);

#endif
