#include "dgm/evaluate.h"

#include "dgm/coll.h"
#include "dgm/io.h"
#include "dgm/pair_scores.h"
#include "dgm/score_pairs.h"
#include "dgm/scoring.h"
#include "dgm/timer.h"

#include <math.h>
#include <stdlib.h>

enum { SCORE_ROWS = 1024 };

typedef struct {
    const dgm_grid *grid;
    const dgm_translator *translator;
    const dgm_eval_pairs *pairs;
    const dgm_evaluate_options *options;
    dgm_sentence_list src, ref;
    dgm_pair_loss loss;
    dgm_pair_scores forced; /* of each line and token, where they are wanted */
    dgm_text hyps;          /* all translations, a line each; on rank 0 */
} work;

/* ---- loss ---- */

dgm_err dgm_evaluate_loss(const dgm_translator *translator, const dgm_sentence_list *src, const dgm_sentence_list *ref, double label_smoothing,
                          const dgm_grid *grid, dgm_pair_loss *total, dgm_pair_loss *lines, double *tokens)
{
    DGM_ASSERT(src->n == ref->n);
    dgm_transformer *transformer = NULL;
    dgm_pair *pairs = malloc((size_t)DGM_MAX(src->n, 1) * sizeof *pairs);
    dgm_err err = pairs != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld pairs", (long long)src->n);
    for (int64_t i = 0; err == DGM_OK && i < src->n; i++) {
        const dgm_sentence *s = &src->sentence[i], *r = &ref->sentence[i];
        pairs[i] = (dgm_pair){s->ids, r->ids, (int32_t)s->n, (int32_t)r->n};
    }
    if (err == DGM_OK) err = dgm_transformer_create(translator->models[0].params, dgm_grid_single(), &transformer);
    DGM_GOTO(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    err = dgm_score_pairs(grid, transformer, &translator->models[0].weights, (float)label_smoothing, SCORE_ROWS, pairs, src->n, total, lines, tokens);
fail:
    dgm_transformer_destroy(transformer);
    free(pairs);
    return err;
}

static dgm_err measure_loss(work *w)
{
    const dgm_evaluate_options *o = w->options;
    dgm_err err = dgm_pair_scores_init(o->line_scores, o->token_scores, w->ref.sentence, w->ref.n, &w->forced);
    DGM_TRY(dgm_coll_agree(w->grid, DGM_AXIS_WORLD, err));
    return dgm_evaluate_loss(w->translator, &w->src, &w->ref, o->label_smoothing, w->grid, &w->loss, w->forced.lines, w->forced.tokens);
}

/* ---- translations, on rank 0 ---- */

/* The translations as text in w->hyps, and where its lines are; the caller frees `lines`. */
static dgm_err write_translations(work *w, const dgm_hypotheses *found, dgm_mt_span **lines)
{
    int64_t n = w->pairs->n;
    dgm_err err = DGM_OK;
    dgm_mt_span *line = calloc((size_t)n, sizeof *line);
    if (line == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld translations", (long long)n);
    for (int64_t i = 0; err == DGM_OK && i < n; i++) {
        size_t start = w->hyps.bytes;
        if (found[i].n > 0) err = dgm_translate_text(w->translator->tgt_tokenizer, &found[i].best[0], &w->hyps);
        line[i].n_bytes = w->hyps.bytes - start;
        if (err == DGM_OK) err = dgm_text_append(&w->hyps, "\n", 1);
    }
    const char *at = w->hyps.text; /* it moves no more */
    for (int64_t i = 0; err == DGM_OK && i < n; at += line[i++].n_bytes + 1) line[i].text = at;
    *lines = line;
    return err;
}

static dgm_err score_translations(work *w, const dgm_hypotheses *found, dgm_metric_score *scores)
{
    dgm_scoring scoring = {0};
    dgm_text_counts counts = {0};
    char name[] = "the translations";
    dgm_lines hyp = {.name = name, .n = w->pairs->n};
    const dgm_metric_choice *metrics = &w->options->metrics;
    dgm_err err = write_translations(w, found, &hyp.line);
    if (err == DGM_OK) err = dgm_scoring_init(&scoring, metrics, w->pairs->n_refs);
    if (err == DGM_OK) err = dgm_scoring_count(&scoring, &hyp, w->pairs->refs, metrics->n_resamples > 0, &counts);
    if (err == DGM_OK) err = dgm_scoring_report(&scoring, &counts, scores);
    dgm_text_counts_fini(&counts);
    dgm_scoring_fini(&scoring);
    free(hyp.line);
    return err;
}

static dgm_err measure_translations(work *w, dgm_evaluation *out)
{
    int64_t n = w->pairs->n;
    double start = dgm_timer_now();
    dgm_hypotheses *found = calloc((size_t)n, sizeof *found);
    dgm_err err = found != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld translations", (long long)n);
    DGM_GOTO(dgm_coll_agree(w->grid, DGM_AXIS_WORLD, err));
    DGM_GOTO(dgm_translate_sentences(w->grid, w->translator->search, &w->options->translate, w->src.sentence, n, found));
    err = dgm_coll_agree(w->grid, DGM_AXIS_WORLD, w->grid->rank == 0 ? score_translations(w, found, out->score) : DGM_OK);
    out->translate_s = dgm_timer_now() - start;
fail:
    for (int64_t i = 0; found != NULL && i < n; i++) dgm_hypotheses_fini(&found[i]);
    free(found);
    return err;
}

/* ---- all of it ---- */

static int64_t count_tokens(const dgm_sentence_list *list)
{
    int64_t n = list->n; /* </s> of each */
    for (int64_t i = 0; i < list->n; i++) n += list->sentence[i].n;
    return n;
}

static void sum_up(const work *w, dgm_evaluation *out)
{
    double n = (double)w->loss.n_tokens;
    out->n_lines = w->pairs->n;
    out->n_src_tokens = count_tokens(&w->src);
    out->n_ref_tokens = w->loss.n_tokens;
    out->n_ref_words = w->pairs->n_words;
    out->label_smoothing = w->options->label_smoothing;
    out->loss = w->loss.smoothed / n;
    out->nll = w->loss.nll / n;
    out->perplexity = exp(out->nll);
    out->perplexity_per_word = out->n_ref_words > 0 ? exp(w->loss.nll / (double)out->n_ref_words) : INFINITY;
    out->n_scores = w->options->metrics.n_metrics;
    for (int m = 0; m < out->n_scores; m++) out->score_name[m] = dgm_metric_kind_name(w->options->metrics.metric[m].kind);
}

static dgm_err write_files(const work *w)
{
    if (w->options->hyp_out != NULL) DGM_TRY(dgm_io_write_file(w->options->hyp_out, w->hyps.text, w->hyps.bytes));
    return dgm_pair_scores_write(&w->forced, w->translator->tgt_tokenizer, w->ref.sentence, w->pairs->n);
}

static dgm_err evaluate(work *w, dgm_evaluation *out)
{
    DGM_TRY(dgm_eval_pairs_encode(w->pairs, w->translator, w->options->translate.max_src_tokens, w->grid, &w->src, &w->ref));
    DGM_TRY(measure_loss(w));
    DGM_TRY(measure_translations(w, out));
    sum_up(w, out);
    return dgm_coll_agree(w->grid, DGM_AXIS_WORLD, w->grid->rank == 0 ? write_files(w) : DGM_OK);
}

dgm_err dgm_evaluate(const dgm_translator *translator, const dgm_eval_pairs *pairs, const dgm_evaluate_options *options, const dgm_grid *grid,
                     dgm_evaluation *out)
{
    work w = {.grid = grid, .translator = translator, .pairs = pairs, .options = options};
    *out = (dgm_evaluation){0};
    dgm_err err = evaluate(&w, out);
    dgm_text_fini(&w.hyps);
    dgm_pair_scores_fini(&w.forced);
    dgm_sentence_list_fini(&w.src);
    dgm_sentence_list_fini(&w.ref);
    return err;
}

/* ---- JSON ---- */

static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

dgm_err dgm_evaluation_json(const dgm_evaluation *e, int width, json_t *object)
{
    int failed = json_object_set_new(object, "lines", json_integer(e->n_lines));
    failed |= json_object_set_new(object, "src_tokens", json_integer(e->n_src_tokens));
    failed |= json_object_set_new(object, "ref_tokens", json_integer(e->n_ref_tokens));
    failed |= json_object_set_new(object, "ref_words", json_integer(e->n_ref_words));
    failed |= json_object_set_new(object, "label_smoothing", json_real(e->label_smoothing));
    failed |= json_object_set_new(object, "loss", number(e->loss));
    failed |= json_object_set_new(object, "nll", number(e->nll));
    failed |= json_object_set_new(object, "perplexity", number(e->perplexity));
    failed |= json_object_set_new(object, "perplexity_per_word", number(e->perplexity_per_word));
    for (int m = 0; m < e->n_scores; m++) failed |= json_object_set_new(object, e->score_name[m], dgm_metric_json(&e->score[m], width));
    return failed ? DGM_FAIL(DGM_ERR_NOMEM, "JSON of an evaluation") : DGM_OK;
}
