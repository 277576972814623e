#include "toy_model.h"

#include "dgm/rng.h"
#include "dgm/vocab.h"

#include <stdio.h>
#include <stdlib.h>

static void must(dgm_err err)
{
    if (err == DGM_OK) return;
    printf("Bail out! toy model: %s\n", dgm_error_text());
    exit(1);
}

void toy_model_init(toy_model *m, dgm_norm_place norm, dgm_activation activation, bool joint_vocab, int64_t vocab_size, uint64_t seed)
{
    *m = (toy_model){.hp = {.d_model = 32, .d_ff = 64, .n_heads = 4, .n_encoder_layers = 2, .n_decoder_layers = 2,
                            .src_vocab_size = joint_vocab ? vocab_size : vocab_size + 5, .tgt_vocab_size = vocab_size,
                            .joint_vocab = joint_vocab, .norm = norm, .activation = activation, .virtual_tp = 2, .norm_eps = 1e-5f}};
    must(dgm_params_create(&m->hp, 0, 1, &m->params));
    must(dgm_params_alloc(m->params, &m->flat));
    dgm_params_init(m->params, seed, m->flat);
    dgm_rng rng = dgm_rng_make(seed, DGM_RNG_TEST);
    for (int64_t i = 0; i < m->params->n_floats; i++) m->flat[i] += 0.1f * (float)dgm_rng_normal(rng, (uint64_t)i, 0);
    must(dgm_weights_init(m->params, m->flat, &m->weights));
}

void toy_model_fini(toy_model *m)
{
    dgm_weights_fini(&m->weights);
    free(m->flat);
    dgm_params_destroy(m->params);
}

void toy_sentence(uint64_t seed, uint64_t which, int64_t vocab_size, int64_t n, int32_t *ids)
{
    dgm_rng rng = dgm_rng_make(seed, DGM_RNG_TEST);
    for (int64_t j = 0; j < n; j++)
        ids[j] = DGM_VOCAB_N_SPECIAL + (int32_t)dgm_rng_below(rng, (uint64_t)vocab_size - DGM_VOCAB_N_SPECIAL, (uint64_t)j, 1000 + which);
}

const dgm_packed *toy_pack(toy_packed *p, const int32_t *ids, int64_t n, bool begin)
{
    *p = (toy_packed){.bounds = {0, n + 1}};
    for (int64_t j = 0; j <= n; j++) {
        p->ids[j] = begin ? (j == 0 ? DGM_TOKEN_BEGIN : ids[j - 1]) : (j == n ? DGM_TOKEN_END : ids[j]);
        p->position[j] = (uint32_t)j;
    }
    p->packed = (dgm_packed){1, n + 1, p->bounds, p->bounds, p->ids, p->sentence, p->position};
    return &p->packed;
}
