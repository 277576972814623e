/* The model a run leaves: the mean of its last checkpoints, its best, or its last. */
#include "dgm/average.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/run_record.h"
#include "dgm/train_run.h"

#include <stdlib.h>
#include <string.h>

/* Whether a checkpoint counts for the mean: those between the regular ones come from validations, and from signals that another run of
 * the same experiment does not get. */
static bool is_averaged(const dgm_train_run *run, int64_t step)
{
    return step == run->step || (step < run->step && step % run->settings.checkpoint_every == 0);
}

/* The steps of the checkpoints the result is made of; the caller frees *steps. */
static dgm_err choose(const dgm_train_run *run, int64_t **steps, int *n)
{
    int64_t *all;
    int n_listed, n_all = 0, wanted = run->settings.average_last;
    DGM_TRY(dgm_ckpt_list(run->dir, &all, &n_listed));
    for (int i = 0; i < n_listed; i++)
        if (is_averaged(run, all[i])) all[n_all++] = all[i];
    if (n_all == 0) {
        free(all);
        return DGM_FAIL(DGM_ERR_USAGE, "%s has no checkpoint to make a model of: training was over at step %lld already; raise --max-steps", run->dir,
                        (long long)run->step);
    }
    *n = wanted > 0 ? DGM_MIN(wanted, n_all) : 1;
    memmove(all, all + n_all - *n, (size_t)*n * sizeof *all);
    if (wanted == 0 && run->best_step > 0) all[0] = run->best_step;
    *steps = all;
    return DGM_OK;
}

static dgm_err average(const dgm_train_run *run, const int64_t *steps, int n, const char *out)
{
    char **paths = calloc((size_t)n, sizeof *paths);
    dgm_err err = paths != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "paths of %d checkpoints", n);
    for (int i = 0; i < n && err == DGM_OK; i++) {
        paths[i] = dgm_ckpt_path(run->dir, steps[i]);
        if (paths[i] == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "path of a checkpoint");
    }
    if (err == DGM_OK) err = dgm_average((const char *const *)paths, n, out);
    for (int i = 0; paths != NULL && i < n; i++) free(paths[i]);
    free(paths);
    return err;
}

dgm_err dgm_train_run_finish(dgm_train_run *run)
{
    int64_t *steps = NULL;
    int n = 0;
    dgm_err err = DGM_OK;
    if (run->grid->rank == 0) {
        char *out = dgm_io_join(run->dir, "model.safetensors");
        err = out != NULL ? choose(run, &steps, &n) : DGM_FAIL(DGM_ERR_NOMEM, "path of the result");
        if (err == DGM_OK) err = average(run, steps, n, out);
        if (err == DGM_OK && n > 1)
            dgm_log(DGM_LOG_INFO, "%s is the mean of the checkpoints of steps %lld to %lld", out, (long long)steps[0], (long long)steps[n - 1]);
        else if (err == DGM_OK)
            dgm_log(DGM_LOG_INFO, "%s is the checkpoint of step %lld", out, (long long)steps[0]);
        if (err == DGM_OK) err = dgm_run_record_result(run->dir, run->step);
        free(steps);
        free(out);
    }
    return dgm_coll_agree(run->grid, DGM_AXIS_WORLD, err);
}
