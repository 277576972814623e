/* train: prepares if given text, then loops: step, validate, save. */
#include "dgm/cli.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/prepare.h"
#include "dgm/repeat.h"
#include "dgm/timer.h"
#include "dgm/train_run.h"

#include <stdlib.h>
#include <string.h>

/* ---- text instead of DATA ---- */

/* RUN/data from text.  That of a run with checkpoints stays as it is: they were trained on it.  On rank 0. */
static dgm_err prepare_here(const dgm_config *config, const char *dir)
{
    dgm_prepare_options options = {0};
    dgm_prepare_report report;
    int64_t *steps = NULL;
    int n_checkpoints = 0;
    DGM_TRY(dgm_ckpt_list(dgm_config_text(config, "out"), &steps, &n_checkpoints));
    free(steps);
    if (n_checkpoints > 0 && dgm_io_exists(dir)) return DGM_OK;
    DGM_TRY(dgm_train_run_check_begins(dgm_config_text(config, "out")));
    dgm_err err = dgm_prepare_options_init(config, &options);
    options.out = dir;
    options.overwrite = true;
    if (err == DGM_OK) err = dgm_prepare(&options, &report);
    if (err == DGM_OK) dgm_prepare_log(&report);
    dgm_prepare_options_fini(&options);
    return err;
}

/* Options of prepare say nothing to a run that is given its data. */
static dgm_err check_no_text(const dgm_config *config)
{
    for (const dgm_option *o = dgm_prepare_option_table; o->name != NULL; o++)
        if (dgm_config_given(config, o->name))
            return DGM_FAIL(DGM_ERR_USAGE, "%s has no effect with --data: it is for text, which prepare or train --src ... --tgt ... read", o->name);
    return DGM_OK;
}

/* DGM_ERR_USAGE unless either data or text is given. */
static dgm_err check_source(const dgm_config *config)
{
    DGM_TRY(dgm_config_require(config, "out"));
    bool has_text = dgm_config_has(config, "src") || dgm_config_has(config, "tsv");
    if (dgm_config_has(config, "data") == has_text)
        return DGM_FAIL(DGM_ERR_USAGE, "expected either --data DATA, made by prepare, or text in --src, --tgt, --valid-src and --valid-tgt");
    return has_text ? DGM_OK : check_no_text(config);
}

/* The DATA folder to train on; the caller frees it.  Collective on run->grid->world. */
static dgm_err data_folder(const dgm_train_run *run, char **out)
{
    bool has_text = !dgm_config_has(run->config, "data");
    char *dir = has_text ? dgm_io_join(run->dir, "data") : strdup(dgm_config_text(run->config, "data"));
    dgm_err err = dir != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "path of the data");
    if (err == DGM_OK && has_text && run->grid->rank == 0) err = prepare_here(run->config, dir);
    dgm_err rested = dgm_coll_rest(run->grid, DGM_AXIS_WORLD);
    if (err == DGM_OK) err = rested;
    err = dgm_coll_agree(run->grid, DGM_AXIS_WORLD, err);
    if (err == DGM_OK) {
        *out = dir;
        return DGM_OK;
    }
    free(dir);
    return err == DGM_ERR_STOPPED ? dgm_train_run_stopped_early(run) : err;
}

/* ---- the loop ---- */

/* What is going to be trained, on what, how, and where it goes. */
static void say_head(const dgm_train_run *run)
{
    const dgm_hparams *hp = &run->params->hp;
    const dgm_shard_totals *data = dgm_dataset_train_totals(run->dataset);
    const dgm_train_settings *s = &run->settings;
    dgm_log(DGM_LOG_INFO, "model: %lld parameters, %lld + %lld layers of width %lld, %lld heads, vocabulary %lld%s",
            (long long)dgm_hparams_n_parameters(hp), (long long)hp->n_encoder_layers, (long long)hp->n_decoder_layers, (long long)hp->d_model,
            (long long)hp->n_heads, (long long)hp->tgt_vocab_size, s->update.precision == DGM_PRECISION_BF16 ? ", bf16 products" : "");
    dgm_log(DGM_LOG_INFO, "data: %s, %lld sentence pairs, %lld target tokens", run->data_dir, (long long)data->n_pairs, (long long)data->n_tgt_tokens);
    dgm_log(DGM_LOG_INFO, "%d rank%s (dp %d x tp %d), updates %lld to %lld of at most %lld target tokens; everything goes to %s", run->grid->size,
            run->grid->size == 1 ? "" : "s", run->grid->dp_size, run->grid->tp_size, (long long)run->step + 1, (long long)s->max_steps,
            (long long)s->batch_tokens, run->dir);
}

/* `repeat`: the run whose result this one should have; NULL: none. */
static dgm_err train(dgm_train_run *run, const dgm_repeat *repeat)
{
    const dgm_train_settings *s = &run->settings;
    bool stop = false, over = dgm_train_run_is_over(run);
    if (!over) say_head(run);
    while (!over && !stop) {
        bool is_best = false;
        DGM_TRY(dgm_train_run_step(run));
        DGM_TRY(dgm_train_run_stop_asked(run, &stop));
        over = dgm_train_run_is_over(run);
        bool validates = over || (s->validate_every > 0 && run->step % s->validate_every == 0);
        if (validates) {
            DGM_TRY(dgm_train_run_validate(run, &is_best));
            over = dgm_train_run_is_over(run);
        }
        if (over || stop || is_best || run->step % s->checkpoint_every == 0) DGM_TRY(dgm_train_run_save(run, is_best));
    }
    DGM_TRY(dgm_run_log_summary(run->log, dgm_trainer_arena_bytes(run->trainer)));
    if (!over)
        return DGM_FAIL(DGM_ERR_STOPPED, "stopped after step %lld, all saved in %s: the same command with --resume auto goes on", (long long)run->step,
                        run->dir);
    DGM_TRY(dgm_train_run_finish(run));
    if (repeat == NULL) return DGM_OK;
    return dgm_coll_agree(run->grid, DGM_AXIS_WORLD, run->grid->rank == 0 ? dgm_repeat_compare(repeat, run->dir) : DGM_OK);
}

static dgm_err run(dgm_config *config)
{
    char *data = NULL;
    dgm_train_run state = {.lock = -1};
    dgm_repeat repeat = {0};
    bool repeats = dgm_config_has(config, "repeat");
    dgm_err err = repeats ? dgm_repeat_begin(config, &repeat) : DGM_OK;
    if (err == DGM_OK) err = check_source(config);
    if (err == DGM_OK) err = dgm_train_run_claim(config, &state);
    if (err == DGM_OK) err = data_folder(&state, &data);
    if (err == DGM_OK) err = dgm_train_run_open(data, &state);
    if (err == DGM_OK) err = train(&state, repeats ? &repeat : NULL);
    dgm_train_run_close(&state);
    dgm_repeat_fini(&repeat);
    free(data);
    return err;
}

int dgm_cmd_train(int argc, char **argv)
{
    static const dgm_option *const tables[] = {dgm_train_run_options, dgm_train_model_options, dgm_train_update_options, dgm_prepare_option_table};
    static const dgm_cli_command command = {.name = "train",
                                            .synopsis = "--data DATA --out RUN [options]",
                                            .summary = "Trains a translation model on prepared data, or on text given with --src, --tgt, --valid-src and "
                                                       "--valid-tgt. Start it under mpirun or srun: the ranks are data-parallel times --tp.",
                                            .tables = tables,
                                            .n_tables = 4,
                                            .uses_mpi = true,
                                            .stops = true,
                                            .run = run};
    return dgm_cli_run(&command, argc, argv);
}
