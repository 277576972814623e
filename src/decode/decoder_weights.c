#include "dgm/decoder_weights.h"

#include <stdlib.h>
#include <string.h>

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

static void load_layer(dgm_decoder_layer_panels *l, const dgm_hparams *hp, const dgm_layer_weights *w)
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

void dgm_decoder_weights_load(dgm_decoder_weights *w)
{
    const dgm_hparams *hp = &w->params->hp;
    int64_t parts = 2 * hp->n_decoder_layers;
    for (int64_t l = 0; l < hp->n_decoder_layers; l++) load_layer(&w->layers[l], hp, &w->weights->decoder[l]);
    for (int64_t part = 0; part < parts; part++) {
        set_pieces(&w->cross_kv[part], 0, hp, w->weights->cross_kv_weight, parts, part);
        set_piece_bias(w->cross_kv_bias + part * hp->d_model, hp, w->weights->cross_kv_bias, parts, part);
    }
    set_plain(&w->output, w->weights->embedding);
}

static dgm_err init_layer(dgm_decoder_layer_panels *l, const dgm_hparams *hp)
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

dgm_err dgm_decoder_weights_init(const dgm_params *params, const dgm_weights *weights, dgm_decoder_weights *out)
{
    const dgm_hparams *hp = &params->hp;
    int64_t parts = 2 * hp->n_decoder_layers;
    dgm_err err;
    DGM_ASSERT(params->tp_size == 1);
    *out = (dgm_decoder_weights){.params = params, .weights = weights};
    out->layers = calloc((size_t)hp->n_decoder_layers, sizeof *out->layers);
    out->cross_kv = calloc((size_t)parts, sizeof *out->cross_kv);
    out->cross_kv_bias = malloc((size_t)(parts * hp->d_model) * sizeof *out->cross_kv_bias);
    if (out->layers == NULL || out->cross_kv == NULL || out->cross_kv_bias == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "decoder");
        goto fail;
    }
    for (int64_t l = 0; l < hp->n_decoder_layers; l++) DGM_GOTO(init_layer(&out->layers[l], hp));
    for (int64_t part = 0; part < parts; part++) DGM_GOTO(dgm_panels_init(&out->cross_kv[part], hp->d_model, hp->d_model));
    DGM_GOTO(dgm_panels_init(&out->output, hp->d_model, hp->tgt_vocab_size));
    dgm_decoder_weights_load(out);
    return DGM_OK;
fail:
    dgm_decoder_weights_fini(out);
    return err;
}

void dgm_decoder_weights_fini(dgm_decoder_weights *w)
{
    int64_t n_layers = w->params != NULL ? w->params->hp.n_decoder_layers : 0;
    for (int64_t i = 0; w->layers != NULL && i < n_layers; i++) {
        dgm_decoder_layer_panels *l = &w->layers[i];
        dgm_panels *all[] = {&l->self_in, &l->self_out, &l->cross_in, &l->cross_out, &l->ffn_in, &l->ffn_out};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++) dgm_panels_fini(all[j]);
        free(l->self_bias);
    }
    for (int64_t i = 0; w->cross_kv != NULL && i < 2 * n_layers; i++) dgm_panels_fini(&w->cross_kv[i]);
    free(w->layers);
    free(w->cross_kv);
    free(w->cross_kv_bias);
    dgm_panels_fini(&w->output);
    *w = (dgm_decoder_weights){0};
}
