#include "dgm/sample.h"

#include "dgm/checksum.h"
#include "dgm/rng.h"

#include <stdlib.h>

dgm_sample_options dgm_sample_defaults(void) { return (dgm_sample_options){.temperature = 1, .top_k = 0, .top_p = 1, .seed = 1}; }

dgm_err dgm_sample_check(const dgm_sample_options *o)
{
    if (!(o->temperature >= 0.01 && o->temperature <= 100))
        return DGM_FAIL(DGM_ERR_USAGE, "--temperature %g: expected 0.01 to 100: --beam 1 without --sample takes the most likely token",
                        o->temperature);
    if (o->top_k < 0) return DGM_FAIL(DGM_ERR_USAGE, "--top-k %d: expected 1 or more, or 0 for all tokens", o->top_k);
    if (!(o->top_p > 0 && o->top_p <= 1)) return DGM_FAIL(DGM_ERR_USAGE, "--top-p %g: expected more than 0 and at most 1", o->top_p);
    return DGM_OK;
}

uint64_t dgm_sample_key(const int32_t *ids, int64_t n) { return dgm_checksum_xxh64(ids, (size_t)n * sizeof *ids); }

double dgm_sample_uniform(uint64_t seed, uint64_t key, int number, int64_t position)
{
    return dgm_rng_uniform(dgm_rng_make(seed, DGM_RNG_SAMPLE), (uint64_t)number << 32 | (uint64_t)position, key);
}

/* ---- the most likely ones ---- */

/* Whether token a stands below token b: less weight, or as much and a higher id. */
static bool below(const float *weight, int32_t a, int32_t b) { return weight[a] != weight[b] ? weight[a] < weight[b] : a > b; }

static void sift_down(const float *weight, int64_t n, int32_t *heap, int64_t at)
{
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && below(weight, heap[child], heap[child + 1])) child++;
        if (!below(weight, heap[at], heap[child])) return;
        int32_t token = heap[at];
        heap[at] = heap[child], heap[child] = token;
    }
}

/* Keeps tokens from the most likely one on until there are top_k or they have top_p of what top_k would keep: a heap gives them in order, and
 * few are wanted.  heap [n] scratch. */
static void keep_likely(const dgm_sample_options *o, int64_t n, float *weight, int32_t *heap)
{
    int64_t n_heap = 0, n_kept = 0;
    double total = 0, kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (weight[i] > 0) heap[n_heap++] = (int32_t)i;
    for (int64_t i = n_heap / 2 - 1; i >= 0; i--) sift_down(weight, n_heap, heap, i);
    int64_t most = o->top_k > 0 ? DGM_MIN((int64_t)o->top_k, n_heap) : n_heap, n_all = n_heap;
    if (most == n_all)
        for (int64_t i = 0; i < n; i++) total += (double)weight[i];
    /* Sorted ones go behind the heap, the most likely one last. */
    while (n_kept < most && (most < n_all || kept < o->top_p * total)) {
        int32_t token = heap[0];
        kept += (double)weight[token];
        heap[0] = heap[--n_heap];
        heap[n_heap] = token;
        n_kept++;
        sift_down(weight, n_heap, heap, 0);
    }
    for (int64_t i = 0; i < n_heap; i++) weight[heap[i]] = 0;
    if (most == n_all) return;
    double enough = o->top_p * kept;
    kept = 0;
    for (int64_t i = n_all - 1; i >= n_heap; i--) {
        if (kept >= enough) weight[heap[i]] = 0;
        else kept += (double)weight[heap[i]];
    }
}

int32_t dgm_sample_draw(const dgm_sample_options *o, double u, int64_t n, float *weight, int32_t *scratch)
{
    double total = 0, sum = 0;
    int32_t last = -1;
    if (o->top_k > 0 || o->top_p < 1) keep_likely(o, n, weight, scratch);
    for (int64_t i = 0; i < n; i++) total += (double)weight[i];
    for (int64_t i = 0; i < n; i++) {
        if (!(weight[i] > 0)) continue;
        last = (int32_t)i;
        sum += (double)weight[i];
        if (sum > u * total) break;
    }
    return last;
}
