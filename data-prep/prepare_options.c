/* The options of prepare, which train shares: the table, from a config to a struct, and what does not go together. */
#include "dgm/prepare.h"

#include "dgm/vocab.h"

#include <stdlib.h>
#include <string.h>

const dgm_option dgm_prepare_option_table[] = {
    {"src", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "source side of the training text: plain, .zst, .gz or .xz, one sentence per line"},
    {"tgt", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "target side, as many lines"},
    {"tsv", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "instead of both: lines of source, tab, target"},
    {"valid_src", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "source side of the validation text"},
    {"valid_tgt", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "target side of the validation text"},
    {"valid_tsv", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "instead of both: lines of source, tab, target"},
    {"tokenizer", DGM_OPTION_TEXT, "bpe", 0, 0, NULL, "KIND", "bpe or character to learn one, or a tokenizer.json to use"},
    {"tgt_tokenizer", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "a tokenizer.json for the target side alone"},
    {"vocab_size", DGM_OPTION_INT, "10000", DGM_VOCAB_N_FIXED, DGM_VOCAB_MAX, NULL, "N", "pieces of a learned tokenizer"},
    {"joint_vocab", DGM_OPTION_FLAG, "true", 0, 0, NULL, NULL, "a tokenizer and embeddings for each side, not one for both"},
    {"max_length", DGM_OPTION_INT, "256", 1, DGM_AUDIT_MAX_LENGTH, NULL, "N", "drop pairs with more tokens on a side"},
    {"max_ratio", DGM_OPTION_REAL, "9", 1, 1e6, NULL, "X", "drop pairs with X times more tokens on one side than on the other"},
    {"on_bad_line", DGM_OPTION_CHOICE, "fail", 0, 0, "fail|drop", NULL, "invalid UTF-8, zero bytes, endless lines: an error, or left out"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static dgm_err read_list(const dgm_config *config, const char *name, const char *const **items, int *n)
{
    *n = dgm_config_count(config, name);
    const char **list = malloc(((size_t)*n + 1) * sizeof *list);
    if (list == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "--%s", name);
    for (int i = 0; i < *n; i++) list[i] = dgm_config_item(config, name, i);
    *items = list;
    return DGM_OK;
}

dgm_err dgm_prepare_options_init(const dgm_config *config, dgm_prepare_options *out)
{
    *out = (dgm_prepare_options){.tokenizer = dgm_config_text(config, "tokenizer"),
                                 .tgt_tokenizer = dgm_config_text(config, "tgt_tokenizer"),
                                 .vocab_size = dgm_config_int(config, "vocab_size"),
                                 .joint_vocab = dgm_config_flag(config, "joint_vocab"),
                                 .rules = {.max_length = dgm_config_int(config, "max_length"),
                                           .max_ratio = dgm_config_real(config, "max_ratio"),
                                           .drop_bad_lines = strcmp(dgm_config_text(config, "on_bad_line"), "drop") == 0}};
    DGM_TRY(read_list(config, "src", &out->train.src, &out->train.n_src));
    DGM_TRY(read_list(config, "tgt", &out->train.tgt, &out->train.n_tgt));
    DGM_TRY(read_list(config, "tsv", &out->train.tsv, &out->train.n_tsv));
    DGM_TRY(read_list(config, "valid_src", &out->valid.src, &out->valid.n_src));
    DGM_TRY(read_list(config, "valid_tgt", &out->valid.tgt, &out->valid.n_tgt));
    return read_list(config, "valid_tsv", &out->valid.tsv, &out->valid.n_tsv);
}

static void fini_files(dgm_audit_files *files)
{
    free((void *)(uintptr_t)files->src);
    free((void *)(uintptr_t)files->tgt);
    free((void *)(uintptr_t)files->tsv);
}

void dgm_prepare_options_fini(dgm_prepare_options *options)
{
    fini_files(&options->valid);
    fini_files(&options->train);
    *options = (dgm_prepare_options){0};
}

static dgm_err check_files(const dgm_audit_files *f, const char *what, const char *prefix)
{
    if (f->n_tsv > 0 && f->n_src + f->n_tgt > 0)
        return DGM_FAIL(DGM_ERR_USAGE, "--%stsv holds both sides: leave --%ssrc and --%stgt out", prefix, prefix, prefix);
    if (f->n_tsv == 0 && (f->n_src == 0 || f->n_tgt == 0))
        return DGM_FAIL(DGM_ERR_USAGE, "the %s text is missing: give --%ssrc and --%stgt, or --%stsv", what, prefix, prefix, prefix);
    return DGM_OK;
}

static dgm_err look_at(const char *const *files, int n, const char *prefix, const char *option)
{
    dgm_err err = DGM_OK;
    for (int i = 0; i < n && err == DGM_OK; i++) err = dgm_corpus_look(files[i], files[i]);
    return dgm_error_context(err, "--%s%s", prefix, option);
}

static dgm_err look_at_all(const dgm_audit_files *f, const char *prefix)
{
    DGM_TRY(look_at(f->src, f->n_src, prefix, "src"));
    DGM_TRY(look_at(f->tgt, f->n_tgt, prefix, "tgt"));
    return look_at(f->tsv, f->n_tsv, prefix, "tsv");
}

static int count_stdin(const char *const *files, int n)
{
    int count = 0;
    for (int i = 0; i < n; i++) count += strcmp(files[i], "-") == 0;
    return count;
}

static int count_all_stdin(const dgm_audit_files *f)
{
    return count_stdin(f->src, f->n_src) + count_stdin(f->tgt, f->n_tgt) + count_stdin(f->tsv, f->n_tsv);
}

dgm_err dgm_prepare_check(const dgm_prepare_options *o)
{
    DGM_TRY(check_files(&o->train, "training", ""));
    DGM_TRY(check_files(&o->valid, "validation", "valid-"));
    if (count_all_stdin(&o->train) + count_all_stdin(&o->valid) > 1)
        return DGM_FAIL(DGM_ERR_USAGE, "standard input (-) can be given once");
    if (o->out == NULL || o->out[0] == '\0') return DGM_FAIL(DGM_ERR_USAGE, "--out is missing: the folder to make");
    bool learned = strcmp(o->tokenizer, "bpe") == 0 || strcmp(o->tokenizer, "character") == 0;
    if (o->tgt_tokenizer != NULL && learned)
        return DGM_FAIL(DGM_ERR_USAGE, "--tgt-tokenizer %s needs a --tokenizer FILE for the source side, not %s", o->tgt_tokenizer, o->tokenizer);
    if (!learned && o->tgt_tokenizer == NULL && !o->joint_vocab)
        return DGM_FAIL(DGM_ERR_USAGE, "--no-joint-vocab with --tokenizer %s: give a --tgt-tokenizer FILE as well", o->tokenizer);
    DGM_TRY(look_at_all(&o->train, ""));
    return look_at_all(&o->valid, "valid-");
}
