#include "dgm/translate.h"

const dgm_option dgm_translate_option_table[] = {
    {"beam", DGM_OPTION_INT, "5", 1, 1024, NULL, "N", "hypotheses kept per sentence; 1 is greedy decoding"},
    {"length_penalty", DGM_OPTION_REAL, "0.6", 0, 10, NULL, "A", "score = log-probability / ((5 + length) / 6)^A"},
    {"max_length_factor", DGM_OPTION_REAL, "2", 0, 1000, NULL, "X", "at most X times the source tokens, and ..."},
    {"max_length_plus", DGM_OPTION_INT, "20", 0, 1000000, NULL, "N", "... N tokens more are produced"},
    {"min_length", DGM_OPTION_INT, "1", 0, 1000000, NULL, "N", "at least N tokens are produced"},
    {"max_src_tokens", DGM_OPTION_INT, "1024", 1, 1 << 20, NULL, "N", "a line of more tokens is refused"},
    {"batch_tokens", DGM_OPTION_INT, "1024", 1, 1 << 20, NULL, "N", "tokens or hypotheses computed together: speed and memory only"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

dgm_translate_options dgm_translate_defaults(void)
{
    return (dgm_translate_options){.beam = dgm_beam_defaults(), .batch_tokens = 1024, .max_src_tokens = 1024};
}

dgm_err dgm_translate_options_read(const dgm_config *config, dgm_translate_options *out)
{
    dgm_beam_options beam = {
        .beam = (int)dgm_config_int(config, "beam"),
        .n_best = 1,
        .length_penalty = dgm_config_real(config, "length_penalty"),
        .max_length_factor = dgm_config_real(config, "max_length_factor"),
        .max_length_plus = dgm_config_int(config, "max_length_plus"),
        .min_length = dgm_config_int(config, "min_length"),
    };
    DGM_TRY(dgm_beam_check(&beam));
    *out = (dgm_translate_options){beam, dgm_config_int(config, "batch_tokens"), dgm_config_int(config, "max_src_tokens")};
    return DGM_OK;
}
