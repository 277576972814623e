/* The decoder's matrices are laid out afresh (panels.h), rows of all pieces in plain order: queries, keys and values of all heads side
 * by side, whatever virtual_tp cut them into.  That sums K in one chain where training sums pieces along a tree: equal to rounding. */
#include "dgm/decoder_step.h"

#include "dgm/attend.h"
#include "dgm/elem.h"
#include "dgm/norm.h"
#include "dgm/panels.h"
#include "dgm/softmax.h"
#include "dgm/top.h"
#include "dgm/transformer.h"
#include "dgm/vocab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Logits are made in blocks that stay in the L2 cache: 128 rows of 1,024 columns. */
enum { BLOCK_ROWS = 128, BLOCK_COLUMNS = 1024 };

typedef struct {
    dgm_panels self_in, self_out, cross_in, cross_out, ffn_in, ffn_out;
    float *self_bias; /* [3 * d_model] in plain order */
} layer;

struct dgm_decoder_step {
    const dgm_params *params;
    const dgm_weights *weights;
    layer *layers;
    dgm_panels cross_kv;  /* [n_layers * 2 * d_model] rows: per layer keys, then values */
    float *cross_kv_bias;
    dgm_panels output;    /* the embedding, as the matrix of the logits */
    float *positions;     /* [n_positions, d_model] */
    int64_t n_positions;
    float *work;          /* activations of n_work_rows rows, see `activations` */
    int64_t n_work_rows;
    float *scores;        /* of one attention, n_scores */
    int64_t n_scores;
    float *logits;        /* [BLOCK_ROWS, BLOCK_COLUMNS] */
};

/* ---- laying out the weights ---- */

/* One projection out of a merged matrix: row r of its piece p is row (p * n_parts + part) * w + r there, w = d_model / virtual_tp. */
static void set_pieces(dgm_panels *panels, int64_t row0, const dgm_hparams *hp, const float *merged, int64_t n_parts, int64_t part)
{
    int64_t d = hp->d_model, w = d / hp->virtual_tp;
    for (int64_t p = 0; p < hp->virtual_tp; p++)
        dgm_panels_set(panels, row0 + p * w, w, merged + (p * n_parts + part) * w * d, d, 1);
}

static void set_piece_bias(float *bias, const dgm_hparams *hp, const float *merged, int64_t n_parts, int64_t part)
{
    int64_t w = hp->d_model / hp->virtual_tp;
    for (int64_t p = 0; p < hp->virtual_tp; p++) memcpy(bias + p * w, merged + (p * n_parts + part) * w, (size_t)w * sizeof *bias);
}

static void set_plain(dgm_panels *panels, const float *w) { dgm_panels_set(panels, 0, panels->out, w, panels->in, 1); }
static void set_transposed(dgm_panels *panels, const float *w) { dgm_panels_set(panels, 0, panels->out, w, 1, panels->out); }

static void load_layer(layer *l, const dgm_hparams *hp, const dgm_layer_weights *w)
{
    for (int64_t part = 0; part < 3; part++) {
        set_pieces(&l->self_in, part * hp->d_model, hp, w->self.in_weight, 3, part);
        set_piece_bias(l->self_bias + part * hp->d_model, hp, w->self.in_bias, 3, part);
    }
    set_transposed(&l->self_out, w->self.out_weight);
    set_plain(&l->cross_in, w->cross.in_weight);
    set_transposed(&l->cross_out, w->cross.out_weight);
    set_plain(&l->ffn_in, w->ffn.in_weight);
    set_transposed(&l->ffn_out, w->ffn.out_weight);
}

void dgm_decoder_step_load(dgm_decoder_step *s)
{
    const dgm_hparams *hp = &s->params->hp;
    int64_t parts = 2 * hp->n_decoder_layers;
    for (int64_t l = 0; l < hp->n_decoder_layers; l++) load_layer(&s->layers[l], hp, &s->weights->decoder[l]);
    for (int64_t part = 0; part < parts; part++) {
        set_pieces(&s->cross_kv, part * hp->d_model, hp, s->weights->cross_kv_weight, parts, part);
        set_piece_bias(s->cross_kv_bias + part * hp->d_model, hp, s->weights->cross_kv_bias, parts, part);
    }
    set_plain(&s->output, s->weights->embedding);
}

static dgm_err init_layer(layer *l, const dgm_hparams *hp)
{
    int64_t d = hp->d_model;
    DGM_TRY(dgm_panels_init(&l->self_in, d, 3 * d));
    DGM_TRY(dgm_panels_init(&l->self_out, d, d));
    DGM_TRY(dgm_panels_init(&l->cross_in, d, d));
    DGM_TRY(dgm_panels_init(&l->cross_out, d, d));
    DGM_TRY(dgm_panels_init(&l->ffn_in, d, hp->d_ff));
    DGM_TRY(dgm_panels_init(&l->ffn_out, hp->d_ff, d));
    l->self_bias = malloc((size_t)(3 * d) * sizeof *l->self_bias);
    return l->self_bias != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "decoder layer");
}

dgm_err dgm_decoder_step_create(const dgm_params *params, const dgm_weights *weights, dgm_decoder_step **out)
{
    const dgm_hparams *hp = &params->hp;
    int64_t cross_width = 2 * hp->n_decoder_layers * hp->d_model;
    dgm_err err;
    DGM_ASSERT(params->tp_size == 1);
    dgm_decoder_step *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "decoder");
    s->params = params, s->weights = weights;
    s->layers = calloc((size_t)hp->n_decoder_layers, sizeof *s->layers);
    s->cross_kv_bias = malloc((size_t)cross_width * sizeof *s->cross_kv_bias);
    s->logits = aligned_alloc(64, BLOCK_ROWS * BLOCK_COLUMNS * sizeof *s->logits);
    if (s->layers == NULL || s->cross_kv_bias == NULL || s->logits == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "decoder");
        goto fail;
    }
    for (int64_t l = 0; l < hp->n_decoder_layers; l++) DGM_GOTO(init_layer(&s->layers[l], hp));
    DGM_GOTO(dgm_panels_init(&s->cross_kv, hp->d_model, cross_width));
    DGM_GOTO(dgm_panels_init(&s->output, hp->d_model, hp->tgt_vocab_size));
    dgm_decoder_step_load(s);
    *out = s;
    return DGM_OK;
fail:
    dgm_decoder_step_destroy(s);
    return err;
}

void dgm_decoder_step_destroy(dgm_decoder_step *s)
{
    if (s == NULL) return;
    for (int64_t i = 0; s->layers != NULL && i < s->params->hp.n_decoder_layers; i++) {
        layer *l = &s->layers[i];
        dgm_panels *all[] = {&l->self_in, &l->self_out, &l->cross_in, &l->cross_out, &l->ffn_in, &l->ffn_out};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++) dgm_panels_fini(all[j]);
        free(l->self_bias);
    }
    free(s->layers);
    dgm_panels_fini(&s->cross_kv);
    dgm_panels_fini(&s->output);
    free(s->cross_kv_bias);
    free(s->positions);
    free(s->work);
    free(s->scores);
    free(s->logits);
    free(s);
}

/* ---- memory that grows with the rows ---- */

typedef struct { float *x, *y, *z, *wide; } activations; /* [rows, d_model] thrice; [rows, max(3 d_model, d_ff)] */

static int64_t wide_floats(const dgm_hparams *hp) { return DGM_MAX(3 * hp->d_model, hp->d_ff); }

/* Room for at least n floats, contents lost. */
static dgm_err reserve(float **data, int64_t *have, int64_t n, int64_t floats_each)
{
    if (n <= *have) return DGM_OK;
    free(*data);
    *have = 0;
    *data = aligned_alloc(64, ((size_t)(n * floats_each) * sizeof(float) + 63) / 64 * 64);
    if (*data == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "activations of %lld rows: lower --batch-tokens", (long long)n);
    *have = n;
    return DGM_OK;
}

static dgm_err make_room(dgm_decoder_step *s, int64_t n_rows, activations *a)
{
    const dgm_hparams *hp = &s->params->hp;
    int64_t d = hp->d_model;
    DGM_TRY(reserve(&s->work, &s->n_work_rows, n_rows, 3 * d + wide_floats(hp)));
    a->x = s->work;
    a->y = a->x + n_rows * d;
    a->z = a->y + n_rows * d;
    a->wide = a->z + n_rows * d;
    return DGM_OK;
}

static dgm_err make_positions(dgm_decoder_step *s, int64_t n)
{
    if (n <= s->n_positions) return DGM_OK;
    n = DGM_MAX(2 * s->n_positions, DGM_MAX(n, (int64_t)256));
    DGM_TRY(reserve(&s->positions, &s->n_positions, n, s->params->hp.d_model));
    dgm_positions_sinusoidal(n, s->params->hp.d_model, s->positions);
    return DGM_OK;
}

/* ---- the source ---- */

/* Takes one sentence's rows of the product apart: [n, n_layers * 2 * d] to [n_layers * 2, n, d]. */
static dgm_err take_cross(const dgm_hparams *hp, int64_t n, const float *product, dgm_cross_kv *cross)
{
    int64_t d = hp->d_model, parts = 2 * hp->n_decoder_layers;
    cross->n = n;
    cross->kv = aligned_alloc(64, ((size_t)(n * parts * d) * sizeof(float) + 63) / 64 * 64);
    if (cross->kv == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "keys and values of a source sentence of %lld tokens", (long long)n);
    for (int64_t part = 0; part < parts; part++)
        for (int64_t j = 0; j < n; j++)
            memcpy(cross->kv + (part * n + j) * d, product + (j * parts + part) * d, (size_t)d * sizeof(float));
    return DGM_OK;
}

dgm_err dgm_decoder_step_cross(dgm_decoder_step *s, int64_t n_sent, const int64_t *start, const float *hidden, dgm_cross_kv *cross)
{
    const dgm_hparams *hp = &s->params->hp;
    int64_t d = hp->d_model, width = 2 * hp->n_decoder_layers * d, n_rows = start[n_sent];
    for (int64_t i = 0; i < n_sent; i++) cross[i] = (dgm_cross_kv){0};
    float *product = malloc((size_t)DGM_MAX(n_rows * width, 1) * sizeof *product);
    if (product == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "keys and values of %lld source tokens", (long long)n_rows);
    dgm_panels_product(&s->cross_kv, n_rows, hidden, d, product, width);
    dgm_elem_bias(n_rows, width, width, s->cross_kv_bias, product);
    dgm_err err = DGM_OK;
    for (int64_t i = 0; i < n_sent && err == DGM_OK; i++)
        err = take_cross(hp, start[i + 1] - start[i], product + start[i] * width, &cross[i]);
    free(product);
    for (int64_t i = 0; i < n_sent && err != DGM_OK; i++) dgm_cross_kv_fini(&cross[i]);
    return err;
}

void dgm_cross_kv_fini(dgm_cross_kv *cross)
{
    free(cross->kv);
    *cross = (dgm_cross_kv){0};
}

/* ---- one position ---- */

static void embed(const dgm_decoder_step *s, int64_t n_rows, const dgm_decoder_row *rows, float *x)
{
    int64_t d = s->params->hp.d_model;
    for (int64_t r = 0; r < n_rows; r++) {
        uint32_t position = (uint32_t)rows[r].position;
        dgm_elem_embed(1, d, &rows[r].token, 0, (int32_t)s->params->hp.tgt_vocab_size, s->weights->embedding, sqrtf((float)d), x + r * d);
        dgm_elem_add_positions(1, d, s->positions, &position, NULL, 1, x + r * d);
    }
}

/* What a sublayer reads: x itself, or x normed into y (pre-norm). */
static const float *sublayer_input(const dgm_hparams *hp, int64_t n_rows, const float *x, const float *weight, const float *bias, float *y)
{
    if (hp->norm == DGM_NORM_POST) return x;
    dgm_norm_forward(n_rows, hp->d_model, x, weight, bias, hp->norm_eps, y, NULL, NULL);
    return y;
}

/* x = x + f + bias, normed afterwards (post-norm). */
static void sublayer_end(const dgm_hparams *hp, int64_t n_rows, float *x, const float *f, const float *out_bias, const float *weight,
                         const float *bias)
{
    dgm_elem_residual(n_rows, hp->d_model, x, f, out_bias, NULL, 1, x);
    if (hp->norm == DGM_NORM_POST) dgm_norm_forward(n_rows, hp->d_model, x, weight, bias, hp->norm_eps, x, NULL, NULL);
}

static void self_attention(dgm_decoder_step *s, int64_t l, int64_t n_rows, const dgm_decoder_row *rows, dgm_kvcache *cache, activations *a)
{
    const dgm_hparams *hp = &s->params->hp;
    const dgm_attention_weights *w = &s->weights->decoder[l].self;
    int64_t d = hp->d_model;
    const float *in = sublayer_input(hp, n_rows, a->x, w->norm_weight, w->norm_bias, a->y);
    dgm_panels_product(&s->layers[l].self_in, n_rows, in, d, a->wide, 3 * d);
    dgm_elem_bias(n_rows, 3 * d, 3 * d, s->layers[l].self_bias, a->wide);
    for (int64_t r = 0; r < n_rows; r++) {
        const float *q = a->wide + r * 3 * d;
        memcpy(dgm_kvcache_at(cache, rows[r].path[rows[r].position], l), q + d, (size_t)(2 * d) * sizeof *q);
        const float *k = dgm_kvcache_at(cache, 0, l);
        dgm_attend(rows[r].position + 1, hp->n_heads, d / hp->n_heads, q, k, k + d, rows[r].path, cache->slot_floats, s->scores,
                   a->z + r * d);
    }
    dgm_panels_product(&s->layers[l].self_out, n_rows, a->z, d, a->y, d);
    sublayer_end(hp, n_rows, a->x, a->y, w->out_bias, w->norm_weight, w->norm_bias);
}

static void cross_attention(dgm_decoder_step *s, int64_t l, int64_t n_rows, const dgm_decoder_row *rows, activations *a)
{
    const dgm_hparams *hp = &s->params->hp;
    const dgm_attention_weights *w = &s->weights->decoder[l].cross;
    int64_t d = hp->d_model;
    const float *in = sublayer_input(hp, n_rows, a->x, w->norm_weight, w->norm_bias, a->y);
    dgm_panels_product(&s->layers[l].cross_in, n_rows, in, d, a->wide, d);
    dgm_elem_bias(n_rows, d, d, w->in_bias, a->wide);
    for (int64_t r = 0; r < n_rows; r++) {
        const dgm_cross_kv *cross = rows[r].cross;
        const float *k = cross->kv + l * 2 * cross->n * d;
        dgm_attend(cross->n, hp->n_heads, d / hp->n_heads, a->wide + r * d, k, k + cross->n * d, NULL, d, s->scores, a->z + r * d);
    }
    dgm_panels_product(&s->layers[l].cross_out, n_rows, a->z, d, a->y, d);
    sublayer_end(hp, n_rows, a->x, a->y, w->out_bias, w->norm_weight, w->norm_bias);
}

static void feed_forward(dgm_decoder_step *s, int64_t l, int64_t n_rows, activations *a)
{
    const dgm_hparams *hp = &s->params->hp;
    const dgm_ffn_weights *w = &s->weights->decoder[l].ffn;
    const float *in = sublayer_input(hp, n_rows, a->x, w->norm_weight, w->norm_bias, a->y);
    dgm_panels_product(&s->layers[l].ffn_in, n_rows, in, hp->d_model, a->wide, hp->d_ff);
    dgm_elem_bias_activation(hp->activation, n_rows, hp->d_ff, w->in_bias, NULL, 1, a->wide, NULL);
    dgm_panels_product(&s->layers[l].ffn_out, n_rows, a->wide, hp->d_ff, a->y, hp->d_model);
    sublayer_end(hp, n_rows, a->x, a->y, w->out_bias, w->norm_weight, w->norm_bias);
}

dgm_err dgm_decoder_step_run(dgm_decoder_step *s, int64_t n_rows, const dgm_decoder_row *rows, dgm_kvcache *cache, float *hidden)
{
    const dgm_hparams *hp = &s->params->hp;
    activations a;
    int64_t longest = 0, last = 0;
    for (int64_t r = 0; r < n_rows; r++) {
        last = DGM_MAX(last, rows[r].position);
        longest = DGM_MAX(longest, DGM_MAX(rows[r].position + 1, rows[r].cross->n));
    }
    DGM_TRY(make_room(s, n_rows, &a));
    DGM_TRY(make_positions(s, last + 1));
    DGM_TRY(reserve(&s->scores, &s->n_scores, longest * hp->n_heads, 1));
    embed(s, n_rows, rows, a.x);
    for (int64_t l = 0; l < hp->n_decoder_layers; l++) {
        self_attention(s, l, n_rows, rows, cache, &a);
        cross_attention(s, l, n_rows, rows, &a);
        feed_forward(s, l, n_rows, &a);
    }
    const float *out =
        sublayer_input(hp, n_rows, a.x, s->weights->decoder_norm_weight, s->weights->decoder_norm_bias, hidden);
    if (out != hidden) memcpy(hidden, out, (size_t)(n_rows * hp->d_model) * sizeof *hidden);
    return DGM_OK;
}

/* ---- the next token ---- */

typedef struct {
    dgm_softmax_stats stats;
    float end; /* logit of </s> */
} row_state;

/* Takes the columns [first, first + n) of the logits into account. */
static void take_logits(int64_t first, int64_t n, const float *logits, int n_top, row_state *state, float *value, int32_t *token)
{
    dgm_softmax_stats stats;
    dgm_softmax_row_stats(1, n, logits, n, &stats);
    state->stats = first == 0 ? stats : dgm_softmax_merge(state->stats, stats);
    int64_t skip = first == 0 ? DGM_MIN(n, DGM_VOCAB_N_SPECIAL) : 0; /* special tokens are not produced */
    if (first == 0) state->end = logits[DGM_TOKEN_END];
    dgm_top_update(n - skip, logits + skip, (int32_t)(first + skip), n_top, value, token);
}

static dgm_err best_of_block(dgm_decoder_step *s, int64_t n_rows, const float *hidden, int n_top, int32_t *token, double *log_prob,
                             double *end, row_state *state, float *value)
{
    const dgm_hparams *hp = &s->params->hp;
    for (int64_t i = 0; i < n_rows * n_top; i++) value[i] = -INFINITY, token[i] = -1;
    for (int64_t first = 0; first < hp->tgt_vocab_size; first += BLOCK_COLUMNS) {
        int64_t n = DGM_MIN(hp->tgt_vocab_size - first, (int64_t)BLOCK_COLUMNS);
        dgm_panels_columns(&s->output, first, n, n_rows, hidden, hp->d_model, s->logits, n);
        for (int64_t r = 0; r < n_rows; r++)
            take_logits(first, n, s->logits + r * n, n_top, &state[r], value + r * n_top, token + r * n_top);
    }
    for (int64_t r = 0; r < n_rows; r++) {
        double lse = dgm_softmax_lse(&state[r].stats);
        if (!isfinite(lse))
            return DGM_FAIL(DGM_ERR_NUMERIC, "the model's outputs are not finite (log-sum-exp %g): its weights are damaged or diverged", lse);
        end[r] = (double)state[r].end - lse;
        for (int64_t i = r * n_top; i < (r + 1) * n_top; i++) log_prob[i] = (double)value[i] - lse;
    }
    return DGM_OK;
}

dgm_err dgm_decoder_step_best(dgm_decoder_step *s, int64_t n_rows, const float *hidden, int n_top, int32_t *token, double *log_prob,
                              double *end)
{
    int64_t d = s->params->hp.d_model;
    dgm_err err = DGM_OK;
    row_state *state = malloc(BLOCK_ROWS * sizeof *state);
    float *value = malloc((size_t)(BLOCK_ROWS * n_top) * sizeof *value);
    if (state == NULL || value == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "candidates");
    for (int64_t at = 0; at < n_rows && err == DGM_OK; at += BLOCK_ROWS)
        err = best_of_block(s, DGM_MIN(n_rows - at, (int64_t)BLOCK_ROWS), hidden + at * d, n_top, token + at * n_top,
                            log_prob + at * n_top, end + at, state, value);
    free(state);
    free(value);
    return err;
}
