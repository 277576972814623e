/* What a checkpoint says of its experiment against the settings of a run that goes on from it. */
#include "dgm/train_options.h"
#include "tap.h"

#include <string.h>

static dgm_config *parse(int argc, char *const *argv)
{
    static const dgm_option *const tables[] = {dgm_train_run_options, dgm_train_model_options, dgm_train_update_options};
    dgm_config *config = NULL;
    tap_err(dgm_config_create(tables, 3, &config), DGM_OK, "options of train");
    tap_err(dgm_config_parse(config, argc, argv, 0), DGM_OK, "%d words", argc - 1);
    return config;
}

int main(void)
{
    char *plain_words[] = {"train", "--dropout", "0.3"}, *fast_words[] = {"train", "--dropout", "0.3", "--reduction", "fast"};
    char *other_words[] = {"train", "--dropout", "0.2", "--micro-batch-tokens", "64"};
    dgm_config *plain = parse(3, plain_words), *fast = parse(5, fast_words), *other = parse(5, other_words);
    json_t *saved = dgm_train_experiment(plain, false);
    tap_err(dgm_train_experiment_check(plain, false, saved, "step-7"), DGM_OK, "the same settings");
    tap_err(dgm_train_experiment_check(fast, false, saved, "step-7"), DGM_ERR_INPUT, "another reduction");
    tap_error_says("step-7 was trained with reduction = \"fixed\", not \"fast\"");
    tap_err(dgm_train_experiment_check(other, false, saved, "step-7"), DGM_ERR_INPUT, "another dropout");
    tap_error_says("dropout = 0.3, not 0.2");
    tap_ok(json_object_get(saved, "micro_batch_tokens") == NULL, "what changes memory alone is no part of the experiment");

    json_object_del(saved, "reduction"); /* as a version wrote it that had no such setting */
    tap_err(dgm_train_experiment_check(plain, false, saved, "step-7"), DGM_OK, "a setting that was not there yet has its default");
    tap_err(dgm_train_experiment_check(fast, false, saved, "step-7"), DGM_ERR_INPUT, "and no other value");

    tap_int(dgm_train_setting_effect("max_steps", (dgm_circumstances){.cosine = false}), DGM_EFFECT_RECORD, "max_steps shows in the record");
    tap_int(dgm_train_setting_effect("max_steps", (dgm_circumstances){.cosine = true}), DGM_EFFECT_BITS, "with a cosine in the bits");
    tap_int(dgm_train_setting_effect("micro_batch_tokens", (dgm_circumstances){.fast = false}), DGM_EFFECT_NONE, "micro_batch_tokens shows nowhere");
    tap_int(dgm_train_setting_effect("micro_batch_tokens", (dgm_circumstances){.fast = true}), DGM_EFFECT_BITS, "with fast sums in the bits");
    tap_int(dgm_train_setting_effect("overlap", (dgm_circumstances){.fast = false}), DGM_EFFECT_NONE, "overlap shows nowhere");
    json_decref(saved);
    dgm_config_destroy(plain);
    dgm_config_destroy(fast);
    dgm_config_destroy(other);
    return tap_done();
}
