/* The hash of a tensor is that of its logical elements, however they are cut and stored: every tp, any slices, pieces in any number. */
#include "dgm/rng.h"
#include "dgm/tensor_hash.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static dgm_hparams shape(int64_t d_model, int64_t vocab, int64_t virtual_tp)
{
    return (dgm_hparams){.d_model = d_model, .d_ff = 4 * d_model, .n_heads = 8, .n_encoder_layers = 1, .n_decoder_layers = 2, .src_vocab_size = vocab,
                         .tgt_vocab_size = vocab, .joint_vocab = true, .norm = DGM_NORM_PRE, .virtual_tp = virtual_tp, .norm_eps = 1e-5f};
}

/* The logical tensor t: numbers that its name and place decide. */
static void fill_tensor(int t, const dgm_tensor *tensor, float *dense)
{
    dgm_rng rng = dgm_rng_make(7, DGM_RNG_TEST);
    for (int64_t i = 0; i < tensor->rows * tensor->cols; i++) dense[i] = (float)dgm_rng_normal(rng, (uint64_t)i, (uint64_t)t);
    dense[0] = -0.0f;
    dense[tensor->rows * tensor->cols - 1] = NAN;
}

static void fill(const dgm_params *p, float *flat)
{
    for (int i = 0; i < p->n_units; i++) {
        const dgm_unit *u = &p->units[i];
        const dgm_tensor *t = &p->tensors[u->tensor];
        float *dense = malloc((size_t)(t->rows * t->cols) * sizeof *dense), *part = malloc((size_t)(u->rows * u->cols) * sizeof *part);
        fill_tensor(u->tensor, t, dense);
        for (int64_t r = 0; r < u->rows; r++) memcpy(part + r * u->cols, dense + (u->row0 + r) * t->cols + u->col0, (size_t)u->cols * sizeof *part);
        dgm_params_unit_set(u, part, flat);
        free(part);
        free(dense);
    }
}

/* What tp ranks of n_slices replicas find together. */
static void hash_layout(const dgm_hparams *hp, int tp, int n_slices, uint64_t *hash)
{
    for (int r = 0; r < tp; r++) {
        dgm_params *p = NULL;
        float *flat = NULL;
        int64_t *start = calloc((size_t)n_slices + 1, sizeof *start);
        if (dgm_params_create(hp, r, tp, &p) == DGM_OK && dgm_params_alloc(p, &flat) == DGM_OK) {
            fill(p, flat);
            dgm_params_slices(p, n_slices, start);
            for (int s = 0; s < n_slices; s++) dgm_tensor_hash_add(p, start[s], start[s + 1], flat, hash);
        }
        free(start);
        free(flat);
        dgm_params_destroy(p);
    }
}

static void check_layouts(int64_t d_model, int64_t vocab)
{
    static const struct { int virtual_tp, tp, n_slices; } cells[] = {{8, 1, 1}, {8, 1, 3}, {8, 2, 1}, {8, 2, 5}, {8, 4, 2}, {8, 8, 4}, {2, 2, 7}, {1, 1, 2}};
    dgm_hparams hp = shape(d_model, vocab, 8);
    dgm_params *p = NULL;
    if (!tap_err(dgm_params_create(&hp, 0, 1, &p), DGM_OK, "parameters of width %d", (int)d_model)) return;
    uint64_t *want = calloc((size_t)p->n_tensors, sizeof *want), *got = calloc((size_t)p->n_tensors, sizeof *got);
    for (int t = 0; t < p->n_tensors; t++) {
        int64_t n = p->tensors[t].rows * p->tensors[t].cols;
        float *dense = malloc((size_t)n * sizeof *dense);
        fill_tensor(t, &p->tensors[t], dense);
        want[t] = dgm_tensor_hash(0, dense, n);
        free(dense);
    }
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        hp.virtual_tp = cells[i].virtual_tp;
        memset(got, 0, (size_t)p->n_tensors * sizeof *got);
        hash_layout(&hp, cells[i].tp, cells[i].n_slices, got);
        tap_same(got, want, (size_t)p->n_tensors * sizeof *got, "width %d: %d pieces, tp %d, %d slices: the hashes of the logical tensors", (int)d_model,
                 cells[i].virtual_tp, cells[i].tp, cells[i].n_slices);
    }
    free(want);
    free(got);
    dgm_params_destroy(p);
}

/* One bit, two numbers in each other's place, and signs: nothing of it may cancel. */
static void check_changes(void)
{
    enum { N = 4096 };
    static float x[N];
    dgm_rng rng = dgm_rng_make(3, DGM_RNG_TEST);
    for (int i = 0; i < N; i++) x[i] = (float)dgm_rng_normal(rng, (uint64_t)i, 0);
    uint64_t before = dgm_tensor_hash(0, x, N), seen = 0;
    int n_missed = 0;
    for (int bit = 0; bit < 32; bit++)
        for (int i = 0; i < N; i += 37) {
            uint32_t bits;
            memcpy(&bits, &x[i], sizeof bits);
            bits ^= 1u << bit;
            memcpy(&x[i], &bits, sizeof bits);
            uint64_t after = dgm_tensor_hash(0, x, N);
            n_missed += after == before;
            seen |= after ^ before;
            bits ^= 1u << bit;
            memcpy(&x[i], &bits, sizeof bits);
        }
    tap_int(n_missed, 0, "any bit of any number changes the hash");
    tap_ok(seen == UINT64_MAX, "any bit of the hash may change (%016llx)", (unsigned long long)seen);
    float swap = x[5];
    x[5] = x[6], x[6] = swap;
    tap_ok(dgm_tensor_hash(0, x, N) != before, "two numbers in each other's place");
    swap = x[5], x[5] = x[6], x[6] = swap;
    for (int i = 0; i < 10; i++) x[i] = -x[i];
    tap_ok(dgm_tensor_hash(0, x, N) != before, "ten signs");
    tap_ok(dgm_tensor_hash(0, (float[]){0}, 1) != dgm_tensor_hash(0, (float[]){-0.0f}, 1), "the sign of zero");
    for (int i = 0; i < 10; i++) x[i] = -x[i];
    tap_ok(dgm_tensor_hash(0, x, 100) + dgm_tensor_hash(100, x + 100, N - 100) == before, "a hash is the sum of those of its parts");
    tap_ok(dgm_tensor_hash((int64_t)1 << 32, x, 1) != dgm_tensor_hash(0, x, 1), "places beyond 2^32 count");
}

static void check_sum(void)
{
    uint64_t hash[] = {UINT64_MAX, 0, 1, 0x123456789abcdef0u}, want[4];
    int64_t scratch[8];
    memcpy(want, hash, sizeof want);
    tap_err(dgm_tensor_hash_sum(dgm_grid_single(), hash, 4, scratch), DGM_OK, "a sum over one rank");
    tap_same(hash, want, sizeof want, "is what it was");
}

int main(void)
{
    check_layouts(16, 37);
    check_layouts(64, 3001); /* tensors of several blocks */
    check_changes();
    check_sum();
    return tap_done();
}
