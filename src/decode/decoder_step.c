/* Products, attention and norms over all rows of a step; the weights are in panels (decoder_weights.h). */
#include "dgm/decoder_step.h"

#include "dgm/attend.h"
#include "dgm/decoder_weights.h"
#include "dgm/elem.h"
#include "dgm/norm.h"
#include "dgm/transformer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct dgm_decoder_step {
    dgm_decoder_weights w;
    float *positions;     /* [n_positions, d_model] */
    int64_t n_positions;
    float *work;          /* activations of n_work_rows rows, see `activations` */
    int64_t n_work_rows;
    float *scores;        /* of one attention, n_scores */
    int64_t n_scores;
    const float **past;   /* keys that the rows look back at, n_past */
    int64_t n_past;
};

struct dgm_cross_block {
    int64_t n_users;
    float *kv; /* [n_layers * 2, rows of all its sentences, d_model]: per layer keys, then values */
};

dgm_err dgm_decoder_step_create(const dgm_params *params, const dgm_weights *weights, dgm_decoder_step **out)
{
    dgm_decoder_step *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "decoder");
    dgm_err err = dgm_decoder_weights_init(params, weights, &s->w);
    if (err == DGM_OK) *out = s;
    else free(s);
    return err;
}

void dgm_decoder_step_load(dgm_decoder_step *s) { dgm_decoder_weights_load(&s->w); }

const dgm_panels *dgm_decoder_step_output(const dgm_decoder_step *s) { return &s->w.output; }

void dgm_decoder_step_destroy(dgm_decoder_step *s)
{
    if (s == NULL) return;
    dgm_decoder_weights_fini(&s->w);
    free(s->positions);
    free(s->work);
    free(s->scores);
    free(s->past);
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
    const dgm_hparams *hp = &s->w.params->hp;
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
    DGM_TRY(reserve(&s->positions, &s->n_positions, n, s->w.params->hp.d_model));
    dgm_positions_sinusoidal(n, s->w.params->hp.d_model, s->positions);
    return DGM_OK;
}

/* ---- the source ---- */

static dgm_err make_block(const dgm_hparams *hp, int64_t n_rows, dgm_cross_block **out)
{
    dgm_cross_block *b = calloc(1, sizeof *b);
    size_t bytes = (size_t)(2 * hp->n_decoder_layers * n_rows * hp->d_model) * sizeof(float);
    if (b != NULL) b->kv = aligned_alloc(64, (bytes + 64) / 64 * 64);
    if (b == NULL || b->kv == NULL) {
        free(b);
        return DGM_FAIL(DGM_ERR_NOMEM, "keys and values of %lld source tokens: lower --batch-tokens", (long long)n_rows);
    }
    *out = b;
    return DGM_OK;
}

static void release_block(dgm_cross_block *b)
{
    if (b == NULL || --b->n_users > 0) return;
    free(b->kv);
    free(b);
}

dgm_err dgm_decoder_step_cross(dgm_decoder_step *s, int64_t n_sent, const int64_t *start, const float *hidden, dgm_cross_kv *cross)
{
    int64_t d = s->w.params->hp.d_model, n_rows = start[n_sent], parts = 2 * s->w.params->hp.n_decoder_layers;
    dgm_cross_block *block = NULL;
    dgm_err err = DGM_OK;
    DGM_TRY(make_block(&s->w.params->hp, n_rows, &block));
    block->n_users = 1;
    for (int64_t part = 0; part < parts; part++) {
        float *y = block->kv + part * n_rows * d;
        dgm_panels_product(&s->w.cross_kv[part], n_rows, hidden, d, y, d);
        dgm_elem_bias(n_rows, d, d, s->w.cross_kv_bias + part * d, y);
    }
    for (int64_t i = 0; i < n_sent; i++) {
        cross[i] = (dgm_cross_kv){.n = start[i + 1] - start[i], .layer = 2 * n_rows * d, .values = n_rows * d, .block = block};
        block->n_users++;
        cross[i].at = malloc((size_t)DGM_MAX(cross[i].n, 1) * sizeof *cross[i].at);
        if (cross[i].at == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "a source sentence of %lld tokens", (long long)cross[i].n);
        for (int64_t j = 0; err == DGM_OK && j < cross[i].n; j++) cross[i].at[j] = block->kv + (start[i] + j) * d;
    }
    for (int64_t i = 0; err != DGM_OK && i < n_sent; i++) dgm_cross_kv_fini(&cross[i]);
    release_block(block);
    return err;
}

void dgm_cross_kv_fini(dgm_cross_kv *cross)
{
    free(cross->at);
    release_block(cross->block);
    *cross = (dgm_cross_kv){0};
}

/* ---- one position ---- */

static void embed(const dgm_decoder_step *s, int64_t n_rows, const dgm_decoder_row *rows, float *x)
{
    int64_t d = s->w.params->hp.d_model;
    for (int64_t r = 0; r < n_rows; r++) {
        uint32_t position = (uint32_t)rows[r].position;
        dgm_elem_embed(1, d, &rows[r].token, 0, (int32_t)s->w.params->hp.tgt_vocab_size, s->w.weights->embedding, sqrtf((float)d), x + r * d);
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

static void self_attention(dgm_decoder_step *s, int64_t l, int64_t n_rows, const dgm_decoder_row *rows, dgm_kvcache *cache, int model,
                           activations *a)
{
    const dgm_hparams *hp = &s->w.params->hp;
    const dgm_attention_weights *w = &s->w.weights->decoder[l].self;
    int64_t d = hp->d_model, k = dgm_kvcache_layer(cache, model, l), v = k + dgm_kvcache_values(cache, model);
    const float *in = sublayer_input(hp, n_rows, a->x, w->norm_weight, w->norm_bias, a->y);
    dgm_panels_product(&s->w.layers[l].self_in, n_rows, in, d, a->wide, 3 * d);
    dgm_elem_bias(n_rows, 3 * d, 3 * d, s->w.layers[l].self_bias, a->wide);
    const float *const *past = s->past;
    for (int64_t r = 0; r < n_rows; past += rows[r++].position + 1) {
        const float *q = a->wide + r * 3 * d;
        float *here = dgm_kvcache_at(cache, model, rows[r].path[rows[r].position]);
        memcpy(here + k, q + d, (size_t)d * sizeof *q);
        memcpy(here + v, q + 2 * d, (size_t)d * sizeof *q);
        dgm_attend(rows[r].position + 1, hp->n_heads, d / hp->n_heads, q, past, k, v, s->scores, a->z + r * d);
    }
    dgm_panels_product(&s->w.layers[l].self_out, n_rows, a->z, d, a->y, d);
    sublayer_end(hp, n_rows, a->x, a->y, w->out_bias, w->norm_weight, w->norm_bias);
}

static void cross_attention(dgm_decoder_step *s, int64_t l, int64_t n_rows, const dgm_decoder_row *rows, int model, activations *a)
{
    const dgm_hparams *hp = &s->w.params->hp;
    const dgm_attention_weights *w = &s->w.weights->decoder[l].cross;
    int64_t d = hp->d_model;
    const float *in = sublayer_input(hp, n_rows, a->x, w->norm_weight, w->norm_bias, a->y);
    dgm_panels_product(&s->w.layers[l].cross_in, n_rows, in, d, a->wide, d);
    dgm_elem_bias(n_rows, d, d, w->in_bias, a->wide);
    for (int64_t r = 0; r < n_rows; r++) {
        const dgm_cross_kv *cross = &rows[r].cross[model];
        int64_t k = l * cross->layer;
        dgm_attend(cross->n, hp->n_heads, d / hp->n_heads, a->wide + r * d, cross->at, k, k + cross->values, s->scores, a->z + r * d);
    }
    dgm_panels_product(&s->w.layers[l].cross_out, n_rows, a->z, d, a->y, d);
    sublayer_end(hp, n_rows, a->x, a->y, w->out_bias, w->norm_weight, w->norm_bias);
}

static void feed_forward(dgm_decoder_step *s, int64_t l, int64_t n_rows, activations *a)
{
    const dgm_hparams *hp = &s->w.params->hp;
    const dgm_ffn_weights *w = &s->w.weights->decoder[l].ffn;
    const float *in = sublayer_input(hp, n_rows, a->x, w->norm_weight, w->norm_bias, a->y);
    dgm_panels_product(&s->w.layers[l].ffn_in, n_rows, in, hp->d_model, a->wide, hp->d_ff);
    dgm_elem_bias_activation(hp->activation, n_rows, hp->d_ff, w->in_bias, NULL, 1, a->wide, NULL);
    dgm_panels_product(&s->w.layers[l].ffn_out, n_rows, a->wide, hp->d_ff, a->y, hp->d_model);
    sublayer_end(hp, n_rows, a->x, a->y, w->out_bias, w->norm_weight, w->norm_bias);
}

/* Where the keys of the positions that each row looks back at begin, its own among them: row after row. */
static dgm_err list_past(dgm_decoder_step *s, int64_t n_rows, const dgm_decoder_row *rows, const dgm_kvcache *cache, int model)
{
    int64_t n = 0;
    for (int64_t r = 0; r < n_rows; r++) n += rows[r].position + 1;
    if (n > s->n_past) {
        free(s->past);
        s->n_past = 0;
        s->past = malloc((size_t)(2 * n) * sizeof *s->past);
        if (s->past == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld positions", (long long)n);
        s->n_past = 2 * n;
    }
    const float **at = s->past;
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t j = 0; j <= rows[r].position; j++) *at++ = dgm_kvcache_at(cache, model, rows[r].path[j]);
    return DGM_OK;
}

dgm_err dgm_decoder_step_run(dgm_decoder_step *s, int64_t n_rows, const dgm_decoder_row *rows, dgm_kvcache *cache, int model,
                             float *hidden)
{
    const dgm_hparams *hp = &s->w.params->hp;
    activations a;
    int64_t longest = 0, last = 0;
    for (int64_t r = 0; r < n_rows; r++) {
        last = DGM_MAX(last, rows[r].position);
        longest = DGM_MAX(longest, DGM_MAX(rows[r].position + 1, rows[r].cross[model].n));
    }
    DGM_TRY(make_room(s, n_rows, &a));
    DGM_TRY(make_positions(s, last + 1));
    DGM_TRY(list_past(s, n_rows, rows, cache, model));
    DGM_TRY(reserve(&s->scores, &s->n_scores, longest * hp->n_heads, 1));
    embed(s, n_rows, rows, a.x);
    for (int64_t l = 0; l < hp->n_decoder_layers; l++) {
        self_attention(s, l, n_rows, rows, cache, model, &a);
        cross_attention(s, l, n_rows, rows, model, &a);
        feed_forward(s, l, n_rows, &a);
    }
    const float *out =
        sublayer_input(hp, n_rows, a.x, s->w.weights->decoder_norm_weight, s->w.weights->decoder_norm_bias, hidden);
    if (out != hidden) memcpy(hidden, out, (size_t)(n_rows * hp->d_model) * sizeof *hidden);
    return DGM_OK;
}

