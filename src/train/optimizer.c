/* The slice is walked block by block, because a block's role says whether it decays and whether it is trained at all. */
#include "dgm/optimizer.h"

#include "dgm/pages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

dgm_err dgm_optimizer_parse(const char *name, dgm_optimizer_kind *out)
{
    static const char *const names[] = {"adam", "adamw", "sgd"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (dgm_optimizer_kind)i;
            return DGM_OK;
        }
    return DGM_FAIL(DGM_ERR_USAGE, "optimizer = %s: expected adam, adamw or sgd", name);
}

dgm_err dgm_optimizer_init(const dgm_optimizer_options *options, const dgm_range *ranges, int n_ranges, dgm_optimizer *out)
{
    dgm_optimizer o = {.options = *options, .n_ranges = n_ranges};
    int64_t n = 0;
    for (int i = 0; i < n_ranges; i++) n += ranges[i].hi - ranges[i].lo;
    o.ranges = malloc((size_t)DGM_MAX(n_ranges, 1) * sizeof *o.ranges);
    o.m = dgm_pages_calloc((size_t)DGM_MAX(n, 1) * sizeof *o.m);
    if (options->kind != DGM_OPTIMIZER_SGD) o.v = dgm_pages_calloc((size_t)DGM_MAX(n, 1) * sizeof *o.v);
    if (o.ranges == NULL || o.m == NULL || (options->kind != DGM_OPTIMIZER_SGD && o.v == NULL)) {
        dgm_optimizer_fini(&o);
        return DGM_FAIL(DGM_ERR_NOMEM, "optimizer moments of %lld parameters", (long long)n);
    }
    if (n_ranges > 0) memcpy(o.ranges, ranges, (size_t)n_ranges * sizeof *ranges);
    *out = o;
    return DGM_OK;
}

void dgm_optimizer_fini(dgm_optimizer *optimizer)
{
    free(optimizer->ranges);
    free(optimizer->m);
    free(optimizer->v);
    *optimizer = (dgm_optimizer){0};
}

bool dgm_optimizer_trains(const dgm_optimizer_options *options, dgm_role role)
{
    return !(options->freeze_embeddings && role == DGM_ROLE_EMBEDDING);
}

void dgm_optimizer_update(dgm_optimizer *optimizer, const dgm_params *params, int64_t step, double rate, double grad_scale, const float *grad,
                          float *weights)
{
    const dgm_optimizer_options *o = &optimizer->options;
    dgm_adam_step adam = {.lr = (float)rate,
                          .beta1 = (float)o->beta1,
                          .beta2 = (float)o->beta2,
                          .eps = (float)o->eps,
                          .grad_scale = (float)grad_scale,
                          .correction1 = (float)(1 / (1 - pow(o->beta1, (double)step))),
                          .correction2 = (float)(1 / (1 - pow(o->beta2, (double)step)))};
    int64_t before = 0; /* floats of the slice in the stretches before this one */
    for (int b = 0, range = 0; b < params->n_blocks && range < optimizer->n_ranges; b++) {
        const dgm_block *block = &params->blocks[b];
        const dgm_range *here = &optimizer->ranges[range];
        if (block->lo >= here->hi) {
            before += here->hi - here->lo;
            range++, b--;
            continue;
        }
        if (block->lo < here->lo) continue;
        dgm_role role = params->tensors[params->units[block->unit].tensor].role;
        if (!dgm_optimizer_trains(o, role)) continue;
        bool decays = role == DGM_ROLE_MATRIX || role == DGM_ROLE_EMBEDDING;
        float decay = decays && o->kind != DGM_OPTIMIZER_ADAM ? (float)o->weight_decay : 0;
        int64_t at = before + block->lo - here->lo, n = block->hi - block->lo;
        if (o->kind == DGM_OPTIMIZER_SGD) {
            dgm_elem_sgd(n, (float)rate, (float)o->momentum, decay, (float)grad_scale, grad + block->lo, o->momentum > 0 ? optimizer->m + at : NULL,
                         weights + block->lo);
        } else {
            adam.weight_decay = decay;
            dgm_elem_adam(n, &adam, grad + block->lo, optimizer->m + at, optimizer->v + at, weights + block->lo);
        }
    }
}
