/* The slice is walked block by block, because a block's role says whether it decays and whether it is trained at all. */
#include "dgm/optimizer.h"

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

dgm_err dgm_optimizer_init(const dgm_optimizer_options *options, int64_t lo, int64_t hi, dgm_optimizer *out)
{
    dgm_optimizer o = {.options = *options, .lo = lo, .hi = hi};
    size_t n = (size_t)DGM_MAX(hi - lo, 1);
    o.m = calloc(n, sizeof *o.m);
    if (options->kind != DGM_OPTIMIZER_SGD) o.v = calloc(n, sizeof *o.v);
    if (o.m == NULL || (options->kind != DGM_OPTIMIZER_SGD && o.v == NULL)) {
        dgm_optimizer_fini(&o);
        return DGM_FAIL(DGM_ERR_NOMEM, "optimizer moments of %lld parameters", (long long)(hi - lo));
    }
    *out = o;
    return DGM_OK;
}

void dgm_optimizer_fini(dgm_optimizer *optimizer)
{
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
    for (int b = 0; b < params->n_blocks; b++) {
        const dgm_block *block = &params->blocks[b];
        if (block->lo < optimizer->lo || block->lo >= optimizer->hi) continue;
        dgm_role role = params->tensors[params->units[block->unit].tensor].role;
        if (!dgm_optimizer_trains(o, role)) continue;
        bool decays = role == DGM_ROLE_MATRIX || role == DGM_ROLE_EMBEDDING;
        float decay = decays && o->kind != DGM_OPTIMIZER_ADAM ? (float)o->weight_decay : 0;
        int64_t at = block->lo - optimizer->lo, n = block->hi - block->lo;
        if (o->kind == DGM_OPTIMIZER_SGD) {
            dgm_elem_sgd(n, (float)rate, (float)o->momentum, decay, (float)grad_scale, grad + at, o->momentum > 0 ? optimizer->m + at : NULL,
                         weights + block->lo);
        } else {
            adam.weight_decay = decay;
            dgm_elem_adam(n, &adam, grad + at, optimizer->m + at, optimizer->v + at, weights + block->lo);
        }
    }
}
