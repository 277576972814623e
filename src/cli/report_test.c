/* Every run's model is loaded, translates the whole text on all ranks, and goes; rank 0 keeps what it said. */
#include "dgm/report_test.h"

#include "dgm/coll.h"
#include "dgm/evaluate.h"
#include "dgm/log.h"
#include "dgm/sample_choice.h"
#include "dgm/timer.h"

#include <stdlib.h>
#include <string.h>

const dgm_option dgm_report_test_options[] = {
    {"src", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "source lines that every run translates; if not given, the validation part of its DATA"},
    {"ref", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "their references; several are alternatives of each other"},
    {"translations", DGM_OPTION_FLAG, "true", 0, 0, NULL, NULL, "show settings, data and curves alone"},
    {"samples", DGM_OPTION_INT, "8", 0, 200, NULL, "N", "lines that are shown, over all qualities and lengths; half as many again where runs differ most"},
    {"attention", DGM_OPTION_INT, "3", 0, 50, NULL, "N", "of these lines, with pictures of attention"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static void system_fini(dgm_report_system *s)
{
    dgm_text_fini(&s->text);
    free(s->hyp.line);
    dgm_ids_fini(&s->ids);
    free(s->start);
    free(s->sentence);
}

static void picture_fini(dgm_report_picture *p)
{
    for (int64_t i = 0; p->src_piece != NULL && i < p->map.n_src; i++) free(p->src_piece[i]);
    for (int64_t i = 0; p->tgt_piece != NULL && i < p->map.n_tgt; i++) free(p->tgt_piece[i]);
    free(p->src_piece);
    free(p->tgt_piece);
    dgm_attention_map_fini(&p->map);
}

void dgm_report_test_destroy(dgm_report_test *test)
{
    if (test == NULL) return;
    for (int i = 0; i < test->n_pictures; i++) picture_fini(&test->pictures[i]);
    for (int s = 0; s < test->n_systems; s++) {
        system_fini(&test->systems[s]);
        if (test->counts != NULL) dgm_text_counts_fini(&test->counts[s]);
    }
    for (int r = 0; r < test->n_refs; r++) dgm_lines_fini(&test->refs[r]);
    dgm_lines_fini(&test->src);
    dgm_scoring_fini(&test->scoring);
    dgm_text_fini(&test->search);
    free(test->pictures);
    free(test->systems);
    free(test->counts);
    free(test->scores);
    free(test->sample);
    free(test->refs);
    free(test);
}

int dgm_report_test_system(const dgm_report_test *test, int run)
{
    for (int s = 0; s < test->n_systems; s++)
        if (test->systems[s].run == run) return s;
    return -1;
}

const dgm_metric_score *dgm_report_test_score(const dgm_report_test *test, int system, int metric)
{
    return &test->scores[system * test->scoring.choice.n_metrics + metric];
}

/* ---- translating, on all ranks ---- */

static dgm_err keep(const dgm_translator *translator, const dgm_hypotheses *found, int64_t n, dgm_report_system *s)
{
    static char name[] = "the translations";
    s->hyp = (dgm_lines){.name = name, .n = n, .line = calloc((size_t)n, sizeof *s->hyp.line)};
    s->start = calloc((size_t)n + 1, sizeof *s->start);
    if (s->hyp.line == NULL || s->start == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld translations", (long long)n);
    for (int64_t i = 0; i < n; i++) {
        size_t before = s->text.bytes;
        if (found[i].n > 0) {
            DGM_TRY(dgm_translate_text(translator->tgt_tokenizer, &found[i].best[0], &s->text));
            DGM_TRY(dgm_ids_append(&s->ids, found[i].best[0].ids, found[i].best[0].n));
        }
        s->hyp.line[i].n_bytes = s->text.bytes - before;
        s->start[i + 1] = s->ids.n;
        DGM_TRY(dgm_text_append(&s->text, "\n", 1));
    }
    const char *at = s->text.text; /* it moves no more */
    for (int64_t i = 0; i < n; at += s->hyp.line[i++].n_bytes + 1) s->hyp.line[i].text = at;
    return DGM_OK;
}

/* Collective on grid->world; test and s on rank 0, where loss and translations end. */
static dgm_err translate(const dgm_grid *grid, const dgm_translate_options *options, const char *path, const dgm_report_test *test, dgm_report_system *s)
{
    double start = dgm_timer_now();
    dgm_eval_pairs pairs = {0};
    dgm_translator *translator = NULL;
    dgm_sentence_list src = {0}, ref = {0};
    dgm_pair_loss loss;
    dgm_hypotheses *found = NULL;
    dgm_err err;
    if (test != NULL) pairs = (dgm_eval_pairs){.n = test->src.n, .src = test->src, .refs = test->refs, .n_refs = test->n_refs};
    DGM_TRY(dgm_translator_open(path, grid, &translator));
    DGM_GOTO(dgm_eval_pairs_encode(&pairs, translator, options->max_src_tokens, grid, &src, &ref));
    DGM_GOTO(dgm_evaluate_loss(translator, &src, &ref, 0, grid, &loss, NULL, NULL));
    found = calloc((size_t)DGM_MAX(src.n, 1), sizeof *found);
    DGM_GOTO(dgm_coll_agree(grid, DGM_AXIS_WORLD, found != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld translations", (long long)src.n)));
    DGM_GOTO(dgm_translate_sentences(grid, translator->search, options, src.sentence, src.n, found));
    if (s != NULL) s->loss = loss;
    DGM_GOTO(dgm_coll_agree(grid, DGM_AXIS_WORLD, s != NULL ? keep(translator, found, src.n, s) : DGM_OK));
    dgm_log(DGM_LOG_INFO, "%s: %lld line%s translated in %.1f s", path, (long long)src.n, src.n == 1 ? "" : "s", dgm_timer_now() - start);
fail:
    for (int64_t i = 0; found != NULL && i < src.n; i++) dgm_hypotheses_fini(&found[i]);
    free(found);
    dgm_sentence_list_fini(&src);
    dgm_sentence_list_fini(&ref);
    dgm_translator_close(translator);
    return err;
}

/* Rank 0's text on every rank; the caller frees *out. */
static dgm_err broadcast_text(const dgm_grid *grid, const char *text, char **out)
{
    int64_t bytes = text != NULL ? (int64_t)strlen(text) + 1 : 0;
    DGM_TRY(dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, &bytes, sizeof bytes));
    char *copy = malloc((size_t)DGM_MAX(bytes, 1));
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, copy != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "path of a model"));
    if (err == DGM_OK && grid->rank == 0) memcpy(copy, text, (size_t)bytes);
    if (err == DGM_OK) err = dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, copy, bytes);
    if (err == DGM_OK) *out = copy;
    else free(copy);
    return err;
}

static dgm_err translate_all(const dgm_grid *grid, const dgm_translate_options *options, const dgm_report_run *runs, dgm_report_test *test)
{
    int64_t n = test != NULL ? test->n_systems : 0;
    DGM_TRY(dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, &n, sizeof n));
    for (int64_t s = 0; s < n; s++) {
        char *path = NULL;
        dgm_report_system *system = test != NULL ? &test->systems[s] : NULL;
        DGM_TRY(broadcast_text(grid, system != NULL ? runs[system->run].model_path : NULL, &path));
        dgm_err err = translate(grid, options, path, test, system);
        free(path);
        DGM_TRY(err);
    }
    return DGM_OK;
}

/* ---- scoring, on rank 0 ---- */

/* BLEU of each line by itself. */
static dgm_err score_lines(const dgm_report_test *test, const dgm_metric_options *bleu, dgm_report_system *s)
{
    dgm_metric *metric = NULL;
    dgm_metric_counts counts = {0};
    s->sentence = calloc((size_t)s->hyp.n, sizeof *s->sentence);
    dgm_err err = s->sentence != NULL ? dgm_metric_create(bleu, test->n_refs, &metric) : DGM_FAIL(DGM_ERR_NOMEM, "%lld scores", (long long)s->hyp.n);
    if (err == DGM_OK) err = dgm_metric_count_lines(metric, &s->hyp, test->refs, test->n_refs, true, &counts);
    for (int64_t i = 0; err == DGM_OK && i < s->hyp.n; i++) s->sentence[i] = dgm_metric_compute(metric, counts.counts + i * counts.n_counts);
    dgm_metric_counts_fini(&counts);
    dgm_metric_destroy(metric);
    return err;
}

static dgm_err score(dgm_report_test *test)
{
    int n_metrics = test->scoring.choice.n_metrics;
    dgm_metric_options bleu = {.kind = DGM_METRIC_BLEU};
    for (int m = 0; m < n_metrics; m++)
        if (test->scoring.choice.metric[m].kind == DGM_METRIC_BLEU) bleu = test->scoring.choice.metric[m];
    bleu.bleu.effective_order = true;
    test->counts = calloc((size_t)test->n_systems, sizeof *test->counts);
    test->scores = calloc((size_t)test->n_systems * (size_t)n_metrics, sizeof *test->scores);
    if (test->counts == NULL || test->scores == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "scores of %d runs", test->n_systems);
    for (int s = 0; s < test->n_systems; s++) {
        DGM_TRY(dgm_scoring_count(&test->scoring, &test->systems[s].hyp, test->refs, true, &test->counts[s]));
        DGM_TRY(dgm_scoring_report(&test->scoring, &test->counts[s], test->scores + s * n_metrics));
        DGM_TRY(score_lines(test, &bleu, &test->systems[s]));
    }
    return DGM_OK;
}

/* ---- which lines are shown ---- */

enum { MOST_BYTES = 1200 }; /* of a line that is shown */

static bool has_text(dgm_mt_span line, int64_t number)
{
    dgm_translate_text_of(&line.text, &line.n_bytes, number);
    return line.n_bytes > 0;
}

dgm_err dgm_report_choose(dgm_report_test *test, int64_t wanted)
{
    int64_t n = test->src.n, most = wanted + wanted / 2;
    dgm_sample_line *lines = calloc((size_t)n, sizeof *lines);
    test->sample = calloc((size_t)DGM_MAX(most, 1), sizeof *test->sample);
    if (lines == NULL || test->sample == NULL) {
        free(lines);
        return DGM_FAIL(DGM_ERR_NOMEM, "choice among %lld lines", (long long)n);
    }
    for (int64_t i = 0; i < n; i++) {
        double least = test->systems[0].sentence[i], largest = least, sum = 0;
        for (int s = 0; s < test->n_systems; s++) {
            double x = test->systems[s].sentence[i];
            sum += x, least = DGM_MIN(least, x), largest = DGM_MAX(largest, x);
        }
        bool fits = test->src.line[i].n_bytes <= MOST_BYTES && test->refs[0].line[i].n_bytes <= MOST_BYTES &&
                    has_text(test->src.line[i], i + 1);
        lines[i] = (dgm_sample_line){sum / test->n_systems, largest - least, fits ? (int64_t)test->src.line[i].n_bytes : 0};
    }
    int64_t n_spread = dgm_sample_choose_spread(lines, n, wanted, test->sample);
    int64_t n_apart = n_spread < 0 ? -1 : dgm_sample_choose_apart(lines, n, test->sample, n_spread, wanted / 2, test->sample + n_spread);
    free(lines);
    if (n_apart < 0) return DGM_FAIL(DGM_ERR_NOMEM, "choice among %lld lines", (long long)n);
    test->n_spread = n_spread;
    test->n_samples = n_spread + n_apart;
    return DGM_OK;
}

/* ---- all of it ---- */

static dgm_err list_systems(const dgm_report_run *runs, int n_runs, dgm_report_test *test)
{
    test->systems = calloc((size_t)n_runs, sizeof *test->systems);
    if (test->systems == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "translations of %d runs", n_runs);
    for (int r = 0; r < n_runs; r++)
        if (runs[r].model != DGM_REPORT_NO_MODEL) test->systems[test->n_systems++].run = r;
    return DGM_OK;
}

/* On rank 0: the text and who translates it; a test without systems when nobody does. */
static dgm_err prepare(const dgm_config *config, const dgm_metric_choice *choice, const dgm_report_run *runs, int n_runs, dgm_report_test *test, char **why)
{
    bool there;
    DGM_TRY(dgm_report_text_read(config, runs, n_runs, test, why, &there));
    if (!there) return DGM_OK;
    DGM_TRY(list_systems(runs, n_runs, test));
    return dgm_scoring_init(&test->scoring, choice, test->n_refs);
}

static dgm_err read_choice(const dgm_config *config, dgm_metric_choice *out)
{
    DGM_TRY(dgm_metric_choice_read(config, false, out));
    out->n_resamples = dgm_config_int(config, "confidence_n");
    bool src = dgm_config_has(config, "src"), ref = dgm_config_has(config, "ref");
    if (src != ref) return DGM_FAIL(DGM_ERR_USAGE, "--%s without --%s: a text is given by both", src ? "src" : "ref", src ? "ref" : "src");
    return DGM_OK;
}

static dgm_err finish(const dgm_config *config, const dgm_report_run *runs, dgm_report_test *test)
{
    if (test->n_systems == 0) return DGM_OK;
    test->n_ref_words = dgm_lines_count_words(&test->refs[0]);
    DGM_TRY(score(test));
    DGM_TRY(dgm_report_choose(test, dgm_config_int(config, "samples")));
    return dgm_report_pictures_make(test, runs, dgm_config_int(config, "attention"));
}

dgm_err dgm_report_test_make(const dgm_grid *grid, const dgm_config *config, const dgm_report_run *runs, int n_runs, dgm_report_test **out, char **why)
{
    dgm_translate_options options;
    dgm_metric_choice choice;
    DGM_TRY(dgm_translate_options_read(config, &options));
    DGM_TRY(read_choice(config, &choice));
    dgm_report_test *test = grid->rank == 0 ? calloc(1, sizeof *test) : NULL;
    dgm_err err = DGM_OK;
    if (grid->rank == 0 && test == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "translations");
    else if (grid->rank == 0) err = prepare(config, &choice, runs, n_runs, test, why);
    DGM_GOTO(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    DGM_GOTO(translate_all(grid, &options, runs, test));
    if (test != NULL) err = dgm_translate_describe(&options, &test->search);
    DGM_GOTO(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    DGM_GOTO(dgm_coll_agree(grid, DGM_AXIS_WORLD, test != NULL ? finish(config, runs, test) : DGM_OK));
    if (test != NULL && test->n_systems > 0) *out = test;
    else dgm_report_test_destroy(test);
    return DGM_OK;
fail:
    dgm_report_test_destroy(test);
    return err;
}
