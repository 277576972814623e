/* Opening and closing a run, and its three verbs: step, validate, save. */
#include "dgm/train_run.h"

#include "dgm/gemm.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/model_memory.h"
#include "dgm/placement.h"
#include "dgm/run_record.h"
#include "dgm/stop.h"
#include "dgm/timer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static dgm_err agree(const dgm_train_run *run, dgm_err err) { return dgm_coll_agree(run->grid, DGM_AXIS_WORLD, err); }

/* ---- opening ---- */

static dgm_err tokenizer_texts(dgm_train_run *run)
{
    DGM_TRY(dgm_tokenizer_to_json(dgm_dataset_tokenizer(run->dataset, DGM_SIDE_SRC), &run->tokenizer));
    if (dgm_dataset_joint_vocab(run->dataset)) return DGM_OK;
    return dgm_tokenizer_to_json(dgm_dataset_tokenizer(run->dataset, DGM_SIDE_TGT), &run->tgt_tokenizer);
}

/* Another tokenizer would give every row of the embeddings another meaning. */
static dgm_err check_tokenizer(const dgm_train_run *run, const dgm_model_file *file)
{
    const dgm_model_strings own = {.tokenizer = run->tokenizer.text, .tgt_tokenizer = run->tgt_tokenizer.text};
    if (dgm_model_same_tokenizers(dgm_model_file_strings(file), &own)) return DGM_OK;
    return DGM_FAIL(DGM_ERR_INPUT, "%s has another tokenizer than the data: prepare the data with --tokenizer %s", dgm_model_file_path(file),
                    dgm_model_file_path(file));
}

/* The model's shape: that of the model to begin with, or of the checkpoint of a run that began so; else what the settings ask for. */
static dgm_err choose_hparams(const dgm_train_run *run, const dgm_model_file *init, dgm_hparams *out)
{
    if (init == NULL)
        return dgm_train_hparams_read(run->config, dgm_dataset_vocab_size(run->dataset, DGM_SIDE_SRC), dgm_dataset_vocab_size(run->dataset, DGM_SIDE_TGT),
                                      dgm_dataset_joint_vocab(run->dataset), out);
    *out = *dgm_model_file_hparams(init);
    DGM_TRY(dgm_train_hparams_check(run->config, out, dgm_model_file_path(init)));
    return run->resume_path != NULL ? DGM_OK : check_tokenizer(run, init);
}

/* What the model of --init is, wherever it lies. */
static dgm_err hash_init(dgm_train_run *run, const dgm_model_file *init)
{
    DGM_TRY(agree(run, run->grid->rank == 0 ? dgm_sha256_file(dgm_model_file_path(init), run->init_sha256) : DGM_OK));
    run->from_init = true;
    return dgm_coll_broadcast(run->grid, DGM_AXIS_WORLD, 0, run->init_sha256, (int64_t)sizeof run->init_sha256);
}

static dgm_err make_model(dgm_train_run *run)
{
    dgm_hparams hp;
    dgm_model_file *init = NULL;
    bool begins = run->resume_path == NULL;
    const char *path = begins ? dgm_config_text(run->config, "init") : run->from_init ? run->resume_path : NULL;
    dgm_err err = path != NULL ? dgm_model_file_open(path, &init) : DGM_OK;
    if (begins) err = dgm_error_context(err, "--init");
    if (err == DGM_OK) err = choose_hparams(run, init, &hp);
    if (err == DGM_OK) err = dgm_train_settings_read(run->config, hp.d_model, &run->settings);
    if (err == DGM_OK) err = dgm_model_memory_check(&hp, &run->settings.update.optimizer, run->grid, dgm_host_memory_read());
    if (err == DGM_OK) err = dgm_params_create(&hp, run->grid->tp_rank, run->grid->tp_size, &run->params);
    if (err == DGM_OK) err = dgm_params_alloc(run->params, &run->flat);
    if (err == DGM_OK && init != NULL && begins) err = dgm_model_file_read(init, run->params, run->flat);
    if (err == DGM_OK && init == NULL) dgm_params_init(run->params, run->settings.update.seed, run->flat);
    err = agree(run, err);
    if (err == DGM_OK && init != NULL && begins) err = hash_init(run, init);
    dgm_model_file_close(init);
    return err;
}

static dgm_err make_trainer(dgm_train_run *run)
{
    dgm_loader_options loader = {.seed = run->settings.update.seed,
                                 .batch_tokens = run->settings.batch_tokens,
                                 .micro_batch_tokens = run->settings.micro_batch_tokens,
                                 .bpe_dropout = run->settings.bpe_dropout,
                                 .virtual_dp = run->settings.update.virtual_dp,
                                 .replica = run->grid->dp_rank,
                                 .n_replicas = run->grid->dp_size};
    dgm_err err = dgm_trainer_create(run->params, run->grid, &run->settings.update, run->flat, &run->trainer);
    if (err == DGM_OK) err = dgm_loader_create(run->dataset, &loader, &run->loader);
    if (err == DGM_OK) err = dgm_validator_create(run->grid, run->dataset, run->params, run->flat, &run->validator);
    return agree(run, err);
}

/* Said at once rather than by whatever is written first. */
static dgm_err check_writable(const char *dir)
{
    if (access(dir, W_OK | X_OK) == 0) return DGM_OK;
    int reason = errno;
    if (dgm_io_holds(dir, "last"))
        return DGM_FAIL(DGM_ERR_IO, "%s: %s; make the folder writable, or go on in another --out with --resume %s/last", dir, strerror(reason), dir);
    return DGM_FAIL(DGM_ERR_IO, "%s: %s; make the folder writable, or choose another --out", dir, strerror(reason));
}

/* A folder, say, in the place of what will be written: said at once rather than when all is trained. */
static dgm_err check_places(const char *dir)
{
    static const struct { const char *name; mode_t type; const char *what; } places[] = {
        {"model.safetensors", S_IFREG, "file"}, {"run.json", S_IFREG, "file"},    {"metrics.jsonl", S_IFREG, "file"}, {"timing.jsonl", S_IFREG, "file"},
        {"trace.jsonl", S_IFREG, "file"},       {"last", S_IFLNK, "link"},        {"best", S_IFLNK, "link"},
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct stat st;
        bool is_link = places[i].type == S_IFLNK;
        char *path = dgm_io_join(dir, places[i].name);
        if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path in %s", dir);
        bool there = (is_link ? lstat(path, &st) : stat(path, &st)) == 0;
        dgm_err err = !there || (st.st_mode & S_IFMT) == places[i].type
                          ? DGM_OK
                          : DGM_FAIL(DGM_ERR_INPUT, "%s is %s, where train puts a %s: move it away, or choose another --out", path,
                                     S_ISDIR(st.st_mode) ? "a folder" : is_link ? "no link" : "no regular file", places[i].what);
        free(path);
        DGM_TRY(err);
    }
    return DGM_OK;
}

dgm_err dgm_train_run_check_begins(const char *dir)
{
    int64_t *steps = NULL;
    int n = 0;
    DGM_TRY(dgm_ckpt_list(dir, &steps, &n));
    free(steps);
    if (n > 0 || !dgm_io_holds(dir, "model.safetensors")) return DGM_OK;
    return DGM_FAIL(DGM_ERR_USAGE, "%s holds the result of a run, model.safetensors, and none of its checkpoints, without which it cannot be gone on with: "
                    "choose another --out, or move the run away", dir);
}

/* One process at a time trains in a folder; one with checkpoints is never overwritten by a run that does not go on from them. */
static dgm_err check_folder(dgm_train_run *run, const char *which)
{
    bool resumes = strcmp(which, "no") != 0;
    int64_t *steps = NULL;
    int n = 0;
    if (dgm_io_holds(run->dir, "manifest.json")) /* prepare --overwrite would take the run away with the data */
        return DGM_FAIL(DGM_ERR_USAGE, "--out %s is a DATA folder of prepare: choose another folder for the run", run->dir);
    DGM_TRY(dgm_io_make_dirs(run->dir));
    DGM_TRY(check_writable(run->dir));
    DGM_TRY(dgm_io_lock_dir(run->dir, &run->lock));
    DGM_TRY(check_places(run->dir));
    DGM_TRY(dgm_ckpt_list(run->dir, &steps, &n));
    free(steps);
    if (strcmp(which, "auto") == 0) return DGM_OK; /* looks for checkpoints itself, and puts back what a killed save had set aside */
    if (n == 0 || resumes) return dgm_train_run_check_begins(run->dir);
    return DGM_FAIL(DGM_ERR_USAGE, "%s holds a run with %d checkpoints: go on with --resume auto, or choose another --out", run->dir, n);
}

/* trace.jsonl, when it is asked for; one that an earlier part of the run has left goes no further than that part. */
static dgm_err open_trace(dgm_train_run *run)
{
    const uint64_t *weight;
    if (run->settings.trace_every == 0) return agree(run, run->grid->rank == 0 ? dgm_trace_cut_back(run->dir, run->step) : DGM_OK);
    DGM_TRY(agree(run, dgm_trainer_trace(run->trainer, run->settings.trace_every)));
    DGM_TRY(dgm_trainer_hash_weights(run->trainer, &weight));
    return dgm_trace_open(run->dir, run->step, run->grid, run->params, weight, &run->trace);
}

/* What run.json now tells of branching off: it may have been in an earlier start.  On rank 0. */
static dgm_err take_branch(dgm_train_run *run)
{
    json_t *record = NULL;
    DGM_TRY(dgm_run_record_read(run->dir, &record));
    run->branched_at = DGM_MAX(json_integer_value(json_object_get(dgm_run_record_branch(record), "after_step")), 0);
    const json_t *first = json_array_get(json_object_get(record, "starts"), 0);
    run->beginning_lost = run->branched_at == 0 && json_integer_value(json_object_get(first, "after_step")) > 0;
    json_decref(record);
    return DGM_OK;
}

static dgm_err describe(dgm_train_run *run)
{
    dgm_run_facts facts = {.grid = run->grid, .config = run->config, .threads = run->settings.threads, .data_path = run->data_dir,
                           .data_hash = dgm_dataset_hash(run->dataset), .init_sha256 = run->from_init ? run->init_sha256 : NULL, .step = run->step,
                           .from = run->from_elsewhere ? run->resume_path : NULL};
    DGM_TRY(dgm_run_record_write(run->dir, &facts));
    return agree(run, run->grid->rank == 0 ? take_branch(run) : DGM_OK);
}

/* Logs in a folder whose checkpoint is another folder's tell of another course: of a run that was killed there before its first checkpoint, say.
 * On one rank. */
static dgm_err remove_foreign_logs(const dgm_train_run *run)
{
    static const char *const names[] = {"metrics.jsonl", "timing.jsonl", "trace.jsonl"};
    dgm_err err = DGM_OK;
    if (!run->from_elsewhere) return DGM_OK;
    for (size_t i = 0; err == DGM_OK && i < sizeof names / sizeof names[0]; i++) {
        char *path = dgm_io_join(run->dir, names[i]);
        bool there = path != NULL && dgm_io_exists(path);
        err = path != NULL ? dgm_io_remove_tree(path) : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", run->dir);
        if (err == DGM_OK && there) dgm_log(DGM_LOG_WARN, "%s begins anew: what it held was not of the run of %s", path, run->resume_path);
        free(path);
    }
    return err;
}

/* run.json comes last: what it said of a run that had ended stays there until training can go on. */
static dgm_err open_logs(dgm_train_run *run)
{
    DGM_TRY(agree(run, run->grid->rank == 0 ? remove_foreign_logs(run) : DGM_OK));
    DGM_TRY(open_trace(run));
    DGM_TRY(dgm_run_log_open(run->dir, run->step, run->grid, &run->params->hp, run->settings.update.precision, &run->log));
    dgm_run_log_pause(run->log);
    dgm_err err = describe(run);
    dgm_run_log_resume(run->log);
    return err;
}

dgm_err dgm_train_run_stop_asked(const dgm_train_run *run, bool *stop)
{
    int64_t asked = dgm_stop_asked();
    dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
    dgm_err err = dgm_coll_max_counts(run->grid, DGM_AXIS_WORLD, &asked, 1);
    dgm_timer_enter(left);
    *stop = asked != 0;
    return err;
}

dgm_err dgm_train_run_stopped_early(const dgm_train_run *run)
{
    const char *which = dgm_config_text(run->config, "resume");
    bool named = strcmp(which, "no") != 0 && strcmp(which, "auto") != 0; /* with auto a branch would begin anew */
    return DGM_FAIL(DGM_ERR_STOPPED, "stopped by a signal before the first update: there was nothing new to save; the same command%s starts again",
                    named ? "" : " with --resume auto");
}

/* As long as nothing was trained that would have to be saved. */
static dgm_err check_stop(const dgm_train_run *run)
{
    bool stop;
    DGM_TRY(dgm_train_run_stop_asked(run, &stop));
    return stop ? dgm_train_run_stopped_early(run) : DGM_OK;
}

static bool resumes(const dgm_train_run *run) { return strcmp(dgm_config_text(run->config, "resume"), "no") != 0; }

/* On one rank. */
static dgm_err claim_folder(dgm_train_run *run)
{
    bool there = dgm_io_exists(run->dir);
    dgm_err err = check_folder(run, dgm_config_text(run->config, "resume"));
    run->made_dir = !there && run->lock >= 0;
    return err;
}

dgm_err dgm_train_run_claim(const dgm_config *config, dgm_train_run *run)
{
    *run = (dgm_train_run){.config = config, .dir = dgm_config_text(config, "out"), .lock = -1};
    int n_ranks;
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    DGM_TRY(dgm_train_tp_check(config, n_ranks));
    DGM_TRY(dgm_grid_create(MPI_COMM_WORLD, (int)dgm_config_int(config, "tp"), &run->grid));
    DGM_TRY(check_stop(run));
    return agree(run, run->grid->rank == 0 ? claim_folder(run) : DGM_OK);
}

dgm_err dgm_train_run_open(const char *data_dir, dgm_train_run *run)
{
    run->data_dir = data_dir;
    dgm_err err = dgm_dataset_open(data_dir, &run->dataset);
    if (err == DGM_OK) err = tokenizer_texts(run);
    DGM_TRY(agree(run, err));
    if (resumes(run)) DGM_TRY(dgm_train_run_find(run, dgm_config_text(run->config, "resume")));
    DGM_TRY(make_model(run));
    DGM_TRY(check_stop(run));
    DGM_TRY(make_trainer(run));
    if (run->resume_path != NULL) DGM_TRY(dgm_train_run_resume(run));
    if (run->step > run->settings.max_steps)
        return DGM_FAIL(DGM_ERR_USAGE, "max_steps = %lld: %s was trained up to step %lld already: give at least as many", (long long)run->settings.max_steps,
                        run->resume_path, (long long)run->step);
    bool over = dgm_train_run_is_over(run);
    if (over && run->from_elsewhere) DGM_TRY(dgm_train_run_check_own(run, run->step)); /* before the logs there go */
    if (over) dgm_log(DGM_LOG_INFO, "nothing is left to do: step %lld was the last", (long long)run->step);
    int threads;
    DGM_TRY(dgm_placement_check(run->grid, run->settings.threads, &threads));
    dgm_gemm_set_threads(threads);
    DGM_TRY(check_stop(run)); /* before run.json says that training went on */
    DGM_TRY(open_logs(run));
    if (run->resume_path == NULL) return DGM_OK;
    DGM_TRY(dgm_train_run_foresee(run));
    return dgm_train_run_prune(run); /* a run killed before it did so may have no save to come */
}

void dgm_train_run_close(dgm_train_run *run)
{
    dgm_run_log_close(run->log);
    dgm_trace_close(run->trace);
    dgm_validator_destroy(run->validator);
    dgm_loader_destroy(run->loader);
    if (!dgm_trainer_is_busy(run->trainer)) { /* else a failed run: MPI still writes there, until the process ends */
        dgm_trainer_destroy(run->trainer);
        free(run->flat);
    }
    dgm_params_destroy(run->params);
    free(run->resume_path);
    free(run->resume_state);
    dgm_text_fini(&run->tokenizer);
    dgm_text_fini(&run->tgt_tokenizer);
    dgm_dataset_close(run->dataset);
    if (run->made_dir) (void)rmdir(run->dir); /* before another process may have it */
    dgm_io_unlock(run->lock);
    dgm_grid_destroy(run->grid);
    *run = (dgm_train_run){.lock = -1};
}

/* ---- the verbs ---- */

dgm_err dgm_train_update(const dgm_grid *grid, dgm_loader *loader, dgm_trainer *trainer, int64_t step, dgm_step_result *out)
{
    dgm_step_batch batch;
    dgm_timer_enter(DGM_REGION_LOADING);
    dgm_err err = dgm_loader_next(loader, &batch);
    dgm_timer_enter(DGM_REGION_COMMUNICATION);
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    if (err == DGM_OK) err = dgm_trainer_step(trainer, step, &batch, out);
    dgm_timer_enter(DGM_REGION_OTHER);
    return err;
}

dgm_err dgm_train_run_step(dgm_train_run *run)
{
    dgm_step_result result;
    int64_t epoch = dgm_loader_get_state(run->loader).epoch;
    DGM_TRY(dgm_train_update(run->grid, run->loader, run->trainer, run->step + 1, &result));
    run->step++;
    DGM_TRY(dgm_run_log_step(run->log, run->step, run->settings.max_steps, run->settings.log_every, epoch, &result));
    if (run->trace == NULL || run->step % run->settings.trace_every != 0) return DGM_OK;
    return agree(run, dgm_trace_step(run->trace, run->step, dgm_trainer_hashes(run->trainer)));
}

dgm_err dgm_train_run_validate(dgm_train_run *run, bool *is_best)
{
    const dgm_train_settings *s = &run->settings;
    dgm_validation v;
    bool with_bleu = s->bleu_every > 0 && (run->n_validations + 1) % s->bleu_every == 0;
    dgm_run_log_pause(run->log);
    DGM_TRY(dgm_trainer_settle(run->trainer));
    DGM_TRY(dgm_validator_run(run->validator, s->update.label_smoothing, with_bleu, &v));
    if (!isfinite(exp(v.nll)))
        return DGM_FAIL(DGM_ERR_NUMERIC, "step %lld: validation loss of %g nats per token: training has diverged; lower the learning rate or set "
                        "--clip-norm", (long long)run->step, dgm_error_number(v.nll));
    run->n_validations++;
    bool compares = s->best_by == DGM_BEST_BY_NLL || v.has_bleu;
    double value = s->best_by == DGM_BEST_BY_NLL ? v.nll : -v.bleu;
    *is_best = compares && (run->best_step == 0 || value < run->best_value);
    if (*is_best) {
        run->best_step = run->step;
        run->best_value = value;
        run->n_stale = 0;
    } else if (compares) {
        run->n_stale++;
    }
    dgm_err err = dgm_run_log_validation(run->log, run->step, &v, *is_best);
    dgm_run_log_resume(run->log);
    return agree(run, err);
}

dgm_err dgm_train_run_prune(const dgm_train_run *run)
{
    const dgm_train_settings *s = &run->settings;
    int n = 0;
    int64_t *keep = malloc((size_t)(s->average_last + 2) * sizeof *keep), regular = run->step / s->checkpoint_every * s->checkpoint_every;
    dgm_err err = agree(run, keep != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "list of %d checkpoints", s->average_last + 2));
    if (err == DGM_OK) {
        keep[n++] = run->best_step;
        for (; n <= s->average_last && regular > 0; regular -= s->checkpoint_every) keep[n++] = regular;
        keep[n] = 0;
        err = agree(run, run->grid->rank == 0 ? dgm_train_run_way_back(run, &keep[n]) : DGM_OK);
        n++;
    }
    if (err == DGM_OK) err = dgm_ckpt_prune(run->dir, s->keep_checkpoints, keep, n, run->grid);
    free(keep);
    return err;
}

/* After a save that failed, on a full disk, say: what one can do. */
static dgm_err tell_way_on(const dgm_train_run *run, dgm_err err)
{
    if (err != DGM_ERR_IO) return err;
    if (!dgm_io_holds(run->dir, "last")) return DGM_FAIL(err, "%s; nothing was saved before: with that put right, start again", dgm_error_text());
    return DGM_FAIL(err, "%s; %s/last is whole: with that put right, the same command with --resume auto goes on from it", dgm_error_text(), run->dir);
}

dgm_err dgm_train_run_save(dgm_train_run *run, bool is_best)
{
    dgm_ckpt view = dgm_train_run_checkpoint(run);
    char *state = dgm_train_run_state_text(run), *record = dgm_train_run_record(run);
    dgm_model_strings strings = {.tokenizer = run->tokenizer.text, .tgt_tokenizer = run->tgt_tokenizer.text, .training = record};
    dgm_run_log_pause(run->log);
    dgm_err err = dgm_trainer_settle(run->trainer);
    dgm_err synced = state != NULL && record != NULL ? dgm_run_log_sync(run->log) : DGM_FAIL(DGM_ERR_NOMEM, "state of step %lld", (long long)run->step);
    if (err == DGM_OK) err = agree(run, synced);
    if (err == DGM_OK) err = agree(run, dgm_trace_sync(run->trace));
    if (err == DGM_OK) err = dgm_ckpt_save(run->dir, run->step, run->grid, &view, &strings, state);
    if (err == DGM_OK && is_best) err = dgm_ckpt_mark(run->dir, "best", run->step, run->grid);
    if (err == DGM_OK) err = dgm_train_run_prune(run);
    dgm_run_log_resume(run->log);
    free(state);
    free(record);
    return tell_way_on(run, err);
}

bool dgm_train_run_is_over(const dgm_train_run *run)
{
    const dgm_train_settings *s = &run->settings;
    if (run->step >= s->max_steps) return true;
    if (s->max_epochs > 0 && dgm_loader_get_state(run->loader).epoch >= s->max_epochs) return true;
    return s->patience > 0 && run->n_stale >= s->patience;
}
