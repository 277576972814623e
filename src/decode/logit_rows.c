#include "dgm/logit_rows.h"

#include "dgm/top.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 256 };

dgm_err dgm_logit_rows_init(int n_models, const dgm_panels *const *outputs, dgm_logit_rows *out)
{
    size_t n = (size_t)n_models;
    *out = (dgm_logit_rows){.n_models = n_models, .vocab_size = outputs[0]->out};
    out->outputs = malloc(n * sizeof *out->outputs);
    out->logits = aligned_alloc(64, (n * DGM_LOGIT_ROWS * (size_t)out->vocab_size * sizeof(float) + 63) / 64 * 64);
    out->lse = malloc(n * DGM_LOGIT_ROWS * sizeof *out->lse);
    if (out->outputs == NULL || out->logits == NULL || out->lse == NULL) {
        dgm_logit_rows_fini(out);
        return DGM_FAIL(DGM_ERR_NOMEM, "logits of %d models", n_models);
    }
    for (int m = 0; m < n_models; m++) {
        DGM_ASSERT(outputs[m]->out == out->vocab_size);
        out->outputs[m] = outputs[m];
    }
    return DGM_OK;
}

void dgm_logit_rows_fini(dgm_logit_rows *rows)
{
    free(rows->outputs);
    free(rows->logits);
    free(rows->lse);
    *rows = (dgm_logit_rows){0};
}

double dgm_logit_rows_lse(int64_t n, const float *logits)
{
    float max = -INFINITY;
    double sum = 0;
    for (int64_t at = 0; at < n; at += PIECE) dgm_lse_update(DGM_MIN(n - at, (int64_t)PIECE), logits + at, &max, &sum);
    return dgm_lse(max, sum);
}

dgm_err dgm_logit_rows_check(double lse)
{
    if (isfinite(lse)) return DGM_OK;
    return DGM_FAIL(DGM_ERR_NUMERIC, "the model's outputs are not finite (log-sum-exp %g): its weights are damaged or diverged", lse);
}

dgm_err dgm_logit_rows_compute(dgm_logit_rows *rows, int64_t n_rows, const float *const *hidden)
{
    DGM_ASSERT(n_rows >= 0 && n_rows <= DGM_LOGIT_ROWS);
    for (int m = 0; m < rows->n_models; m++) {
        const dgm_panels *output = rows->outputs[m];
        float *logits = rows->logits + m * DGM_LOGIT_ROWS * rows->vocab_size;
        dgm_panels_product(output, n_rows, hidden[m], output->in, logits, rows->vocab_size);
        for (int64_t r = 0; r < n_rows; r++) {
            double lse = rows->lse[m * DGM_LOGIT_ROWS + r] = dgm_logit_rows_lse(rows->vocab_size, logits + r * rows->vocab_size);
            DGM_TRY(dgm_logit_rows_check(lse));
        }
    }
    return DGM_OK;
}
