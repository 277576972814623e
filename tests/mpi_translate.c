/* Translation and the loss of pairs on 1 to 4 ranks: the same results, to the bit. */
#include "dgm/coll.h"
#include "dgm/score_pairs.h"
#include "dgm/translate.h"
#include "tap_mpi.h"
#include "toy_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 19, VOCAB = 97, MAX_TOKENS = 32 };

static int32_t src_ids[N][MAX_TOKENS], tgt_ids[N][MAX_TOKENS];
static dgm_sentence sources[N];
static dgm_pair pairs[N];

static void make_pairs(void)
{
    for (int i = 0; i < N; i++) {
        pairs[i] = (dgm_pair){src_ids[i], tgt_ids[i], (i * 5) % 11, (i * 3) % 8};
        sources[i] = (dgm_sentence){.ids = src_ids[i], .n = pairs[i].n_src};
        toy_sentence(3, (uint64_t)i, VOCAB, pairs[i].n_src, src_ids[i]);
        toy_sentence(3, (uint64_t)(100 + i), VOCAB, pairs[i].n_tgt, tgt_ids[i]);
    }
}

/* Everything a translation says, as bytes. */
static dgm_err flatten(const dgm_hypotheses *found, dgm_text *text)
{
    for (int i = 0; i < N; i++)
        for (int k = 0; k < found[i].n; k++) {
            const dgm_hypothesis *h = &found[i].best[k];
            DGM_TRY(dgm_text_printf(text, "%d %d %a %a:", i, k, h->log_prob, h->score));
            for (int64_t j = 0; j < h->n; j++) DGM_TRY(dgm_text_printf(text, " %d", h->ids[j]));
            DGM_TRY(dgm_text_append(text, "\n", 1));
        }
    return DGM_OK;
}

typedef struct {
    dgm_text text; /* translations and samples, on rank 0 */
    dgm_pair_loss total, lines[N];
    double tokens[N * MAX_TOKENS];
} result;

static dgm_err compute(const dgm_grid *grid, const toy_model *m, int64_t batch, result *out)
{
    dgm_search *search = NULL;
    dgm_transformer *t = NULL;
    dgm_translate_options o = dgm_translate_defaults();
    static dgm_hypotheses found[N];
    dgm_err err;
    *out = (result){0};
    o.search.beam.beam = 3, o.search.beam.n_best = 2, o.batch_tokens = batch;
    DGM_GOTO(dgm_search_create(m->params, &m->weights, &search));
    DGM_GOTO(dgm_transformer_create(m->params, dgm_grid_single(), &t));
    for (int pass = 0; pass < 3; pass++) {
        if (pass == 1) o.search.sample = true;
        if (pass == 2) o.search.sample = false, o.search.diverse_groups = 3, o.search.no_repeat_ngram = 2;
        DGM_GOTO(dgm_translate_sentences(grid, search, &o, sources, N, found));
        if (grid->rank > 0) continue;
        err = flatten(found, &out->text);
        for (int i = 0; i < N; i++) dgm_hypotheses_fini(&found[i]);
        DGM_GOTO(err);
    }
    DGM_GOTO(dgm_score_pairs(grid, t, &m->weights, 0.1f, batch, pairs, N, &out->total, out->lines, out->tokens));
fail:
    dgm_transformer_destroy(t);
    dgm_search_destroy(search);
    return err;
}

static void test_ranks(const dgm_grid *world, const toy_model *m, int n_ranks, const result *want)
{
    MPI_Comm part = tap_mpi_group(n_ranks);
    dgm_grid *grid = NULL;
    static result got;
    got = (result){0};
    bool inside = world->rank < n_ranks, same_text = true, same_loss = true;
    if (inside) {
        dgm_err err = dgm_grid_create(part, 1, &grid);
        if (err == DGM_OK) err = compute(grid, m, 40, &got);
        if (err != DGM_OK) tap_note("%s", dgm_error_text());
        same_text = err == DGM_OK && (grid->rank != 0 || (got.text.bytes == want->text.bytes && memcmp(got.text.text, want->text.text, got.text.bytes) == 0));
        same_loss = err == DGM_OK && memcmp(&got.total, &want->total, sizeof got.total) == 0 && memcmp(got.lines, want->lines, sizeof got.lines) == 0 &&
                    memcmp(got.tokens, want->tokens, sizeof got.tokens) == 0;
        dgm_text_fini(&got.text);
        dgm_grid_destroy(grid);
        MPI_Comm_free(&part);
    }
    tap_ok(same_text, "translations on %d ranks are those of one", n_ranks);
    tap_ok(same_loss, "losses on %d ranks are those of one", n_ranks);
}

/* Lines' losses add up, and are those of a model that sees one pair at a time. */
static void test_losses(const toy_model *m, const result *all)
{
    double smoothed = 0, nll = 0;
    int64_t n_tokens = 0;
    int differ = 0;
    dgm_transformer *t = NULL;
    if (dgm_transformer_create(m->params, dgm_grid_single(), &t) != DGM_OK) abort();
    for (int i = 0; i < N; i++) {
        dgm_pair_loss alone;
        smoothed += all->lines[i].smoothed, nll += all->lines[i].nll, n_tokens += all->lines[i].n_tokens;
        if (dgm_score_pairs(dgm_grid_single(), t, &m->weights, 0.1f, 1, &pairs[i], 1, &alone, NULL, NULL) != DGM_OK) abort();
        differ += memcmp(&alone, &all->lines[i], sizeof alone) != 0;
    }
    double worst = 0;
    const double *token = all->tokens;
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int64_t j = 0; j < all->lines[i].n_tokens; j++) sum += *token++;
        worst = fmax(worst, fabs(sum - all->lines[i].nll));
    }
    tap_near(worst, 0, 1e-8, "tokens' losses add up to their line's");
    tap_int(differ, 0, "a pair alone has the loss it has among others");
    tap_near(all->total.smoothed, smoothed, 1e-9, "smoothed losses of lines add up");
    tap_near(all->total.nll, nll, 1e-9, "so do negative log-likelihoods");
    tap_int(all->total.n_tokens, n_tokens, "and tokens");
    tap_ok(nll > 0 && smoothed > 0 && fabs(nll - smoothed) > 1e-3, "the two differ (%g and %g nats)", smoothed, nll);
    dgm_transformer_destroy(t);
}

static void test_nothing(const dgm_grid *world, const toy_model *m)
{
    dgm_search *search = NULL;
    dgm_transformer *t = NULL;
    dgm_translate_options o = dgm_translate_defaults();
    dgm_pair_loss total = {1, 1, 1};
    if (dgm_search_create(m->params, &m->weights, &search) != DGM_OK || dgm_transformer_create(m->params, dgm_grid_single(), &t) != DGM_OK)
        abort();
    tap_err(dgm_translate_sentences(world, search, &o, NULL, 0, NULL), DGM_OK, "no sentences are translated into none");
    tap_err(dgm_score_pairs(world, t, &m->weights, 0.1f, 100, NULL, 0, &total, NULL, NULL), DGM_OK, "no pairs");
    tap_int(total.n_tokens, 0, "have no tokens");
    o.search.beam.beam = world->rank == 1 ? 0 : 5; /* one rank fails */
    tap_err(dgm_translate_sentences(world, search, &o, sources, 0, NULL), DGM_ERR_USAGE, "the failure of one rank is everybody's");
    dgm_transformer_destroy(t);
    dgm_search_destroy(search);
}

/* Twice: the second list is shorter than the first. */
static void test_broadcast(const dgm_grid *world)
{
    dgm_sentence_list list = {0};
    for (int n = N; n > 0; n -= N - 1) {
        int wrong = 0;
        dgm_sentence_list_clear(&list);
        for (int i = 0; world->rank == 0 && i < n; i++) {
            if (list.capacity < N) list.sentence = realloc(list.sentence, N * sizeof *list.sentence), list.capacity = N;
            list.sentence[list.n++] = (dgm_sentence){.n = sources[i].n};
            if (list.sentence == NULL || dgm_ids_append(&list.ids, sources[i].ids, sources[i].n) != DGM_OK) abort();
        }
        tap_err(dgm_sentence_list_broadcast(world, &list), DGM_OK, "a list of %d sentences for all ranks", n);
        for (int i = 0; i < n; i++)
            wrong += list.n != n || list.sentence[i].n != sources[i].n || list.sentence[i].ids == NULL ||
                     memcmp(list.sentence[i].ids, sources[i].ids, (size_t)sources[i].n * sizeof(int32_t)) != 0;
        tap_int(wrong, 0, "arrives whole");
    }
    dgm_sentence_list_fini(&list);
}

int main(int argc, char **argv)
{
    dgm_grid *world = NULL;
    toy_model m;
    static result alone;
    tap_mpi_begin(&argc, &argv);
    if (dgm_grid_create(MPI_COMM_WORLD, 1, &world) != DGM_OK) abort();
    toy_model_init(&m, DGM_NORM_POST, DGM_ACTIVATION_RELU, true, VOCAB, 31);
    make_pairs();
    tap_err(compute(dgm_grid_single(), &m, 1000, &alone), DGM_OK, "on one rank without MPI");
    test_losses(&m, &alone);
    for (int n = 1; n <= world->size; n++) test_ranks(world, &m, n, &alone);
    test_nothing(world, &m);
    test_broadcast(world);
    dgm_text_fini(&alone.text);
    toy_model_fini(&m);
    dgm_grid_destroy(world);
    return tap_mpi_done();
}
