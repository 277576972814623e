#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(dgm_err err)
{
    if (err == DGM_OK) return;
    printf("Bail out! %s\n", dgm_error_text());
    exit(1);
}

static int64_t *ints(const golden *g, const char *name, int64_t *rows, int64_t *cols)
{
    const dgm_safetensors_entry *e = dgm_safetensors_find(g->file, name);
    int64_t *v = malloc((size_t)(e->rows * e->cols) * sizeof *v);
    must(dgm_safetensors_read_int(g->file, e, v));
    *rows = e->rows;
    *cols = e->cols;
    return v;
}

static int64_t setting(const golden *g, const char *key) { return strtoll(dgm_safetensors_string(g->file, key), NULL, 10); }

golden golden_open(const char *name)
{
    golden g = {0};
    char path[1024];
    const char *source = getenv("DGM_SRCDIR");
    snprintf(path, sizeof path, "%s/tests/fixtures/%s", source != NULL ? source : ".", name);
    must(dgm_safetensors_open(path, &g.file));
    bool pre = strcmp(dgm_safetensors_string(g.file, "norm"), "pre") == 0;
    g.hp = (dgm_hparams){.d_model = setting(&g, "d_model"),
                         .d_ff = setting(&g, "d_ff"),
                         .n_heads = setting(&g, "n_heads"),
                         .n_encoder_layers = setting(&g, "n_layers"),
                         .n_decoder_layers = setting(&g, "n_layers"),
                         .src_vocab_size = setting(&g, "vocab_size"),
                         .tgt_vocab_size = setting(&g, "vocab_size"),
                         .joint_vocab = true,
                         .norm = pre ? DGM_NORM_PRE : DGM_NORM_POST,
                         .activation = pre ? DGM_ACTIVATION_GELU : DGM_ACTIVATION_RELU,
                         .virtual_tp = 4,
                         .norm_eps = 1e-5f};
    int64_t ignored;
    int64_t *src = ints(&g, "input_src", &g.n_sent, &g.src_width), *tgt = ints(&g, "input_tgt_in", &g.n_sent, &g.tgt_width);
    g.src_len = ints(&g, "input_src_len", &g.n_sent, &ignored);
    g.tgt_len = ints(&g, "input_tgt_len", &g.n_sent, &ignored);
    g.ids = malloc((size_t)(g.n_sent * (g.src_width + g.tgt_width)) * sizeof *g.ids);
    g.pairs = malloc((size_t)g.n_sent * sizeof *g.pairs);
    int32_t *at = g.ids;
    for (int64_t s = 0; s < g.n_sent; s++) {
        g.pairs[s] = (dgm_pair){.n_src = (int32_t)g.src_len[s] - 1, .n_tgt = (int32_t)g.tgt_len[s] - 1};
        g.pairs[s].src = at;
        for (int64_t i = 0; i < g.src_len[s] - 1; i++) *at++ = (int32_t)src[s * g.src_width + i];
        g.pairs[s].tgt = at;
        for (int64_t i = 1; i < g.tgt_len[s]; i++) *at++ = (int32_t)tgt[s * g.tgt_width + i];
    }
    free(src);
    free(tgt);
    return g;
}

void golden_close(golden *g)
{
    dgm_safetensors_close(g->file);
    free(g->src_len);
    free(g->tgt_len);
    free(g->ids);
    free(g->pairs);
}

double *golden_tensor(const golden *g, const char *prefix, const char *name, int64_t *n)
{
    char full[160];
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    const dgm_safetensors_entry *e = dgm_safetensors_find(g->file, full);
    if (e == NULL) {
        printf("Bail out! no tensor %s\n", full);
        exit(1);
    }
    double *v = malloc((size_t)(e->rows * e->cols) * sizeof *v);
    must(dgm_safetensors_read_double(g->file, e, v));
    if (n != NULL) *n = e->rows * e->cols;
    return v;
}

double golden_number(const golden *g, const char *name)
{
    double *v = golden_tensor(g, "out", name, NULL), result = v[0];
    free(v);
    return result;
}

void golden_params(const golden *g, const dgm_params *p, float *flat)
{
    for (int i = 0; i < p->n_units; i++) {
        const dgm_unit *u = &p->units[i];
        const dgm_tensor *t = &p->tensors[u->tensor];
        double *whole = golden_tensor(g, "param", t->name, NULL);
        float *dense = malloc((size_t)(u->rows * u->cols) * sizeof *dense);
        for (int64_t r = 0; r < u->rows; r++)
            for (int64_t c = 0; c < u->cols; c++) dense[r * u->cols + c] = (float)whole[(u->row0 + r) * t->cols + u->col0 + c];
        dgm_params_unit_set(u, dense, flat);
        free(dense);
        free(whole);
    }
}
