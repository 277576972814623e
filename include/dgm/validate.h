/* Validation: loss and BLEU of the model on the validation part of DATA, every rank with a share of the sentences and the whole model. */
#ifndef DGM_VALIDATE_H
#define DGM_VALIDATE_H

#include "dgm/bleu.h"
#include "dgm/dataset.h"
#include "dgm/grid.h"
#include "dgm/params.h"

typedef struct {
    int64_t n_tokens;  /* target tokens, </s> counted */
    double loss, nll;  /* per token, nats; loss is label-smoothed */
    bool has_bleu;
    double bleu;       /* 13a, of the decoded translations against the decoded references */
} dgm_validation;

typedef struct dgm_validator dgm_validator;

/* params and flat: this rank's share of the model as it is trained; read at every run.  All must outlive the validator.
 * Not collective. */
dgm_err dgm_validator_create(const dgm_grid *grid, dgm_dataset *dataset, const dgm_params *params, const float *flat, dgm_validator **out);
void dgm_validator_destroy(dgm_validator *validator); /* accepts NULL */

/* Collective on grid->world; the result is the same on all ranks.  with_bleu: translate by beam search as well. */
dgm_err dgm_validator_run(dgm_validator *validator, double label_smoothing, bool with_bleu, dgm_validation *out);

#endif
