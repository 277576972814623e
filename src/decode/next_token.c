#include "dgm/next_token.h"

#include "dgm/top.h"
#include "dgm/vocab.h"

#include <math.h>
#include <stdlib.h>

/* A block of logits is 128 Ki floats: 512 KB, half of a usual L2 cache.  Few rows get many columns, so that their states are read seldom;
 * many rows few, so that the output matrix is read once.  Rows are looked through in pieces of 256 columns whatever the block is. */
enum { BLOCK_FLOATS = 128 << 10, PIECE = 256, MAX_ROWS = BLOCK_FLOATS / PIECE, MAX_COLUMNS = 2048 };

struct dgm_next_token {
    const dgm_panels *output;
    float *logits; /* [BLOCK_FLOATS] */
    int n_top;     /* that there is memory for */
    float *value;  /* [MAX_ROWS, n_top] */
};

typedef struct {
    float max, end; /* end: logit of </s> */
    double sum_exp;
} row_state;

dgm_err dgm_next_token_create(const dgm_panels *output, dgm_next_token **out)
{
    dgm_next_token *next = calloc(1, sizeof *next);
    if (next == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "candidates");
    *next = (dgm_next_token){.output = output, .logits = aligned_alloc(64, BLOCK_FLOATS * sizeof(float))};
    if (next->logits == NULL) {
        free(next);
        return DGM_FAIL(DGM_ERR_NOMEM, "candidates");
    }
    *out = next;
    return DGM_OK;
}

void dgm_next_token_destroy(dgm_next_token *next)
{
    if (next == NULL) return;
    free(next->logits);
    free(next->value);
    free(next);
}

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
static void take_piece(int64_t first, int64_t n, const float *logits, int n_top, row_state *state, float *value, int32_t *token)
{
    int64_t skip = first == 0 ? DGM_MIN(n, DGM_VOCAB_N_SPECIAL) : 0; /* special tokens are not produced */
    if (first == 0) state->end = logits[DGM_TOKEN_END];
    dgm_lse_update(n, logits, &state->max, &state->sum_exp);
    dgm_top_update(n - skip, logits + skip, (int32_t)(first + skip), n_top, value, token);
}

static dgm_err best_of_rows(dgm_next_token *next, int64_t n_rows, const float *hidden, int n_top, int32_t *token, double *log_prob, double *end)
{
    row_state state[MAX_ROWS];
    float *value = next->value;
    int64_t d = next->output->in, vocab_size = next->output->out;
    int64_t columns = DGM_MIN(BLOCK_FLOATS / n_rows / PIECE * PIECE, (int64_t)MAX_COLUMNS);
    for (int64_t r = 0; r < n_rows; r++) state[r] = (row_state){.max = -INFINITY};
    for (int64_t i = 0; i < n_rows * n_top; i++) value[i] = -INFINITY, token[i] = -1;
    for (int64_t first = 0; first < vocab_size; first += columns) {
        int64_t n = DGM_MIN(vocab_size - first, columns);
        dgm_panels_columns(next->output, first, n, n_rows, hidden, d, next->logits, n);
        for (int64_t r = 0; r < n_rows; r++)
            for (int64_t at = 0; at < n; at += PIECE)
                take_piece(first + at, DGM_MIN(n - at, (int64_t)PIECE), next->logits + r * n + at, n_top, &state[r], value + r * n_top,
                           token + r * n_top);
    }
    for (int64_t r = 0; r < n_rows; r++) {
        double lse = dgm_lse(state[r].max, state[r].sum_exp);
        if (!isfinite(lse))
            return DGM_FAIL(DGM_ERR_NUMERIC, "the model's outputs are not finite (log-sum-exp %g): its weights are damaged or diverged", lse);
        end[r] = (double)state[r].end - lse;
        for (int64_t i = r * n_top; i < (r + 1) * n_top; i++) log_prob[i] = (double)value[i] - lse;
    }
    return DGM_OK;
}

dgm_err dgm_next_token_best(dgm_next_token *next, int64_t n_rows, const float *hidden, int n_top, int32_t *token, double *log_prob,
                            double *end)
{
    DGM_TRY(make_room(next, n_top));
    for (int64_t at = 0; at < n_rows; at += MAX_ROWS)
        DGM_TRY(best_of_rows(next, DGM_MIN(n_rows - at, (int64_t)MAX_ROWS), hidden + at * next->output->in, n_top, token + at * n_top,
                             log_prob + at * n_top, end + at));
    return DGM_OK;
}
