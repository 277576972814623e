/* What a checkpoint remembers besides tensors, and taking it up again. */
#include "dgm/train_run.h"

#include "dgm/gemm.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/model_file.h"
#include "dgm/run_record.h"

#include <stdlib.h>
#include <string.h>

static dgm_err agree(const dgm_train_run *run, dgm_err err) { return dgm_coll_agree(run->grid, DGM_AXIS_WORLD, err); }

/* With `init`, the hash of the model that training began with, where it did. */
static char *write_json(const dgm_train_run *run, json_t *json, size_t flags)
{
    int failed = json != NULL && run->from_init ? json_object_set_new(json, "init", json_string(run->init_sha256)) : 0;
    char *text = json != NULL && !failed ? json_dumps(json, flags | JSON_SORT_KEYS | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    return text;
}

/* What decides the bits of the run's matrix products. */
static const char *products(const dgm_train_run *run)
{
    return run->settings.update.precision == DGM_PRECISION_BF16 ? dgm_gemm_bf16_family() : dgm_gemm_family();
}

char *dgm_train_run_state_text(const dgm_train_run *run)
{
    dgm_loader_state at = dgm_loader_get_state(run->loader);
    json_t *json = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:s, s:I, s:s, s:o}", "gemm", products(run), "step", (json_int_t)run->step,
                             "epoch", (json_int_t)at.epoch, "position", (json_int_t)at.position, "n_validations", (json_int_t)run->n_validations, "best_step",
                             (json_int_t)run->best_step, "best_value", run->best_value, "best_by", dgm_config_text(run->config, "best_by"), "n_stale",
                             (json_int_t)run->n_stale, "data", dgm_dataset_hash(run->dataset), "experiment",
                             dgm_train_experiment(run->config, run->from_init));
    return write_json(run, json, JSON_INDENT(2));
}

char *dgm_train_run_record(const dgm_train_run *run)
{
    json_t *json = json_pack("{s:I, s:s, s:o}", "step", (json_int_t)run->step, "data", dgm_dataset_hash(run->dataset), "experiment",
                             dgm_train_experiment(run->config, run->from_init));
    return write_json(run, json, JSON_COMPACT);
}

/* ---- finding ---- */

/* How the run began.  Checkpoints of earlier versions do not say it; they have no architecture among their settings then. */
static dgm_err take_beginning(dgm_train_run *run)
{
    json_error_t error;
    json_t *json = json_loads(run->resume_state, 0, &error);
    const json_t *init = json_object_get(json, "init"), *experiment = json_object_get(json, "experiment");
    const char *hash = json_string_value(init);
    dgm_err err = json != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_INPUT, "%s: state.json: %s", run->resume_path, error.text);
    if (err == DGM_OK && init != NULL && (hash == NULL || strlen(hash) >= sizeof run->init_sha256))
        err = DGM_FAIL(DGM_ERR_INPUT, "%s: state.json: init: expected a SHA-256", run->resume_path);
    if (err == DGM_OK) {
        run->from_init = init != NULL || (json_is_object(experiment) && json_object_get(experiment, "d_model") == NULL);
        snprintf(run->init_sha256, sizeof run->init_sha256, "%s", hash != NULL ? hash : "");
    }
    json_decref(json);
    return err;
}

/* --init is not needed to go on; where it is given, it should be the one that the run began with.  On one rank. */
static dgm_err check_init(const dgm_train_run *run)
{
    const char *given = dgm_config_text(run->config, "init");
    char hex[DGM_SHA256_HEX] = "", *path = NULL;
    if (given == NULL) return DGM_OK;
    if (!run->from_init)
        return DGM_FAIL(DGM_ERR_USAGE, "--init %s: the run of %s did not begin with a model: leave --init out to go on, or choose another --out",
                        given, run->resume_path);
    if (run->init_sha256[0] == '\0' || dgm_model_find(given, &path) != DGM_OK) return DGM_OK; /* it need not be there any more */
    dgm_err err = dgm_sha256_file(path, hex);
    if (err == DGM_OK && strcmp(hex, run->init_sha256) != 0)
        err = DGM_FAIL(DGM_ERR_INPUT, "--init %s is not the model that the run of %s began with: leave it out to go on, or choose another --out", given,
                       run->resume_path);
    free(path);
    return err;
}

/* A run that was killed before its first checkpoint begins again, and must not begin with another model or at another place than it was told to.
 * On one rank. */
static dgm_err check_beginning(const dgm_train_run *run)
{
    json_t *record = NULL;
    DGM_TRY(dgm_train_run_check_begins(run->dir));
    char *path = dgm_io_join(run->dir, "run.json");
    dgm_err err = path != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", run->dir);
    if (err == DGM_OK && dgm_io_exists(path)) err = dgm_run_record_read(path, &record);
    char *from = dgm_run_record_text(dgm_run_record_branch(record), NULL, "from");
    if (err == DGM_OK && from != NULL)
        err = DGM_FAIL(DGM_ERR_USAGE, "%s has no checkpoint yet, and its run.json says that it goes on from %s: give that to --resume again, or choose "
                       "another --out to begin anew", run->dir, from);
    if (err == DGM_OK && json_object_get(record, "init") != NULL && !dgm_config_has(run->config, "init"))
        err = DGM_FAIL(DGM_ERR_USAGE, "%s has no checkpoint yet, and its run.json says that it began with --init: give that again", run->dir);
    free(from);
    json_decref(record);
    free(path);
    return err;
}

dgm_err dgm_train_run_find(dgm_train_run *run, const char *which)
{
    DGM_TRY(dgm_ckpt_find(run->dir, which, run->grid, &run->resume_path));
    if (run->resume_path == NULL) return agree(run, run->grid->rank == 0 ? check_beginning(run) : DGM_OK);
    DGM_TRY(dgm_ckpt_read_state(run->resume_path, run->grid, &run->resume_state));
    DGM_TRY(agree(run, take_beginning(run)));
    return agree(run, run->grid->rank == 0 ? check_init(run) : DGM_OK);
}

/* ---- taking up ---- */

/* Products that round otherwise lead to a model that neither machine would have made alone.  Checkpoints of 0.1.0, whose products were BLIS's, do not
 * say what they were. */
static dgm_err check_products(const dgm_train_run *run, const json_t *state, const char *where)
{
    const char *was = json_string_value(json_object_get(state, "gemm")), *is = products(run);
    if (was != NULL && strcmp(was, is) == 0) return DGM_OK;
    if (was != NULL && !dgm_config_flag(run->config, "any_machine"))
        return DGM_FAIL(DGM_ERR_INPUT, "%s: the run's matrix products were by %s, here they are by %s, which round otherwise: go on on a machine like the one before "
                        "(DRAGOMAN_GEMM and BLIS_ARCH_TYPE set as there), or give --any-machine for a result that no machine would have reached alone",
                        where, was, is);
    dgm_log(DGM_LOG_WARN, "%s: the run's matrix products were by %s, here they are by %s: the result will not be that of either alone", where,
            was != NULL ? was : "an earlier version", is);
    return DGM_OK;
}

static dgm_err take_state(dgm_train_run *run, const char *text, const char *where)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error), *experiment;
    json_int_t step, epoch, position, n_validations, best_step, n_stale;
    double best_value;
    const char *data, *best_by;
    dgm_err err = DGM_OK;
    if (json == NULL || json_unpack_ex(json, &error, 0, "{s:I, s:I, s:I, s:I, s:I, s:F, s:s, s:I, s:s, s:o}", "step", &step, "epoch", &epoch,
                                       "position", &position, "n_validations", &n_validations, "best_step", &best_step, "best_value", &best_value,
                                       "best_by", &best_by, "n_stale", &n_stale, "data", &data, "experiment", &experiment) != 0)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s: state.json: %s", where, error.text);
    else if (strcmp(data, dgm_dataset_hash(run->dataset)) != 0)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s was trained on other data (manifest sha256 %.12s..., now %.12s...): give the same --data to go on", where,
                       data, dgm_dataset_hash(run->dataset));
    else if (step < 1 || epoch < 0 || position < 0 || n_validations < 0 || best_step < 0 || best_step > step || n_stale < 0)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s: state.json: a count is out of range", where);
    if (err == DGM_OK) err = dgm_train_experiment_check(run->config, run->from_init, experiment, where);
    if (err == DGM_OK) err = check_products(run, json, where);
    if (err == DGM_OK) err = dgm_loader_set_state(run->loader, (dgm_loader_state){epoch, position});
    if (err == DGM_OK) {
        run->step = step;
        run->n_validations = n_validations;
        bool compares = strcmp(best_by, dgm_config_text(run->config, "best_by")) == 0; /* values of another measure do not */
        run->best_step = compares ? best_step : 0;
        run->best_value = compares ? best_value : 0;
        run->n_stale = compares ? n_stale : 0;
    }
    json_decref(json);
    return err;
}

dgm_ckpt dgm_train_run_checkpoint(const dgm_train_run *run)
{
    dgm_optimizer *o = dgm_trainer_optimizer(run->trainer);
    dgm_ckpt c = {.params = run->params, .flat = run->flat, .ranges = o->ranges, .n_ranges = o->n_ranges, .n_moments = o->v != NULL ? 2 : 1};
    c.moment[0].name = o->v != NULL ? "exp_avg" : "momentum";
    c.moment[0].data = o->m;
    c.moment[1].name = "exp_avg_sq";
    c.moment[1].data = o->v;
    return c;
}

/* Sets a link to the checkpoint of that step if RUN has one: the run may have been killed before it did so. */
static dgm_err link_again(const dgm_train_run *run, const char *name, int64_t step, bool *has)
{
    int64_t there = 0;
    char *path = dgm_ckpt_path(run->dir, step);
    dgm_err err = path == NULL ? DGM_FAIL(DGM_ERR_NOMEM, "path in %s", run->dir) : DGM_OK;
    if (path != NULL && run->grid->rank == 0) there = dgm_io_is_dir(path);
    free(path);
    DGM_TRY(agree(run, err));
    DGM_TRY(dgm_coll_broadcast(run->grid, DGM_AXIS_WORLD, 0, &there, (int64_t)sizeof there));
    *has = there != 0;
    return *has ? dgm_ckpt_mark(run->dir, name, step, run->grid) : DGM_OK;
}

/* The best checkpoint must be one of this folder: a run that goes on from another folder's looks for its best anew.  One of its own that is gone
 * still counts: later ones are best if they are better, as they would be had nothing been lost. */
static dgm_err take_best(dgm_train_run *run)
{
    bool has = false;
    if (run->best_step > 0) DGM_TRY(link_again(run, "best", run->best_step, &has));
    if (run->best_step > 0 && run->from_elsewhere) {
        dgm_log(DGM_LOG_INFO, "the best checkpoint so far, of step %lld, is not in %s: the next validation counts as the best",
                (long long)run->best_step, run->dir);
        run->best_step = 0;
    }
    return DGM_OK;
}

/* Whether the checkpoint lies in another folder.  A copy beside the run's own is neither: going on would take the run's logs for another's. */
static dgm_err find_place(const dgm_train_run *run, int64_t *elsewhere)
{
    char *own = dgm_ckpt_path(run->dir, run->step), *beside = dgm_io_join(run->resume_path, ".."), *folder = dgm_io_join(run->dir, "checkpoints");
    dgm_err err = own != NULL && beside != NULL && folder != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", run->dir);
    *elsewhere = err != DGM_OK || !dgm_io_same(own, run->resume_path);
    if (err == DGM_OK && *elsewhere && dgm_io_same(folder, beside))
        err = DGM_FAIL(DGM_ERR_INPUT, "%s is a checkpoint of step %lld under another name: call it %s to go on from it, or choose another --out to branch off",
                       run->resume_path, (long long)run->step, own);
    free(own);
    free(beside);
    free(folder);
    return err;
}

/* As the first rank sees it. */
static dgm_err take_place(dgm_train_run *run)
{
    int64_t elsewhere = 0;
    DGM_TRY(agree(run, run->grid->rank == 0 ? find_place(run, &elsewhere) : DGM_OK));
    DGM_TRY(dgm_coll_broadcast(run->grid, DGM_AXIS_WORLD, 0, &elsewhere, (int64_t)sizeof elsewhere));
    run->from_elsewhere = elsewhere != 0;
    return DGM_OK;
}

/* Checkpoints after the one that is gone on from would belong to another course of the run, and so would all beside another folder's. */
static dgm_err check_newest(const dgm_train_run *run, const char *path)
{
    int64_t *steps = NULL;
    int n = 0;
    DGM_TRY(dgm_ckpt_list(run->dir, &steps, &n));
    long long newest = n > 0 ? steps[n - 1] : 0;
    free(steps);
    if (n == 0 || (!run->from_elsewhere && newest <= run->step)) return DGM_OK;
    if (run->from_elsewhere)
        return DGM_FAIL(DGM_ERR_USAGE, "%s holds a run that has come to a checkpoint of step %lld: go on with that one with --resume auto, or choose another "
                        "--out to branch off from %s", run->dir, newest, path);
    return DGM_FAIL(DGM_ERR_USAGE, "%s has a checkpoint of step %lld, later than %s: go on from the newest with --resume auto, choose another --out to branch "
                    "off, or remove the later ones", run->dir, newest, path);
}

dgm_err dgm_train_run_resume(dgm_train_run *run)
{
    const char *path = run->resume_path;
    bool named = strcmp(dgm_config_text(run->config, "resume"), "auto") != 0;
    dgm_ckpt view = dgm_train_run_checkpoint(run);
    DGM_TRY(agree(run, take_state(run, run->resume_state, path)));
    DGM_TRY(take_place(run));
    if (named) DGM_TRY(agree(run, run->grid->rank == 0 ? check_newest(run, path) : DGM_OK));
    DGM_TRY(dgm_ckpt_load(path, run->grid, &view));
    DGM_TRY(take_best(run));
    bool is_own;
    DGM_TRY(link_again(run, "last", run->step, &is_own));
    dgm_log(DGM_LOG_INFO, "going on from %s", path);
    return DGM_OK;
}
