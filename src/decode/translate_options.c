#include "dgm/translate.h"

#include <string.h>

const dgm_option dgm_translate_option_table[] = {
    {"beam", DGM_OPTION_INT, "5", 1, 1024, NULL, "N", "hypotheses kept per sentence; 1 is greedy decoding"},
    {"length_penalty_kind", DGM_OPTION_CHOICE, "paper", 0, 0, "paper|average", "KIND",
     "score = log-probability / ((5 + length) / 6)^A, or / length^A"},
    {"length_penalty", DGM_OPTION_REAL, NULL, 0, 10, NULL, "A", "0.6 if not given, for average 1"},
    {"max_length_factor", DGM_OPTION_REAL, "2", 0, 1000, NULL, "X", "at most X times the source tokens, and ..."},
    {"max_length_plus", DGM_OPTION_INT, "20", 0, 1000000, NULL, "N", "... N tokens more are produced"},
    {"min_length", DGM_OPTION_INT, "1", 0, 1000000, NULL, "N", "at least N tokens are produced"},
    {"no_repeat_ngram", DGM_OPTION_INT, "0", 0, 1000, NULL, "N", "no run of N tokens comes twice in a translation; 0: may come"},
    {"diverse_groups", DGM_OPTION_INT, "1", 1, 1024, NULL, "N", "groups of the beam that shun each other's tokens; divides the beam"},
    {"diverse_strength", DGM_OPTION_REAL, "0.5", 0, 1000, NULL, "X", "nats that a token of an earlier group costs"},
    {"max_src_tokens", DGM_OPTION_INT, "1024", 1, 1 << 20, NULL, "N", "a line of more tokens is refused"},
    {"batch_tokens", DGM_OPTION_INT, "1024", 1, 1 << 20, NULL, "N", "tokens or hypotheses computed together: speed and memory only"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

const dgm_option dgm_translate_more_table[] = {
    {"n_best", DGM_OPTION_INT, NULL, 1, 1024, NULL, "N", "print the N best of each line as LINE ||| TEXT ||| SCORE, lines counted from 0"},
    {"sample", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "draw translations at random (--n-best many) instead of searching the best"},
    {"temperature", DGM_OPTION_REAL, "1", 0.01, 100, NULL, "T", "of samples: logits are divided by T"},
    {"top_k", DGM_OPTION_INT, "0", 0, 1 << 24, NULL, "K", "of samples: draw among the K most likely tokens; 0: among all"},
    {"top_p", DGM_OPTION_REAL, "1", 1e-6, 1, NULL, "P", "of samples: draw among the most likely ones that have P of the probability"},
    {"seed", DGM_OPTION_INT, "1", 0, 9e15, NULL, "N", "of samples; the same line and seed give the same samples"},
    {"ensemble", DGM_OPTION_CHOICE, "probabilities", 0, 0, "probabilities|log-probabilities", "KIND", "what the mean of several models is of"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

dgm_translate_options dgm_translate_defaults(void)
{
    return (dgm_translate_options){.search = dgm_search_defaults(), .batch_tokens = 1024, .max_src_tokens = 1024};
}

dgm_err dgm_translate_options_read(const dgm_config *config, dgm_translate_options *out)
{
    dgm_translate_options o = dgm_translate_defaults();
    bool average = strcmp(dgm_config_text(config, "length_penalty_kind"), "average") == 0;
    double alpha = average ? 1 : o.search.beam.length_penalty;
    o.search.beam = (dgm_beam_options){
        .beam = (int)dgm_config_int(config, "beam"),
        .n_best = 1,
        .length_penalty = dgm_config_has(config, "length_penalty") ? dgm_config_real(config, "length_penalty") : alpha,
        .length_kind = average ? DGM_LENGTH_AVERAGE : DGM_LENGTH_PAPER,
        .max_length_factor = dgm_config_real(config, "max_length_factor"),
        .max_length_plus = dgm_config_int(config, "max_length_plus"),
        .min_length = dgm_config_int(config, "min_length"),
    };
    o.search.no_repeat_ngram = (int)dgm_config_int(config, "no_repeat_ngram");
    if (dgm_config_given(config, "diverse_strength") && !dgm_config_given(config, "diverse_groups"))
        return DGM_FAIL(DGM_ERR_USAGE, "--diverse-strength is about groups: give --diverse-groups as well");
    o.search.diverse_groups = (int)dgm_config_int(config, "diverse_groups");
    o.search.diverse_strength = dgm_config_real(config, "diverse_strength");
    o.batch_tokens = dgm_config_int(config, "batch_tokens");
    o.max_src_tokens = dgm_config_int(config, "max_src_tokens");
    DGM_TRY(dgm_search_check(&o.search));
    *out = o;
    return DGM_OK;
}

dgm_err dgm_translate_describe(const dgm_translate_options *options, dgm_text *out)
{
    const dgm_search_options *o = &options->search, plain = dgm_search_defaults();
    const dgm_beam_options *b = &o->beam;
    bool average = b->length_kind == DGM_LENGTH_AVERAGE;
    DGM_TRY(dgm_text_printf(out, "beam %d, length penalty %s %g", b->beam, average ? "average" : "paper", b->length_penalty));
    if (b->max_length_factor != plain.beam.max_length_factor || b->max_length_plus != plain.beam.max_length_plus)
        DGM_TRY(dgm_text_printf(out, ", at most %g times the source tokens and %lld", b->max_length_factor, (long long)b->max_length_plus));
    if (b->min_length != plain.beam.min_length) DGM_TRY(dgm_text_printf(out, ", at least %lld tokens", (long long)b->min_length));
    if (o->no_repeat_ngram > 0) DGM_TRY(dgm_text_printf(out, ", no %d-gram twice", o->no_repeat_ngram));
    if (o->diverse_groups > 1) DGM_TRY(dgm_text_printf(out, ", %d diverse groups of strength %g", o->diverse_groups, o->diverse_strength));
    return DGM_OK;
}

dgm_err dgm_translate_more_read(const dgm_config *config, dgm_translate_options *out)
{
    static const char *const of_samples[][2] = {{"temperature", "--temperature"}, {"top_k", "--top-k"}, {"top_p", "--top-p"}, {"seed", "--seed"}};
    dgm_search_options *o = &out->search;
    o->sample = dgm_config_flag(config, "sample");
    for (size_t i = 0; i < sizeof of_samples / sizeof *of_samples && !o->sample; i++)
        if (dgm_config_given(config, of_samples[i][0]))
            return DGM_FAIL(DGM_ERR_USAGE, "%s is about samples: give --sample as well", of_samples[i][1]);
    if (dgm_config_has(config, "n_best")) o->beam.n_best = (int)dgm_config_int(config, "n_best");
    o->sampling = (dgm_sample_options){
        .temperature = dgm_config_real(config, "temperature"),
        .top_k = (int)dgm_config_int(config, "top_k"),
        .top_p = dgm_config_real(config, "top_p"),
        .seed = (uint64_t)dgm_config_int(config, "seed"),
    };
    o->ensemble =
        strcmp(dgm_config_text(config, "ensemble"), "probabilities") == 0 ? DGM_ENSEMBLE_PROBABILITIES : DGM_ENSEMBLE_LOG_PROBABILITIES;
    return dgm_search_check(o);
}
