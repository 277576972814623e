/* What a checkpoint says of its experiment against the settings of a run that goes on from it. */
#include "dgm/model_memory.h"
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

/* The default of 8 heads is 8 pieces, whether it is told or not. */
static void check_virtual_tp(void)
{
    char *told_words[] = {"train", "--virtual-tp", "8"}, *other_words[] = {"train", "--virtual-tp", "4"}, *default_words[] = {"train", "--virtual-tp", "0"};
    dgm_config *told = parse(3, told_words), *other = parse(3, other_words), *by_default = parse(3, default_words);
    const dgm_hparams hp = {.d_model = 512, .d_ff = 2048, .n_heads = 8, .n_encoder_layers = 6, .n_decoder_layers = 6, .virtual_tp = 8};
    json_t *saved = dgm_train_experiment(by_default, false);
    tap_int(json_integer_value(json_object_get(saved, "virtual_tp")), 8, "what is remembered is the number of pieces");
    json_object_set_new(saved, "virtual_tp", json_integer(0)); /* as earlier versions did */
    tap_err(dgm_train_experiment_check(told, false, saved, "step-7"), DGM_OK, "8 is what 0 stood for");
    tap_err(dgm_train_experiment_check(by_default, false, saved, "step-7"), DGM_OK, "and 0 still is");
    tap_err(dgm_train_experiment_check(other, false, saved, "step-7"), DGM_ERR_INPUT, "4 is not");
    tap_error_says("virtual_tp = 8, not 4");
    tap_err(dgm_train_hparams_check(by_default, &hp, "model"), DGM_OK, "0 stands for 8 beside a model, too");
    tap_err(dgm_train_hparams_check(other, &hp, "model"), DGM_ERR_USAGE, "4 does not");
    tap_error_says("virtual_tp = 4");
    json_decref(saved);
    dgm_config_destroy(told);
    dgm_config_destroy(other);
    dgm_config_destroy(by_default);
}

/* What would go is said of ranks and pieces together. */
static void check_tp(void)
{
    char *words[] = {"train", "--tp", "4", "--n-heads", "6"}, *init_words[] = {"train", "--tp", "4", "--n-heads", "6", "--init", "model"};
    dgm_config *config = parse(5, words), *init = parse(7, init_words);
    tap_err(dgm_train_tp_check(config, 8), DGM_ERR_USAGE, "6 heads have 2 pieces");
    tap_error_says("--tp 4: expected a divisor of virtual_tp = 2, the pieces that a layer is cut into, and of the number of ranks, 8: give one of 1, 2");
    tap_err(dgm_train_tp_check(init, 8), DGM_OK, "a model to begin with may have others");
    tap_err(dgm_train_tp_check(init, 6), DGM_ERR_USAGE, "but 4 does not divide 6");
    tap_error_says("--tp 4 does not divide the number of ranks, 6: start 4 or 8 ranks, or give another --tp (of 1, 2, 3, 6)");
    dgm_config_destroy(config);
    dgm_config_destroy(init);
}

/* By the table of docs/training.md: 5 million parameters on two ranks of one host, or of two. */
static void check_memory(void)
{
    const dgm_hparams hp = {.d_model = 1000, .d_ff = 500, .n_heads = 8, .n_decoder_layers = 0, .n_encoder_layers = 0, .tgt_vocab_size = 5000, .joint_vocab = true};
    const dgm_optimizer_options adam = {.kind = DGM_OPTIMIZER_ADAM}, sgd = {.kind = DGM_OPTIMIZER_SGD};
    const dgm_grid dp = {.size = 2, .tp_size = 1, .node_size = 2}, tp = {.size = 2, .tp_size = 2, .node_size = 2}, apart = {.size = 2, .tp_size = 1, .node_size = 1};
    tap_int(dgm_model_memory_bytes(&hp, &adam, &dp), 60000000, "parameters, gradient, half of two moments");
    tap_int(dgm_model_memory_bytes(&hp, &sgd, &dp), 50000000, "half of one moment");
    tap_int(dgm_model_memory_bytes(&hp, &adam, &tp), 60000000, "with tp half of all, and the model for validation");
    tap_err(dgm_model_memory_check(&hp, &adam, &dp, (dgm_host_memory){.total = 119000000}), DGM_ERR_NOMEM, "a host too small for both");
    tap_error_says("needs at least 0.1 GB in each rank, so 0.1 GB on ");
    tap_err(dgm_model_memory_check(&hp, &adam, &apart, (dgm_host_memory){.total = 119000000}), DGM_OK, "is large enough for one");
    tap_err(dgm_model_memory_check(&hp, &adam, &dp, (dgm_host_memory){.total = 121000000, .available = 1}), DGM_OK, "what is free now is no reason to refuse");
    tap_err(dgm_model_memory_check(&hp, &adam, &dp, (dgm_host_memory){0}), DGM_OK, "nor is what is not known");
    dgm_host_memory has = dgm_host_memory_read();
    tap_ok(has.total > 1 << 26 && has.available > 0 && has.available <= has.total, "this host: %lld bytes, %lld available", (long long)has.total,
           (long long)has.available);
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

    char *cut_words[] = {"train", "--dropout", "0.3", "--bpe-dropout", "0.1"};
    dgm_config *cut = parse(5, cut_words);
    json_t *saved_cut = dgm_train_experiment(cut, false);
    tap_ok(json_object_get(saved, "bpe_dropout") == NULL && json_object_get(saved_cut, "bpe_dropout") != NULL, "bpe_dropout is told where it is not 0");
    tap_err(dgm_train_experiment_check(cut, false, saved_cut, "step-7"), DGM_OK, "the same bpe_dropout");
    tap_err(dgm_train_experiment_check(plain, false, saved_cut, "step-7"), DGM_ERR_INPUT, "none any more");
    tap_error_says("bpe_dropout = 0.1, not 0.0");
    tap_err(dgm_train_experiment_check(cut, false, saved, "step-7"), DGM_ERR_INPUT, "one where there was none");
    tap_error_says("bpe_dropout = 0, not 0.1");
    json_decref(saved_cut);
    dgm_config_destroy(cut);

    check_virtual_tp();
    check_tp();
    check_memory();

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
