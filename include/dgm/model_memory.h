/* Whether a model can be trained in the memory of the machines, before any of it is asked for. */
#ifndef DGM_MODEL_MEMORY_H
#define DGM_MODEL_MEMORY_H

#include "dgm/grid.h"
#include "dgm/hparams.h"
#include "dgm/step.h"

/* Of the host of this rank, in bytes; 0: it does not say. */
typedef struct {
    int64_t total;     /* physical memory and swap space */
    int64_t available; /* what could be had now without swapping */
} dgm_host_memory;

dgm_host_memory dgm_host_memory_read(void);

/* The least that a rank needs for training: parameters, gradient, its share of the moments and, with tp, the whole model for validation.  Activations
 * come on top. */
int64_t dgm_model_memory_bytes(const dgm_hparams *hp, const dgm_optimizer_options *optimizer, const dgm_grid *grid);

/* DGM_ERR_NOMEM when the ranks of this host together need more than it has: the system would kill one of them half-way, since it promises memory that
 * it does not have.  Warns when they need more than is available now, on the first rank of the host.  Not collective. */
dgm_err dgm_model_memory_check(const dgm_hparams *hp, const dgm_optimizer_options *optimizer, const dgm_grid *grid, dgm_host_memory has);

#endif
