/* Shapes of a rank's pieces are worked out once; layers only look them up. */
#include "dgm/layer.h"

#include <stdlib.h>

static const int64_t ARENA_CHUNK = 32 << 20;

/* start[p] for this rank's pieces of a dimension of n, from 0; *first is where they begin in the whole dimension. */
static int64_t *piece_starts(const dgm_layer_context *c, int64_t n, int64_t *first)
{
    int64_t *start = malloc((size_t)(c->n_pieces + 1) * sizeof *start);
    if (start == NULL) return NULL;
    int64_t base = dgm_piece_start(n, c->first_piece, c->params->hp.virtual_tp);
    for (int p = 0; p <= c->n_pieces; p++) start[p] = dgm_piece_start(n, c->first_piece + p, c->params->hp.virtual_tp) - base;
    if (first != NULL) *first = base;
    return start;
}

dgm_err dgm_layer_context_init(const dgm_params *params, const dgm_grid *grid, dgm_layer_context *out)
{
    const dgm_hparams *hp = &params->hp;
    dgm_layer_context c = {.params = params, .grid = grid};
    c.n_pieces = (int)(hp->virtual_tp / params->tp_size);
    c.first_piece = params->tp_rank * c.n_pieces;
    c.heads_per_piece = hp->n_heads / hp->virtual_tp;
    c.d_head = hp->d_model / hp->n_heads;
    c.width = c.heads_per_piece * c.d_head;
    c.width_start = piece_starts(&c, hp->d_model, NULL);
    c.qkv_start = piece_starts(&c, 3 * hp->d_model, NULL);
    c.cross_start = piece_starts(&c, 2 * hp->n_decoder_layers * hp->d_model, NULL);
    c.ff_start = piece_starts(&c, hp->d_ff, &c.ff_first);
    c.vocab_start = piece_starts(&c, hp->tgt_vocab_size, &c.vocab_first);
    c.src_vocab_first = dgm_piece_start(hp->src_vocab_size, c.first_piece, hp->virtual_tp);
    c.src_vocab = dgm_piece_start(hp->src_vocab_size, c.first_piece + c.n_pieces, hp->virtual_tp) - c.src_vocab_first;
    dgm_err err = dgm_arena_create(ARENA_CHUNK, &c.arena);
    if (err == DGM_OK && (!c.width_start || !c.qkv_start || !c.cross_start || !c.ff_start || !c.vocab_start))
        err = DGM_FAIL(DGM_ERR_NOMEM, "tables of pieces");
    if (err != DGM_OK) {
        dgm_layer_context_fini(&c);
        return err;
    }
    *out = c;
    return DGM_OK;
}

void dgm_layer_context_fini(dgm_layer_context *ctx)
{
    free(ctx->width_start);
    free(ctx->qkv_start);
    free(ctx->cross_start);
    free(ctx->ff_start);
    free(ctx->vocab_start);
    free(ctx->positions);
    dgm_arena_destroy(ctx->arena);
    *ctx = (dgm_layer_context){0};
}

void dgm_layer_progress(const dgm_layer_context *ctx, int n_final)
{
    const dgm_progress *p = &ctx->pass->progress;
    if (p->report != NULL) p->report(p->user, n_final);
}

dgm_err dgm_layer_need(const dgm_layer_context *ctx, int64_t stage)
{
    const dgm_progress *p = &ctx->pass->progress;
    return p->need != NULL ? p->need(p->user, (int)stage) : DGM_OK;
}

uint32_t dgm_layer_site(dgm_site site, bool decoder, int64_t layer)
{
    return (uint32_t)((2 * layer + decoder) * DGM_SITE_N + site);
}

dgm_dropout dgm_layer_dropout(const dgm_layer_context *ctx, float rate, uint32_t site)
{
    return (dgm_dropout){.rng = ctx->dropout_rng, .step = ctx->pass->step, .site = site, .rate = rate};
}

uint16_t *dgm_layer_mask(const dgm_layer_context *ctx, const dgm_packed *packed, int64_t d, int64_t column0, float rate, uint32_t site)
{
    if (rate <= 0) return NULL;
    uint16_t *mask = dgm_arena_alloc(ctx->arena, packed->n_rows * dgm_dropout_words(d) * (int64_t)sizeof *mask);
    dgm_dropout dropout = dgm_layer_dropout(ctx, rate, site);
    dgm_dropout_mask(&dropout, packed->n_rows, d, column0, packed->sentence, packed->position, mask);
    return mask;
}
