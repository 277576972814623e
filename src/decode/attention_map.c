/* The sentence pair goes through the forward pass of training; the weights, which its kernel never writes down, are computed once more from the queries
 * and keys that it leaves. */
#include "dgm/attention_map.h"

#include "dgm/vocab.h"

#include <stdlib.h>
#include <string.h>

void dgm_attention_map_fini(dgm_attention_map *map)
{
    free(map->weight);
    *map = (dgm_attention_map){0};
}

/* One packed sentence. */
typedef struct {
    dgm_packed packed;
    int64_t start[2], leaf[2];
    int32_t *ids;
    uint32_t *sentence, *position;
} side;

static void side_fini(side *s)
{
    free(s->ids);
    free(s->sentence);
    free(s->position);
}

/* The ids and a special token in front of them or behind. */
static dgm_err side_init(side *s, const int32_t *ids, int64_t n, int32_t special, bool in_front)
{
    size_t rows = (size_t)n + 1;
    s->ids = malloc(rows * sizeof *s->ids);
    s->sentence = calloc(rows, sizeof *s->sentence);
    s->position = malloc(rows * sizeof *s->position);
    if (s->ids == NULL || s->sentence == NULL || s->position == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "a sentence of %lld tokens", (long long)n);
    if (n > 0) memcpy(s->ids + in_front, ids, (size_t)n * sizeof *ids);
    s->ids[in_front ? 0 : n] = special;
    for (int64_t i = 0; i <= n; i++) s->position[i] = (uint32_t)i;
    s->start[0] = s->leaf[0] = 0;
    s->start[1] = s->leaf[1] = n + 1;
    s->packed = (dgm_packed){1, n + 1, s->start, s->leaf, s->ids, s->sentence, s->position};
    return DGM_OK;
}

dgm_err dgm_attention_map_make(dgm_transformer *transformer, const dgm_params *params, const dgm_weights *weights, int64_t layer, const int32_t *src,
                               int64_t n_src, const int32_t *tgt, int64_t n_tgt, dgm_attention_map *out)
{
    dgm_err err;
    side source = {0}, target = {0};
    dgm_attention_map map = {params->hp.n_heads, n_src + 1, n_tgt + 1, NULL};
    float *hidden = NULL;
    DGM_GOTO(side_init(&source, src, n_src, DGM_TOKEN_END, false));
    DGM_GOTO(side_init(&target, tgt, n_tgt, DGM_TOKEN_BEGIN, true));
    hidden = malloc((size_t)(map.n_src * params->hp.d_model) * sizeof *hidden);
    map.weight = malloc((size_t)(map.n_heads * map.n_tgt * map.n_src) * sizeof *map.weight);
    if (hidden == NULL || map.weight == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "attention of %lld x %lld tokens", (long long)map.n_tgt, (long long)map.n_src);
        goto fail;
    }
    DGM_GOTO(dgm_transformer_encode(transformer, &source.packed, weights, hidden));
    DGM_GOTO(dgm_transformer_cross_weights(transformer, &source.packed, hidden, &target.packed, weights, layer, map.weight));
    *out = map;
    map.weight = NULL;
fail:
    free(hidden);
    dgm_attention_map_fini(&map);
    side_fini(&source);
    side_fini(&target);
    return err;
}
