/* dragoman score: scores finished translations against references, in the words and digits of sacreBLEU.
 *
 * Everything is read and counted before the first score is printed, so that a file that cannot be read leaves no half of a result.
 * Needs no MPI: three thousand lines take a few hundredths of a second. */
#include "dgm/cli.h"
#include "dgm/json_text.h"
#include "dgm/paired_report.h"
#include "dgm/sacrebleu_names.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const dgm_option options[] = {
    {"hyp", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "translations to score, each FILE by itself; - is standard input"},
    {"ref", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "references; several are alternatives of each other, line by line"},
    {"sentence", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "a score per line, BLEU with effective order, instead of one per file"},
    {"width", DGM_OPTION_INT, "1", 0, 15, NULL, "N", "decimals of printed scores; JSON has all digits"},
    {"json", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "JSON with all digits; with --sentence one object per line"},
    {"score_only", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "print nothing but scores"},
    {"short", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "print signatures with short keys; JSON has the long ones"},
    {"paired_bs", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "compare the FILEs of --hyp with the first: paired bootstrap test"},
    {"paired_bs_n", DGM_OPTION_INT, "1000", 2, 10000000, NULL, "N", "resamples of --paired-bs"},
    {"paired_ar", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "the same by approximate randomization"},
    {"paired_ar_n", DGM_OPTION_INT, "10000", 1, 10000000, NULL, "N", "trials of --paired-ar"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

typedef struct {
    const dgm_config *config;
    dgm_scoring scoring;
    dgm_metric_style style;
    dgm_paired_test test;
    int64_t n_trials;
    bool sentence, json;
    dgm_lines *refs, *hyps;
    int n_refs, n_hyps;
    const char **name;       /* [n_hyps] */
    dgm_text_counts *counts; /* [n_hyps] */
    json_t *results;
} score_run;

/* ---- options ---- */

/* As sacreBLEU has it, references may stand alone, and translations then come from standard input unless they are given. */
static int n_refs_of(const dgm_config *c) { return dgm_config_count(c, "ref") + dgm_config_n_operands(c); }

static const char *ref_of(const dgm_config *c, int i)
{
    int n = dgm_config_count(c, "ref");
    return i < n ? dgm_config_item(c, "ref", i) : dgm_config_operand(c, i - n);
}

static int n_hyps_of(const dgm_config *c) { return DGM_MAX(dgm_config_count(c, "hyp"), 1); }
static const char *hyp_of(const dgm_config *c, int i) { return dgm_config_count(c, "hyp") > 0 ? dgm_config_item(c, "hyp", i) : "-"; }

static dgm_err check_files(const dgm_config *c)
{
    int n = 0;
    if (dgm_config_n_operands(c) == 0) {
        DGM_TRY(dgm_config_require(c, "hyp"));
        DGM_TRY(dgm_config_require(c, "ref"));
    }
    for (int i = 0; i < n_hyps_of(c); i++) n += strcmp(hyp_of(c, i), "-") == 0;
    for (int i = 0; i < n_refs_of(c); i++) n += strcmp(ref_of(c, i), "-") == 0;
    return n <= 1 ? DGM_OK : DGM_FAIL(DGM_ERR_USAGE, "standard input (-) can be read once, not %d times", n);
}

/* Options that say how something is done which was not asked for. */
static dgm_err check_used(const dgm_config *c)
{
    bool bs = dgm_config_flag(c, "paired_bs"), ar = dgm_config_flag(c, "paired_ar");
    if (dgm_config_given(c, "paired_bs_n") && !bs) return DGM_FAIL(DGM_ERR_USAGE, "--paired-bs-n is the resamples of --paired-bs: give --paired-bs as well");
    if (dgm_config_given(c, "paired_ar_n") && !ar) return DGM_FAIL(DGM_ERR_USAGE, "--paired-ar-n is the trials of --paired-ar: give --paired-ar as well");
    if (bs && dgm_config_given(c, "confidence_n"))
        return DGM_FAIL(DGM_ERR_USAGE, "--confidence-n: the intervals of --paired-bs come from its own resamples: give --paired-bs-n instead");
    if (dgm_config_flag(c, "json") && dgm_config_flag(c, "score_only"))
        return DGM_FAIL(DGM_ERR_USAGE, "--score-only and --json are two forms of output: choose one");
    if ((bs || ar) && dgm_config_flag(c, "score_only"))
        return DGM_FAIL(DGM_ERR_USAGE, "--score-only: a test is a table of scores and p-values; leave it out, or take --json instead");
    return DGM_OK;
}

static dgm_err read_test(score_run *s)
{
    const dgm_config *c = s->config;
    bool bs = dgm_config_flag(c, "paired_bs"), ar = dgm_config_flag(c, "paired_ar");
    s->test = bs ? DGM_PAIRED_BOOTSTRAP : ar ? DGM_PAIRED_RANDOMIZATION : DGM_PAIRED_NONE;
    s->n_trials = dgm_config_int(c, bs ? "paired_bs_n" : "paired_ar_n");
    if (bs && ar) return DGM_FAIL(DGM_ERR_USAGE, "--paired-bs and --paired-ar are two tests: choose one");
    if (s->sentence && (bs || ar || dgm_config_flag(c, "confidence")))
        return DGM_FAIL(DGM_ERR_USAGE, "--sentence scores single lines; --confidence and the paired tests need a whole text");
    if (s->test == DGM_PAIRED_NONE) return DGM_OK;
    if (n_hyps_of(c) < 2)
        return DGM_FAIL(DGM_ERR_USAGE, "a paired test compares systems: give --hyp two files or more; the others are compared with the first");
    for (int i = 0; i < n_hyps_of(c); i++)
        for (int k = 0; k < i; k++)
            if (strcmp(hyp_of(c, i), hyp_of(c, k)) == 0)
                return DGM_FAIL(DGM_ERR_USAGE, "--hyp %s is given twice: a system cannot be compared with itself", hyp_of(c, i));
    return DGM_OK;
}

static dgm_err read_options(score_run *s)
{
    const dgm_config *c = s->config;
    dgm_metric_choice choice;
    DGM_TRY(check_files(c));
    s->sentence = dgm_config_flag(c, "sentence");
    s->json = dgm_config_flag(c, "json");
    s->style = (dgm_metric_style){.width = (int)dgm_config_int(c, "width"), .score_only = dgm_config_flag(c, "score_only"),
                                  .short_signature = dgm_config_flag(c, "short")};
    DGM_TRY(check_used(c));
    DGM_TRY(read_test(s));
    DGM_TRY(dgm_metric_check_confidence(c, false));
    DGM_TRY(dgm_metric_check_seed(c, s->test != DGM_PAIRED_NONE || dgm_config_flag(c, "confidence")));
    DGM_TRY(dgm_metric_choice_read(c, s->sentence, &choice));
    return dgm_scoring_init(&s->scoring, &choice, n_refs_of(c));
}

/* ---- reading and counting ---- */

static dgm_err read_list(const dgm_config *config, const char *what, const char *(*name_of)(const dgm_config *, int), int n, dgm_lines **out,
                         int *n_read)
{
    *out = calloc((size_t)n, sizeof **out);
    if (*out == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d files", n);
    dgm_err err = DGM_OK;
    for (*n_read = 0; *n_read < n && err == DGM_OK; ++*n_read) err = dgm_lines_read(name_of(config, *n_read), true, &(*out)[*n_read]);
    return dgm_error_context(err, "%s", what);
}

static dgm_err read_files(score_run *s)
{
    DGM_TRY(read_list(s->config, dgm_config_n_operands(s->config) > 0 ? "reference" : "--ref", ref_of, n_refs_of(s->config), &s->refs, &s->n_refs));
    DGM_TRY(read_list(s->config, "--hyp", hyp_of, n_hyps_of(s->config), &s->hyps, &s->n_hyps));
    for (int i = 0; i < s->n_hyps; i++) {
        for (int r = 0; r < s->n_refs; r++) DGM_TRY(dgm_lines_check_aligned(&s->hyps[i], &s->refs[r]));
        if (s->hyps[i].n == 0) return DGM_FAIL(DGM_ERR_INPUT, "%s is empty: there is nothing to score", s->hyps[i].name);
    }
    return DGM_OK;
}

static dgm_err count_all(score_run *s)
{
    bool keep_lines = s->sentence || s->test != DGM_PAIRED_NONE || s->scoring.choice.n_resamples > 0;
    s->name = calloc((size_t)s->n_hyps, sizeof *s->name);
    s->counts = calloc((size_t)s->n_hyps, sizeof *s->counts);
    if (s->name == NULL || s->counts == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d files", s->n_hyps);
    for (int i = 0; i < s->n_hyps; i++) {
        s->name[i] = s->hyps[i].name;
        DGM_TRY(dgm_scoring_count(&s->scoring, &s->hyps[i], s->refs, keep_lines, &s->counts[i]));
    }
    return DGM_OK;
}

/* ---- showing ---- */

/* The object of one score; with several files it says which it belongs to. */
static json_t *score_json(const score_run *s, const char *system, const dgm_metric_score *score)
{
    json_t *object = dgm_metric_json(score, s->style.width);
    if (s->n_hyps == 1 || object == NULL || json_object_set_new(object, "system", dgm_json_name(system)) == 0) return object;
    json_decref(object);
    return NULL;
}

/* The scores of a text or of one of its lines. */
static dgm_err show(score_run *s, const char *system, const dgm_metric_score *scores)
{
    int n = s->scoring.choice.n_metrics;
    if (!s->json) {
        if (s->n_hyps == 1) dgm_metric_print_all(stdout, "", scores, n, &s->style);
        for (int m = 0; s->n_hyps > 1 && m < n; m++) {
            printf("%s: ", system);
            dgm_metric_print_all(stdout, "", &scores[m], 1, &s->style);
        }
        return DGM_OK;
    }
    for (int m = 0; m < n; m++) {
        json_t *object = score_json(s, system, &scores[m]);
        if (!s->sentence) {
            if (json_array_append_new(s->results, object) != 0) return DGM_FAIL(DGM_ERR_NOMEM, "JSON of scores");
            continue;
        }
        DGM_TRY(dgm_json_print(object, JSON_COMPACT, stdout));
    }
    return DGM_OK;
}

static dgm_err show_each(score_run *s)
{
    dgm_metric_score scores[DGM_N_METRICS];
    s->results = json_array();
    for (int i = 0; i < s->n_hyps; i++) {
        for (int64_t line = 0; s->sentence && line < s->hyps[i].n; line++) {
            dgm_scoring_report_line(&s->scoring, &s->counts[i], line, scores);
            DGM_TRY(show(s, s->name[i], scores));
        }
        if (s->sentence) continue;
        DGM_TRY(dgm_scoring_report(&s->scoring, &s->counts[i], scores));
        DGM_TRY(show(s, s->name[i], scores));
    }
    if (!s->json || s->sentence) return DGM_OK;
    return dgm_json_print(json_incref(json_array_size(s->results) == 1 ? json_array_get(s->results, 0) : s->results), JSON_INDENT(1), stdout);
}

static dgm_err show_comparison(score_run *s)
{
    dgm_paired_report report;
    DGM_TRY(dgm_paired_report_make(&s->scoring, s->counts, s->name, s->n_hyps, s->test, s->n_trials, &report));
    dgm_err err = DGM_OK;
    if (s->json) err = dgm_json_print(dgm_paired_report_json(&report), JSON_INDENT(1), stdout);
    else dgm_paired_report_print(stdout, &report, &s->style);
    dgm_paired_report_fini(&report);
    return err;
}

static dgm_err score_files(score_run *s)
{
    DGM_TRY(read_options(s));
    DGM_TRY(read_files(s));
    DGM_TRY(count_all(s));
    return s->test == DGM_PAIRED_NONE ? show_each(s) : show_comparison(s);
}

static dgm_err run(dgm_config *config)
{
    score_run s = {.config = config};
    dgm_err err = score_files(&s);
    for (int i = 0; s.counts != NULL && i < s.n_hyps; i++) dgm_text_counts_fini(&s.counts[i]);
    for (int i = 0; s.hyps != NULL && i < s.n_hyps; i++) dgm_lines_fini(&s.hyps[i]);
    for (int r = 0; s.refs != NULL && r < s.n_refs; r++) dgm_lines_fini(&s.refs[r]);
    dgm_scoring_fini(&s.scoring);
    free(s.counts);
    free(s.name);
    free(s.hyps);
    free(s.refs);
    json_decref(s.results);
    return err;
}

int dgm_cmd_score(int argc, char **argv)
{
    static const dgm_option *const tables[] = {options, dgm_metric_option_table};
    static const dgm_cli_command command = {.name = "score", .synopsis = "--hyp FILE... --ref FILE... [options]\n       dragoman score REF... [-i FILE...] [options]",
        .summary = "Scores finished translations: BLEU, chrF and TER of texts or single lines, equal to sacreBLEU's, with intervals and tests.\n"
                   "Line i of each FILE belongs to line i of the others; plain or compressed text (.zst, .gz, .xz).\n"
                   "sacreBLEU's short options and --input and --sentence-level are understood as well, and references that stand alone:\n"
                   "dragoman score REF -i FILE -m chrf, or dragoman score REF < FILE.",
        .tables = tables, .n_tables = 2, .max_operands = INT_MAX, .run = run};
    char **own = argv;
    dgm_err err = dgm_sacrebleu_names(argc, argv, true, &own);
    int code = dgm_cli_run(&command, argc, own);
    if (err == DGM_OK) free(own);
    return code;
}
