/* The model is gathered whole onto each rank, so that decoding needs no communication and no layout shows in the numbers. */
#include "dgm/validate.h"

#include "dgm/coll.h"
#include "dgm/gather.h"
#include "dgm/score_pairs.h"
#include "dgm/transformer.h"
#include "dgm/translate.h"

#include <stdlib.h>
#include <string.h>

static const int64_t SCORE_ROWS = 2048;

struct dgm_validator {
    const dgm_grid *grid;
    dgm_dataset *dataset;
    const dgm_params *params;
    const float *flat;
    dgm_params *whole;
    float *gathered; /* with tp 1 none: the trainer's own block is whole */
    dgm_weights weights;
    dgm_transformer *transformer;
    dgm_search *search;
    const dgm_pair *pairs;
    int64_t n_pairs;
};

dgm_err dgm_validator_create(const dgm_grid *grid, dgm_dataset *dataset, const dgm_params *params, const float *flat, dgm_validator **out)
{
    dgm_err err;
    dgm_validator *v = calloc(1, sizeof *v);
    if (v == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "validation");
    *v = (dgm_validator){.grid = grid, .dataset = dataset, .params = params, .flat = flat};
    DGM_GOTO(dgm_dataset_valid(dataset, &v->pairs, &v->n_pairs));
    DGM_GOTO(dgm_params_create(&params->hp, 0, 1, &v->whole));
    if (grid->tp_size > 1) DGM_GOTO(dgm_params_alloc(v->whole, &v->gathered));
    DGM_GOTO(dgm_weights_init(v->whole, grid->tp_size > 1 ? v->gathered : (float *)(uintptr_t)flat, &v->weights)); /* which are only read */
    DGM_GOTO(dgm_transformer_create(v->whole, dgm_grid_single(), &v->transformer));
    DGM_GOTO(dgm_search_create(v->whole, &v->weights, &v->search));
    *out = v;
    return DGM_OK;
fail:
    dgm_validator_destroy(v);
    return err;
}

void dgm_validator_destroy(dgm_validator *validator)
{
    if (validator == NULL) return;
    dgm_search_destroy(validator->search);
    dgm_transformer_destroy(validator->transformer);
    dgm_weights_fini(&validator->weights);
    free(validator->gathered);
    dgm_params_destroy(validator->whole);
    free(validator);
}

/* Adds the counts of one translation against its reference, both as text. */
static dgm_err count_line(const dgm_validator *v, dgm_bleu *bleu, const dgm_hypotheses *hyp, const dgm_pair *pair, dgm_text *hyp_text,
                          dgm_text *ref_text, dgm_bleu_counts *sum)
{
    const dgm_tokenizer *tokenizer = dgm_dataset_tokenizer(v->dataset, DGM_SIDE_TGT);
    dgm_bleu_counts counts;
    dgm_text_clear(hyp_text);
    dgm_text_clear(ref_text);
    if (hyp->n > 0) DGM_TRY(dgm_translate_text(tokenizer, &hyp->best[0], hyp_text));
    DGM_TRY(dgm_tokenizer_decode(tokenizer, pair->tgt, pair->n_tgt, ref_text));
    dgm_mt_span h = {hyp_text->text, hyp_text->bytes}, r = {ref_text->text, ref_text->bytes};
    if (h.text == NULL) h.text = "";
    if (r.text == NULL) r.text = "";
    DGM_TRY(dgm_bleu_count(bleu, h, &r, 1, &counts));
    dgm_bleu_add(sum, &counts);
    return DGM_OK;
}

static dgm_err count_all(const dgm_validator *v, const dgm_hypotheses *hyps, double *score)
{
    static const dgm_bleu_options options = {0};
    dgm_bleu *bleu = NULL;
    dgm_text hyp_text = {0}, ref_text = {0};
    dgm_bleu_counts sum = {0};
    dgm_bleu_score result;
    dgm_err err = dgm_bleu_create(&options, &bleu);
    for (int64_t i = 0; i < v->n_pairs && err == DGM_OK; i++)
        err = count_line(v, bleu, &hyps[i], &v->pairs[i], &hyp_text, &ref_text, &sum);
    if (err == DGM_OK) {
        dgm_bleu_compute(&options, &sum, &result);
        *score = result.score;
    }
    dgm_bleu_destroy(bleu);
    dgm_text_fini(&hyp_text);
    dgm_text_fini(&ref_text);
    return err;
}

static dgm_err translate(dgm_validator *v, double *bleu)
{
    dgm_translate_options options = dgm_translate_defaults();
    dgm_sentence *sentences = malloc((size_t)DGM_MAX(v->n_pairs, 1) * sizeof *sentences);
    dgm_hypotheses *hyps = calloc((size_t)DGM_MAX(v->n_pairs, 1), sizeof *hyps);
    dgm_err err = sentences != NULL && hyps != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "validation of %lld pairs", (long long)v->n_pairs);
    err = dgm_coll_agree(v->grid, DGM_AXIS_WORLD, err);
    if (err == DGM_OK) {
        for (int64_t i = 0; i < v->n_pairs; i++) sentences[i] = (dgm_sentence){.ids = v->pairs[i].src, .n = v->pairs[i].n_src};
        err = dgm_translate_sentences(v->grid, v->search, &options, sentences, v->n_pairs, hyps);
    }
    if (err == DGM_OK) {
        if (v->grid->rank == 0) err = count_all(v, hyps, bleu);
        err = dgm_coll_agree(v->grid, DGM_AXIS_WORLD, err);
    }
    if (err == DGM_OK) err = dgm_coll_broadcast(v->grid, DGM_AXIS_WORLD, 0, bleu, sizeof *bleu);
    for (int64_t i = 0; hyps != NULL && i < v->n_pairs; i++) dgm_hypotheses_fini(&hyps[i]);
    free(hyps);
    free(sentences);
    return err;
}

dgm_err dgm_validator_run(dgm_validator *validator, double label_smoothing, bool with_bleu, dgm_validation *out)
{
    dgm_validator *v = validator;
    dgm_pair_loss total;
    if (v->grid->tp_size > 1) DGM_TRY(dgm_params_relayout(v->grid, v->params, v->flat, v->whole, v->gathered));
    DGM_TRY(dgm_score_pairs(v->grid, v->transformer, &v->weights, (float)label_smoothing, SCORE_ROWS, v->pairs, v->n_pairs, &total, NULL, NULL));
    double n = (double)DGM_MAX(total.n_tokens, 1);
    dgm_validation result = {.n_tokens = total.n_tokens, .loss = total.smoothed / n, .nll = total.nll / n, .has_bleu = with_bleu};
    if (with_bleu) {
        dgm_search_load(v->search);
        DGM_TRY(translate(v, &result.bleu));
    }
    *out = result;
    return DGM_OK;
}
