/* Names for places in a flat block.  The first unit of a tensor on this rank is where its pieces begin. */
#include "dgm/params.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    const dgm_params *params;
    float *flat;
} places;

static float *place(const places *at, const char *format, ...) __attribute__((format(printf, 2, 3)));
static float *place(const places *at, const char *format, ...)
{
    char name[80];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    int tensor = dgm_params_find(at->params, name);
    for (int i = 0; i < at->params->n_units; i++)
        if (at->params->units[i].tensor == tensor) return at->flat + at->params->units[i].offset;
    return NULL;
}

static void attention_places(const places *at, const char *stack, int64_t layer, const char *name, dgm_attention_weights *w)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "model.%s.layers.%lld.%s", stack, (long long)layer, name);
    w->in_weight = place(at, "%s.q_proj.weight", prefix);
    w->in_bias = place(at, "%s.q_proj.bias", prefix);
    w->out_weight = place(at, "%s.out_proj.weight", prefix);
    w->out_bias = place(at, "%s.out_proj.bias", prefix);
    w->norm_weight = place(at, "%s_layer_norm.weight", prefix);
    w->norm_bias = place(at, "%s_layer_norm.bias", prefix);
}

static void ffn_places(const places *at, const char *stack, int64_t layer, dgm_ffn_weights *w)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "model.%s.layers.%lld", stack, (long long)layer);
    w->in_weight = place(at, "%s.fc1.weight", prefix);
    w->in_bias = place(at, "%s.fc1.bias", prefix);
    w->out_weight = place(at, "%s.fc2.weight", prefix);
    w->out_bias = place(at, "%s.fc2.bias", prefix);
    w->norm_weight = place(at, "%s.final_layer_norm.weight", prefix);
    w->norm_bias = place(at, "%s.final_layer_norm.bias", prefix);
}

dgm_err dgm_weights_init(const dgm_params *params, float *flat, dgm_weights *out)
{
    const dgm_hparams *hp = &params->hp;
    places at = {params, flat};
    dgm_weights w = {0};
    w.encoder = calloc((size_t)(hp->n_encoder_layers + hp->n_decoder_layers), sizeof *w.encoder);
    if (w.encoder == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "list of layers");
    w.decoder = w.encoder + hp->n_encoder_layers;
    w.embedding = place(&at, hp->joint_vocab ? "model.shared.weight" : "model.decoder.embed_tokens.weight");
    w.src_embedding = place(&at, hp->joint_vocab ? "model.shared.weight" : "model.encoder.embed_tokens.weight");
    for (int64_t l = 0; l < hp->n_encoder_layers; l++) {
        attention_places(&at, "encoder", l, "self_attn", &w.encoder[l].self);
        ffn_places(&at, "encoder", l, &w.encoder[l].ffn);
    }
    for (int64_t l = 0; l < hp->n_decoder_layers; l++) {
        attention_places(&at, "decoder", l, "self_attn", &w.decoder[l].self);
        attention_places(&at, "decoder", l, "encoder_attn", &w.decoder[l].cross);
        ffn_places(&at, "decoder", l, &w.decoder[l].ffn);
    }
    w.cross_kv_weight = place(&at, "model.decoder.layers.0.encoder_attn.k_proj.weight");
    w.cross_kv_bias = place(&at, "model.decoder.layers.0.encoder_attn.k_proj.bias");
    w.encoder_norm_weight = place(&at, "model.encoder.layer_norm.weight");
    w.encoder_norm_bias = place(&at, "model.encoder.layer_norm.bias");
    w.decoder_norm_weight = place(&at, "model.decoder.layer_norm.weight");
    w.decoder_norm_bias = place(&at, "model.decoder.layer_norm.bias");
    *out = w;
    return DGM_OK;
}

void dgm_weights_fini(dgm_weights *weights)
{
    free(weights->encoder);
    *weights = (dgm_weights){0};
}
