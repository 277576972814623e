#include "dgm/eval_pairs.h"

#include "dgm/coll.h"
#include "dgm/corpus.h"
#include "dgm/io.h"
#include "dgm/manifest.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_REF_TOKENS = DGM_CORPUS_MAX_LINE }; /* a reference may have as many as a line can */

/* ---- text, on rank 0 ---- */

static dgm_err check_streams(const dgm_config *config)
{
    int n = strcmp(dgm_config_text(config, "src"), "-") == 0;
    for (int i = 0; i < dgm_config_count(config, "ref"); i++) n += strcmp(dgm_config_item(config, "ref", i), "-") == 0;
    return n <= 1 ? DGM_OK : DGM_FAIL(DGM_ERR_USAGE, "standard input (-) can be read once, not %d times", n);
}

static dgm_err read_files(const dgm_config *config, dgm_eval_pairs *p)
{
    int n = dgm_config_count(config, "ref");
    DGM_TRY(dgm_error_context(dgm_lines_read(dgm_config_text(config, "src"), false, &p->src), "--src"));
    p->refs = calloc((size_t)n, sizeof *p->refs);
    if (p->refs == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d references", n);
    for (; p->n_refs < n; p->n_refs++) {
        DGM_TRY(dgm_error_context(dgm_lines_read(dgm_config_item(config, "ref", p->n_refs), false, &p->refs[p->n_refs]), "--ref"));
        dgm_err err = dgm_lines_check_aligned(&p->src, &p->refs[p->n_refs]);
        if (err != DGM_OK) {
            p->n_refs++; /* it holds memory */
            return err;
        }
    }
    p->n = p->src.n;
    p->n_words = dgm_lines_count_words(&p->refs[0]);
    return p->n > 0 ? DGM_OK : DGM_FAIL(DGM_ERR_INPUT, "%s is empty: there is nothing to evaluate", p->src.name);
}

dgm_err dgm_eval_pairs_read(const dgm_config *config, const dgm_grid *grid, dgm_eval_pairs *out)
{
    DGM_TRY(check_streams(config));
    DGM_TRY(dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? read_files(config, out) : DGM_OK));
    return dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, &out->n, (int64_t)sizeof out->n);
}

/* ---- DATA ---- */

/* The references as text; dgm_lines wants all of it before it can point to its lines. */
static dgm_err decode_refs(const dgm_eval_pairs *p, dgm_lines *refs)
{
    const dgm_tokenizer *tokenizer = dgm_dataset_tokenizer(p->dataset, DGM_SIDE_TGT);
    dgm_text text = {0};
    dgm_err err = DGM_OK;
    refs->line = calloc((size_t)DGM_MAX(p->n, 1), sizeof *refs->line);
    if (refs->line == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld references", (long long)p->n);
    refs->n = p->n;
    for (int64_t i = 0; i < p->n && err == DGM_OK; i++) {
        size_t start = text.bytes;
        err = dgm_tokenizer_decode(tokenizer, p->valid[i].tgt, p->valid[i].n_tgt, &text);
        refs->line[i].n_bytes = text.bytes - start;
    }
    if (err == DGM_OK) err = dgm_mt_buffer_append(&refs->text, text.bytes > 0 ? text.text : "", text.bytes);
    const char *at = refs->text.data;
    for (int64_t i = 0; i < p->n && err == DGM_OK; at += refs->line[i++].n_bytes) refs->line[i].text = at;
    dgm_text_fini(&text);
    return err;
}

static dgm_err open_data(const char *data, bool with_text, dgm_eval_pairs *p)
{
    DGM_TRY(dgm_dataset_open(data, &p->dataset));
    DGM_TRY(dgm_dataset_valid(p->dataset, &p->valid, &p->n));
    if (p->n < 1) return DGM_FAIL(DGM_ERR_INPUT, "%s has no validation pairs: give --src and --ref", data);
    if (!with_text) return DGM_OK;
    p->refs = calloc(1, sizeof *p->refs);
    if (p->refs == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "references");
    p->n_refs = 1;
    p->src.name = dgm_io_join(data, dgm_manifest_valid_shard_name);
    p->refs[0].name = dgm_io_join(data, dgm_manifest_valid_shard_name);
    if (p->src.name == NULL || p->refs[0].name == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path in %s", data);
    DGM_TRY(decode_refs(p, &p->refs[0]));
    p->n_words = dgm_lines_count_words(&p->refs[0]);
    return DGM_OK;
}

dgm_err dgm_eval_pairs_open(const char *data, const dgm_grid *grid, dgm_eval_pairs *out)
{
    return dgm_coll_agree(grid, DGM_AXIS_WORLD, open_data(data, grid->rank == 0, out));
}

void dgm_eval_pairs_fini(dgm_eval_pairs *pairs)
{
    for (int r = 0; r < pairs->n_refs; r++) dgm_lines_fini(&pairs->refs[r]);
    free(pairs->refs);
    dgm_lines_fini(&pairs->src);
    dgm_dataset_close(pairs->dataset);
    *pairs = (dgm_eval_pairs){0};
}

/* ---- tokens ---- */

/* Of a source a blank line has no tokens, as in translate; a reference has those of its spaces. */
static dgm_err encode(const dgm_tokenizer *tokenizer, const dgm_lines *lines, bool is_source, int64_t max_tokens, dgm_sentence_list *out)
{
    dgm_tokenizer_state *state = NULL;
    dgm_err err = dgm_tokenizer_state_create(tokenizer, &state);
    for (int64_t i = 0; i < lines->n && err == DGM_OK; i++) {
        const char *text = lines->line[i].text;
        size_t n_bytes = lines->line[i].n_bytes;
        if (is_source) dgm_translate_text_of(&text, &n_bytes, i + 1);
        else dgm_corpus_strip(&text, &n_bytes, i == 0);
        err = dgm_sentence_list_encode(out, state, text, n_bytes, max_tokens, lines->name, i + 1);
    }
    dgm_tokenizer_state_destroy(state);
    return err;
}

static dgm_err encode_text(const dgm_eval_pairs *p, const dgm_translator *t, int64_t max_src_tokens, dgm_sentence_list *src, dgm_sentence_list *ref)
{
    DGM_TRY(encode(t->src_tokenizer, &p->src, true, max_src_tokens, src));
    return encode(t->tgt_tokenizer, &p->refs[0], false, MAX_REF_TOKENS, ref);
}

/* Tokens of DATA mean the same to the model only if its tokenizer is the same. */
static dgm_err check_tokenizer(const dgm_eval_pairs *p, const dgm_translator *t, dgm_side side)
{
    char of_data[DGM_SHA256_HEX], of_model[DGM_SHA256_HEX];
    DGM_TRY(dgm_tokenizer_hash(dgm_dataset_tokenizer(p->dataset, side), of_data));
    DGM_TRY(dgm_tokenizer_hash(side == DGM_SIDE_SRC ? t->src_tokenizer : t->tgt_tokenizer, of_model));
    if (strcmp(of_data, of_model) == 0) return DGM_OK;
    return DGM_FAIL(DGM_ERR_INPUT, "%s: its tokenizer is not that of the validation data: give --src and --ref, which it can cut by itself",
                    dgm_model_file_path(t->models[0].file));
}

static dgm_err point_into_data(const dgm_eval_pairs *p, const dgm_translator *t, dgm_sentence_list *src, dgm_sentence_list *ref)
{
    DGM_TRY(check_tokenizer(p, t, DGM_SIDE_SRC));
    DGM_TRY(check_tokenizer(p, t, DGM_SIDE_TGT));
    src->sentence = calloc((size_t)p->n, sizeof *src->sentence);
    ref->sentence = calloc((size_t)p->n, sizeof *ref->sentence);
    if (src->sentence == NULL || ref->sentence == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld pairs", (long long)p->n);
    src->n = src->capacity = ref->n = ref->capacity = p->n;
    for (int64_t i = 0; i < p->n; i++) {
        src->sentence[i] = (dgm_sentence){.ids = p->valid[i].src, .n = p->valid[i].n_src};
        ref->sentence[i] = (dgm_sentence){.ids = p->valid[i].tgt, .n = p->valid[i].n_tgt};
    }
    return DGM_OK;
}

dgm_err dgm_eval_pairs_encode(const dgm_eval_pairs *pairs, const dgm_translator *translator, int64_t max_src_tokens, const dgm_grid *grid,
                              dgm_sentence_list *src, dgm_sentence_list *ref)
{
    if (pairs->dataset != NULL) return dgm_coll_agree(grid, DGM_AXIS_WORLD, point_into_data(pairs, translator, src, ref));
    dgm_err err = grid->rank == 0 ? encode_text(pairs, translator, max_src_tokens, src, ref) : DGM_OK;
    DGM_TRY(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    DGM_TRY(dgm_sentence_list_broadcast(grid, src));
    return dgm_sentence_list_broadcast(grid, ref);
}
