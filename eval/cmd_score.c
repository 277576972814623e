/* dragoman score: scores finished translations against references, in the words and digits of sacreBLEU.
 *
 * Needs no MPI: three thousand lines take a few hundredths of a second. */
#include "dgm/bleu.h"
#include "dgm/cli.h"
#include "dgm/lines.h"

#include <stdlib.h>
#include <string.h>

static const dgm_option options[] = {
    {"hyp", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "translations to score, each FILE by itself; - is standard input"},
    {"ref", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "references; several are alternatives of each other, line by line"},
    {"tokenize", DGM_OPTION_CHOICE, "13a", 0, 0, DGM_MT_TOKENIZER_NAMES, "NAME", "how lines become words"},
    {"lowercase", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "compare in lower case"},
    {"smooth_method", DGM_OPTION_CHOICE, "exp", 0, 0, DGM_BLEU_SMOOTHING_NAMES, "NAME", "what a precision of zero becomes"},
    {"smooth_value", DGM_OPTION_REAL, NULL, 0, 1000, NULL, "X", "of floor (0.1 if not given) and add-k (1)"},
    {"sentence", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "a score per line, with effective order, instead of one per file"},
    {"width", DGM_OPTION_INT, "1", 0, 15, NULL, "N", "decimals of the printed score"},
    {"json", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "JSON with all digits; with --sentence one object per line"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

typedef struct {
    const dgm_config *config;
    dgm_bleu_options bleu;
    dgm_lines *refs;
    int n_refs;
    dgm_mt_span *ref_line; /* [n_refs] */
    json_t *systems;       /* JSON of several files */
} scoring;

static dgm_err read_options(scoring *s)
{
    const dgm_config *c = s->config;
    DGM_TRY(dgm_config_require(c, "hyp"));
    DGM_TRY(dgm_config_require(c, "ref"));
    DGM_TRY(dgm_mt_tokenizer_find(dgm_config_text(c, "tokenize"), &s->bleu.tokenizer));
    DGM_TRY(dgm_bleu_smoothing_find(dgm_config_text(c, "smooth_method"), &s->bleu.smoothing));
    s->bleu.lowercase = dgm_config_flag(c, "lowercase");
    s->bleu.effective_order = dgm_config_flag(c, "sentence");
    s->bleu.smooth_value_given = dgm_config_has(c, "smooth_value");
    if (s->bleu.smooth_value_given) {
        if (s->bleu.smoothing != DGM_BLEU_SMOOTH_FLOOR && s->bleu.smoothing != DGM_BLEU_SMOOTH_ADD_K)
            return DGM_FAIL(DGM_ERR_USAGE, "--smooth-value belongs to --smooth-method floor or add-k, not %s", dgm_config_text(c, "smooth_method"));
        s->bleu.smooth_value = dgm_config_real(c, "smooth_value");
    }
    int n_stdin = 0;
    for (int i = 0; i < dgm_config_count(c, "hyp"); i++) n_stdin += strcmp(dgm_config_item(c, "hyp", i), "-") == 0;
    for (int i = 0; i < dgm_config_count(c, "ref"); i++) n_stdin += strcmp(dgm_config_item(c, "ref", i), "-") == 0;
    return n_stdin <= 1 ? DGM_OK : DGM_FAIL(DGM_ERR_USAGE, "standard input (-) can be read once, not %d times", n_stdin);
}

static dgm_err read_references(scoring *s)
{
    int n = dgm_config_count(s->config, "ref");
    s->refs = calloc((size_t)n, sizeof *s->refs);
    s->ref_line = calloc((size_t)n, sizeof *s->ref_line);
    if (s->refs == NULL || s->ref_line == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d references", n);
    for (s->n_refs = 0; s->n_refs < n; s->n_refs++)
        DGM_TRY(dgm_lines_read(dgm_config_item(s->config, "ref", s->n_refs), &s->refs[s->n_refs]));
    return DGM_OK;
}

static dgm_err count_line(scoring *s, dgm_bleu *bleu, const dgm_lines *hyp, int64_t i, dgm_bleu_counts *counts)
{
    for (int r = 0; r < s->n_refs; r++) s->ref_line[r] = s->refs[r].line[i];
    dgm_err err = dgm_bleu_count(bleu, hyp->line[i], s->ref_line, s->n_refs, counts);
    return err == DGM_OK ? err : dgm_error_context(err, "%s, line %lld", hyp->name, (long long)i + 1);
}

/* One score as text or JSON; with several files each says which it belongs to. */
static dgm_err show(scoring *s, const dgm_lines *hyp, const dgm_bleu_counts *counts)
{
    dgm_metric_score score;
    bool many = dgm_config_count(s->config, "hyp") > 1, sentence = dgm_config_flag(s->config, "sentence");
    dgm_bleu_report(&s->bleu, counts, s->n_refs, &score);
    if (!dgm_config_flag(s->config, "json")) {
        if (many) printf("%s: ", hyp->name);
        dgm_metric_print(stdout, &score, (int)dgm_config_int(s->config, "width"));
        return DGM_OK;
    }
    json_t *object = dgm_metric_json(&score);
    if (object == NULL || (many && json_object_set_new(object, "system", json_string(hyp->name)) != 0)) {
        json_decref(object);
        return DGM_FAIL(DGM_ERR_NOMEM, "JSON of a score");
    }
    if (many && !sentence)
        return json_array_append_new(s->systems, object) == 0 ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "JSON of a score");
    int failed = json_dumpf(object, stdout, sentence ? JSON_COMPACT : JSON_INDENT(1));
    putchar('\n');
    json_decref(object);
    return failed ? DGM_FAIL(DGM_ERR_IO, "standard output: the score could not be written") : DGM_OK;
}

static dgm_err score_lines(scoring *s, const dgm_lines *hyp)
{
    dgm_err err = DGM_OK;
    dgm_bleu *bleu = NULL;
    dgm_bleu_counts counts, sum = {0};
    bool sentence = dgm_config_flag(s->config, "sentence");
    for (int r = 0; r < s->n_refs; r++) DGM_TRY(dgm_lines_check_aligned(hyp, &s->refs[r]));
    if (hyp->n == 0) return DGM_FAIL(DGM_ERR_INPUT, "%s is empty: there is nothing to score", hyp->name);
    DGM_TRY(dgm_bleu_create(&s->bleu, &bleu));
    for (int64_t i = 0; i < hyp->n; i++) {
        DGM_GOTO(count_line(s, bleu, hyp, i, &counts));
        if (sentence) DGM_GOTO(show(s, hyp, &counts));
        dgm_bleu_add(&sum, &counts);
    }
    if (!sentence) err = show(s, hyp, &sum);
fail:
    dgm_bleu_destroy(bleu);
    return err;
}

static dgm_err score_files(scoring *s)
{
    DGM_TRY(read_options(s));
    DGM_TRY(read_references(s));
    s->systems = json_array();
    if (s->systems == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "JSON of scores");
    for (int i = 0; i < dgm_config_count(s->config, "hyp"); i++) {
        dgm_lines hyp = {0};
        DGM_TRY(dgm_lines_read(dgm_config_item(s->config, "hyp", i), &hyp));
        dgm_err err = score_lines(s, &hyp);
        dgm_lines_fini(&hyp);
        DGM_TRY(err);
    }
    if (json_array_size(s->systems) == 0) return DGM_OK;
    int failed = json_dumpf(s->systems, stdout, JSON_INDENT(1));
    putchar('\n');
    return failed ? DGM_FAIL(DGM_ERR_IO, "standard output: the scores could not be written") : DGM_OK;
}

static dgm_err run(dgm_config *config)
{
    scoring s = {.config = config};
    dgm_err err = score_files(&s);
    for (int r = 0; s.refs != NULL && r < s.n_refs; r++) dgm_lines_fini(&s.refs[r]);
    free(s.refs);
    free(s.ref_line);
    json_decref(s.systems);
    return err;
}

int dgm_cmd_score(int argc, char **argv)
{
    static const dgm_option *const tables[] = {options};
    static const dgm_cli_command command = {.name = "score", .synopsis = "--hyp FILE... --ref FILE... [options]",
        .summary = "Scores finished translations: corpus or sentence BLEU, equal to sacreBLEU's.\n"
                   "Line i of each FILE belongs to line i of the others; plain or compressed text (.zst, .gz, .xz).",
        .tables = tables, .n_tables = 1, .run = run};
    return dgm_cli_run(&command, argc, argv);
}
