#include "dgm/hypothesis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double dgm_hypothesis_penalty(dgm_length_kind kind, double alpha, int64_t length)
{
    return pow(kind == DGM_LENGTH_AVERAGE ? (double)length : (5.0 + (double)length) / 6.0, alpha);
}

dgm_err dgm_hypotheses_init(dgm_hypotheses *list, int capacity)
{
    DGM_ASSERT(capacity >= 1);
    dgm_hypothesis *best = calloc((size_t)capacity, sizeof *best);
    if (best == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d hypotheses", capacity);
    *list = (dgm_hypotheses){.capacity = capacity, .best = best};
    return DGM_OK;
}

void dgm_hypotheses_fini(dgm_hypotheses *list)
{
    for (int i = 0; i < list->n; i++) free(list->best[i].ids);
    free(list->best);
    *list = (dgm_hypotheses){0};
}

dgm_err dgm_hypotheses_add(dgm_hypotheses *list, const int32_t *ids, int64_t n, double log_prob, double score)
{
    int at = list->n;
    while (at > 0 && list->best[at - 1].score < score) at--;
    if (at == list->capacity) return DGM_OK;
    int32_t *copy = malloc((size_t)DGM_MAX(n, 1) * sizeof *copy);
    if (copy == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "a hypothesis of %lld tokens", (long long)n);
    if (n > 0) memcpy(copy, ids, (size_t)n * sizeof *copy);
    if (list->n == list->capacity) free(list->best[--list->n].ids);
    memmove(list->best + at + 1, list->best + at, (size_t)(list->n - at) * sizeof *list->best);
    list->best[at] = (dgm_hypothesis){copy, n, log_prob, score};
    list->n++;
    return DGM_OK;
}
