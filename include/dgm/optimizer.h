/* Adam, AdamW and SGD on this rank's slice of the flat block; the moments of a slice exist on its owner alone. */
#ifndef DGM_OPTIMIZER_H
#define DGM_OPTIMIZER_H

#include "dgm/params.h"

typedef enum { DGM_OPTIMIZER_ADAM, DGM_OPTIMIZER_ADAMW, DGM_OPTIMIZER_SGD } dgm_optimizer_kind;

typedef struct {
    dgm_optimizer_kind kind;
    double beta1, beta2, eps; /* adam, adamw */
    double weight_decay;      /* adamw, sgd: of matrices and embeddings, not of biases and norms */
    double momentum;          /* sgd */
    bool freeze_embeddings;   /* their numbers stay as they are */
} dgm_optimizer_options;

typedef struct {
    dgm_optimizer_options options;
    dgm_range *ranges; /* [n_ranges] the slice: ascending stretches of the flat block */
    int n_ranges;
    float *m, *v;      /* first and second moments of the slice, its stretches end to end; v NULL with sgd */
} dgm_optimizer;

/* "adam", "adamw" or "sgd". */
dgm_err dgm_optimizer_parse(const char *name, dgm_optimizer_kind *out);

/* ranges [n_ranges] are copied: ascending, their ends block edges.  Moments start at zero. */
dgm_err dgm_optimizer_init(const dgm_optimizer_options *options, const dgm_range *ranges, int n_ranges, dgm_optimizer *out);
void dgm_optimizer_fini(dgm_optimizer *optimizer);

/* Whether training changes numbers of this role. */
bool dgm_optimizer_trains(const dgm_optimizer_options *options, dgm_role role);

/* One update of the slice: `step` counts from 1; grad and weights are flat blocks, of which the slice is read and changed; gradients
 * are multiplied by grad_scale. */
void dgm_optimizer_update(dgm_optimizer *optimizer, const dgm_params *params, int64_t step, double rate, double grad_scale, const float *grad,
                          float *weights);

#endif
