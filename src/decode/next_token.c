#include "dgm/next_token.h"

#include "dgm/top.h"
#include "dgm/vocab.h"

#include <math.h>
#include <stdlib.h>

/* A block of logits is 128 Ki floats: 512 KB, half of a usual L2 cache.  Few rows get many columns, so that their states are read seldom;
 * many rows few, so that the output matrix is read once.  Rows are looked through in pieces of 256 columns whatever the block is. */
enum { BLOCK_FLOATS = 128 << 10, PIECE = 256, MAX_ROWS = BLOCK_FLOATS / PIECE, MAX_COLUMNS = 2048 };

struct dgm_next_token {
    int n_models;
    const dgm_panels *output; /* of the first model */
    float *logits;            /* [BLOCK_FLOATS] */
    int n_top;                /* that there is memory for */
    float *value;             /* [MAX_ROWS, n_top] */
    const dgm_panels **outputs; /* [n_models], until the ensemble is made */
    const float **hidden;       /* [n_models] rows that are under way */
    bool has_ensemble;
    dgm_ensemble_kind kind;
    dgm_ensemble ensemble;
};

typedef struct {
    float max, end, wanted; /* logits: largest, of </s>, of the wanted token */
    double sum_exp;
} row_state;

dgm_err dgm_next_token_create(int n_models, const dgm_panels *const *outputs, dgm_next_token **out)
{
    dgm_next_token *next = calloc(1, sizeof *next);
    if (next == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "candidates");
    *next = (dgm_next_token){.n_models = n_models, .output = outputs[0]};
    next->logits = aligned_alloc(64, BLOCK_FLOATS * sizeof *next->logits);
    next->outputs = malloc((size_t)n_models * sizeof *next->outputs);
    next->hidden = malloc((size_t)n_models * sizeof *next->hidden);
    if (next->logits == NULL || next->outputs == NULL || next->hidden == NULL) {
        dgm_next_token_destroy(next);
        return DGM_FAIL(DGM_ERR_NOMEM, "candidates");
    }
    for (int m = 0; m < n_models; m++) next->outputs[m] = outputs[m];
    *out = next;
    return DGM_OK;
}

void dgm_next_token_destroy(dgm_next_token *next)
{
    if (next == NULL) return;
    dgm_ensemble_fini(&next->ensemble);
    free(next->logits);
    free(next->value);
    free(next->outputs);
    free(next->hidden);
    free(next);
}

void dgm_next_token_set_kind(dgm_next_token *next, dgm_ensemble_kind kind) { next->kind = kind; }

static dgm_err make_room(dgm_next_token *next, int n_top)
{
    if (n_top <= next->n_top) return DGM_OK;
    free(next->value);
    next->n_top = 0;
    next->value = malloc((size_t)(MAX_ROWS * (int64_t)n_top) * sizeof *next->value);
    if (next->value == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d candidates", n_top);
    next->n_top = n_top;
    return DGM_OK;
}

/* Takes the columns [first, first + n) of a row's logits into account; n at most PIECE. */
static void take_piece(int64_t first, int64_t n, const float *logits, int32_t wanted, int n_top, row_state *state, float *value, int32_t *token)
{
    int64_t skip = first == 0 ? DGM_MIN(n, DGM_VOCAB_N_SPECIAL) : 0; /* special tokens are not produced */
    if (first == 0) state->end = logits[DGM_TOKEN_END];
    if (wanted >= first && wanted < first + n) state->wanted = logits[wanted - first];
    dgm_lse_update(n, logits, &state->max, &state->sum_exp);
    dgm_top_update(n - skip, logits + skip, (int32_t)(first + skip), n_top, value, token);
}

static void look_through(dgm_next_token *next, int64_t n_rows, const float *hidden, const int32_t *wanted, int n_top, int32_t *token,
                         row_state *state)
{
    int64_t d = next->output->in, vocab_size = next->output->out;
    int64_t columns = DGM_MIN(BLOCK_FLOATS / n_rows / PIECE * PIECE, (int64_t)MAX_COLUMNS);
    for (int64_t first = 0; first < vocab_size; first += columns) {
        int64_t n = DGM_MIN(vocab_size - first, columns);
        dgm_panels_columns(next->output, first, n, n_rows, hidden, d, next->logits, n);
        for (int64_t r = 0; r < n_rows; r++)
            for (int64_t at = 0; at < n; at += PIECE)
                take_piece(first + at, DGM_MIN(n - at, (int64_t)PIECE), next->logits + r * n + at, wanted != NULL ? wanted[r] : -1, n_top,
                           &state[r], next->value + r * n_top, token + r * n_top);
    }
}

static dgm_err best_of_rows(dgm_next_token *next, int64_t n_rows, const float *hidden, const int32_t *wanted, int n_top, int32_t *token,
                            double *log_prob, double *wanted_log_prob, double *end)
{
    row_state state[MAX_ROWS];
    for (int64_t r = 0; r < n_rows; r++) state[r] = (row_state){.max = -INFINITY};
    for (int64_t i = 0; i < n_rows * n_top; i++) next->value[i] = -INFINITY, token[i] = -1;
    look_through(next, n_rows, hidden, wanted, n_top, token, state);
    for (int64_t r = 0; r < n_rows; r++) {
        double lse = dgm_lse(state[r].max, state[r].sum_exp);
        DGM_TRY(dgm_logit_rows_check(lse));
        end[r] = (double)state[r].end - lse;
        if (wanted != NULL && wanted[r] >= 0) wanted_log_prob[r] = (double)state[r].wanted - lse;
        for (int64_t i = r * n_top; i < (r + 1) * n_top; i++) log_prob[i] = (double)next->value[i] - lse;
    }
    return DGM_OK;
}

/* ---- several models, and draws ---- */

/* Whole rows take memory, which beam search by one model does without. */
static dgm_err need_ensemble(dgm_next_token *next)
{
    if (!next->has_ensemble) DGM_TRY(dgm_ensemble_init(next->n_models, next->outputs, &next->ensemble));
    next->has_ensemble = true;
    next->ensemble.kind = next->kind;
    return DGM_OK;
}

/* The states from row `at` on. */
static const float *const *from_row(dgm_next_token *next, const float *const *hidden, int64_t at)
{
    for (int m = 0; m < next->n_models; m++) next->hidden[m] = hidden[m] + at * next->outputs[m]->in;
    return next->hidden;
}

dgm_err dgm_next_token_best(dgm_next_token *next, int64_t n_rows, const float *const *hidden, const int32_t *wanted, int n_top,
                            int32_t *token, double *log_prob, double *wanted_log_prob, double *end)
{
    bool alone = next->n_models == 1;
    int64_t most = alone ? MAX_ROWS : DGM_LOGIT_ROWS;
    DGM_TRY(make_room(next, n_top));
    if (!alone) DGM_TRY(need_ensemble(next));
    for (int64_t at = 0; at < n_rows; at += most) {
        int64_t n = DGM_MIN(n_rows - at, most);
        const int32_t *wanted_here = wanted != NULL ? wanted + at : NULL;
        double *wanted_log_prob_here = wanted != NULL ? wanted_log_prob + at : NULL;
        const float *const *rows = from_row(next, hidden, at);
        if (alone)
            DGM_TRY(best_of_rows(next, n, rows[0], wanted_here, n_top, token + at * n_top, log_prob + at * n_top, wanted_log_prob_here,
                                 end + at));
        else
            DGM_TRY(dgm_ensemble_best(&next->ensemble, n, rows, wanted_here, n_top, next->value, token + at * n_top, log_prob + at * n_top,
                                      wanted_log_prob_here, end + at));
    }
    return DGM_OK;
}

dgm_err dgm_next_token_draw(dgm_next_token *next, const dgm_sample_options *options, int64_t n_rows, const float *const *hidden,
                            const dgm_draw *draws, int32_t *token, double *log_prob)
{
    DGM_TRY(need_ensemble(next));
    for (int64_t at = 0; at < n_rows; at += DGM_LOGIT_ROWS)
        DGM_TRY(dgm_ensemble_draw(&next->ensemble, options, DGM_MIN(n_rows - at, (int64_t)DGM_LOGIT_ROWS), from_row(next, hidden, at), draws + at,
                                  token + at, log_prob + at));
    return DGM_OK;
}
