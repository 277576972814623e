/* The flat block of one rank.  The model's groups of tensors are walked piece by piece, in the same order on every rank: every piece
 * advances the global block number, and those of this rank are given a place. */
#include "dgm/params.h"

#include "dgm/pages.h"
#include "dgm/rng.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_ELEMENTS = 65536, ALIGN_FLOATS = 16 };

typedef struct {
    dgm_params *p;
    bool failed;
} builder;

static int64_t stored_rows(const dgm_unit *u) { return u->transposed ? u->cols : u->rows; }
static int64_t stored_cols(const dgm_unit *u) { return u->transposed ? u->rows : u->cols; }
static int64_t rows_per_block(const dgm_unit *u) { return DGM_MAX(1, BLOCK_ELEMENTS / DGM_MAX(1, stored_cols(u))); }

static int unit_blocks(const dgm_unit *u)
{
    int64_t per = rows_per_block(u);
    return (int)((stored_rows(u) + per - 1) / per);
}

/* Room for one more entry of a growing list; capacities are powers of two. */
static bool make_room(void **list, int n, size_t size)
{
    if (n != 0 && (n & (n - 1)) != 0) return true;
    void *grown = realloc(*list, (size_t)(n == 0 ? 1 : 2 * n) * size);
    if (grown == NULL) return false;
    *list = grown;
    return true;
}

static int add_tensor(builder *b, dgm_role role, dgm_split split, int64_t rows, int64_t cols, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
static int add_tensor(builder *b, dgm_role role, dgm_split split, int64_t rows, int64_t cols, const char *format, ...)
{
    dgm_params *p = b->p;
    if (b->failed || !make_room((void **)&p->tensors, p->n_tensors, sizeof *p->tensors)) {
        b->failed = true;
        return 0;
    }
    dgm_tensor *t = &p->tensors[p->n_tensors];
    bool matrix = role == DGM_ROLE_MATRIX || role == DGM_ROLE_EMBEDDING;
    *t = (dgm_tensor){.n_dims = matrix ? 2 : 1, .rows = rows, .cols = cols, .role = role, .split = split};
    va_list args;
    va_start(args, format);
    vsnprintf(t->name, sizeof t->name, format, args);
    va_end(args);
    return p->n_tensors++;
}

/* Counts the unit's blocks; gives it a place when it is this rank's. */
static void add_unit(builder *b, dgm_unit unit, bool local)
{
    dgm_params *p = b->p;
    unit.global_block = p->n_global_blocks;
    p->n_global_blocks += unit_blocks(&unit);
    if (!local) return;
    if (!make_room((void **)&p->units, p->n_units, sizeof *p->units)) {
        b->failed = true;
        return;
    }
    unit.offset = p->n_floats;
    p->n_floats += unit.rows * unit.cols;
    p->units[p->n_units++] = unit;
}

/* Tensors cut alike, whose pieces alternate: piece 0 of each, piece 1 of each, ...  A group's pieces lie end to end, so that products
 * over them merge; the next group begins at a cache line. */
static void add_group(builder *b, const int *tensors, int n)
{
    dgm_params *p = b->p;
    if (b->failed) return;
    int64_t n_pieces = p->hp.virtual_tp, per_rank = n_pieces / p->tp_size;
    for (int64_t piece = 0; piece < n_pieces; piece++)
        for (int i = 0; i < n; i++) {
            const dgm_tensor *t = &p->tensors[tensors[i]];
            dgm_unit u = {.tensor = tensors[i], .rows = t->rows, .cols = t->cols, .replicated = t->split == DGM_SPLIT_NONE};
            if (u.replicated && piece > 0) continue;
            if (t->split == DGM_SPLIT_ROWS) {
                u.row0 = dgm_piece_start(t->rows, piece, n_pieces);
                u.rows = dgm_piece_start(t->rows, piece + 1, n_pieces) - u.row0;
            } else if (t->split == DGM_SPLIT_COLUMNS) {
                u.col0 = dgm_piece_start(t->cols, piece, n_pieces);
                u.cols = dgm_piece_start(t->cols, piece + 1, n_pieces) - u.col0;
                u.transposed = true;
            }
            add_unit(b, u, u.replicated || piece / per_rank == p->tp_rank);
        }
    p->n_floats = (p->n_floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

/* What is added from here on belongs to the next stage. */
static void begin_stage(builder *b)
{
    dgm_params *p = b->p;
    if (!make_room((void **)&p->stage_start, p->n_stages, sizeof *p->stage_start)) b->failed = true;
    if (b->failed) return;
    p->stage_start[p->n_stages++] = p->n_floats;
}

static void add_one(builder *b, int tensor) { add_group(b, &tensor, 1); }

static void add_norm(builder *b, const char *prefix, const char *name)
{
    int64_t d = b->p->hp.d_model;
    add_one(b, add_tensor(b, DGM_ROLE_NORM_WEIGHT, DGM_SPLIT_NONE, d, 1, "%s%s.weight", prefix, name));
    add_one(b, add_tensor(b, DGM_ROLE_NORM_BIAS, DGM_SPLIT_NONE, d, 1, "%s%s.bias", prefix, name));
}

/* Self attention: q, k and v of a piece side by side.  Cross attention: q alone; k and v of all layers are a group of their own. */
static void add_attention(builder *b, const char *prefix, const char *name, bool self)
{
    static const char *const projection[] = {"q", "k", "v"};
    int64_t d = b->p->hp.d_model;
    int weight[3], bias[3], n = self ? 3 : 1;
    for (int i = 0; i < n; i++) {
        weight[i] = add_tensor(b, DGM_ROLE_MATRIX, DGM_SPLIT_ROWS, d, d, "%s%s.%s_proj.weight", prefix, name, projection[i]);
        bias[i] = add_tensor(b, DGM_ROLE_BIAS, DGM_SPLIT_ROWS, d, 1, "%s%s.%s_proj.bias", prefix, name, projection[i]);
    }
    add_group(b, weight, n);
    add_group(b, bias, n);
    add_one(b, add_tensor(b, DGM_ROLE_MATRIX, DGM_SPLIT_COLUMNS, d, d, "%s%s.out_proj.weight", prefix, name));
    add_one(b, add_tensor(b, DGM_ROLE_BIAS, DGM_SPLIT_NONE, d, 1, "%s%s.out_proj.bias", prefix, name));
    char norm[32];
    snprintf(norm, sizeof norm, "%s_layer_norm", name);
    add_norm(b, prefix, norm);
}

static void add_ffn(builder *b, const char *prefix)
{
    int64_t d = b->p->hp.d_model, ff = b->p->hp.d_ff;
    add_one(b, add_tensor(b, DGM_ROLE_MATRIX, DGM_SPLIT_ROWS, ff, d, "%sfc1.weight", prefix));
    add_one(b, add_tensor(b, DGM_ROLE_BIAS, DGM_SPLIT_ROWS, ff, 1, "%sfc1.bias", prefix));
    add_one(b, add_tensor(b, DGM_ROLE_MATRIX, DGM_SPLIT_COLUMNS, d, ff, "%sfc2.weight", prefix));
    add_one(b, add_tensor(b, DGM_ROLE_BIAS, DGM_SPLIT_NONE, d, 1, "%sfc2.bias", prefix));
    add_norm(b, prefix, "final_layer_norm");
}

/* Keys and values of cross attention of all decoder layers: one product over the encoder's output. */
static void add_cross_kv(builder *b)
{
    int64_t d = b->p->hp.d_model;
    int n = (int)(2 * b->p->hp.n_decoder_layers);
    int group[2 * 200] = {0}; /* dgm_hparams_check allows 200 layers */
    for (int i = 0; i < n; i++)
        group[i] = add_tensor(b, DGM_ROLE_MATRIX, DGM_SPLIT_ROWS, d, d, "model.decoder.layers.%d.encoder_attn.%s_proj.weight", i / 2,
                              i % 2 ? "v" : "k");
    add_group(b, group, n);
    for (int i = 0; i < n; i++)
        group[i] = add_tensor(b, DGM_ROLE_BIAS, DGM_SPLIT_ROWS, d, 1, "model.decoder.layers.%d.encoder_attn.%s_proj.bias", i / 2,
                              i % 2 ? "v" : "k");
    add_group(b, group, n);
}

static void add_embeddings(builder *b)
{
    const dgm_hparams *hp = &b->p->hp;
    if (hp->joint_vocab) {
        add_one(b, add_tensor(b, DGM_ROLE_EMBEDDING, DGM_SPLIT_ROWS, hp->tgt_vocab_size, hp->d_model, "model.shared.weight"));
        return;
    }
    add_one(b, add_tensor(b, DGM_ROLE_EMBEDDING, DGM_SPLIT_ROWS, hp->src_vocab_size, hp->d_model, "model.encoder.embed_tokens.weight"));
    add_one(b, add_tensor(b, DGM_ROLE_EMBEDDING, DGM_SPLIT_ROWS, hp->tgt_vocab_size, hp->d_model, "model.decoder.embed_tokens.weight"));
}

/* In the order of the forward pass: the gradients of what comes last are ready first. */
static void add_model(builder *b)
{
    const dgm_hparams *hp = &b->p->hp;
    char prefix[48];
    begin_stage(b);
    add_embeddings(b);
    for (int64_t l = 0; l < hp->n_encoder_layers; l++) {
        begin_stage(b);
        snprintf(prefix, sizeof prefix, "model.encoder.layers.%lld.", (long long)l);
        add_attention(b, prefix, "self_attn", true);
        add_ffn(b, prefix);
    }
    begin_stage(b);
    if (hp->norm == DGM_NORM_PRE) add_norm(b, "model.encoder.", "layer_norm");
    add_cross_kv(b);
    for (int64_t l = 0; l < hp->n_decoder_layers; l++) {
        begin_stage(b);
        snprintf(prefix, sizeof prefix, "model.decoder.layers.%lld.", (long long)l);
        add_attention(b, prefix, "self_attn", true);
        add_attention(b, prefix, "encoder_attn", false);
        add_ffn(b, prefix);
    }
    if (hp->norm == DGM_NORM_PRE) add_norm(b, "model.decoder.", "layer_norm");
    begin_stage(b); /* the end */
    b->p->n_stages--;
}

static dgm_err add_blocks(dgm_params *p)
{
    int n = 0;
    for (int i = 0; i < p->n_units; i++) n += unit_blocks(&p->units[i]);
    p->blocks = malloc((size_t)DGM_MAX(n, 1) * sizeof *p->blocks);
    if (p->blocks == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "blocks of the parameters");
    for (int i = 0; i < p->n_units; i++) {
        dgm_unit *u = &p->units[i];
        int64_t per = rows_per_block(u), width = stored_cols(u), n_rows = stored_rows(u);
        u->first_block = p->n_blocks;
        for (int64_t row = 0; row < n_rows; row += per)
            p->blocks[p->n_blocks++] = (dgm_block){u->offset + row * width, u->offset + DGM_MIN(row + per, n_rows) * width, i};
    }
    return DGM_OK;
}

dgm_err dgm_params_create(const dgm_hparams *hp, int tp_rank, int tp_size, dgm_params **out)
{
    DGM_TRY(dgm_hparams_check(hp));
    if (tp_size < 1 || hp->virtual_tp % tp_size != 0)
        return DGM_FAIL(DGM_ERR_USAGE, "tp = %d: expected a divisor of virtual_tp = %lld, the pieces that a layer is cut into: a power of two up to "
                        "that", tp_size, (long long)hp->virtual_tp);
    dgm_params *p = calloc(1, sizeof *p);
    if (p == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "parameters");
    p->hp = *hp;
    p->tp_rank = tp_rank;
    p->tp_size = tp_size;
    builder b = {.p = p};
    add_model(&b);
    dgm_err err = b.failed ? DGM_FAIL(DGM_ERR_NOMEM, "list of parameters") : add_blocks(p);
    if (err != DGM_OK) {
        dgm_params_destroy(p);
        return err;
    }
    *out = p;
    return DGM_OK;
}

void dgm_params_destroy(dgm_params *params)
{
    if (params == NULL) return;
    free(params->tensors);
    free(params->units);
    free(params->blocks);
    free(params->stage_start);
    free(params);
}

dgm_err dgm_params_alloc(const dgm_params *params, float **out)
{
    size_t bytes = (size_t)DGM_MAX(params->n_floats, ALIGN_FLOATS) * sizeof(float);
    float *flat = dgm_pages_calloc(bytes);
    if (flat == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "block of %lld parameters", (long long)params->n_floats);
    *out = flat;
    return DGM_OK;
}

static float first_value(const dgm_tensor *t, uint64_t tensor, dgm_rng rng, int64_t row, int64_t col)
{
    uint64_t index = (uint64_t)(row * t->cols + col);
    switch (t->role) {
    case DGM_ROLE_EMBEDDING: return (float)(dgm_rng_normal(rng, index, tensor) / sqrt((double)t->cols));
    case DGM_ROLE_MATRIX:
        return (float)((2 * dgm_rng_uniform(rng, index, tensor) - 1) * sqrt(6.0 / (double)(t->rows + t->cols)));
    case DGM_ROLE_NORM_WEIGHT: return 1;
    case DGM_ROLE_BIAS:
    case DGM_ROLE_NORM_BIAS: break;
    }
    return 0;
}

void dgm_params_init(const dgm_params *params, uint64_t seed, float *flat)
{
    dgm_rng rng = dgm_rng_make(seed, DGM_RNG_INIT);
    for (int i = 0; i < params->n_units; i++) {
        const dgm_unit *u = &params->units[i];
        for (int64_t r = 0; r < u->rows; r++)
            for (int64_t c = 0; c < u->cols; c++)
                flat[u->offset + (u->transposed ? c * u->rows + r : r * u->cols + c)] =
                    first_value(&params->tensors[u->tensor], (uint64_t)u->tensor, rng, u->row0 + r, u->col0 + c);
    }
}

void dgm_params_cut(const dgm_params *params, int64_t lo, int64_t hi, int n_parts, int64_t *start)
{
    int block = 0;
    while (block < params->n_blocks && params->blocks[block].lo < lo) block++;
    for (int r = 0; r < n_parts; r++) {
        int64_t want = lo + (hi - lo) * r / n_parts;
        while (block < params->n_blocks && params->blocks[block].lo < want) block++;
        start[r] = r == 0 ? lo : block < params->n_blocks ? DGM_MIN(params->blocks[block].lo, hi) : hi;
    }
    start[n_parts] = hi;
}

void dgm_params_slices(const dgm_params *params, int n_slices, int64_t *slice_start)
{
    dgm_params_cut(params, 0, params->n_floats, n_slices, slice_start);
}

int dgm_params_find(const dgm_params *params, const char *name)
{
    for (int i = 0; i < params->n_tensors; i++)
        if (strcmp(params->tensors[i].name, name) == 0) return i;
    return -1;
}

void dgm_params_unit_get(const dgm_unit *u, const float *flat, float *dense)
{
    const float *at = flat + u->offset;
    for (int64_t r = 0; r < u->rows; r++)
        for (int64_t c = 0; c < u->cols; c++) dense[r * u->cols + c] = at[u->transposed ? c * u->rows + r : r * u->cols + c];
}

void dgm_params_unit_set(const dgm_unit *u, const float *dense, float *flat)
{
    float *at = flat + u->offset;
    for (int64_t r = 0; r < u->rows; r++)
        for (int64_t c = 0; c < u->cols; c++) at[u->transposed ? c * u->rows + r : r * u->cols + c] = dense[r * u->cols + c];
}
