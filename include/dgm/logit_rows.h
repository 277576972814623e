/* Whole rows of logits of one or several models, some rows at a time: for what must see every token at once. */
#ifndef DGM_LOGIT_ROWS_H
#define DGM_LOGIT_ROWS_H

#include "dgm/panels.h"

enum { DGM_LOGIT_ROWS = 16 };

typedef struct {
    int n_models;
    int64_t vocab_size;
    const dgm_panels **outputs; /* [n_models] */
    float *logits; /* [n_models, DGM_LOGIT_ROWS, vocab_size] */
    double *lse;   /* [n_models, DGM_LOGIT_ROWS] */
} dgm_logit_rows;

/* outputs[n_models]: output matrices of one vocabulary size, which must outlive it. */
dgm_err dgm_logit_rows_init(int n_models, const dgm_panels *const *outputs, dgm_logit_rows *out);
void dgm_logit_rows_fini(dgm_logit_rows *rows); /* accepts a zeroed one */

/* Logits and their log-sum-exp of n_rows <= DGM_LOGIT_ROWS states, hidden[m] [n_rows, d_model of model m].  DGM_ERR_NUMERIC when one is not
 * finite. */
dgm_err dgm_logit_rows_compute(dgm_logit_rows *rows, int64_t n_rows, const float *const *hidden);

static inline const float *dgm_logit_row(const dgm_logit_rows *rows, int model, int64_t row)
{
    return rows->logits + (model * DGM_LOGIT_ROWS + row) * rows->vocab_size;
}

/* Log-sum-exp of a row in pieces of 256, as everywhere in decoding. */
double dgm_logit_rows_lse(int64_t n, const float *logits);

/* The message of a log-sum-exp that is not finite. */
dgm_err dgm_logit_rows_check(double lse);

#endif
