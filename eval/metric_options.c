/* The table, and what it means. */
#include "dgm/metric_options.h"

#include "dgm/log.h"

#include <string.h>

const dgm_option dgm_metric_option_table[] = {
    {"metrics", DGM_OPTION_LIST, NULL, 0, 0, NULL, "NAME", "one or more of bleu, chrf, ter; bleu if not given, in a report all"},
    {"tokenize", DGM_OPTION_CHOICE, "13a", 0, 0, DGM_MT_TOKENIZER_NAMES, "NAME", "BLEU: how lines become words"},
    {"lowercase", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "BLEU: compare in lower case"},
    {"smooth_method", DGM_OPTION_CHOICE, "exp", 0, 0, DGM_BLEU_SMOOTHING_NAMES, "NAME", "BLEU: what a precision of zero becomes"},
    {"smooth_value", DGM_OPTION_REAL, NULL, 0, 1000, NULL, "X", "BLEU: of floor (0.1 if not given) and add-k (1)"},
    {"effective_order", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "BLEU: leave out orders that the text is too short for"},
    {"force", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "BLEU: no warning when the text looks tokenized"},
    {"chrf_char_order", DGM_OPTION_INT, "6", 0, DGM_CHRF_MAX_ORDER, NULL, "N", "chrF: longest character n-grams"},
    {"chrf_word_order", DGM_OPTION_INT, "0", 0, DGM_CHRF_MAX_ORDER, NULL, "N", "chrF: longest word n-grams; 2 is chrF++"},
    {"chrf_beta", DGM_OPTION_INT, "2", 0, 1000, NULL, "N", "chrF: recall counts N times as much as precision"},
    {"chrf_whitespace", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "chrF: white space is characters too"},
    {"chrf_lowercase", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "chrF: compare in lower case"},
    {"chrf_eps_smoothing", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "chrF: as chrF++.py smooths, instead of effective order"},
    {"ter_case_sensitive", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "TER: compare letters as they are, not in lower case"},
    {"ter_asian_support", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "TER: Chinese and Japanese characters, in the two below"},
    {"ter_no_punct", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "TER: punctuation is removed"},
    {"ter_normalized", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "TER: punctuation is split off"},
    {"confidence", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "a 95 % interval by bootstrap resampling"},
    {"confidence_n", DGM_OPTION_INT, "1000", 2, 10000000, NULL, "N", "resamples of --confidence"},
    {"seed", DGM_OPTION_INT, "12345", 0, 9e15, NULL, "N", "of the random numbers of --confidence and of paired tests"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static dgm_err read_bleu(const dgm_config *c, bool sentences, dgm_bleu_options *o)
{
    *o = (dgm_bleu_options){.lowercase = dgm_config_flag(c, "lowercase"),
                            .effective_order = sentences || dgm_config_flag(c, "effective_order"),
                            .smooth_value_given = dgm_config_has(c, "smooth_value")};
    DGM_TRY(dgm_mt_tokenizer_find(dgm_config_text(c, "tokenize"), &o->tokenizer));
    DGM_TRY(dgm_bleu_smoothing_find(dgm_config_text(c, "smooth_method"), &o->smoothing));
    if (!o->smooth_value_given) return DGM_OK;
    if (o->smoothing != DGM_BLEU_SMOOTH_FLOOR && o->smoothing != DGM_BLEU_SMOOTH_ADD_K)
        return DGM_FAIL(DGM_ERR_USAGE, "--smooth-value belongs to --smooth-method floor or add-k, not %s", dgm_config_text(c, "smooth_method"));
    o->smooth_value = dgm_config_real(c, "smooth_value");
    return DGM_OK;
}

static dgm_err read_chrf(const dgm_config *c, dgm_chrf_options *o)
{
    *o = (dgm_chrf_options){.char_order = (int)dgm_config_int(c, "chrf_char_order"), .word_order = (int)dgm_config_int(c, "chrf_word_order"),
                            .beta = (int)dgm_config_int(c, "chrf_beta"), .whitespace = dgm_config_flag(c, "chrf_whitespace"),
                            .lowercase = dgm_config_flag(c, "chrf_lowercase"), .eps_smoothing = dgm_config_flag(c, "chrf_eps_smoothing")};
    int order = o->char_order + o->word_order;
    if (order >= 1 && order <= DGM_CHRF_MAX_ORDER) return DGM_OK;
    return DGM_FAIL(DGM_ERR_USAGE, "--chrf-char-order %d and --chrf-word-order %d: together expected 1 to %d", o->char_order, o->word_order,
                    DGM_CHRF_MAX_ORDER);
}

static dgm_mt_tercom_options read_ter(const dgm_config *c)
{
    return (dgm_mt_tercom_options){.normalized = dgm_config_flag(c, "ter_normalized"), .no_punct = dgm_config_flag(c, "ter_no_punct"),
                                   .asian_support = dgm_config_flag(c, "ter_asian_support"),
                                   .case_sensitive = dgm_config_flag(c, "ter_case_sensitive")};
}

/* Which metrics are asked for, by kind. */
static dgm_err read_kinds(const dgm_config *c, bool *wanted)
{
    wanted[DGM_METRIC_BLEU] = !dgm_config_given(c, "metrics");
    for (int i = 0; i < dgm_config_count(c, "metrics"); i++) {
        const char *name = dgm_config_item(c, "metrics", i);
        int kind = 0;
        while (kind < DGM_N_METRICS && strcmp(name, dgm_metric_kind_name((dgm_metric_kind)kind)) != 0) kind++;
        if (kind == DGM_N_METRICS) return DGM_FAIL(DGM_ERR_USAGE, "--metrics: \"%s\" is not one of " DGM_METRIC_NAMES, name);
        wanted[kind] = true;
    }
    return DGM_OK;
}

/* The metric that an option of the table is about; DGM_N_METRICS: all of them. */
static int kind_of(const char *option)
{
    static const char *const of_bleu[] = {"tokenize", "lowercase", "smooth_method", "smooth_value", "effective_order", "force"};
    if (strncmp(option, "chrf_", 5) == 0) return DGM_METRIC_CHRF;
    if (strncmp(option, "ter_", 4) == 0) return DGM_METRIC_TER;
    for (size_t i = 0; i < sizeof of_bleu / sizeof *of_bleu; i++)
        if (strcmp(option, of_bleu[i]) == 0) return DGM_METRIC_BLEU;
    return DGM_N_METRICS;
}

/* A line for each option that was given for a metric that was not asked for: sacreBLEU takes them silently, and people believe the figure is another. */
static void tell_unused(const dgm_config *c, const bool *wanted)
{
    for (const dgm_option *o = dgm_metric_option_table; o->name != NULL; o++) {
        int kind = kind_of(o->name);
        if (kind == DGM_N_METRICS || wanted[kind] || !dgm_config_given(c, o->name)) continue;
        char dashed[64];
        dgm_config_dashed(o->name, dashed, sizeof dashed);
        dgm_log(DGM_LOG_INFO, "--%s changes nothing: --metrics does not ask for %s", dashed, dgm_metric_kind_name((dgm_metric_kind)kind));
    }
}

dgm_err dgm_metric_choice_read(const dgm_config *c, bool sentences, dgm_metric_choice *out)
{
    dgm_metric_choice choice = {.force = dgm_config_flag(c, "force"), .seed = (uint64_t)dgm_config_int(c, "seed")};
    bool wanted[DGM_N_METRICS] = {false};
    DGM_TRY(read_kinds(c, wanted));
    tell_unused(c, wanted);
    for (int kind = 0; kind < DGM_N_METRICS; kind++) {
        if (!wanted[kind]) continue;
        dgm_metric_options *o = &choice.metric[choice.n_metrics++];
        o->kind = (dgm_metric_kind)kind;
        if (kind == DGM_METRIC_BLEU) DGM_TRY(read_bleu(c, sentences, &o->bleu));
        if (kind == DGM_METRIC_CHRF) DGM_TRY(read_chrf(c, &o->chrf));
        if (kind == DGM_METRIC_TER) o->ter = read_ter(c);
    }
    if (dgm_config_flag(c, "confidence")) choice.n_resamples = dgm_config_int(c, "confidence_n");
    *out = choice;
    return DGM_OK;
}

dgm_err dgm_metric_check_confidence(const dgm_config *config, bool unasked)
{
    if (!dgm_config_given(config, "confidence_n") || dgm_config_flag(config, "confidence")) return DGM_OK;
    if (unasked && !dgm_config_given(config, "confidence")) return DGM_OK;
    return DGM_FAIL(DGM_ERR_USAGE, "--confidence-n says how many resamples --confidence makes: give --confidence as well");
}

dgm_err dgm_metric_check_seed(const dgm_config *config, bool drawn)
{
    if (drawn || !dgm_config_given(config, "seed")) return DGM_OK;
    return DGM_FAIL(DGM_ERR_USAGE, "--seed is of the random numbers of intervals and tests, and none are asked for (--confidence): leave it out");
}
