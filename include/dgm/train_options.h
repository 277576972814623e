/* The options of training: one table of names, and the structures they become. */
#ifndef DGM_TRAIN_OPTIONS_H
#define DGM_TRAIN_OPTIONS_H

#include "dgm/config.h"
#include "dgm/step.h"

#include <jansson.h>

/* Tables for dgm_config_create, each ended by an entry without a name. */
extern const dgm_option dgm_train_model_options[];  /* the architecture */
extern const dgm_option dgm_train_update_options[]; /* batches, regularisation, optimizer, schedule */
extern const dgm_option dgm_train_run_options[];    /* files, layout, validation, checkpoints */

typedef enum { DGM_BEST_BY_NLL, DGM_BEST_BY_BLEU } dgm_best_by;

typedef struct {
    dgm_train_options update;
    int64_t batch_tokens, micro_batch_tokens;
    double bpe_dropout;
    int64_t max_steps, max_epochs; /* 0 epochs: no limit */
    int64_t log_every, validate_every, bleu_every, checkpoint_every; /* steps; bleu_every counts validations, 0: never */
    int64_t trace_every;           /* updates per line of trace.jsonl; 0: no trace */
    int64_t patience;              /* validations without improvement; 0: no early stopping */
    int keep_checkpoints, average_last;
    dgm_best_by best_by;
    int tp, threads;
} dgm_train_settings;

/* DGM_ERR_USAGE for settings that contradict each other.  d_model: of the model, for the noam schedule. */
dgm_err dgm_train_settings_read(const dgm_config *config, int64_t d_model, dgm_train_settings *out);

/* The pieces that the settings cut a layer into: virtual_tp, or what 0 stands for. */
int64_t dgm_train_pieces(const dgm_config *config);

/* DGM_ERR_USAGE, saying what would go, when --tp does not fit to the number of ranks and to the pieces of a layer, as far as the settings say them. */
dgm_err dgm_train_tp_check(const dgm_config *config, int n_ranks);

/* The architecture the options ask for; vocabulary sizes come from DATA. */
dgm_err dgm_train_hparams_read(const dgm_config *config, int64_t src_vocab_size, int64_t tgt_vocab_size, bool joint_vocab, dgm_hparams *out);

/* DGM_ERR_USAGE naming a setting that the user gave and that is not as in `hp`, the shape of the model `where`. */
dgm_err dgm_train_hparams_check(const dgm_config *config, const dgm_hparams *hp, const char *where);

/* What a setting can change. */
typedef enum {
    DGM_EFFECT_NONE,   /* nothing that training leaves but what run.json and timing.jsonl say: layout, speed, memory, places */
    DGM_EFFECT_RECORD, /* what metrics.jsonl holds, when training ends, which checkpoint becomes the result: no bit of an update */
    DGM_EFFECT_BITS    /* what is learned */
} dgm_effect;

/* What other settings say about the effect of one. */
typedef struct {
    bool cosine; /* the schedule depends on max_steps */
    bool fast;   /* reduction = fast: the layout decides the order of sums */
} dgm_circumstances;

/* Settings of prepare show in the data, not here; what is not known may change bits. */
dgm_effect dgm_train_setting_effect(const char *name, dgm_circumstances in);

/* The settings that decide what is learned, name -> value: what a checkpoint remembers and a resumed run must agree with; those of the
 * architecture not when the run began with --init.  A new reference; NULL when memory ends. */
json_t *dgm_train_experiment(const dgm_config *config, bool from_init);

/* Whether the setting is told to records at all: some that later versions brought are not where they have their default, so that what is trained
 * without them is recorded as it was before them. */
bool dgm_train_setting_is_written(const dgm_config *config, const char *name);
/* What such a setting was where a record does not have it, as text; "" of others. */
const char *dgm_train_setting_unwritten(const char *name);

/* DGM_ERR_INPUT naming the first setting of `config` that is not as in `saved`. */
dgm_err dgm_train_experiment_check(const dgm_config *config, bool from_init, const json_t *saved, const char *where);

#endif
