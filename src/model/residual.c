/* Norm, dropout and residual sum in one place, so that a sublayer is only its own function. */
#include "dgm/residual.h"

static void norm_forward(const dgm_layer_context *ctx, int64_t rows, const float *x, const float *weight, const float *bias, dgm_residual *r,
                         float *y)
{
    r->normed = x;
    r->mean = dgm_arena_floats(ctx->arena, rows);
    r->rstd = dgm_arena_floats(ctx->arena, rows);
    dgm_norm_forward(rows, ctx->params->hp.d_model, x, weight, bias, ctx->params->hp.norm_eps, y, r->mean, r->rstd);
}

void dgm_residual_enter(const dgm_layer_context *ctx, int64_t rows, const float *x, const float *norm_weight, const float *norm_bias,
                        dgm_residual *r, const float **h)
{
    *h = x;
    if (ctx->params->hp.norm == DGM_NORM_POST) return;
    float *normed = dgm_arena_floats(ctx->arena, rows * ctx->params->hp.d_model);
    norm_forward(ctx, rows, x, norm_weight, norm_bias, r, normed);
    *h = normed;
}

void dgm_residual_leave(const dgm_layer_context *ctx, const dgm_packed *packed, uint32_t site, const float *x, float *f, const float *bias,
                        const float *norm_weight, const float *norm_bias, dgm_residual *r, float **y)
{
    int64_t d = ctx->params->hp.d_model, rows = packed->n_rows;
    float rate = ctx->pass->dropout;
    r->mask = dgm_layer_mask(ctx, packed, d, 0, rate, site);
    float *s = dgm_arena_floats(ctx->arena, rows * d);
    dgm_elem_residual(rows, d, x, f, bias, r->mask, dgm_dropout_scale(rate), s);
    *y = s;
    if (ctx->params->hp.norm == DGM_NORM_PRE) return;
    *y = dgm_arena_floats(ctx->arena, rows * d);
    norm_forward(ctx, rows, s, norm_weight, norm_bias, r, *y);
}

void dgm_residual_norm_backward(const dgm_layer_context *ctx, const int64_t *leaf, int n_leaves, const float *x, const float *mean,
                                const float *rstd, const float *weight, float *dy, float *dweight, float *dbias)
{
    int64_t d = ctx->params->hp.d_model;
    dgm_arena_mark mark = dgm_arena_here(ctx->arena);
    float *scratch = dgm_arena_floats(ctx->arena, 2 * dgm_elem_leaves_scratch(d, n_leaves));
    dgm_norm_grad_leaves(leaf, n_leaves, d, dy, x, mean, rstd, dweight, dbias, scratch);
    dgm_arena_rewind(ctx->arena, mark);
    dgm_norm_backward(leaf[n_leaves], d, dy, x, weight, mean, rstd, dy);
}

void dgm_residual_leave_backward(const dgm_layer_context *ctx, const int64_t *leaf, int n_leaves, const dgm_residual *r, const float *norm_weight,
                                 float *dy, float *df, float *dbias, float *dnorm_weight, float *dnorm_bias)
{
    int64_t d = ctx->params->hp.d_model;
    if (ctx->params->hp.norm == DGM_NORM_POST)
        dgm_residual_norm_backward(ctx, leaf, n_leaves, r->normed, r->mean, r->rstd, norm_weight, dy, dnorm_weight, dnorm_bias);
    dgm_elem_apply_mask(leaf[n_leaves], d, r->mask, dgm_dropout_scale(ctx->pass->dropout), dy, df);
    dgm_linear_bias_grad(ctx, leaf, n_leaves, d, df, dbias);
}

void dgm_residual_enter_backward(const dgm_layer_context *ctx, const int64_t *leaf, int n_leaves, const dgm_residual *r,
                                 const float *norm_weight, float *dh, float *ds, float *dnorm_weight, float *dnorm_bias)
{
    if (ctx->params->hp.norm == DGM_NORM_PRE)
        dgm_residual_norm_backward(ctx, leaf, n_leaves, r->normed, r->mean, r->rstd, norm_weight, dh, dnorm_weight, dnorm_bias);
    dgm_elem_add(leaf[n_leaves] * ctx->params->hp.d_model, dh, ds);
}
