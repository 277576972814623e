/* The model a run leaves: the mean of its last checkpoints, its best, or its last. */
#include "dgm/average.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/result_series.h"
#include "dgm/run_record.h"

#include <stdlib.h>
#include <string.h>

/* ---- what will be missing ---- */

static void warn_of_missing(const dgm_train_settings *s, int64_t newest)
{
    if (s->average_last == 0)
        dgm_log(DGM_LOG_WARN, "if no later validation is better, training ends without a result: %s", dgm_error_text());
    else
        dgm_log(DGM_LOG_WARN, "if training ends by step %lld, it ends without a result: %s", (long long)(newest + (s->average_last - 1) * s->checkpoint_every),
                dgm_error_text());
}

static bool may_end_early(const dgm_train_settings *s) { return s->patience > 0 || s->max_epochs > 0; }

/* What the result will be made of as far as one can tell now, and what is missing of it: DGM_ERR_INPUT then. */
static dgm_err look_ahead(const dgm_train_run *run, dgm_result_series *series, dgm_result_gap *gap)
{
    int64_t end = dgm_train_run_is_over(run) ? run->step : may_end_early(&run->settings) ? run->step + 1 : run->settings.max_steps;
    DGM_TRY(dgm_result_series_init(run, end, series));
    return dgm_result_series_check(run, series, run->step, gap);
}

static dgm_err foresee(const dgm_train_run *run)
{
    const dgm_train_settings *s = &run->settings;
    dgm_result_gap gap;
    dgm_result_series series = {0};
    dgm_err err = look_ahead(run, &series, &gap);
    if (err == DGM_ERR_INPUT) {
        warn_of_missing(s, gap.newest);
        err = DGM_OK;
    }
    if (err == DGM_OK && series.is_short && !may_end_early(s))
        dgm_log(DGM_LOG_WARN, "the result will be the mean of %d checkpoints, fewer than average_last = %d: this run branched off at step %lld, and earlier ones "
                "are another's", series.n, s->average_last, (long long)run->branched_at);
    dgm_result_series_fini(&series);
    return err;
}

dgm_err dgm_train_run_way_back(const dgm_train_run *run, int64_t *step)
{
    dgm_result_gap gap = {0};
    dgm_result_series series = {0};
    dgm_err err = look_ahead(run, &series, &gap);
    dgm_result_series_fini(&series);
    if (err != DGM_OK && err != DGM_ERR_INPUT) return err;
    *step = gap.before;
    return DGM_OK;
}

dgm_err dgm_train_run_foresee(const dgm_train_run *run)
{
    bool goes_on = run->grid->rank == 0 && !dgm_train_run_is_over(run); /* else the result itself says it */
    return dgm_coll_agree(run->grid, DGM_AXIS_WORLD, goes_on ? foresee(run) : DGM_OK);
}

/* ---- the result ---- */

/* After a mean that failed: a damaged checkpoint is named with the way on; what else it was stays as it is told. */
static dgm_err explain(const dgm_train_run *run, const dgm_result_series *series, char *const *paths, dgm_err err)
{
    dgm_text told = {0}, way = {0};
    int first_bad = -1, last_bad = -1;
    dgm_err told_err = dgm_text_printf(&told, "%s", dgm_error_text());
    for (int i = 0; i < series->n; i++) {
        if (dgm_ckpt_verify(paths[i], dgm_grid_single()) == DGM_OK) continue;
        if (first_bad < 0) first_bad = i;
        last_bad = i;
    }
    if (told_err == DGM_OK && first_bad >= 0) told_err = dgm_result_series_way_on(run, series, first_bad, last_bad, &way);
    if (told_err == DGM_OK) err = DGM_FAIL(err, "%s%s%s", told.text, first_bad >= 0 ? "; " : "", first_bad >= 0 ? way.text : "");
    dgm_text_fini(&way);
    dgm_text_fini(&told);
    return err;
}

static dgm_err average(const dgm_train_run *run, const dgm_result_series *series, const char *out)
{
    char **paths = calloc((size_t)series->n, sizeof *paths);
    dgm_err err = paths != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "paths of %d checkpoints", series->n);
    for (int i = 0; i < series->n && err == DGM_OK; i++) {
        paths[i] = dgm_ckpt_path(run->dir, series->steps[i]);
        if (paths[i] == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "path of a checkpoint");
    }
    if (err == DGM_OK) {
        err = dgm_average((const char *const *)paths, series->n, out);
        if (err == DGM_ERR_INPUT) err = explain(run, series, paths, err);
    }
    for (int i = 0; paths != NULL && i < series->n; i++) free(paths[i]);
    free(paths);
    return err;
}

static dgm_err say(const dgm_train_run *run, const dgm_result_series *series, const char *out)
{
    dgm_text list = {0};
    dgm_err err = dgm_result_series_list(series, &list);
    const char *mean = series->n > 1 ? "mean of the checkpoints" : "checkpoint";
    if (err == DGM_OK && series->is_short)
        dgm_log(DGM_LOG_WARN, "%s is the %s of %s: fewer than average_last = %d, as this run branched off at step %lld and earlier ones are another's "
                "(dragoman average can take them in)", out, mean, list.text, run->settings.average_last, (long long)run->branched_at);
    else if (err == DGM_OK)
        dgm_log(DGM_LOG_INFO, "%s is the %s of %s", out, mean, list.text);
    dgm_text_fini(&list);
    return err;
}

dgm_err dgm_train_run_check_own(const dgm_train_run *run, int64_t branched_at)
{
    if (run->step > branched_at) return DGM_OK;
    return DGM_FAIL(DGM_ERR_USAGE, "%s has no checkpoint to make a model of: training was over at step %lld already; raise --max-steps", run->dir,
                    (long long)run->step);
}

static dgm_err make(const dgm_train_run *run, const char *out)
{
    dgm_result_gap gap;
    dgm_result_series series;
    DGM_TRY(dgm_train_run_check_own(run, run->branched_at));
    DGM_TRY(dgm_result_series_init(run, run->step, &series));
    dgm_err err = dgm_result_series_check(run, &series, run->step, &gap);
    if (err == DGM_OK) err = average(run, &series, out);
    if (err == DGM_OK) err = say(run, &series, out);
    dgm_result_series_fini(&series);
    return err;
}

dgm_err dgm_train_run_finish(dgm_train_run *run)
{
    dgm_err err = DGM_OK;
    if (run->grid->rank == 0) {
        char *out = dgm_io_join(run->dir, "model.safetensors");
        err = out != NULL ? make(run, out) : DGM_FAIL(DGM_ERR_NOMEM, "path of the result");
        if (err == DGM_OK) err = dgm_run_record_result(run->dir, run->step);
        free(out);
    }
    return dgm_coll_agree(run->grid, DGM_AXIS_WORLD, err);
}
