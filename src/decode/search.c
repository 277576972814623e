#include "dgm/search.h"

#include "dgm/grid.h"
#include "dgm/length_order.h"
#include "dgm/search_run.h"

#include <stdlib.h>

dgm_search_options dgm_search_defaults(void)
{
    return (dgm_search_options){.beam = dgm_beam_defaults(), .diverse_groups = 1, .diverse_strength = 0.5, .sampling = dgm_sample_defaults(),
                                .ensemble = DGM_ENSEMBLE_PROBABILITIES};
}

dgm_err dgm_search_check(const dgm_search_options *o)
{
    dgm_beam_options beam = o->beam;
    if (o->sample) beam.beam = beam.n_best;
    DGM_TRY(dgm_beam_check(&beam));
    if (o->no_repeat_ngram < 0) return DGM_FAIL(DGM_ERR_USAGE, "--no-repeat-ngram %d: expected 1 or more, or 0 for off", o->no_repeat_ngram);
    if (o->diverse_groups < 1 || (!o->sample && beam.beam % o->diverse_groups != 0))
        return DGM_FAIL(DGM_ERR_USAGE, "--diverse-groups %d: expected a number that divides the beam of %d", o->diverse_groups, beam.beam);
    if (!(o->diverse_strength >= 0 && o->diverse_strength <= 1000))
        return DGM_FAIL(DGM_ERR_USAGE, "--diverse-strength %g: expected 0 to 1000", o->diverse_strength);
    if (o->sample && o->diverse_groups > 1)
        return DGM_FAIL(DGM_ERR_USAGE, "samples are independent of each other: give either --sample or --diverse-groups");
    return o->sample ? dgm_sample_check(&o->sampling) : DGM_OK;
}

/* ---- making one ---- */

static dgm_err make_cache(dgm_search *s)
{
    dgm_kvcache_shape shapes[DGM_ENSEMBLE_MAX];
    for (int m = 0; m < s->n_models; m++) {
        const dgm_hparams *hp = &s->members[m].model.params->hp;
        shapes[m] = (dgm_kvcache_shape){hp->n_decoder_layers, hp->d_model};
    }
    return dgm_kvcache_init(&s->cache, s->n_models, shapes);
}

dgm_err dgm_search_create_ensemble(int n_models, const dgm_search_model *models, dgm_search **out)
{
    const dgm_panels *outputs[DGM_ENSEMBLE_MAX];
    dgm_err err;
    DGM_ASSERT(n_models >= 1 && n_models <= DGM_ENSEMBLE_MAX);
    dgm_search *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "search");
    s->members = calloc((size_t)n_models, sizeof *s->members);
    if (s->members == NULL) {
        free(s);
        return DGM_FAIL(DGM_ERR_NOMEM, "search with %d models", n_models);
    }
    s->n_models = n_models;
    for (int m = 0; m < n_models; m++) s->members[m].model = models[m];
    DGM_GOTO(make_cache(s));
    for (int m = 0; m < n_models; m++) {
        DGM_GOTO(dgm_transformer_create(models[m].params, dgm_grid_single(), &s->members[m].encoder));
        DGM_GOTO(dgm_decoder_step_create(models[m].params, models[m].weights, &s->members[m].step));
        outputs[m] = dgm_decoder_step_output(s->members[m].step);
    }
    DGM_GOTO(dgm_next_token_create(n_models, outputs, &s->next));
    *out = s;
    return DGM_OK;
fail:
    dgm_search_destroy(s);
    return err;
}

dgm_err dgm_search_create(const dgm_params *params, const dgm_weights *weights, dgm_search **out)
{
    const dgm_search_model model = {params, weights};
    return dgm_search_create_ensemble(1, &model, out);
}

void dgm_search_destroy(dgm_search *s)
{
    if (s == NULL) return;
    dgm_next_token_destroy(s->next);
    for (int m = 0; m < s->n_models; m++) {
        dgm_decoder_step_destroy(s->members[m].step);
        dgm_transformer_destroy(s->members[m].encoder);
    }
    dgm_kvcache_fini(&s->cache);
    free(s->members);
    free(s);
}

void dgm_search_load(dgm_search *s)
{
    for (int m = 0; m < s->n_models; m++) dgm_decoder_step_load(s->members[m].step);
}

int64_t dgm_search_n_rows(const dgm_search *s) { return s->n_rows_done; }

/* ---- all sentences ---- */

/* r->order: the sentences that have tokens, longest first. */
static dgm_err sort_by_length(dgm_search_run_state *r, int64_t n)
{
    int64_t *length = calloc((size_t)DGM_MAX(n, 1), sizeof *length);
    r->order = malloc((size_t)DGM_MAX(n, 1) * sizeof *r->order);
    dgm_err err = length != NULL && r->order != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld sentences", (long long)n);
    for (int64_t i = 0; err == DGM_OK && i < n; i++) length[i] = r->sentences[i].n;
    if (err == DGM_OK) err = dgm_length_order(length, n, r->order);
    while (r->n < n && err == DGM_OK && r->sentences[r->order[r->n]].n > 0) r->n++;
    free(length);
    return err;
}

static dgm_err check_ids(const int32_t *ids, int64_t n, int64_t vocab_size, int64_t sentence)
{
    for (int64_t j = 0; j < n; j++)
        if (ids[j] < 0 || ids[j] >= vocab_size)
            return DGM_FAIL(DGM_ERR_INPUT, "sentence %lld: token id %d, expected 0 to %lld: was it made with another tokenizer?",
                            (long long)sentence + 1, ids[j], (long long)vocab_size - 1);
    return DGM_OK;
}

static dgm_err check(const dgm_search *s, const dgm_search_options *options, const dgm_sentence *sentences, int64_t n)
{
    const dgm_hparams *hp = &s->members[0].model.params->hp;
    DGM_TRY(dgm_search_check(options));
    for (int64_t i = 0; i < n; i++) {
        DGM_TRY(check_ids(sentences[i].ids, sentences[i].n, hp->src_vocab_size, i));
        DGM_TRY(check_ids(sentences[i].prefix, sentences[i].n_prefix, hp->tgt_vocab_size, i));
    }
    return DGM_OK;
}

static dgm_err add_empty(dgm_hypotheses *out)
{
    DGM_TRY(dgm_hypotheses_init(out, 1));
    return dgm_hypotheses_add(out, NULL, 0, 0, 0);
}

static dgm_err begin(dgm_search_run_state *r, int64_t n)
{
    size_t list = (size_t)r->width * (size_t)r->width;
    r->hidden = calloc((size_t)r->search->n_models, sizeof *r->hidden);
    r->list_token = malloc(list * sizeof *r->list_token);
    r->list_log_prob = malloc(list * sizeof *r->list_log_prob);
    r->list_cost = malloc(list * sizeof *r->list_cost);
    r->costs = malloc((size_t)(r->n_groups * r->width) * sizeof *r->costs);
    if (r->hidden == NULL || r->list_token == NULL || r->list_log_prob == NULL || r->list_cost == NULL || r->costs == NULL)
        return DGM_FAIL(DGM_ERR_NOMEM, "a beam of %d hypotheses", r->n_groups * r->width);
    for (int64_t i = 0; i < n; i++)
        if (r->sentences[i].n == 0) DGM_TRY(add_empty(&r->out[i]));
    return sort_by_length(r, n);
}

static dgm_err work(dgm_search_run_state *r, int64_t n)
{
    DGM_TRY(begin(r, n));
    dgm_next_token_set_kind(r->search->next, r->options->ensemble);
    while (r->n_begun < r->n || r->n_active > 0) {
        DGM_TRY(dgm_search_join(r));
        DGM_TRY(dgm_search_step(r));
    }
    return DGM_OK;
}

static void end(dgm_search_run_state *r)
{
    for (int64_t i = 0; i < r->n_active; i++) dgm_search_leave(r, &r->active[i]);
    for (int m = 0; r->hidden != NULL && m < r->search->n_models; m++) free(r->hidden[m]);
    free(r->hidden), free(r->order), free(r->active);
    free(r->rows), free(r->wanted), free(r->wanted_log_prob), free(r->end), free(r->draws), free(r->banned_start);
    free(r->token), free(r->log_prob), free(r->list_token), free(r->list_log_prob), free(r->list_cost), free(r->costs);
    dgm_ids_fini(&r->banned);
}

dgm_err dgm_search_run(dgm_search *s, const dgm_search_options *options, int64_t max_rows, const dgm_sentence *sentences, int64_t n,
                       dgm_hypotheses *out)
{
    for (int64_t i = 0; i < n; i++) out[i] = (dgm_hypotheses){0};
    DGM_TRY(check(s, options, sentences, n));
    int n_groups = options->sample ? 1 : options->diverse_groups, n_all = options->sample ? options->beam.n_best : options->beam.beam;
    dgm_search_run_state r = {.search = s, .options = options, .n_groups = n_groups, .width = n_all / n_groups, .max_rows = max_rows,
                              .sentences = sentences, .out = out};
    dgm_err err = work(&r, n);
    end(&r);
    for (int64_t i = 0; err != DGM_OK && i < n; i++) dgm_hypotheses_fini(&out[i]);
    return err;
}
