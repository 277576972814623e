/* A mean of fewer, or of other checkpoints, would be a model that looks like any other. */
#include "dgm/result_series.h"

#include "dgm/ckpt.h"
#include "dgm/io.h"

#include <stdlib.h>

dgm_err dgm_result_series_init(const dgm_train_run *run, int64_t end, dgm_result_series *out)
{
    int64_t wanted = run->settings.average_last, every = run->settings.checkpoint_every;
    int64_t last = (end - 1) / every, n_foreign = run->branched_at / every; /* multiples of checkpoint_every before the end; in the other run */
    dgm_result_series s = {malloc((size_t)DGM_MAX(wanted, 1) * sizeof *s.steps), 1, false};
    if (s.steps == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "steps of %lld checkpoints", (long long)wanted);
    if (wanted > 0) {
        int64_t n_before = DGM_MAX(DGM_MIN(wanted - 1, last - n_foreign), 0);
        s.is_short = n_before < DGM_MIN(wanted - 1, last);
        for (int64_t i = 0; i < n_before; i++) s.steps[i] = (last - n_before + 1 + i) * every;
        s.n = (int)n_before + 1;
    }
    s.steps[s.n - 1] = wanted == 0 && run->best_step > 0 ? run->best_step : end;
    *out = s;
    return DGM_OK;
}

void dgm_result_series_fini(dgm_result_series *series)
{
    free(series->steps);
    *series = (dgm_result_series){0};
}

dgm_err dgm_result_series_list(const dgm_result_series *series, dgm_text *text)
{
    enum { SHOWN = 20, ENDS = 3 };
    bool is_long = series->n > SHOWN;
    DGM_TRY(dgm_text_printf(text, "step%s ", series->n > 1 ? "s" : ""));
    for (int i = 0; i < series->n; i++) {
        if (is_long && i == ENDS) {
            DGM_TRY(dgm_text_printf(text, ", ..."));
            i = series->n - ENDS;
        }
        DGM_TRY(dgm_text_printf(text, "%s%lld", i > 0 ? ", " : "", (long long)series->steps[i]));
    }
    return is_long ? dgm_text_printf(text, " (%d)", series->n) : DGM_OK;
}

/* ---- what is not there ---- */

static bool looks_whole(const dgm_train_run *run, int64_t step)
{
    char *path = dgm_ckpt_path(run->dir, step);
    bool whole = path != NULL && dgm_ckpt_looks_whole(path);
    free(path);
    return whole;
}

/* The newest checkpoint before a step that looks whole, 0 if there is none. */
static dgm_err find_before(const dgm_train_run *run, int64_t step, int64_t *before)
{
    int64_t *steps = NULL;
    int n = 0;
    DGM_TRY(dgm_ckpt_list(run->dir, &steps, &n));
    while (n > 0 && (steps[n - 1] >= step || !looks_whole(run, steps[n - 1]))) n--;
    *before = n > 0 ? steps[n - 1] : 0;
    free(steps);
    return DGM_OK;
}

dgm_err dgm_result_series_way_on(const dgm_train_run *run, const dgm_result_series *series, int i, int last_bad, dgm_text *text)
{
    int64_t before = 0;
    DGM_TRY(find_before(run, series->steps[i], &before));
    if (before > 0)
        DGM_TRY(dgm_text_printf(text, "put back a copy, or remove the checkpoints later than step %lld, which --resume auto then trains again to the same bits",
                                (long long)before));
    else if (run->beginning_lost)
        DGM_TRY(dgm_text_printf(text, "put back a copy, or begin again in another --out as this run was begun, which its run.json does not tell any more"));
    else
        DGM_TRY(dgm_text_printf(text, "put back a copy, or remove %s/checkpoints%s and begin again with %s, to the same bits", run->dir,
                                dgm_io_holds(run->dir, "model.safetensors") ? " and model.safetensors" : "", run->branched_at > 0 ? "the --resume that it branched off with" : "--resume auto"));
    int n_after = series->n - 1 - last_bad;
    return n_after > 0 ? dgm_text_printf(text, "; or take the mean of the newest with --average-last %d", n_after) : DGM_OK;
}

dgm_err dgm_result_series_check(const dgm_train_run *run, const dgm_result_series *series, int64_t until, dgm_result_gap *gap)
{
    dgm_result_series bad = {malloc((size_t)series->n * sizeof *bad.steps), 0, false};
    dgm_text list = {0}, way = {0};
    int first = 0, last = 0;
    if (bad.steps == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "steps of %d checkpoints", series->n);
    for (int i = 0; i < series->n && series->steps[i] <= until; i++) {
        if (looks_whole(run, series->steps[i])) continue;
        if (bad.n == 0) first = i;
        last = i;
        bad.steps[bad.n++] = series->steps[i];
    }
    dgm_err err = DGM_OK;
    if (bad.n > 0) {
        err = dgm_result_series_list(&bad, &list);
        if (err == DGM_OK) err = dgm_result_series_way_on(run, series, first, last, &way);
        if (err == DGM_OK) err = find_before(run, series->steps[first], &gap->before);
        if (err == DGM_OK) gap->newest = series->steps[last];
        if (err == DGM_OK)
            err = DGM_FAIL(DGM_ERR_INPUT, "%s/checkpoints has no whole checkpoint of %s, which the result is made of: %s", run->dir, list.text, way.text);
    }
    dgm_text_fini(&way);
    dgm_text_fini(&list);
    dgm_result_series_fini(&bad);
    return err;
}
