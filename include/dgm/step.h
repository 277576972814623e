/* One update of training: rounds of forward and backward, reduction, clipping, optimizer, parameters back to all replicas. */
#ifndef DGM_STEP_H
#define DGM_STEP_H

#include "dgm/gemm.h"
#include "dgm/gradsync.h"
#include "dgm/optimizer.h"
#include "dgm/paramsync.h"
#include "dgm/schedule.h"

typedef struct {
    uint64_t seed;
    int virtual_dp;    /* leaves of a global batch */
    dgm_precision precision; /* of the operands of the model's products */
    dgm_reduction reduction;
    bool overlap;      /* gradients and parameters travel between replicas while this one computes */
    int64_t part_floats; /* smallest part of a bucket that is reduced at once, on average; 0: the default */
    double dropout, attention_dropout, activation_dropout, label_smoothing;
    double clip_norm;  /* 0: no clipping */
    dgm_schedule schedule;
    dgm_optimizer_options optimizer;
} dgm_train_options;

typedef struct {
    double loss;      /* label-smoothed, nats per target token of the global batch */
    double nll;       /* without smoothing */
    double grad_norm; /* before clipping */
    double rate;      /* learning rate */
    int64_t n_src_tokens, n_tgt_tokens, n_sentences; /* of the global batch */
} dgm_step_result;

typedef struct dgm_trainer dgm_trainer;

/* `flat` [params->n_floats] are the parameters: the caller's, updated in place.  params, grid and flat must outlive it.
 * Not collective. */
dgm_err dgm_trainer_create(const dgm_params *params, const dgm_grid *grid, const dgm_train_options *options, float *flat, dgm_trainer **out);
/* Accepts NULL.  Does nothing while the trainer is busy. */
void dgm_trainer_destroy(dgm_trainer *trainer);

/* Whether messages are under way, as after a step that failed or that nothing has settled: MPI then reads and writes `flat` and the gradients,
 * and neither may be released before MPI has ended. */
bool dgm_trainer_is_busy(const dgm_trainer *trainer); /* false for NULL */

/* Waits until the parameters are those of the last update on all replicas: call before anything but dgm_trainer_step reads them.
 * Collective on grid->dp. */
dgm_err dgm_trainer_settle(dgm_trainer *trainer);

/* Update number `step`, from 1, on this replica's part of one global batch.  On return this replica's slice of the parameters is updated; the others' may
 * still be on their way.  DGM_ERR_NUMERIC, on all ranks and before any parameter changes, when the loss or the gradient is not finite.
 * Collective on grid->world. */
dgm_err dgm_trainer_step(dgm_trainer *trainer, int64_t step, const dgm_step_batch *batch, dgm_step_result *out);

/* Moments and the slice they belong to, for checkpoints. */
dgm_optimizer *dgm_trainer_optimizer(dgm_trainer *trainer);

/* From here on every update whose number `every` divides also hashes each logical tensor (tensor_hash.h): its gradient as summed over all
 * replicas, before clipping, and its weight after the update.  Without this call nothing is hashed.  Not collective. */
dgm_err dgm_trainer_trace(dgm_trainer *trainer, int64_t every);

/* Hashes of the last update that was traced, [n_tensors] of gradients, then [n_tensors] of weights; the same on all ranks; valid until the
 * next.  Only after dgm_trainer_trace.  Not collective. */
const uint64_t *dgm_trainer_hashes(const dgm_trainer *trainer);

/* Hashes of the weights as they are now, [n_tensors], valid as above.  Only after dgm_trainer_trace.  Collective on grid->world. */
dgm_err dgm_trainer_hash_weights(dgm_trainer *trainer, const uint64_t **hash);

int64_t dgm_trainer_arena_bytes(const dgm_trainer *trainer);

#endif
