#include "dgm/each.h"

#include "dgm/ckpt.h"
#include "dgm/coll.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/timer.h"

#include <stdlib.h>
#include <string.h>

static const char result_name[] = "model.safetensors";

/* ---- what there is ---- */

static bool holds(const char *run, const char *name)
{
    char *path = dgm_io_join(run, name);
    bool there = path != NULL && dgm_io_exists(path);
    free(path);
    return there;
}

/* On rank 0: the steps of the checkpoints, ascending. */
static dgm_err list_checkpoints(const char *run, int64_t **steps, int *n)
{
    if (!dgm_io_exists(run)) return DGM_FAIL(DGM_ERR_INPUT, "%s is not there: expected the folder of a run, which train --out makes", run);
    if (!dgm_io_is_dir(run) || (!holds(run, "run.json") && !holds(run, "checkpoints")))
        return DGM_FAIL(DGM_ERR_INPUT, "%s is no run: expected a folder that train --out makes, with run.json and checkpoints/ in it; one model or "
                                       "checkpoint is evaluated with --model", run);
    DGM_TRY(dgm_ckpt_list(run, steps, n));
    if (*n > 0) return DGM_OK;
    free(*steps);
    if (holds(run, result_name))
        return DGM_FAIL(DGM_ERR_INPUT, "%s has no checkpoints, only its result: evaluate that with --model %s/%s", run, run, result_name);
    return DGM_FAIL(DGM_ERR_INPUT, "%s has no checkpoints yet: train makes the first after checkpoint_every updates", run);
}

static dgm_err check_here(const char *run)
{
    int64_t *steps = NULL;
    int n = 0;
    DGM_TRY(list_checkpoints(run, &steps, &n));
    free(steps);
    return DGM_OK;
}

dgm_err dgm_each_check(const char *run, const dgm_grid *grid)
{
    return dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? check_here(run) : DGM_OK);
}

/* What rank 0 sees, on all ranks: folders may be seen later elsewhere.  room: for the steps and the result. */
static dgm_err find_models(const char *run, const dgm_grid *grid, int64_t **steps, int *n, bool *has_result)
{
    int64_t *list = NULL, seen[2] = {0, 0};
    int count = 0;
    DGM_TRY(dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? list_checkpoints(run, &list, &count) : DGM_OK));
    if (grid->rank == 0) seen[0] = count, seen[1] = holds(run, result_name);
    dgm_err err = dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, seen, (int64_t)sizeof seen);
    if (err == DGM_OK && grid->rank != 0 && (list = calloc((size_t)seen[0], sizeof *list)) == NULL)
        err = DGM_FAIL(DGM_ERR_NOMEM, "%lld checkpoints", (long long)seen[0]);
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    if (err == DGM_OK) err = dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, list, seen[0] * (int64_t)sizeof *list);
    if (err != DGM_OK) {
        free(list);
        return err;
    }
    *steps = list;
    *n = (int)seen[0];
    *has_result = seen[1] != 0;
    return DGM_OK;
}

/* ---- showing, on rank 0 ---- */

static dgm_err save(const dgm_each *each, const char *path, dgm_err (*write)(const dgm_each *each, dgm_text *out))
{
    dgm_text text = {0};
    dgm_err err = write(each, &text);
    if (err == DGM_OK) err = dgm_io_write_file(path, text.text, text.bytes);
    dgm_text_fini(&text);
    return err;
}

/* After every model: who is cut off has what was scored until then. */
static dgm_err save_files(const dgm_each *each, const dgm_each_output *output)
{
    if (output->json_path != NULL) DGM_TRY(save(each, output->json_path, dgm_each_json));
    return output->svg_path != NULL ? save(each, output->svg_path, dgm_each_svg) : DGM_OK;
}

static dgm_err show_model(const dgm_each *each, const dgm_each_model *model, const dgm_each_output *output)
{
    if (output->table != NULL && each->n == 1) DGM_TRY(dgm_each_print_head(each, output->table));
    if (output->table != NULL) DGM_TRY(dgm_each_print_model(each, model, output->table));
    return save_files(each, output);
}

static dgm_err show_end(const dgm_each *each, const dgm_each_output *output)
{
    dgm_text json = {0};
    DGM_TRY(save_files(each, output));
    if (output->table != NULL && each->n > 0) DGM_TRY(dgm_each_print_signatures(each, output->table));
    if (output->json == NULL) return DGM_OK;
    dgm_err err = dgm_each_json(each, &json);
    if (err == DGM_OK && fwrite(json.text, 1, json.bytes, output->json) != json.bytes) err = dgm_io_flush(output->json, "standard output");
    dgm_text_fini(&json);
    return err;
}

/* ---- scoring, on all ranks ---- */

typedef struct {
    dgm_each each;
    const dgm_grid *grid;
    const dgm_each_output *output;
    int n_done;      /* models that have had their turn */
    dgm_err worst;   /* of what was left out */
    double start;
} work;

static int64_t step_of_training(const char *training)
{
    json_t *json = training != NULL ? json_loads(training, 0, NULL) : NULL, *step = json_object_get(json, "step");
    int64_t found = json_is_integer(step) ? (int64_t)json_integer_value(step) : -1;
    json_decref(json);
    return found;
}

/* What the file says of itself.  *twin: a model scored before that is the same to the byte; NULL: there is none. */
static void describe(const work *w, const dgm_model_file *file, dgm_each_model *m, const dgm_each_model **twin)
{
    const char *digest = dgm_model_file_digest(file);
    *twin = NULL;
    snprintf(m->digest, sizeof m->digest, "%s", digest != NULL ? digest : "");
    if (m->is_result) m->step = step_of_training(dgm_model_file_strings(file)->training);
    for (int i = 0; i < w->each.n; i++)
        if (m->digest[0] != '\0' && strcmp(w->each.model[i].digest, m->digest) == 0) *twin = &w->each.model[i];
}

/* *usable: whether the files are what they must be; without it nothing has been scored. */
static dgm_err score(work *w, const char *path, dgm_each_model *m, bool *usable)
{
    dgm_translator *translator = NULL;
    const dgm_each_model *twin;
    *usable = false;
    if (!m->is_result) DGM_TRY(dgm_ckpt_verify(path, w->grid));
    DGM_TRY(dgm_translator_open(path, w->grid, &translator));
    *usable = true;
    describe(w, translator->models[0].file, m, &twin);
    dgm_err err = DGM_OK;
    dgm_evaluate_options how = *w->each.options;
    how.metrics.force |= w->each.n > 0; /* a text that looks tokenized is told of once */
    if (twin != NULL) m->evaluation = twin->evaluation;
    else err = dgm_evaluate(translator, w->each.pairs, &how, w->grid, &m->evaluation);
    dgm_translator_close(translator);
    return err;
}

static dgm_err is_gone(const work *w, const char *path, bool *gone)
{
    int64_t seen = w->grid->rank == 0 ? !dgm_io_exists(path) : 0;
    DGM_TRY(dgm_coll_broadcast(w->grid, DGM_AXIS_WORLD, 0, &seen, (int64_t)sizeof seen));
    *gone = seen != 0;
    return DGM_OK;
}

/* A model that cannot be scored: gone, or to be told of at the end. */
static dgm_err leave_out(work *w, const char *path, const char *name, dgm_err why)
{
    bool gone, speaks = w->grid->rank == 0;
    char reason[1024];
    snprintf(reason, sizeof reason, "%s", dgm_error_text());
    DGM_TRY(is_gone(w, path, &gone));
    if (gone && speaks) dgm_log(DGM_LOG_INFO, "%s is there no more: training has removed it meanwhile", path);
    if (gone) return DGM_OK;
    if (speaks) dgm_log(DGM_LOG_WARN, "%s is left out: %s", name, reason);
    snprintf(w->each.skipped[w->each.n_skipped++], DGM_EACH_NAME, "%s", name);
    w->worst = DGM_MAX(w->worst, why);
    return DGM_OK;
}

static void show_progress(const work *w, const char *name)
{
    double seconds = dgm_timer_now() - w->start;
    int left = w->each.n_found - w->n_done;
    if (left > 0)
        dgm_log(DGM_LOG_INFO, "%d of %d: %s is scored; about %.0f s left", w->n_done, w->each.n_found, name, seconds / w->n_done * left);
}

static dgm_err take_turn(work *w, const char *path, const char *name, int64_t step)
{
    bool usable;
    dgm_each_model *m = &w->each.model[w->each.n];
    *m = (dgm_each_model){.step = step, .is_result = step < 0};
    snprintf(m->name, sizeof m->name, "%s", name);
    dgm_err err = score(w, path, m, &usable);
    w->n_done++;
    if ((err == DGM_ERR_INPUT && !usable) || err == DGM_ERR_NUMERIC) return leave_out(w, path, name, err);
    DGM_TRY(err);
    w->each.n++;
    show_progress(w, name);
    return dgm_coll_agree(w->grid, DGM_AXIS_WORLD, w->grid->rank == 0 ? show_model(&w->each, m, w->output) : DGM_OK);
}

/* The last parts of a path: "checkpoints/step-00000500" of "runs/own/checkpoints/step-00000500". */
static const char *last_parts(const char *path, int n)
{
    const char *at = path + strlen(path);
    while (at > path && (at[-1] != '/' || --n > 0)) at--;
    return at;
}

/* step < 0: the result. */
static dgm_err score_one(work *w, int64_t step)
{
    char *path = step < 0 ? dgm_io_join(w->each.run, result_name) : dgm_ckpt_path(w->each.run, step);
    dgm_err err = dgm_coll_agree(w->grid, DGM_AXIS_WORLD, path != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", w->each.run));
    if (err == DGM_OK) err = take_turn(w, path, last_parts(path, step < 0 ? 1 : 2), step);
    free(path);
    return err;
}

static dgm_err score_all(work *w, const int64_t *steps, int n, bool has_result)
{
    dgm_each *each = &w->each;
    each->n_found = n + has_result;
    each->model = calloc((size_t)each->n_found, sizeof *each->model);
    each->skipped = calloc((size_t)each->n_found, sizeof *each->skipped);
    dgm_err err = each->model != NULL && each->skipped != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%d models", each->n_found);
    DGM_TRY(dgm_coll_agree(w->grid, DGM_AXIS_WORLD, err));
    for (int i = 0; i < n; i++) DGM_TRY(score_one(w, steps[i]));
    if (has_result) DGM_TRY(score_one(w, -1));
    each->complete = true;
    DGM_TRY(dgm_coll_agree(w->grid, DGM_AXIS_WORLD, w->grid->rank == 0 ? show_end(each, w->output) : DGM_OK));
    if (each->n_skipped > 0)
        return DGM_FAIL(w->worst, "%s: %d of %d models could not be scored, as the warnings say (%s%s); what is printed and written has the other %d",
                        each->run, each->n_skipped, each->n_found, each->skipped[0], each->n_skipped > 1 ? ", ..." : "", each->n);
    return each->n > 0 ? DGM_OK : DGM_FAIL(DGM_ERR_INPUT, "%s has no checkpoints any more", each->run);
}

dgm_err dgm_each_run(const char *run, const dgm_eval_pairs *pairs, const dgm_evaluate_options *options, const dgm_grid *grid,
                     const dgm_each_output *output)
{
    work w = {.each = {.run = run, .pairs = pairs, .options = options}, .grid = grid, .output = output, .start = dgm_timer_now()};
    int64_t *steps = NULL;
    int n = 0;
    bool has_result = false;
    DGM_TRY(find_models(run, grid, &steps, &n, &has_result));
    dgm_err err = score_all(&w, steps, n, has_result);
    free(steps);
    free(w.each.model);
    free(w.each.skipped);
    return err;
}
