/* Names, ranges and defaults of everything that training can be told. */
#include "dgm/train_options.h"

#include "dgm/prepare.h"

#include <stdlib.h>
#include <string.h>

const dgm_option dgm_train_model_options[] = {
    {"d_model", DGM_OPTION_INT, "512", 8, 65536, NULL, "N", "width of the model"},
    {"d_ff", DGM_OPTION_INT, "2048", 8, 524288, NULL, "N", "width of the feed-forward layers"},
    {"n_heads", DGM_OPTION_INT, "8", 1, 128, NULL, "N", "attention heads"},
    {"n_encoder_layers", DGM_OPTION_INT, "6", 1, 200, NULL, "N", "encoder layers"},
    {"n_decoder_layers", DGM_OPTION_INT, "6", 1, 200, NULL, "N", "decoder layers"},
    {"norm", DGM_OPTION_CHOICE, "post", 0, 0, "post|pre", NULL, "layer norm after the residual sum (2017) or before the sublayer"},
    {"activation", DGM_OPTION_CHOICE, "relu", 0, 0, "relu|gelu", NULL, "of the feed-forward layers"},
    {"virtual_tp", DGM_OPTION_INT, "0", 0, 64, NULL, "N", "pieces a layer is cut into, whatever tp is; 0: from n_heads"},
    {0}};

const dgm_option dgm_train_update_options[] = {
    {"batch_tokens", DGM_OPTION_INT, "4096", 1, 1 << 28, NULL, "N", "target tokens of an update over all ranks"},
    {"micro_batch_tokens", DGM_OPTION_INT, "0", 0, 1 << 28, NULL, "N", "tokens a rank computes at once: memory only; 0: all of its share"},
    {"virtual_dp", DGM_OPTION_INT, "8", 1, 64, NULL, "N", "leaves a batch is cut into, whatever dp is: a power of two"},
    {"reduction", DGM_OPTION_CHOICE, "fixed", 0, 0, "fixed|fast", NULL, "order of sums: fixed gives the same bits on every layout, fast does not"},
    {"precision", DGM_OPTION_CHOICE, "fp32", 0, 0, "fp32|bf16", NULL, "of what is multiplied in matrix products; all else is fp32 either way"},
    {"seed", DGM_OPTION_INT, "1", 0, 9e15, NULL, "N", "of all random bits"},
    {"dropout", DGM_OPTION_REAL, "0.1", 0, 0.95, NULL, "P", "of embeddings and of what sublayers add"},
    {"attention_dropout", DGM_OPTION_REAL, "0", 0, 0.95, NULL, "P", "of attention weights"},
    {"activation_dropout", DGM_OPTION_REAL, "0", 0, 0.95, NULL, "P", "inside the feed-forward layers"},
    {"bpe_dropout", DGM_OPTION_REAL, "0", 0, 0.95, NULL, "P", "of merges, each time a training sentence is seen (Provilkov et al. 2020)"},
    {"label_smoothing", DGM_OPTION_REAL, "0.1", 0, 0.99, NULL, "E", "weight of the uniform distribution"},
    {"optimizer", DGM_OPTION_CHOICE, "adam", 0, 0, "adam|adamw|sgd", NULL, "update rule"},
    {"beta1", DGM_OPTION_REAL, "0.9", 0, 0.999999, NULL, "B", "adam, adamw: decay of the first moment"},
    {"beta2", DGM_OPTION_REAL, "0.98", 0, 0.999999, NULL, "B", "adam, adamw: decay of the second moment"},
    {"eps", DGM_OPTION_REAL, "1e-9", 1e-20, 1, NULL, "E", "adam, adamw: added to the denominator"},
    {"weight_decay", DGM_OPTION_REAL, "0", 0, 10, NULL, "W", "adamw, sgd: of matrices and embeddings"},
    {"momentum", DGM_OPTION_REAL, "0", 0, 0.9999, NULL, "M", "sgd"},
    {"clip_norm", DGM_OPTION_REAL, "0", 0, 1e9, NULL, "G", "largest 2-norm of the gradient; 0: no clipping"},
    {"schedule", DGM_OPTION_CHOICE, "inverse-sqrt", 0, 0, "noam|inverse-sqrt|cosine|constant", NULL, "of the learning rate"},
    {"learning_rate", DGM_OPTION_REAL, "0.0007", 0, 1000, NULL, "R", "peak of the schedule; noam: its factor"},
    {"warmup_steps", DGM_OPTION_INT, "4000", 0, 1 << 30, NULL, "N", "updates over which the rate grows"},
    {"freeze", DGM_OPTION_CHOICE, "none", 0, 0, "none|embeddings", NULL, "parameters that stay as they are"},
    {"max_steps", DGM_OPTION_INT, "100000", 1, 1 << 30, NULL, "N", "updates"},
    {0}};

const dgm_option dgm_train_run_options[] = {
    {"config", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "settings from a file, or a preset: tiny, small, base, big, demo"},
    {"data", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "DATA", "folder made by prepare"},
    {"out", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "RUN", "folder of the run"},
    {"resume", DGM_OPTION_TEXT, "no", 0, 0, NULL, "auto|no|DIR", "go on from the newest whole checkpoint of RUN, or from DIR"},
    {"init", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "MODEL", "start from the parameters of a model (fine-tuning)"},
    {"repeat", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "RUN", "repeat the run of RUN/run.json and say whether the result is the same"},
    {"any_machine", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "with --repeat or --resume: also where products round otherwise"},
    {"tp", DGM_OPTION_INT, "1", 1, 64, NULL, "N", "ranks that share one copy of the model"},
    {"overlap", DGM_OPTION_CHOICE, "on", 0, 0, "on|off", NULL, "gradients and parameters travel while layers compute; changes no bit"},
    {"threads", DGM_OPTION_INT, "1", 1, 1024, NULL, "N", "threads per rank for matrix products"},
    {"max_epochs", DGM_OPTION_INT, "0", 0, 1 << 30, NULL, "N", "passes over the training part; 0: no limit"},
    {"log_every", DGM_OPTION_INT, "50", 1, 1 << 30, NULL, "N", "updates per line of metrics"},
    {"trace_hash", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "write hashes of all gradients and weights to RUN/trace.jsonl, for dragoman compare"},
    {"trace_hash_every", DGM_OPTION_INT, "1", 1, 1 << 30, NULL, "N", "updates per line of trace.jsonl"},
    {"validate_every", DGM_OPTION_INT, "500", 0, 1 << 30, NULL, "N", "updates per validation; 0: at the end only"},
    {"bleu_every", DGM_OPTION_INT, "0", 0, 1 << 30, NULL, "K", "every K-th validation also translates and computes BLEU; 0: never"},
    {"best_by", DGM_OPTION_CHOICE, "nll", 0, 0, "nll|bleu", NULL, "what the best checkpoint is best in, on the validation part"},
    {"patience", DGM_OPTION_INT, "0", 0, 1 << 30, NULL, "N", "validations without improvement that end training; 0: none do"},
    {"checkpoint_every", DGM_OPTION_INT, "500", 1, 1 << 30, NULL, "N", "updates per checkpoint"},
    {"keep_checkpoints", DGM_OPTION_INT, "3", 1, 10000, NULL, "N", "newest checkpoints kept, besides the best"},
    {"average_last", DGM_OPTION_INT, "0", 0, 1000, NULL, "N", "result is the mean of the last N checkpoints of checkpoint_every and the end; 0: the best one"},
    {0}};

static dgm_err read_update(const dgm_config *c, int64_t d_model, dgm_train_options *out)
{
    dgm_train_options o = {.seed = (uint64_t)dgm_config_int(c, "seed"),
                           .virtual_dp = (int)dgm_config_int(c, "virtual_dp"),
                           .reduction = strcmp(dgm_config_text(c, "reduction"), "fast") == 0 ? DGM_REDUCE_FAST : DGM_REDUCE_FIXED,
                           .precision = strcmp(dgm_config_text(c, "precision"), "bf16") == 0 ? DGM_PRECISION_BF16 : DGM_PRECISION_FP32,
                           .overlap = strcmp(dgm_config_text(c, "overlap"), "on") == 0,
                           .dropout = dgm_config_real(c, "dropout"),
                           .attention_dropout = dgm_config_real(c, "attention_dropout"),
                           .activation_dropout = dgm_config_real(c, "activation_dropout"),
                           .label_smoothing = dgm_config_real(c, "label_smoothing"),
                           .clip_norm = dgm_config_real(c, "clip_norm"),
                           .schedule = {.peak = dgm_config_real(c, "learning_rate"),
                                        .warmup_steps = dgm_config_int(c, "warmup_steps"),
                                        .max_steps = dgm_config_int(c, "max_steps"),
                                        .d_model = d_model},
                           .optimizer = {.beta1 = dgm_config_real(c, "beta1"),
                                         .beta2 = dgm_config_real(c, "beta2"),
                                         .eps = dgm_config_real(c, "eps"),
                                         .weight_decay = dgm_config_real(c, "weight_decay"),
                                         .momentum = dgm_config_real(c, "momentum"),
                                         .freeze_embeddings = strcmp(dgm_config_text(c, "freeze"), "embeddings") == 0}};
    DGM_TRY(dgm_gemm_check_precision(o.precision));
    DGM_TRY(dgm_schedule_parse(dgm_config_text(c, "schedule"), &o.schedule.kind));
    DGM_TRY(dgm_optimizer_parse(dgm_config_text(c, "optimizer"), &o.optimizer.kind));
    if ((o.virtual_dp & (o.virtual_dp - 1)) != 0)
        return DGM_FAIL(DGM_ERR_USAGE, "virtual_dp = %d: expected a power of two", o.virtual_dp);
    if (o.optimizer.weight_decay > 0 && o.optimizer.kind == DGM_OPTIMIZER_ADAM)
        return DGM_FAIL(DGM_ERR_USAGE, "weight_decay = %g with optimizer = adam: expected adamw or sgd", o.optimizer.weight_decay);
    *out = o;
    return DGM_OK;
}

dgm_err dgm_train_settings_read(const dgm_config *config, int64_t d_model, dgm_train_settings *out)
{
    dgm_train_settings s = {.batch_tokens = dgm_config_int(config, "batch_tokens"),
                            .micro_batch_tokens = dgm_config_int(config, "micro_batch_tokens"),
                            .bpe_dropout = dgm_config_real(config, "bpe_dropout"),
                            .max_steps = dgm_config_int(config, "max_steps"),
                            .max_epochs = dgm_config_int(config, "max_epochs"),
                            .log_every = dgm_config_int(config, "log_every"),
                            .trace_every = dgm_config_flag(config, "trace_hash") ? dgm_config_int(config, "trace_hash_every") : 0,
                            .validate_every = dgm_config_int(config, "validate_every"),
                            .bleu_every = dgm_config_int(config, "bleu_every"),
                            .checkpoint_every = dgm_config_int(config, "checkpoint_every"),
                            .patience = dgm_config_int(config, "patience"),
                            .keep_checkpoints = (int)dgm_config_int(config, "keep_checkpoints"),
                            .average_last = (int)dgm_config_int(config, "average_last"),
                            .best_by = strcmp(dgm_config_text(config, "best_by"), "bleu") == 0 ? DGM_BEST_BY_BLEU : DGM_BEST_BY_NLL,
                            .tp = (int)dgm_config_int(config, "tp"),
                            .threads = (int)dgm_config_int(config, "threads")};
    DGM_TRY(read_update(config, d_model, &s.update));
    if (s.best_by == DGM_BEST_BY_BLEU && s.bleu_every == 0)
        return DGM_FAIL(DGM_ERR_USAGE, "best_by = bleu without validation BLEU: expected bleu_every of at least 1");
    *out = s;
    return DGM_OK;
}

/* The pieces of a layer: a setting of 0 stands for what suits the heads. */
static int64_t pieces(int64_t virtual_tp, int64_t n_heads) { return virtual_tp != 0 ? virtual_tp : dgm_hparams_default_virtual_tp(n_heads); }

int64_t dgm_train_pieces(const dgm_config *config) { return pieces(dgm_config_int(config, "virtual_tp"), dgm_config_int(config, "n_heads")); }

dgm_err dgm_train_tp_check(const dgm_config *config, int n_ranks)
{
    bool of_model = dgm_config_has(config, "init") || strcmp(dgm_config_text(config, "resume"), "no") != 0; /* whose shape is not known yet */
    return dgm_grid_check((int)dgm_config_int(config, "tp"), n_ranks, of_model ? 0 : dgm_train_pieces(config));
}

dgm_err dgm_train_hparams_read(const dgm_config *config, int64_t src_vocab_size, int64_t tgt_vocab_size, bool joint_vocab, dgm_hparams *out)
{
    dgm_hparams hp = {.d_model = dgm_config_int(config, "d_model"),
                      .d_ff = dgm_config_int(config, "d_ff"),
                      .n_heads = dgm_config_int(config, "n_heads"),
                      .n_encoder_layers = dgm_config_int(config, "n_encoder_layers"),
                      .n_decoder_layers = dgm_config_int(config, "n_decoder_layers"),
                      .src_vocab_size = src_vocab_size,
                      .tgt_vocab_size = tgt_vocab_size,
                      .joint_vocab = joint_vocab,
                      .norm = strcmp(dgm_config_text(config, "norm"), "pre") == 0 ? DGM_NORM_PRE : DGM_NORM_POST,
                      .activation = strcmp(dgm_config_text(config, "activation"), "gelu") == 0 ? DGM_ACTIVATION_GELU : DGM_ACTIVATION_RELU,
                      .virtual_tp = dgm_train_pieces(config),
                      .norm_eps = 1e-5f};
    DGM_TRY(dgm_hparams_check(&hp));
    *out = hp;
    return DGM_OK;
}

static dgm_err differs(const char *name, const char *asked, const char *where, const char *has)
{
    return DGM_FAIL(DGM_ERR_USAGE, "%s = %s, but the model that training begins with, %s, has %s: leave it out, or give that", name, asked, where, has);
}

dgm_err dgm_train_hparams_check(const dgm_config *config, const dgm_hparams *hp, const char *where)
{
    const struct { const char *name; int64_t value; } numbers[] = {{"d_model", hp->d_model}, {"d_ff", hp->d_ff}, {"n_heads", hp->n_heads},
        {"n_encoder_layers", hp->n_encoder_layers}, {"n_decoder_layers", hp->n_decoder_layers}, {"virtual_tp", hp->virtual_tp}};
    const struct { const char *name, *value; } words[] = {{"norm", hp->norm == DGM_NORM_PRE ? "pre" : "post"},
        {"activation", hp->activation == DGM_ACTIVATION_GELU ? "gelu" : "relu"}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        int64_t asked = dgm_config_int(config, numbers[i].name);
        if (strcmp(numbers[i].name, "virtual_tp") == 0) asked = pieces(asked, hp->n_heads);
        char a[24], b[24];
        snprintf(a, sizeof a, "%lld", (long long)asked);
        snprintf(b, sizeof b, "%lld", (long long)numbers[i].value);
        if (dgm_config_given(config, numbers[i].name) && asked != numbers[i].value) return differs(numbers[i].name, a, where, b);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (dgm_config_given(config, words[i].name) && strcmp(dgm_config_text(config, words[i].name), words[i].value) != 0)
            return differs(words[i].name, dgm_config_text(config, words[i].name), where, words[i].value);
    return DGM_OK;
}

/* Settings of the tables above that change speed or memory, or how long training goes on, but no bit of what is learned until then. */
static bool decides(const char *name, bool cosine)
{
    if (strcmp(name, "micro_batch_tokens") == 0) return false;
    if (strcmp(name, "max_steps") == 0) return cosine;
    return true;
}

dgm_effect dgm_train_setting_effect(const char *name, dgm_circumstances in)
{
    if (in.fast && (strcmp(name, "tp") == 0 || strcmp(name, "micro_batch_tokens") == 0)) return DGM_EFFECT_BITS;
    static const char *const record[] = {"max_epochs", "log_every", "validate_every", "bleu_every", "best_by", "patience", "checkpoint_every", "average_last"};
    if (dgm_option_in(dgm_train_model_options, name) || dgm_option_in(dgm_train_update_options, name)) {
        if (decides(name, in.cosine)) return DGM_EFFECT_BITS;
        return strcmp(name, "max_steps") == 0 ? DGM_EFFECT_RECORD : DGM_EFFECT_NONE;
    }
    for (size_t i = 0; i < sizeof record / sizeof record[0]; i++)
        if (strcmp(record[i], name) == 0) return DGM_EFFECT_RECORD;
    return dgm_option_in(dgm_train_run_options, name) || dgm_option_in(dgm_prepare_option_table, name) ? DGM_EFFECT_NONE : DGM_EFFECT_BITS;
}

static json_t *value_of(const dgm_config *config, const dgm_option *option)
{
    if (strcmp(option->name, "virtual_tp") == 0) return json_integer((json_int_t)dgm_train_pieces(config)); /* the same experiment, however it is told */
    switch (option->kind) {
    case DGM_OPTION_INT: return json_integer((json_int_t)dgm_config_int(config, option->name));
    case DGM_OPTION_REAL: return json_real(dgm_config_real(config, option->name));
    case DGM_OPTION_FLAG: return json_boolean(dgm_config_flag(config, option->name));
    case DGM_OPTION_TEXT:
    case DGM_OPTION_CHOICE: return json_string(dgm_config_text(config, option->name));
    case DGM_OPTION_LIST: break;
    }
    return json_null();
}

/* What a checkpoint says of a setting, NULL: nothing.  Earlier versions wrote virtual_tp as it was told.  A new reference. */
static json_t *value_before(const json_t *saved, const char *name)
{
    json_t *value = json_object_get(saved, name);
    if (value == NULL || strcmp(name, "virtual_tp") != 0) return json_incref(value);
    return json_integer((json_int_t)pieces(json_integer_value(value), json_integer_value(json_object_get(saved, "n_heads"))));
}

/* The settings that make up the experiment. */
static const dgm_option *const experiment_tables[] = {dgm_train_model_options, dgm_train_update_options};

/* Whether a setting has its default: what it meant to versions that did not have it yet. */
static bool is_default(const dgm_config *config, const char *name)
{
    for (int t = 0; t < 2; t++)
        for (const dgm_option *o = experiment_tables[t]; o->name != NULL; o++) {
            if (strcmp(o->name, name) != 0 || o->fallback == NULL) continue;
            if (o->kind == DGM_OPTION_INT) return dgm_config_int(config, name) == atoll(o->fallback);
            if (o->kind == DGM_OPTION_REAL) return dgm_config_real(config, name) == atof(o->fallback);
            return o->kind == DGM_OPTION_CHOICE && strcmp(dgm_config_text(config, name), o->fallback) == 0;
        }
    return false;
}

const char *dgm_train_setting_unwritten(const char *name) { return strcmp(name, "bpe_dropout") == 0 ? "0" : ""; }

/* Models trained without such settings keep their bytes. */
bool dgm_train_setting_is_written(const dgm_config *config, const char *name)
{
    return *dgm_train_setting_unwritten(name) == '\0' || !is_default(config, name);
}

static bool is_cosine(const dgm_config *config) { return strcmp(dgm_config_text(config, "schedule"), "cosine") == 0; }

json_t *dgm_train_experiment(const dgm_config *config, bool from_init)
{
    json_t *object = json_object();
    int first = from_init ? 1 : 0; /* the architecture is then the model's, whatever the settings say */
    for (int t = first; t < 2 && object != NULL; t++)
        for (const dgm_option *o = experiment_tables[t]; o->name != NULL; o++)
            if (decides(o->name, is_cosine(config)) && dgm_train_setting_is_written(config, o->name) && json_object_set_new(object, o->name, value_of(config, o)) != 0) {
                json_decref(object);
                return NULL;
            }
    return object;
}

/* One setting against what the checkpoint says of it. */
static dgm_err check_setting(const dgm_config *config, const dgm_option *option, const json_t *saved, const char *where)
{
    const size_t shown = JSON_ENCODE_ANY | JSON_REAL_PRECISION(12);
    json_t *before = value_before(saved, option->name), *now = value_of(config, option);
    bool same = before != NULL ? json_equal(now, before) : is_default(config, option->name); /* older than the setting */
    dgm_err err = DGM_OK;
    if (!same) {
        char *was = before != NULL ? json_dumps(before, shown) : option->fallback != NULL ? strdup(option->fallback) : NULL, *is = json_dumps(now, shown);
        err = DGM_FAIL(DGM_ERR_INPUT, "%s was trained with %s = %s, not %s: give the same settings to go on, or another --out to begin anew", where,
                       option->name, was != NULL ? was : "(unset)", is != NULL ? is : "?");
        free(was);
        free(is);
    }
    json_decref(now);
    json_decref(before);
    return err;
}

dgm_err dgm_train_experiment_check(const dgm_config *config, bool from_init, const json_t *saved, const char *where)
{
    for (int t = from_init ? 1 : 0; t < 2; t++)
        for (const dgm_option *o = experiment_tables[t]; o->name != NULL; o++)
            if (decides(o->name, is_cosine(config))) DGM_TRY(check_setting(config, o, saved, where));
    return DGM_OK;
}
