#include "dgm/score_pairs.h"

#include "dgm/coll.h"
#include "dgm/length_order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double UNIT = 1.0 / 4294967296.0; /* 2^-32 nats */

enum { N_LEAVES = 8 }; /* the logits of a leaf or more are in memory at a time; losses do not depend on it */

typedef struct {
    dgm_transformer *transformer;
    const dgm_weights *weights;
    float label_smoothing;
    const dgm_pair *pairs;
    int64_t *loss;     /* [n, 2] smoothed and nll of each pair in units; 0 where another rank has it */
    int64_t *token;    /* of each target token the nll in units, as the loss; NULL: not wanted */
    int64_t *token_at; /* [n + 1] first token of each pair */
    dgm_batch_builder *builder;
    dgm_pair *chunk;   /* [n] pairs of this rank by falling length */
    int64_t *index;    /* [n] which they are */
    double *row;       /* [2, row_capacity] losses of rows */
    int64_t row_capacity;
} scoring;

static int64_t rows_of(const dgm_pair *pair) { return DGM_MAX(pair->n_src, pair->n_tgt) + (int64_t)1; }

/* Every size-th pair by falling length is this rank's. */
static dgm_err take_share(scoring *s, const dgm_grid *grid, int64_t n, int64_t *n_mine)
{
    int64_t *length = calloc((size_t)DGM_MAX(n, 1), sizeof *length), taken = 0;
    if (length == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld pairs", (long long)n);
    for (int64_t i = 0; i < n; i++) length[i] = rows_of(&s->pairs[i]);
    dgm_err err = dgm_length_order(length, n, s->index);
    for (int64_t i = grid->rank; err == DGM_OK && i < n; i += grid->size) {
        s->index[taken] = s->index[i];
        s->chunk[taken] = s->pairs[s->index[taken]];
        taken++;
    }
    free(length);
    *n_mine = taken;
    return err;
}

/* A number of nats in units.  `pair` is for the message. */
static dgm_err to_units(double nats, int64_t pair, int64_t *out)
{
    if (!(fabs(nats) < 1073741824.0))
        return DGM_FAIL(DGM_ERR_NUMERIC, "pair %lld: the loss is %g: the model's weights are damaged or diverged", (long long)pair + 1, nats);
    *out = (int64_t)llround(nats / UNIT);
    return DGM_OK;
}

static dgm_err make_room(scoring *s, int64_t n_rows)
{
    if (n_rows <= s->row_capacity) return DGM_OK;
    free(s->row);
    s->row_capacity = 0;
    s->row = malloc((size_t)(2 * n_rows) * sizeof *s->row);
    if (s->row == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "losses of %lld tokens", (long long)n_rows);
    s->row_capacity = n_rows;
    return DGM_OK;
}

/* Pairs [at, at + n) of this rank's in one batch. */
static dgm_err score_batch(scoring *s, int64_t at, int64_t n)
{
    dgm_step_batch all;
    DGM_TRY(dgm_batch_build(s->builder, s->chunk + at, n, N_LEAVES, 0, N_LEAVES, 0, &all));
    DGM_ASSERT(all.n_rounds == 1);
    const dgm_batch *batch = &all.rounds[0];
    int64_t n_rows = batch->tgt.n_rows;
    DGM_TRY(make_room(s, n_rows));
    DGM_TRY(dgm_transformer_score(s->transformer, s->label_smoothing, batch, s->weights, s->row, s->row + n_rows));
    for (int64_t i = 0; i < batch->tgt.n_sent; i++) {
        double sum[2] = {0, 0};
        int64_t pair = s->index[at + batch->sentence[i]];
        int64_t first = batch->tgt.start[i], n_here = batch->tgt.start[i + 1] - first;
        for (int64_t r = first; r < first + n_here; r++) sum[0] += s->row[r], sum[1] += s->row[n_rows + r];
        for (int k = 0; k < 2; k++) DGM_TRY(to_units(sum[k], pair, &s->loss[2 * pair + k]));
        for (int64_t j = 0; s->token != NULL && j < n_here; j++)
            DGM_TRY(to_units(s->row[n_rows + first + j], pair, &s->token[s->token_at[pair] + j]));
    }
    return DGM_OK;
}

static dgm_err score_share(scoring *s, int64_t n_mine, int64_t max_rows)
{
    for (int64_t at = 0, n; at < n_mine; at += n) {
        int64_t src = 0, tgt = 0;
        for (n = 0; at + n < n_mine; n++) {
            src += s->chunk[at + n].n_src + 1, tgt += s->chunk[at + n].n_tgt + 1;
            if (n > 0 && DGM_MAX(src, tgt) > max_rows) break;
        }
        DGM_TRY(score_batch(s, at, n));
    }
    return DGM_OK;
}

/* Sums of the units: whole nats and the rest apart, so that no corpus is too large for 64 bits. */
static double exact_sum(const int64_t *loss, int64_t n)
{
    int64_t whole = 0, rest = 0;
    for (int64_t i = 0; i < n; i++) whole += loss[2 * i] >> 32, rest += loss[2 * i] & 0xFFFFFFFF;
    whole += rest >> 32, rest &= 0xFFFFFFFF;
    return (double)whole + (double)rest * UNIT;
}

/* Memory for what is wanted of each token. */
static dgm_err want_tokens(scoring *s, int64_t n)
{
    s->token_at = malloc(((size_t)n + 1) * sizeof *s->token_at);
    if (s->token_at == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld pairs", (long long)n);
    s->token_at[0] = 0;
    for (int64_t i = 0; i < n; i++) s->token_at[i + 1] = s->token_at[i] + s->pairs[i].n_tgt + 1;
    s->token = calloc((size_t)DGM_MAX(s->token_at[n], 1), sizeof *s->token);
    return s->token != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "losses of %lld tokens", (long long)s->token_at[n]);
}

static void report(const scoring *s, int64_t n, dgm_pair_loss *total, dgm_pair_loss *lines)
{
    *total = (dgm_pair_loss){exact_sum(s->loss, n), exact_sum(s->loss + 1, n), 0};
    for (int64_t i = 0; i < n; i++) {
        int64_t n_tokens = s->pairs[i].n_tgt + (int64_t)1;
        total->n_tokens += n_tokens;
        if (lines != NULL) lines[i] = (dgm_pair_loss){(double)s->loss[2 * i] * UNIT, (double)s->loss[2 * i + 1] * UNIT, n_tokens};
    }
}

dgm_err dgm_score_pairs(const dgm_grid *grid, dgm_transformer *transformer, const dgm_weights *weights, float label_smoothing,
                        int64_t max_rows, const dgm_pair *pairs, int64_t n, dgm_pair_loss *total, dgm_pair_loss *lines, double *tokens)
{
    scoring s = {.transformer = transformer, .weights = weights, .label_smoothing = label_smoothing, .pairs = pairs};
    int64_t n_mine = 0;
    size_t room = (size_t)DGM_MAX(n, 1);
    s.loss = calloc(2 * room, sizeof *s.loss);
    s.chunk = malloc(room * sizeof *s.chunk);
    s.index = malloc(room * sizeof *s.index);
    dgm_err err = s.loss != NULL && s.chunk != NULL && s.index != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld pairs", (long long)n);
    if (err == DGM_OK && tokens != NULL) err = want_tokens(&s, n);
    if (err == DGM_OK) err = dgm_batch_builder_create(&s.builder);
    if (err == DGM_OK) err = take_share(&s, grid, n, &n_mine);
    if (err == DGM_OK) err = score_share(&s, n_mine, max_rows);
    DGM_GOTO(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    DGM_GOTO(dgm_coll_sum_counts(grid, DGM_AXIS_WORLD, s.loss, 2 * n));
    if (tokens != NULL) {
        DGM_GOTO(dgm_coll_sum_counts(grid, DGM_AXIS_WORLD, s.token, s.token_at[n]));
        for (int64_t i = 0; i < s.token_at[n]; i++) tokens[i] = (double)s.token[i] * UNIT;
    }
    report(&s, n, total, lines);
fail:
    dgm_batch_builder_destroy(s.builder);
    free(s.loss), free(s.token), free(s.token_at), free(s.chunk), free(s.index), free(s.row);
    return err;
}
