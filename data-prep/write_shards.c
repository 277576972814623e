/* One pass over the text, one pair at a time: nothing here grows with the corpus but the list of shards. */
#include "dgm/write_shards.h"

#include "dgm/io.h"
#include "dgm/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { PROGRESS_PAIRS = 1 << 20 };

typedef struct {
    const char *dir;
    dgm_part which;
    dgm_manifest_part *part;
    dgm_shard_writer *shard; /* the one being written; NULL between two */
} output;

static dgm_err begin_shard(output *o)
{
    dgm_manifest_part *part = o->part;
    dgm_manifest_shard *more = realloc(part->shards, ((size_t)part->n_shards + 1) * sizeof *more);
    if (more == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "list of shards");
    part->shards = more;
    dgm_manifest_shard *s = &more[part->n_shards];
    *s = (dgm_manifest_shard){.totals = {0}};
    if (o->which == DGM_PART_TRAIN) dgm_manifest_train_shard_name(part->n_shards, s->file);
    else snprintf(s->file, sizeof s->file, "%s", dgm_manifest_valid_shard_name);
    char *path = dgm_io_join(o->dir, s->file);
    if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path in %s", o->dir);
    dgm_err err = dgm_shard_writer_create(path, &o->shard);
    free(path);
    part->n_shards += err == DGM_OK;
    return err;
}

static dgm_err end_shard(output *o)
{
    dgm_manifest_shard *s = &o->part->shards[o->part->n_shards - 1];
    DGM_TRY(dgm_shard_writer_finish(o->shard, &s->totals));
    dgm_shard_writer_destroy(o->shard);
    o->shard = NULL;
    char *path = dgm_io_join(o->dir, s->file);
    if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path in %s", o->dir);
    dgm_err err = dgm_sha256_file(path, s->sha256);
    free(path);
    return err;
}

static dgm_err put_pair(output *o, const dgm_pair *pair)
{
    if (o->shard != NULL && o->which == DGM_PART_TRAIN && dgm_shard_writer_n_frames(o->shard) >= DGM_WRITE_SHARDS_FRAMES)
        DGM_TRY(end_shard(o));
    if (o->shard == NULL) DGM_TRY(begin_shard(o));
    return dgm_shard_writer_add(o->shard, pair);
}

/* What was read of the files of one side, for the manifest. */
static dgm_err keep_sources(const dgm_corpus *corpus, int list, dgm_manifest_part *part)
{
    int n = dgm_corpus_n_files(corpus);
    part->sources[list] = malloc((size_t)n * sizeof *part->sources[list]);
    if (part->sources[list] == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "list of sources");
    for (int i = 0; i < n; i++) part->sources[list][i] = *dgm_corpus_file_read(corpus, i);
    part->n_sources[list] = n;
    return DGM_OK;
}

static dgm_err nothing_left(const output *o)
{
    const dgm_audit_counts *c = &o->part->audit;
    bool train = o->which == DGM_PART_TRAIN;
    return DGM_FAIL(DGM_ERR_INPUT, "no %s pair is left of %lld read: %lld bad lines, %lld empty, %lld too long, %lld lopsided; expected one at least: look at the "
                    "files of %s and at --max-length and --max-ratio", train ? "training" : "validation", (long long)c->n_read, (long long)c->n[DGM_AUDIT_BAD_LINE],
                    (long long)c->n[DGM_AUDIT_EMPTY], (long long)c->n[DGM_AUDIT_TOO_LONG], (long long)c->n[DGM_AUDIT_LOPSIDED],
                    train ? "--src and --tgt, or --tsv," : "--valid-src and --valid-tgt, or --valid-tsv,");
}

static dgm_err write_pairs(output *o, dgm_audit *audit, const dgm_audit_rules *rules, dgm_tokenizer_state *const *state, dgm_ids *ids)
{
    dgm_audit_pair text;
    dgm_audit_verdict verdict;
    for (bool more;;) {
        DGM_TRY(dgm_audit_next(audit, &text, &verdict, &more));
        if (!more) return DGM_OK;
        if (verdict == DGM_AUDIT_KEPT) {
            dgm_ids_clear(&ids[0]);
            dgm_ids_clear(&ids[1]);
            DGM_TRY(dgm_tokenizer_encode(state[0], text.src, text.src_bytes, &ids[0]));
            DGM_TRY(dgm_tokenizer_encode(state[1], text.tgt, text.tgt_bytes, &ids[1]));
            verdict = dgm_audit_lengths(rules, ids[0].n, ids[1].n);
        }
        dgm_audit_count(&o->part->audit, verdict);
        if (verdict == DGM_AUDIT_KEPT) /* lengths are at most max_length: they fit an int32_t */
            DGM_TRY(put_pair(o, &(dgm_pair){ids[0].ids, ids[1].ids, (int32_t)ids[0].n, (int32_t)ids[1].n}));
        if (o->part->audit.n_read % PROGRESS_PAIRS == 0) dgm_log_progress("encoded %lld pairs", (long long)o->part->audit.n_read);
    }
}

static dgm_err finish(output *o, const dgm_audit *audit)
{
    if (o->shard == NULL) return nothing_left(o);
    DGM_TRY(end_shard(o));
    bool tsv = dgm_audit_corpus(audit, 1) == NULL;
    DGM_TRY(keep_sources(dgm_audit_corpus(audit, 0), tsv ? DGM_MANIFEST_TSV : DGM_MANIFEST_SRC, o->part));
    return tsv ? DGM_OK : keep_sources(dgm_audit_corpus(audit, 1), DGM_MANIFEST_TGT, o->part);
}

dgm_err dgm_write_shards(dgm_audit *audit, const dgm_audit_rules *rules, const dgm_tokenizer *src, const dgm_tokenizer *tgt,
                         const char *dir, dgm_part which, dgm_manifest_part *part)
{
    output o = {.dir = dir, .which = which, .part = part};
    dgm_tokenizer_state *state[2] = {NULL, NULL};
    dgm_ids ids[2] = {{0}, {0}};
    dgm_err err = dgm_tokenizer_state_create(src, &state[0]);
    if (err == DGM_OK) err = dgm_tokenizer_state_create(tgt, &state[1]);
    if (err == DGM_OK) err = write_pairs(&o, audit, rules, state, ids);
    if (err == DGM_OK) err = finish(&o, audit);
    dgm_shard_writer_destroy(o.shard);
    dgm_ids_fini(&ids[1]);
    dgm_ids_fini(&ids[0]);
    dgm_tokenizer_state_destroy(state[1]);
    dgm_tokenizer_state_destroy(state[0]);
    return err;
}
