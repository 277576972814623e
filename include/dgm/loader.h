/* The stream of training batches, in an order that depends on the seed alone.
 *
 * Each epoch sees each sentence once: the frames of DATA are shuffled, then the sentences of windows of as many whole frames as hold
 * at most DGM_LOADER_WINDOW sentences (at least one frame).  The order comes from (seed, epoch), so that any place of it can be found again without what
 * came before.  A global batch takes sentences from the stream as long as their target tokens (the end tokens counted) are at
 * most batch_tokens, and at least one; the stream goes on from epoch to epoch.
 *
 * All replicas cut the same global batch into the same leaves and each packs its own.  Memory: one window and one batch. */
#ifndef DGM_LOADER_H
#define DGM_LOADER_H

#include "dgm/batch.h"
#include "dgm/dataset.h"

enum { DGM_LOADER_WINDOW = 1 << 18 };

typedef struct {
    uint64_t seed;
    int64_t batch_tokens;       /* target tokens of a global batch */
    int64_t micro_batch_tokens; /* rows of a round on the larger side; 0: no limit */
    double bpe_dropout;         /* rate, in [0, 1); a sentence that it would make longer than DATA's max_length stays as encoded */
    int virtual_dp;             /* leaves of a global batch, a power of two */
    int replica, n_replicas;    /* this one, of how many: at most virtual_dp */
} dgm_loader_options;

/* Where the next batch begins. */
typedef struct {
    int64_t epoch;    /* from 0 */
    int64_t position; /* sentences of it that were taken */
} dgm_loader_state;

typedef struct dgm_loader dgm_loader;

/* The dataset must outlive the loader.  DGM_ERR_USAGE for options out of range, DGM_ERR_INPUT when there is no sentence. */
dgm_err dgm_loader_create(const dgm_dataset *dataset, const dgm_loader_options *options, dgm_loader **out);
void dgm_loader_destroy(dgm_loader *loader); /* accepts NULL */

/* The next batch; valid until the next call.  Not collective: equal on all replicas but for the rounds. */
dgm_err dgm_loader_next(dgm_loader *loader, dgm_step_batch *out);

dgm_loader_state dgm_loader_get_state(const dgm_loader *loader);
/* DGM_ERR_INPUT when there is no such place. */
dgm_err dgm_loader_set_state(dgm_loader *loader, dgm_loader_state state);

/* Of one epoch, for progress; tokens are target tokens, the end tokens counted. */
int64_t dgm_loader_epoch_sentences(const dgm_loader *loader);
int64_t dgm_loader_epoch_tokens(const dgm_loader *loader);

#endif
