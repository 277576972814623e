/* Buckets travel in the order in which the forward pass reads them, which is the reverse of that in which their gradients become final,
 * but for the embeddings: these are the first in both. */
#include "dgm/paramsync.h"

#include "dgm/timer.h"

#include <stdlib.h>

struct dgm_paramsync {
    const dgm_slices *slices;
    bool overlap;
    float *flat;
    dgm_allgather *gather;
    int *n_needed; /* [n_stages] buckets of the order that must be there when the forward pass reaches a stage */
};

/* Where in the order of gathering bucket b stands. */
static int turn_of(const dgm_slices *s, int b) { return b == 0 ? 0 : s->n_buckets - b; }

static dgm_err make_gather(const dgm_grid *grid, const dgm_slices *slices, dgm_allgather **out)
{
    int *order = malloc((size_t)slices->n_buckets * sizeof *order);
    if (order == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "gathering of parameters");
    for (int b = 0; b < slices->n_buckets; b++) order[turn_of(slices, b)] = b;
    dgm_err err = dgm_allgather_create(grid, slices->n_buckets, slices->start, order, out);
    free(order);
    return err;
}

dgm_err dgm_paramsync_create(const dgm_params *params, const dgm_grid *grid, const dgm_slices *slices, bool overlap, float *flat, dgm_paramsync **out)
{
    dgm_err err;
    dgm_paramsync *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "gathering of parameters");
    *s = (dgm_paramsync){.slices = slices, .overlap = overlap && grid->dp_size > 1, .flat = flat};
    s->n_needed = malloc((size_t)params->n_stages * sizeof *s->n_needed);
    if (s->n_needed == NULL) DGM_GOTO(DGM_FAIL(DGM_ERR_NOMEM, "gathering of parameters"));
    s->n_needed[0] = 1;
    for (int stage = 1, b = slices->n_buckets - 1; stage < params->n_stages; stage++) {
        while (b > 1 && dgm_slices_of_bucket(slices, b)[slices->n_parts] <= params->stage_start[stage]) b--;
        s->n_needed[stage] = turn_of(slices, b) + 1;
    }
    DGM_GOTO(make_gather(grid, slices, &s->gather));
    *out = s;
    return DGM_OK;
fail:
    dgm_paramsync_destroy(s);
    return err;
}

void dgm_paramsync_destroy(dgm_paramsync *sync)
{
    if (sync == NULL) return;
    dgm_allgather_destroy(sync->gather);
    free(sync->n_needed);
    free(sync);
}

bool dgm_paramsync_is_busy(const dgm_paramsync *sync) { return sync != NULL && sync->gather != NULL && dgm_allgather_is_busy(sync->gather); }

static dgm_err wait(dgm_paramsync *s, int n)
{
    dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
    dgm_timer_hide(false);
    dgm_err err = dgm_allgather_wait(s->gather, n);
    dgm_timer_hide(dgm_allgather_is_busy(s->gather));
    dgm_timer_enter(left);
    return err;
}

dgm_err dgm_paramsync_begin(dgm_paramsync *sync)
{
    dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
    dgm_err err = dgm_allgather_begin(sync->gather, sync->flat);
    dgm_timer_hide(sync->overlap && dgm_allgather_is_busy(sync->gather));
    dgm_timer_enter(left);
    if (err != DGM_OK || sync->overlap) return err;
    return wait(sync, sync->slices->n_buckets);
}

dgm_err dgm_paramsync_poll(dgm_paramsync *sync)
{
    if (!dgm_allgather_is_busy(sync->gather)) return DGM_OK;
    dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
    dgm_timer_hide(false);
    dgm_err err = dgm_allgather_poll(sync->gather);
    dgm_timer_hide(dgm_allgather_is_busy(sync->gather));
    dgm_timer_enter(left);
    return err;
}

dgm_err dgm_paramsync_need(dgm_paramsync *sync, int stage)
{
    if (!dgm_allgather_is_busy(sync->gather)) return DGM_OK;
    return wait(sync, stage == DGM_PARAMSYNC_ALL ? sync->slices->n_buckets : sync->n_needed[stage]);
}
