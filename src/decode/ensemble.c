#include "dgm/ensemble.h"

#include "dgm/elem.h"
#include "dgm/softmax.h"
#include "dgm/top.h"
#include "dgm/vocab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

dgm_err dgm_ensemble_init(int n_models, const dgm_panels *const *outputs, dgm_ensemble *out)
{
    *out = (dgm_ensemble){0};
    DGM_TRY(dgm_logit_rows_init(n_models, outputs, &out->rows));
    size_t n = (size_t)out->rows.vocab_size;
    out->weight = malloc(n * sizeof *out->weight);
    out->one = malloc(n * sizeof *out->one);
    out->scratch = malloc(n * sizeof *out->scratch);
    if (out->weight != NULL && out->one != NULL && out->scratch != NULL) return DGM_OK;
    dgm_ensemble_fini(out);
    return DGM_FAIL(DGM_ERR_NOMEM, "distributions over %zu tokens", n);
}

void dgm_ensemble_fini(dgm_ensemble *e)
{
    dgm_logit_rows_fini(&e->rows);
    free(e->weight);
    free(e->one);
    free(e->scratch);
    *e = (dgm_ensemble){0};
}

/* Log-probability of one token, in double, of logits * scale, whose log-sum-exps are lse[n_models]. */
static double mixed_of(const dgm_ensemble *e, int64_t row, int32_t token, float scale, const double *lse)
{
    const dgm_logit_rows *rows = &e->rows;
    double x[DGM_ENSEMBLE_MAX], sum = 0;
    for (int m = 0; m < rows->n_models; m++) {
        x[m] = (double)(dgm_logit_row(rows, m, row)[token] * scale) - lse[m];
        sum += x[m];
    }
    if (rows->n_models == 1) return sum;
    return e->kind == DGM_ENSEMBLE_LOG_PROBABILITIES ? sum / rows->n_models : dgm_log_mean_exp(rows->n_models, x);
}

static double mixed(const dgm_ensemble *e, int64_t row, int32_t token)
{
    double lse[DGM_ENSEMBLE_MAX];
    for (int m = 0; m < e->rows.n_models; m++) lse[m] = e->rows.lse[m * DGM_LOGIT_ROWS + row];
    return mixed_of(e, row, token, 1, lse);
}

/* x[n] becomes scale * exp(x - its log-sum-exp). */
static void normalise(int64_t n, float scale, float *x)
{
    const int32_t none = -1;
    float lse = (float)dgm_logit_rows_lse(n, x);
    dgm_softmax_loss_grad(1, n, 0, &lse, &none, 0, n, scale, x, n);
}

/* e->weight: for PROBABILITIES the mean of the models' softmaxes of logits / temperature; for LOG_PROBABILITIES the mean of those quotients,
 * which differs from the mean of log-probabilities by what is the same for all tokens. */
static void mix(dgm_ensemble *e, int64_t row, float temperature)
{
    int64_t n = e->rows.vocab_size;
    int n_models = e->rows.n_models;
    for (int m = 0; m < n_models; m++) {
        float *x = m == 0 ? e->weight : e->one;
        memcpy(x, dgm_logit_row(&e->rows, m, row), (size_t)n * sizeof *x);
        if (temperature != 1) dgm_elem_scale(n, 1 / temperature, x);
        if (e->kind == DGM_ENSEMBLE_PROBABILITIES) normalise(n, 1 / (float)n_models, x);
        else if (n_models > 1) dgm_elem_scale(n, 1 / (float)n_models, x);
        if (m > 0) dgm_elem_add(n, e->one, e->weight);
    }
}

/* A probability below 1e-37 is 0 in e->weight: such tokens get their log-probabilities, which are negative, so that they stand below all
 * others and in order.  They are wanted where the likelier ones are banned. */
static void order_unlikely(dgm_ensemble *e, int64_t row)
{
    if (e->kind != DGM_ENSEMBLE_PROBABILITIES) return;
    for (int64_t i = 0; i < e->rows.vocab_size; i++)
        if (!(e->weight[i] > 0)) e->weight[i] = (float)mixed(e, row, (int32_t)i);
}

dgm_err dgm_ensemble_best(dgm_ensemble *e, int64_t n_rows, const float *const *hidden, const int32_t *wanted, int n_top, float *value,
                          int32_t *token, double *log_prob, double *wanted_log_prob, double *end)
{
    DGM_TRY(dgm_logit_rows_compute(&e->rows, n_rows, hidden));
    for (int64_t r = 0; r < n_rows; r++) {
        int32_t *list = token + r * n_top;
        for (int i = 0; i < n_top; i++) value[i] = -INFINITY, list[i] = -1;
        mix(e, r, 1);
        order_unlikely(e, r);
        int64_t skip = DGM_MIN(e->rows.vocab_size, (int64_t)DGM_VOCAB_N_SPECIAL);
        dgm_top_update(e->rows.vocab_size - skip, e->weight + skip, (int32_t)skip, n_top, value, list);
        for (int i = 0; i < n_top; i++) log_prob[r * n_top + i] = list[i] >= 0 ? mixed(e, r, list[i]) : 0;
        if (wanted != NULL && wanted[r] >= 0) wanted_log_prob[r] = mixed(e, r, wanted[r]);
        end[r] = mixed(e, r, DGM_TOKEN_END);
    }
    return DGM_OK;
}

/* e->weight becomes what may be drawn. */
static void leave_out(dgm_ensemble *e, const dgm_draw *draw)
{
    for (int32_t i = 0; i < DGM_VOCAB_N_SPECIAL && i < e->rows.vocab_size; i++)
        if (i != DGM_TOKEN_END || !draw->may_end) e->weight[i] = 0;
    for (int64_t i = 0; i < draw->n_banned; i++) e->weight[draw->banned[i]] = 0;
}

/* Whether so little is left that tokens are missing from it: exp is 0 below e^-86. */
static bool is_faint(const dgm_ensemble *e)
{
    float most = 0;
    for (int64_t i = 0; i < e->rows.vocab_size; i++) most = fmaxf(most, e->weight[i]);
    return most < 1e-20F;
}

/* e->weight anew, of what may be drawn alone: what may not, by far the likeliest at low temperatures, takes the rest below the smallest floats. */
static void weigh_left(dgm_ensemble *e, int64_t row, float temperature, const dgm_draw *draw)
{
    int64_t n = e->rows.vocab_size;
    float scale = 1 / temperature;
    double lse[DGM_ENSEMBLE_MAX], most = -INFINITY;
    for (int m = 0; m < e->rows.n_models; m++) {
        memcpy(e->one, dgm_logit_row(&e->rows, m, row), (size_t)n * sizeof *e->one);
        dgm_elem_scale(n, scale, e->one);
        lse[m] = dgm_logit_rows_lse(n, e->one);
    }
    for (int64_t i = 0; i < n; i++) e->weight[i] = 1;
    leave_out(e, draw);
    for (int64_t i = 0; i < n; i++)
        if (e->weight[i] > 0) most = fmax(most, mixed_of(e, row, (int32_t)i, scale, lse));
    for (int64_t i = 0; i < n; i++) e->one[i] = e->weight[i] > 0 ? (float)(mixed_of(e, row, (int32_t)i, scale, lse) - most) : -1000;
    if (!isfinite(most)) return; /* nothing may be drawn */
    memcpy(e->weight, e->one, (size_t)n * sizeof *e->one);
    normalise(n, 1, e->weight);
}

dgm_err dgm_ensemble_draw(dgm_ensemble *e, const dgm_sample_options *options, int64_t n_rows, const float *const *hidden,
                          const dgm_draw *draws, int32_t *token, double *log_prob)
{
    DGM_TRY(dgm_logit_rows_compute(&e->rows, n_rows, hidden));
    for (int64_t r = 0; r < n_rows; r++) {
        const dgm_draw *draw = &draws[r];
        token[r] = draw->must_end ? DGM_TOKEN_END : draw->wanted;
        if (token[r] < 0) {
            mix(e, r, (float)options->temperature);
            if (e->kind == DGM_ENSEMBLE_LOG_PROBABILITIES) normalise(e->rows.vocab_size, 1, e->weight);
            leave_out(e, draw);
            if (is_faint(e)) weigh_left(e, r, (float)options->temperature, draw);
            token[r] = dgm_sample_draw(options, draw->u, e->rows.vocab_size, e->weight, e->scratch);
        }
        if (token[r] < 0) token[r] = DGM_TOKEN_END;
        log_prob[r] = mixed(e, r, token[r]);
    }
    return DGM_OK;
}
