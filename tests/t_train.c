/* Schedules against their formulas, optimizers against double, the cut of the parameters into units, blocks and slices. */
#include "dgm/optimizer.h"
#include "dgm/slices.h"
#include "dgm/schedule.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void test_schedules(void)
{
    dgm_schedule noam = {.kind = DGM_SCHEDULE_NOAM, .peak = 2, .warmup_steps = 4000, .d_model = 512};
    tap_near(dgm_schedule_rate(&noam, 1), 2 / sqrt(512) / (4000 * sqrt(4000)), 1e-15, "noam: update 1");
    tap_near(dgm_schedule_rate(&noam, 4000), 2 / sqrt(512) / sqrt(4000), 1e-12, "noam: the peak");
    tap_near(dgm_schedule_rate(&noam, 16000), 1 / sqrt(512) / sqrt(4000), 1e-12, "noam: half of it after 4 times the warm-up");
    dgm_schedule inverse = {.kind = DGM_SCHEDULE_INVERSE_SQRT, .peak = 0.005, .warmup_steps = 100};
    tap_near(dgm_schedule_rate(&inverse, 50), 0.0025, 1e-12, "inverse-sqrt: half-way up");
    tap_near(dgm_schedule_rate(&inverse, 100), 0.005, 1e-12, "inverse-sqrt: the stated peak");
    tap_near(dgm_schedule_rate(&inverse, 400), 0.0025, 1e-12, "inverse-sqrt: down");
    dgm_schedule cosine = {.kind = DGM_SCHEDULE_COSINE, .peak = 1, .warmup_steps = 10, .max_steps = 110};
    tap_near(dgm_schedule_rate(&cosine, 5), 0.5, 1e-12, "cosine: half-way up");
    tap_near(dgm_schedule_rate(&cosine, 60), 0.5, 1e-12, "cosine: half-way down");
    tap_near(dgm_schedule_rate(&cosine, 110), 0, 1e-12, "cosine: the end");
    tap_near(dgm_schedule_rate(&cosine, 500), 0, 1e-12, "cosine: stays there");
    dgm_schedule constant = {.kind = DGM_SCHEDULE_CONSTANT, .peak = 0.1};
    tap_near(dgm_schedule_rate(&constant, 1), 0.1, 1e-12, "constant without warm-up");
    dgm_schedule_kind kind;
    tap_err(dgm_schedule_parse("linear", &kind), DGM_ERR_USAGE, "an unknown schedule is refused");
    tap_error_says("inverse-sqrt");
}

static const dgm_hparams shape = {.d_model = 32, .d_ff = 64, .n_heads = 4, .n_encoder_layers = 2, .n_decoder_layers = 3, .src_vocab_size = 4099,
                                  .tgt_vocab_size = 4099, .joint_vocab = true, .virtual_tp = 4, .norm_eps = 1e-5f};

static void test_slices(void)
{
    dgm_params *whole, *part;
    int64_t n_elements = 0, slice[8];
    tap_err(dgm_params_create(&shape, 0, 1, &whole), DGM_OK, "layout on one rank");
    for (int t = 0; t < whole->n_tensors; t++) n_elements += whole->tensors[t].rows * whole->tensors[t].cols;
    tap_int(n_elements, dgm_hparams_n_parameters(&shape), "tensors have as many elements as the architecture says");
    for (int tp = 1; tp <= 4; tp *= 2) {
        int64_t held = 0, replicated = 0;
        bool *seen = calloc((size_t)whole->n_global_blocks, sizeof *seen);
        int64_t n_blocks = 0;
        for (int r = 0; r < tp; r++) {
            if (dgm_params_create(&shape, r, tp, &part) != DGM_OK) break;
            for (int u = 0; u < part->n_units; u++) {
                held += part->units[u].rows * part->units[u].cols;
                if (part->units[u].replicated) replicated += part->units[u].rows * part->units[u].cols;
            }
            for (int b = 0; b < part->n_blocks; b++) {
                const dgm_unit *u = &part->units[part->blocks[b].unit];
                int global = u->global_block + b - u->first_block;
                n_blocks += !seen[global];
                seen[global] = true;
            }
            dgm_params_destroy(part);
        }
        tap_int(held - replicated + replicated / tp, n_elements, "tp %d: every element is somewhere, once if it is split", tp);
        tap_int(n_blocks, whole->n_global_blocks, "tp %d: every block has its number", tp);
        free(seen);
    }
    dgm_params_slices(whole, 7, slice);
    bool at_blocks = slice[0] == 0 && slice[7] == whole->n_floats;
    for (int s = 1; s < 7; s++) {
        bool found = false;
        for (int b = 0; b < whole->n_blocks; b++) found = found || whole->blocks[b].lo == slice[s];
        at_blocks = at_blocks && found && slice[s] >= slice[s - 1];
    }
    tap_ok(at_blocks, "slices begin at block edges");
    tap_err(dgm_params_create(&shape, 0, 3, &part), DGM_ERR_USAGE, "tp 3 does not divide 4 pieces");
    tap_error_says("virtual_tp");
    dgm_params_destroy(whole);
}

static bool is_block_edge(const dgm_params *p, int64_t at)
{
    bool found = at == p->n_floats;
    for (int b = 0; b < p->n_blocks; b++) found = found || p->blocks[b].lo == at;
    return found;
}

/* Every float is in one part of one bucket; buckets come in the order in which stages become final. */
static void test_buckets(int n_parts, int64_t part_floats)
{
    dgm_params *p;
    dgm_slices s;
    dgm_range range[16];
    dgm_params_create(&shape, 0, 1, &p);
    tap_int(p->n_stages, 1 + 2 + 1 + 3, "stages: embeddings, encoder layers, what is between the stacks, decoder layers");
    tap_err(dgm_slices_init(p, n_parts, part_floats, &s), DGM_OK, "%d parts of %lld floats", n_parts, (long long)part_floats);
    int64_t covered = 0, in_ranges = 0, above = p->n_floats;
    bool edges = true, order = dgm_slices_of_bucket(&s, 0)[0] == 0 && dgm_slices_of_bucket(&s, 0)[n_parts] == p->stage_start[1] && s.n_final[0] == 1;
    for (int b = 0; b < s.n_buckets; b++) {
        const int64_t *start = dgm_slices_of_bucket(&s, b);
        for (int r = 0; r <= n_parts; r++) edges = edges && is_block_edge(p, start[r]) && (r == 0 || start[r] >= start[r - 1]);
        covered += start[n_parts] - start[0];
        if (b == 0) continue;
        order = order && start[n_parts] == above && start[0] == p->stage_start[p->n_stages + 1 - s.n_final[b]];
        above = start[0];
    }
    tap_int(covered, p->n_floats, "buckets cover the flat block");
    tap_ok(edges, "parts begin at block edges");
    tap_ok(order && above == p->stage_start[1] && s.n_final[s.n_buckets - 1] == p->n_stages, "after the embeddings from the last layer down to the first");
    if (part_floats == 1) tap_int(s.n_buckets, p->n_stages, "small parts: a bucket for every stage");
    bool ascending = true;
    for (int r = 0; r < n_parts; r++) {
        int n = dgm_slices_ranges(&s, r, range);
        in_ranges += dgm_ranges_floats(range, n);
        for (int i = 0; i < n; i++) ascending = ascending && range[i].lo < range[i].hi && (i == 0 || range[i].lo > range[i - 1].hi);
    }
    tap_ok(ascending, "a slice's stretches ascend and do not touch");
    tap_int(in_ranges, p->n_floats, "the slices of all parts are the flat block");
    dgm_slices_fini(&s);
    dgm_params_destroy(p);
}

/* One Adam(W) or SGD update of a block in double. */
static double updated(dgm_optimizer_kind kind, double w, double g, double m, double v, double decay, int64_t step, double rate)
{
    if (kind == DGM_OPTIMIZER_SGD) return w - rate * (0.9 * m + g + decay * w);
    m = 0.9 * m + 0.1 * g;
    v = 0.98 * v + 0.02 * g * g;
    return w - rate * (m / (1 - pow(0.9, (double)step)) / (sqrt(v / (1 - pow(0.98, (double)step))) + 1e-9) + decay * w);
}

static void test_optimizer(dgm_optimizer_kind kind, const char *name, bool freeze)
{
    dgm_params *p;
    float *w, *g;
    dgm_optimizer o;
    dgm_optimizer_options options = {.kind = kind, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-9, .momentum = 0.9,
                                     .weight_decay = kind == DGM_OPTIMIZER_ADAM ? 0 : 0.1, .freeze_embeddings = freeze};
    dgm_params_create(&shape, 0, 1, &p);
    dgm_params_alloc(p, &w);
    dgm_params_alloc(p, &g);
    dgm_params_init(p, 3, w);
    dgm_params_init(p, 4, g);
    dgm_range halves[2] = {{0, p->blocks[p->n_blocks / 2].lo}, {p->blocks[p->n_blocks / 2].lo, p->n_floats}};
    tap_err(dgm_optimizer_init(&options, halves, 2, &o), DGM_OK, "%s", name);
    int64_t n_bad = 0;
    for (int64_t i = 0; i < p->n_floats; i++) o.m[i] = 0.01f * (float)(i % 5);
    for (int64_t i = 0; o.v != NULL && i < p->n_floats; i++) o.v[i] = 0.001f * (float)(i % 3);
    float *before = malloc((size_t)p->n_floats * sizeof *before);
    memcpy(before, w, (size_t)p->n_floats * sizeof *before);
    dgm_optimizer_update(&o, p, 3, 0.01, 0.5, g, w);
    for (int b = 0; b < p->n_blocks; b++) {
        dgm_role role = p->tensors[p->units[p->blocks[b].unit].tensor].role;
        bool matrix = role == DGM_ROLE_MATRIX || role == DGM_ROLE_EMBEDDING;
        for (int64_t i = p->blocks[b].lo; i < p->blocks[b].hi; i++) {
            double want = updated(kind, (double)before[i], 0.5 * (double)g[i], 0.01 * (double)(i % 5), 0.001 * (double)(i % 3),
                                  matrix ? options.weight_decay : 0, 3, 0.01);
            if (freeze && role == DGM_ROLE_EMBEDDING) want = (double)before[i];
            n_bad += !(fabs((double)w[i] - want) <= 2e-6 * (1 + fabs(want)));
        }
    }
    tap_int(n_bad, 0, "%s%s: one update as in double", name, freeze ? ", embeddings frozen" : "");
    dgm_optimizer_fini(&o);
    free(before);
    free(w);
    free(g);
    dgm_params_destroy(p);
}

int main(void)
{
    test_schedules();
    test_slices();
    test_buckets(1, 1);
    test_buckets(3, 1);
    test_buckets(5, 20000);
    test_optimizer(DGM_OPTIMIZER_ADAM, "adam", false);
    test_optimizer(DGM_OPTIMIZER_ADAM, "adam", true);
    test_optimizer(DGM_OPTIMIZER_ADAMW, "adamw", false);
    test_optimizer(DGM_OPTIMIZER_SGD, "sgd", false);
    return tap_done();
}
