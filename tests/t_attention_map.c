/* Attention as it is shown: its rows sum to one, it is what the model's own kernel attends with, and a head that knows nothing looks everywhere alike. */
#include "dgm/attention_map.h"
#include "dgm/grid.h"
#include "dgm/sdpa.h"
#include "dgm/rng.h"
#include "tap.h"
#include "toy_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VOCAB = 97, N_SRC = 7, N_TGT = 5, HEADS = 4, LAYERS = 2 };

/* The weights times the values are what the kernel of training puts out. */
static void test_kernel(bool causal)
{
    enum { Q = 9, K = 9, H = 3, D = 12, W = H * D };
    float q[Q * W], k[K * W], v[K * W], out[Q * W];
    double p[H * Q * K], want[Q * W] = {0}, worst_sum = 0, later = 0, least = 1;
    const int64_t start[] = {0, Q};
    const dgm_sdpa_dims dims = {.n_sent = 1, .q_start = start, .k_start = start, .n_heads = H, .d_head = D, .causal = causal};
    dgm_rng rng = dgm_rng_make(3, DGM_RNG_TEST);
    for (int i = 0; i < Q * W; i++) {
        q[i] = (float)dgm_rng_normal(rng, (uint64_t)i, 0);
        k[i] = (float)dgm_rng_normal(rng, (uint64_t)i, 1);
        v[i] = (float)dgm_rng_normal(rng, (uint64_t)i, 2);
    }
    dgm_sdpa_forward(&dims, q, W, k, v, W, out, W, NULL);
    dgm_sdpa_weights(&dims, q, W, k, W, p);
    for (int h = 0; h < H; h++)
        for (int t = 0; t < Q; t++) {
            double sum = 0;
            for (int j = 0; j < K; j++) {
                double weight = p[(h * Q + t) * K + j];
                sum += weight, least = fmin(least, weight);
                if (j > t) later += fabs(weight);
                for (int i = 0; i < D; i++) want[t * W + h * D + i] += weight * (double)v[j * W + h * D + i];
            }
            worst_sum = fmax(worst_sum, fabs(sum - 1));
        }
    const char *name = causal ? "causal" : "whole";
    tap_near(worst_sum, 0, 1e-12, "%s: every row of weights sums to 1", name);
    tap_ok(least >= 0, "%s: none is negative", name);
    tap_ok(causal ? later == 0 : later > 1, "%s: later keys are seen as they may be", name);
    tap_near_array(out, want, Q * W, 2e-6, "%s: weights times values are the output of the fast kernel", name);
}

typedef struct {
    toy_model m;
    dgm_transformer *t;
    int32_t src[N_SRC], tgt[N_TGT];
} model;

static void model_init(model *x, dgm_norm_place norm)
{
    toy_model_init(&x->m, norm, DGM_ACTIVATION_RELU, true, VOCAB, 21);
    toy_sentence(1, 0, VOCAB, N_SRC, x->src);
    toy_sentence(1, 1, VOCAB, N_TGT, x->tgt);
    if (dgm_transformer_create(x->m.params, dgm_grid_single(), &x->t) != DGM_OK) abort();
}

static void model_fini(model *x)
{
    dgm_transformer_destroy(x->t);
    toy_model_fini(&x->m);
}

static dgm_attention_map map_of(const model *x, int64_t layer, int64_t n_tgt)
{
    dgm_attention_map map = {0};
    tap_err(dgm_attention_map_make(x->t, x->m.params, &x->m.weights, layer, x->src, N_SRC, x->tgt, n_tgt, &map), DGM_OK, "map of layer %d, %d tokens", (int)layer,
            (int)n_tgt);
    return map;
}

static double worst_row(const dgm_attention_map *map)
{
    double worst = 0;
    for (int64_t r = 0; r < map->n_heads * map->n_tgt; r++) {
        double sum = 0;
        for (int64_t j = 0; j < map->n_src; j++) sum += map->weight[r * map->n_src + j];
        worst = fmax(worst, fabs(sum - 1));
    }
    return worst;
}

/* The spread of a head's weights around 1 / n_src. */
static double unevenness(const dgm_attention_map *map, int64_t head)
{
    double worst = 0;
    for (int64_t i = 0; i < map->n_tgt * map->n_src; i++)
        worst = fmax(worst, fabs(map->weight[head * map->n_tgt * map->n_src + i] - 1 / (double)map->n_src));
    return worst;
}

static void test_shape(const model *x)
{
    for (int64_t layer = 0; layer < LAYERS; layer++) {
        dgm_attention_map map = map_of(x, layer, N_TGT);
        tap_ok(map.n_heads == HEADS && map.n_src == N_SRC + 1 && map.n_tgt == N_TGT + 1, "both sides have their </s>");
        tap_near(worst_row(&map), 0, 1e-12, "rows sum to 1");
        tap_ok(unevenness(&map, 0) > 1e-3, "and are not all alike");
        dgm_attention_map_fini(&map);
    }
    dgm_attention_map whole = map_of(x, 1, N_TGT), part = map_of(x, 1, 2);
    double worst = 0;
    for (int h = 0; h < HEADS; h++)
        for (int t = 0; t < 3; t++)
            for (int j = 0; j <= N_SRC; j++)
                worst = fmax(worst, fabs(whole.weight[(h * whole.n_tgt + t) * whole.n_src + j] - part.weight[(h * part.n_tgt + t) * part.n_src + j]));
    tap_near(worst, 0, 1e-6, "a row does not depend on what is said later");
    dgm_attention_map_fini(&whole);
    dgm_attention_map_fini(&part);
    dgm_attention_map none = {0};
    tap_err(dgm_attention_map_make(x->t, x->m.params, &x->m.weights, LAYERS, x->src, N_SRC, x->tgt, N_TGT, &none), DGM_ERR_SHAPE, "a layer too many");
}

/* Queries of nothing but zeros: that head, and no other, looks everywhere alike.  Heads lie in pieces: this finds them where they should be. */
static void test_heads(void)
{
    for (int head = 0; head < HEADS; head++) {
        model x;
        model_init(&x, DGM_NORM_POST);
        int64_t d = x.m.hp.d_model, d_head = d / HEADS;
        dgm_attention_weights *w = &x.m.weights.decoder[LAYERS - 1].cross;
        memset(w->in_weight + head * d_head * d, 0, (size_t)(d_head * d) * sizeof *w->in_weight);
        memset(w->in_bias + head * d_head, 0, (size_t)d_head * sizeof *w->in_bias);
        dgm_attention_map map = map_of(&x, LAYERS - 1, N_TGT);
        for (int h = 0; h < HEADS; h++) {
            if (h == head) tap_near(unevenness(&map, h), 0, 1e-12, "head %d, which asks for nothing, looks everywhere alike", h);
            else tap_ok(unevenness(&map, h) > 1e-3, "head %d does not", h);
        }
        dgm_attention_map_fini(&map);
        model_fini(&x);
    }
}

int main(void)
{
    model x;
    test_kernel(false);
    test_kernel(true);
    model_init(&x, DGM_NORM_POST);
    test_shape(&x);
    model_fini(&x);
    model_init(&x, DGM_NORM_PRE);
    test_shape(&x);
    model_fini(&x);
    test_heads();
    return tap_done();
}
