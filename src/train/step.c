/* The order of a step: gradients of all rounds, sums over replicas, one look at whether the numbers are sound, then the update, whose
 * parameters travel into the next step's forward pass. */
#include "dgm/step.h"

#include "dgm/tensor_hash.h"
#include "dgm/timer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct dgm_trainer {
    const dgm_params *params;
    const dgm_grid *grid;
    dgm_train_options options;
    float *flat;
    dgm_weights weights;
    dgm_transformer *transformer;
    dgm_gradsync *sync;
    dgm_paramsync *parameters;
    dgm_err err; /* of the messages between products */
    dgm_optimizer optimizer;
    dgm_loss_sum *leaf_loss; /* [virtual_dp] this replica's leaves */
    double *sums;            /* [2 * virtual_dp] smoothed, then nll, by leaf of the global batch */
    int64_t trace_every;     /* 0: nothing is hashed */
    uint64_t *hash;          /* [2 * n_tensors] of gradients, then of weights */
    int64_t *hash_halves;    /* [4 * n_tensors] scratch */
};

static dgm_err make_optimizer(dgm_trainer *t)
{
    const dgm_slices *slices = dgm_gradsync_slices(t->sync);
    dgm_range *own = malloc((size_t)slices->n_buckets * sizeof *own);
    if (own == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "trainer");
    dgm_err err = dgm_optimizer_init(&t->options.optimizer, own, dgm_slices_ranges(slices, t->grid->dp_rank, own), &t->optimizer);
    free(own);
    return err;
}

dgm_err dgm_trainer_create(const dgm_params *params, const dgm_grid *grid, const dgm_train_options *options, float *flat, dgm_trainer **out)
{
    dgm_err err;
    if (options->virtual_dp < grid->dp_size)
        return DGM_FAIL(DGM_ERR_USAGE, "%d replicas on %d ranks, but a batch is cut into virtual_dp = %d leaves, at least one for each: start at most %d "
                        "ranks (with tp %d), or begin a new run with a larger virtual_dp, which has other bits", grid->dp_size, grid->size,
                        options->virtual_dp, options->virtual_dp * grid->tp_size, grid->tp_size);
    dgm_trainer *t = calloc(1, sizeof *t);
    if (t == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "trainer");
    t->params = params;
    t->grid = grid;
    t->options = *options;
    t->flat = flat;
    t->leaf_loss = calloc((size_t)options->virtual_dp, sizeof *t->leaf_loss);
    t->sums = calloc(2 * (size_t)options->virtual_dp, sizeof *t->sums);
    if (t->leaf_loss == NULL || t->sums == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "trainer");
        goto fail;
    }
    DGM_GOTO(dgm_weights_init(params, flat, &t->weights));
    DGM_GOTO(dgm_transformer_create(params, grid, &t->transformer));
    const dgm_gradsync_options sync = {options->virtual_dp, options->reduction, options->overlap, options->part_floats};
    DGM_GOTO(dgm_gradsync_create(params, grid, &sync, &t->sync));
    DGM_GOTO(dgm_paramsync_create(params, grid, dgm_gradsync_slices(t->sync), options->overlap, flat, &t->parameters));
    DGM_GOTO(make_optimizer(t));
    *out = t;
    return DGM_OK;
fail:
    dgm_trainer_destroy(t);
    return err;
}

bool dgm_trainer_is_busy(const dgm_trainer *trainer)
{
    return trainer != NULL && (dgm_gradsync_is_busy(trainer->sync) || dgm_paramsync_is_busy(trainer->parameters));
}

void dgm_trainer_destroy(dgm_trainer *trainer)
{
    if (trainer == NULL || dgm_trainer_is_busy(trainer)) return;
    dgm_optimizer_fini(&trainer->optimizer);
    dgm_paramsync_destroy(trainer->parameters);
    dgm_gradsync_destroy(trainer->sync);
    dgm_transformer_destroy(trainer->transformer);
    dgm_weights_fini(&trainer->weights);
    free(trainer->leaf_loss);
    free(trainer->sums);
    free(trainer->hash);
    free(trainer->hash_halves);
    free(trainer);
}

dgm_optimizer *dgm_trainer_optimizer(dgm_trainer *trainer) { return &trainer->optimizer; }

int64_t dgm_trainer_arena_bytes(const dgm_trainer *trainer) { return dgm_transformer_arena_bytes(trainer->transformer); }

/* ---- hashes, for those who ask ---- */

dgm_err dgm_trainer_trace(dgm_trainer *trainer, int64_t every)
{
    size_t n = (size_t)trainer->params->n_tensors;
    trainer->hash = calloc(2 * n, sizeof *trainer->hash);
    trainer->hash_halves = calloc(4 * n, sizeof *trainer->hash_halves);
    if (trainer->hash == NULL || trainer->hash_halves == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "hashes of %zu tensors", n);
    trainer->trace_every = every;
    return DGM_OK;
}

const uint64_t *dgm_trainer_hashes(const dgm_trainer *trainer) { return trainer->hash; }

/* Every replica hashes the slice that it updates: of the gradient it alone has the sum. */
static void hash_slice(const dgm_trainer *t, const float *flat, uint64_t *hash)
{
    memset(hash, 0, (size_t)t->params->n_tensors * sizeof *hash);
    for (int i = 0; i < t->optimizer.n_ranges; i++)
        dgm_tensor_hash_add(t->params, t->optimizer.ranges[i].lo, t->optimizer.ranges[i].hi, flat, hash);
}

dgm_err dgm_trainer_hash_weights(dgm_trainer *trainer, const uint64_t **hash)
{
    uint64_t *own = trainer->hash + trainer->params->n_tensors;
    hash_slice(trainer, trainer->flat, own);
    *hash = own;
    return dgm_tensor_hash_sum(trainer->grid, own, trainer->params->n_tensors, trainer->hash_halves);
}

dgm_err dgm_trainer_settle(dgm_trainer *trainer) { return dgm_paramsync_need(trainer->parameters, DGM_PARAMSYNC_ALL); }

/* ---- what a pass tells of its progress ---- */

static void report(void *user, int n_final)
{
    dgm_trainer *t = user;
    if (t->err == DGM_OK) t->err = dgm_paramsync_poll(t->parameters);
    dgm_gradsync_progress(t->sync, n_final);
}

static dgm_err need(void *user, int stage)
{
    dgm_trainer *t = user;
    DGM_TRY(t->err);
    return dgm_paramsync_need(t->parameters, stage);
}

/* ---- the update ---- */

static dgm_err run_rounds(dgm_trainer *t, int64_t step, const dgm_step_batch *batch)
{
    const dgm_train_options *o = &t->options;
    dgm_pass pass = {.dropout = (float)o->dropout,
                     .attention_dropout = (float)o->attention_dropout,
                     .activation_dropout = (float)o->activation_dropout,
                     .seed = o->seed,
                     .step = (uint32_t)step,
                     .label_smoothing = (float)o->label_smoothing,
                     .loss_scale = 1.0 / (double)DGM_MAX(batch->n_tgt_tokens, 1),
                     .fast_sums = o->reduction == DGM_REDUCE_FAST,
                     .progress = {report, need, t}};
    t->err = DGM_OK;
    dgm_gradsync_begin(t->sync);
    memset(t->leaf_loss, 0, (size_t)o->virtual_dp * sizeof *t->leaf_loss);
    for (int r = 0; r < batch->n_rounds; r++) {
        const dgm_batch *round = &batch->rounds[r];
        dgm_gradsync_round sums;
        DGM_TRY(dgm_gradsync_begin_round(t->sync, round->first_leaf, round->n_leaves, r + 1 == batch->n_rounds, &sums));
        DGM_TRY(dgm_transformer_step(t->transformer, &pass, round, &t->weights, sums.grad, t->leaf_loss + round->first_leaf, sums.src_rows,
                                     sums.tgt_rows));
        dgm_gradsync_end_round(t->sync);
    }
    return DGM_OK;
}

/* Losses of all leaves on every rank (each from the replica that has it, as bits), then along the tree. */
static dgm_err sum_losses(dgm_trainer *t, const dgm_step_batch *batch, dgm_step_result *out)
{
    int n = t->options.virtual_dp;
    for (int l = 0; l < n; l++) {
        t->sums[l] = t->leaf_loss[l].smoothed;
        t->sums[n + l] = t->leaf_loss[l].nll;
    }
    dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
    dgm_err err = dgm_coll_sum_counts(t->grid, DGM_AXIS_DP, (int64_t *)t->sums, 2 * n);
    dgm_timer_enter(left);
    DGM_TRY(err);
    double n_tokens = (double)DGM_MAX(batch->n_tgt_tokens, 1);
    out->loss = dgm_tree_sum(t->sums, n) / n_tokens;
    out->nll = dgm_tree_sum(t->sums + n, n) / n_tokens;
    return DGM_OK;
}

dgm_err dgm_trainer_step(dgm_trainer *trainer, int64_t step, const dgm_step_batch *batch, dgm_step_result *out)
{
    dgm_trainer *t = trainer;
    const dgm_train_options *o = &t->options;
    dgm_step_result result = {.n_src_tokens = batch->n_src_tokens, .n_tgt_tokens = batch->n_tgt_tokens, .n_sentences = batch->n_sentences};
    const float *grad;
    dgm_timer_enter(DGM_REGION_ELEMENTWISE);
    dgm_gemm_set_precision(o->precision);
    dgm_err err = run_rounds(t, step, batch);
    dgm_gemm_set_precision(DGM_PRECISION_FP32); /* what is not an update computes in fp32 */
    DGM_TRY(err);
    DGM_TRY(t->err);
    DGM_TRY(dgm_trainer_settle(t)); /* a replica without sentences has asked for nothing */
    DGM_TRY(sum_losses(t, batch, &result));
    DGM_TRY(dgm_gradsync_reduce(t->sync, &grad));
    dgm_timer_enter(DGM_REGION_OPTIMIZER);
    DGM_TRY(dgm_gradsync_norm(t->sync, grad, o->optimizer.freeze_embeddings, &result.grad_norm));
    result.rate = dgm_schedule_rate(&o->schedule, step);
    if (!isfinite(result.loss) || !isfinite(result.grad_norm))
        return DGM_FAIL(DGM_ERR_NUMERIC, "step %lld: loss %g, gradient norm %g: expected finite numbers; lower the learning rate (now %g) or set "
                        "--clip-norm", (long long)step, dgm_error_number(result.loss), dgm_error_number(result.grad_norm), result.rate);
    bool traced = t->trace_every > 0 && step % t->trace_every == 0;
    if (traced) hash_slice(t, grad, t->hash);
    double grad_scale = o->clip_norm > 0 && result.grad_norm > o->clip_norm ? o->clip_norm / result.grad_norm : 1;
    dgm_optimizer_update(&t->optimizer, t->params, step, result.rate, grad_scale, grad, t->flat);
    DGM_TRY(dgm_paramsync_begin(t->parameters));
    dgm_timer_enter(DGM_REGION_OTHER);
    if (traced) {
        hash_slice(t, t->flat, t->hash + t->params->n_tensors);
        DGM_TRY(dgm_tensor_hash_sum(t->grid, t->hash, 2 * t->params->n_tensors, t->hash_halves));
    }
    *out = result;
    return DGM_OK;
}
