/* The distribution of the next token by several models together, or by one whose whole distribution is wanted.
 *
 * The mean of the models' probabilities (as fairseq has it), or the mean of their log-probabilities (as Marian has it, each model with the
 * same weight), which is not normalised again: scores are comparable within one kind only. */
#ifndef DGM_ENSEMBLE_H
#define DGM_ENSEMBLE_H

#include "dgm/logit_rows.h"
#include "dgm/sample.h"

enum { DGM_ENSEMBLE_MAX = 32 }; /* models */

typedef enum { DGM_ENSEMBLE_PROBABILITIES, DGM_ENSEMBLE_LOG_PROBABILITIES } dgm_ensemble_kind;

typedef struct {
    dgm_ensemble_kind kind;
    dgm_logit_rows rows;
    float *weight, *one; /* [vocab_size] of a row: of all models, and of one of them */
    int32_t *scratch;    /* [vocab_size] */
} dgm_ensemble;

/* outputs as in logit_rows.h, at most DGM_ENSEMBLE_MAX. */
dgm_err dgm_ensemble_init(int n_models, const dgm_panels *const *outputs, dgm_ensemble *out);
void dgm_ensemble_fini(dgm_ensemble *e); /* accepts a zeroed one */

/* As dgm_next_token_best (next_token.h) for n_rows <= DGM_LOGIT_ROWS; value [n_top] scratch. */
dgm_err dgm_ensemble_best(dgm_ensemble *e, int64_t n_rows, const float *const *hidden, const int32_t *wanted, int n_top, float *value,
                          int32_t *token, double *log_prob, double *wanted_log_prob, double *end);

/* How the next token of one row is drawn. */
typedef struct {
    double u;          /* dgm_sample_uniform's */
    int32_t wanted;    /* this token and no other; -1: draw */
    bool may_end;      /* </s> may come */
    bool must_end;     /* nothing else may */
    int64_t n_banned;  /* tokens that may not come */
    const int32_t *banned;
} dgm_draw;

/* token[n_rows], special ones never but </s>; log_prob[n_rows]: the model's or the models', whatever temperature, top_k and top_p made of it.
 * Of several models the logits are divided by the temperature one by one.  Where no token may come, </s> does,
 * and only there: however unlikely those are that may come, one of them does.
 * n_rows <= DGM_LOGIT_ROWS.  DGM_ERR_NUMERIC as dgm_next_token_best. */
dgm_err dgm_ensemble_draw(dgm_ensemble *e, const dgm_sample_options *options, int64_t n_rows, const float *const *hidden,
                          const dgm_draw *draws, int32_t *token, double *log_prob);

#endif
