/* Two passes over the text and a folder that appears whole or not at all. */
#include "dgm/prepare.h"

#include "dgm/bpe_learn.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/spool.h"
#include "dgm/tokenizer_find.h"
#include "dgm/write_shards.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SRC, TGT, PROGRESS_PAIRS = 1 << 20 };

typedef struct {
    const dgm_prepare_options *options;
    char *out, *tmp, *old; /* DATA, where it is made, where one that is replaced goes */
    size_t n_there;        /* bytes of `out` that name folders which were there before */
    bool replaces;         /* there is a DATA folder that may be replaced */
    dgm_spool *train, *valid;
    dgm_tokenizer *tokenizer[2]; /* both the same when joint */
    dgm_manifest manifest;
    int64_t n_cr; /* lines that ended in CR LF */
} work;

/* ---- the folder ---- */

static bool is_empty_dir(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;
    if (dir == NULL) return false;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return n == 0;
}

/* The first entry of a folder that no DATA folder has; false when there is none. */
static bool find_foreign(const char *path, char *name, size_t bytes)
{
    DIR *dir = opendir(path);
    bool found = false;
    for (struct dirent *e; dir != NULL && !found && (e = readdir(dir)) != NULL;) {
        size_t n = strlen(e->d_name);
        bool ours = strcmp(e->d_name, "manifest.json") == 0 || strncmp(e->d_name, "tokenizer", 9) == 0 || (n > 4 && strcmp(e->d_name + n - 4, ".zst") == 0);
        found = !ours && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
        if (found) snprintf(name, bytes, "%s", e->d_name);
    }
    if (dir != NULL) closedir(dir);
    return found;
}

static dgm_err look_at_out(work *w)
{
    char foreign[256];
    if (!dgm_io_exists(w->out) || is_empty_dir(w->out)) return DGM_OK;
    if (!dgm_io_holds(w->out, "manifest.json")) return DGM_FAIL(DGM_ERR_USAGE, "--out %s exists and is no DATA folder: choose another name", w->out);
    if (!w->options->overwrite) return DGM_FAIL(DGM_ERR_USAGE, "--out %s exists: choose another name, or replace it with --overwrite", w->out);
    if (find_foreign(w->out, foreign, sizeof foreign))
        return DGM_FAIL(DGM_ERR_USAGE, "--out %s holds %s, which is no part of a DATA folder: --overwrite would remove it; move it or choose another name",
                        w->out, foreign);
    w->replaces = true;
    return DGM_OK;
}

static char *with_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path) + strlen(suffix) + 1;
    char *p = malloc(n);
    if (p != NULL) snprintf(p, n, "%s%s", path, suffix);
    return p;
}

/* The longest leading part of `path` that exists, in bytes. */
static size_t existing_part(const char *path)
{
    char *p = strdup(path);
    size_t n = p != NULL ? strlen(p) : 0;
    while (n > 0 && !dgm_io_exists(p)) {
        while (n > 0 && p[n - 1] != '/') n--;
        while (n > 1 && p[n - 1] == '/') n--;
        if (n > 0) p[n] = '\0';
    }
    free(p);
    return n;
}

static dgm_err begin_folder(work *w)
{
    size_t n = strlen(w->options->out);
    while (n > 1 && w->options->out[n - 1] == '/') n--;
    w->out = strndup(w->options->out, n);
    if (w->out == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path %s", w->options->out);
    const char *last = strrchr(w->out, '/');
    last = last != NULL ? last + 1 : w->out;
    if (strcmp(last, ".") == 0 || strcmp(last, "..") == 0 || *last == '\0')
        return DGM_FAIL(DGM_ERR_USAGE, "--out %s: expected a name for the folder: it is made beside its place and renamed", w->options->out);
    w->tmp = with_suffix(w->out, ".dragoman-tmp"); /* what a killed run left there is removed: a name that nobody else uses */
    w->old = with_suffix(w->out, ".dragoman-old");
    if (w->tmp == NULL || w->old == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path %s", w->out);
    DGM_TRY(look_at_out(w));
    w->n_there = existing_part(w->out);
    DGM_TRY(dgm_io_remove_tree(w->tmp)); /* of a run that was killed */
    return dgm_io_make_dirs(w->tmp);
}

/* Takes the unfinished folder away, and the folders above it that were made for it. */
static void abandon_folder(work *w)
{
    char cause[1024];
    snprintf(cause, sizeof cause, "%s", dgm_error_text());
    dgm_err err = dgm_io_remove_tree(w->tmp);
    if (err != DGM_OK) {
        dgm_log(DGM_LOG_WARN, "%s", dgm_error_text());
        DGM_FAIL(err, "%s", cause); /* what went wrong first is what the user must know */
    }
    char *p = strdup(w->out);
    for (size_t n = p != NULL ? strlen(p) : 0;;) {
        while (n > w->n_there && p[n - 1] != '/') n--;
        while (n > w->n_there && p[n - 1] == '/') n--;
        if (n <= w->n_there) break;
        p[n] = '\0';
        if (rmdir(p) != 0) break;
    }
    free(p);
}

static dgm_err publish_folder(work *w)
{
    DGM_TRY(dgm_io_sync_dir(w->tmp));
    if (!w->replaces) return dgm_io_rename(w->tmp, w->out);
    DGM_TRY(dgm_io_remove_tree(w->old)); /* of a run that was killed */
    DGM_TRY(dgm_io_rename(w->out, w->old));
    dgm_err err = dgm_io_rename(w->tmp, w->out);
    if (err != DGM_OK && rename(w->old, w->out) != 0) dgm_log(DGM_LOG_WARN, "%s is now %s", w->out, w->old);
    return err == DGM_OK ? dgm_io_remove_tree(w->old) : err;
}

/* ---- tokenizers ---- */

static dgm_err count_words(work *w, dgm_bpe_learner *const *learner)
{
    dgm_audit *audit = NULL;
    dgm_audit_pair pair;
    dgm_audit_verdict verdict;
    bool more = true;
    int64_t n_kept = 0, n = 1;
    dgm_err err = dgm_audit_open(dgm_spool_paths(w->train), dgm_spool_names(w->train), &w->options->rules, &audit);
    for (; err == DGM_OK; n++) {
        DGM_GOTO(dgm_audit_next(audit, &pair, &verdict, &more));
        if (!more) break;
        if (n % PROGRESS_PAIRS == 0) dgm_log_progress("counted the words of %lld pairs", (long long)n);
        if (verdict != DGM_AUDIT_KEPT) continue;
        n_kept++;
        DGM_GOTO(dgm_bpe_learner_add_line(learner[SRC], pair.src, pair.src_bytes));
        DGM_GOTO(dgm_bpe_learner_add_line(learner[TGT], pair.tgt, pair.tgt_bytes));
    }
    if (err == DGM_OK && n_kept == 0)
        err = DGM_FAIL(DGM_ERR_INPUT, "no training pair is left of %lld read to learn a tokenizer from: expected text in the files of --src and --tgt, or --tsv",
                       (long long)(n - 1));
fail:
    dgm_audit_close(audit);
    return err;
}

static dgm_err learn_tokenizers(work *w, dgm_tokenizer_kind kind)
{
    dgm_err err;
    const dgm_prepare_options *o = w->options;
    dgm_bpe_learn_options options = {.kind = kind, .vocab_size = (int32_t)o->vocab_size};
    dgm_bpe_learner *learner[2] = {NULL, NULL};
    DGM_GOTO(dgm_bpe_learner_create(&options, &learner[SRC]));
    if (o->joint_vocab) learner[TGT] = learner[SRC];
    else DGM_GOTO(dgm_bpe_learner_create(&options, &learner[TGT]));
    DGM_GOTO(count_words(w, learner));
    DGM_GOTO(dgm_bpe_learner_learn(learner[SRC], &w->tokenizer[SRC]));
    if (o->joint_vocab) w->tokenizer[TGT] = w->tokenizer[SRC];
    else DGM_GOTO(dgm_bpe_learner_learn(learner[TGT], &w->tokenizer[TGT]));
fail:
    if (learner[TGT] != learner[SRC]) dgm_bpe_learner_destroy(learner[TGT]);
    dgm_bpe_learner_destroy(learner[SRC]);
    return err;
}

static dgm_err make_tokenizers(work *w)
{
    const dgm_prepare_options *o = w->options;
    if (strcmp(o->tokenizer, "bpe") == 0) return learn_tokenizers(w, DGM_TOKENIZER_BPE);
    if (strcmp(o->tokenizer, "character") == 0) return learn_tokenizers(w, DGM_TOKENIZER_CHARACTER);
    if (strchr(o->tokenizer, '/') == NULL && !dgm_io_exists(o->tokenizer))
        return DGM_FAIL(DGM_ERR_INPUT, "--tokenizer %s: neither bpe nor character, and no file of that name; expected a tokenizer.json, a model, or a "
                        "folder with one of them", o->tokenizer);
    DGM_TRY(dgm_error_context(dgm_tokenizer_find(o->tokenizer, "src", &w->tokenizer[SRC]), "--tokenizer"));
    if (o->tgt_tokenizer != NULL) return dgm_error_context(dgm_tokenizer_find(o->tgt_tokenizer, "tgt", &w->tokenizer[TGT]), "--tgt-tokenizer");
    w->tokenizer[TGT] = w->tokenizer[SRC];
    return DGM_OK;
}

static dgm_err save_tokenizer(const work *w, const dgm_tokenizer *tokenizer, const char *name, dgm_manifest_tokenizer *out)
{
    snprintf(out->file, sizeof out->file, "%s", name);
    out->vocab_size = dgm_tokenizer_vocab_size(tokenizer);
    DGM_TRY(dgm_tokenizer_hash(tokenizer, out->sha256));
    char *path = dgm_io_join(w->tmp, name);
    if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path in %s", w->tmp);
    dgm_err err = dgm_tokenizer_save(tokenizer, path);
    free(path);
    return err;
}

static dgm_err save_tokenizers(work *w)
{
    dgm_manifest *m = &w->manifest;
    m->joint_vocab = w->tokenizer[SRC] == w->tokenizer[TGT];
    if (!m->joint_vocab) {
        DGM_TRY(save_tokenizer(w, w->tokenizer[SRC], "tokenizer.src.json", &m->src));
        return save_tokenizer(w, w->tokenizer[TGT], "tokenizer.tgt.json", &m->tgt);
    }
    DGM_TRY(save_tokenizer(w, w->tokenizer[SRC], "tokenizer.json", &m->src));
    m->tgt = m->src;
    return DGM_OK;
}

/* ---- shards and manifest ---- */

static dgm_err write_part(work *w, const dgm_spool *files, dgm_part which, dgm_manifest_part *part)
{
    dgm_audit *audit = NULL;
    dgm_err err = dgm_audit_open(dgm_spool_paths(files), dgm_spool_names(files), &w->options->rules, &audit);
    if (err == DGM_OK) err = dgm_write_shards(audit, &w->options->rules, w->tokenizer[SRC], w->tokenizer[TGT], w->tmp, which, part);
    if (err == DGM_OK) w->n_cr += dgm_audit_n_cr(audit);
    dgm_audit_close(audit);
    return err;
}

static dgm_err write_manifest(work *w)
{
    w->manifest.rules = w->options->rules;
    char *path = dgm_io_join(w->tmp, "manifest.json");
    if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path in %s", w->tmp);
    dgm_err err = dgm_manifest_write(&w->manifest, path);
    free(path);
    return err;
}

static dgm_err fill_folder(work *w)
{
    const dgm_prepare_options *o = w->options;
    DGM_TRY(dgm_spool_create(&o->train, w->tmp, "train", &w->train));
    DGM_TRY(dgm_spool_create(&o->valid, w->tmp, "valid", &w->valid));
    DGM_TRY(make_tokenizers(w));
    DGM_TRY(write_part(w, w->valid, DGM_PART_VALID, &w->manifest.valid)); /* the shorter one first: its faults are seen at once */
    DGM_TRY(write_part(w, w->train, DGM_PART_TRAIN, &w->manifest.train));
    dgm_spool_destroy(w->valid); /* the copies must not become part of DATA */
    dgm_spool_destroy(w->train);
    w->valid = w->train = NULL;
    DGM_TRY(save_tokenizers(w));
    DGM_TRY(write_manifest(w));
    return publish_folder(w);
}

static void fill_report(const work *w, dgm_prepare_report *r)
{
    const dgm_manifest *m = &w->manifest;
    *r = (dgm_prepare_report){.train = m->train.audit, .valid = m->valid.audit, .src_vocab_size = m->src.vocab_size,
                              .tgt_vocab_size = m->tgt.vocab_size, .n_shards = m->train.n_shards,
                              .n_bytes = m->valid.shards[0].totals.n_bytes, .n_cr = w->n_cr};
    for (int i = 0; i < m->train.n_shards; i++) {
        r->train_src_tokens += m->train.shards[i].totals.n_src_tokens;
        r->train_tgt_tokens += m->train.shards[i].totals.n_tgt_tokens;
        r->n_bytes += m->train.shards[i].totals.n_bytes;
    }
}

dgm_err dgm_prepare(const dgm_prepare_options *options, dgm_prepare_report *report)
{
    DGM_TRY(dgm_prepare_check(options));
    work w = {.options = options};
    dgm_err err = begin_folder(&w);
    if (err == DGM_OK) {
        err = fill_folder(&w);
        dgm_spool_destroy(w.valid);
        dgm_spool_destroy(w.train);
        if (err != DGM_OK) abandon_folder(&w);
    }
    if (err == DGM_OK) fill_report(&w, report);
    dgm_manifest_fini(&w.manifest);
    if (w.tokenizer[TGT] != w.tokenizer[SRC]) dgm_tokenizer_destroy(w.tokenizer[TGT]);
    dgm_tokenizer_destroy(w.tokenizer[SRC]);
    free(w.old);
    free(w.tmp);
    free(w.out);
    return err;
}

void dgm_prepare_log(const dgm_prepare_report *r)
{
    static const char *const labels[DGM_AUDIT_N] = {"kept", "dropped: bad line", "dropped: empty side", "dropped: too long",
                                                    "dropped: lopsided"};
    dgm_log(DGM_LOG_INFO, "%-20s %12s %12s", "sentence pairs", "train", "valid");
    dgm_log(DGM_LOG_INFO, "%-20s %12lld %12lld", "read", (long long)r->train.n_read, (long long)r->valid.n_read);
    for (int v = 0; v < DGM_AUDIT_N; v++)
        dgm_log(DGM_LOG_INFO, "%-20s %12lld %12lld", labels[v], (long long)r->train.n[v], (long long)r->valid.n[v]);
    dgm_log(DGM_LOG_INFO, "vocabulary %lld source, %lld target; training tokens %lld source, %lld target; %d shard%s, %.1f MB",
            (long long)r->src_vocab_size, (long long)r->tgt_vocab_size, (long long)r->train_src_tokens, (long long)r->train_tgt_tokens,
            r->n_shards, r->n_shards == 1 ? "" : "s", (double)r->n_bytes / 1e6);
    if (r->n_cr > 0) dgm_log(DGM_LOG_INFO, "%lld line%s in CR LF: the CR is left out, it is no part of the text", (long long)r->n_cr, r->n_cr == 1 ? " ends" : "s end");
}
