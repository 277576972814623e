/* Blocks are walked as they are stored; the place of an element in its logical tensor goes into its hash, so that neither the cut into
 * pieces and slices nor the transposed storage of row-split matrices shows. */
#include "dgm/tensor_hash.h"

#include "dgm/coll.h"

#include <string.h>

static inline uint64_t hash_element(uint64_t place, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t x = ((place << 32 | place >> 32) ^ bits) + 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t dgm_tensor_hash(int64_t first, const float *data, int64_t n)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) sum += hash_element((uint64_t)(first + i), data[i]);
    return sum;
}

/* n numbers whose places in the tensor are `stride` apart. */
static uint64_t hash_strided(int64_t first, int64_t stride, const float *data, int64_t n)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) sum += hash_element((uint64_t)(first + i * stride), data[i]);
    return sum;
}

void dgm_tensor_hash_add(const dgm_params *params, int64_t lo, int64_t hi, const float *flat, uint64_t *hash)
{
    for (int b = 0; b < params->n_blocks; b++) {
        const dgm_block *block = &params->blocks[b];
        const dgm_unit *u = &params->units[block->unit];
        if (block->lo < lo || block->lo >= hi || (u->replicated && params->tp_rank != 0)) continue;
        int64_t cols = params->tensors[u->tensor].cols, width = u->transposed ? u->rows : u->cols;
        int64_t first_row = (block->lo - u->offset) / width, n_rows = (block->hi - block->lo) / width;
        const float *row = flat + block->lo;
        uint64_t sum = 0;
        for (int64_t r = first_row; r < first_row + n_rows; r++, row += width)
            sum += u->transposed ? hash_strided(u->row0 * cols + u->col0 + r, cols, row, width)
                                 : dgm_tensor_hash((u->row0 + r) * cols + u->col0, row, width);
        hash[u->tensor] += sum;
    }
}

/* As halves of 32 bits, whose sums fit: MPI adds signed integers, which may not overflow. */
dgm_err dgm_tensor_hash_sum(const dgm_grid *grid, uint64_t *hash, int n, int64_t *scratch)
{
    for (int i = 0; i < n; i++) {
        scratch[i] = (int64_t)(hash[i] & 0xffffffffu);
        scratch[n + i] = (int64_t)(hash[i] >> 32);
    }
    DGM_TRY(dgm_coll_sum_counts(grid, DGM_AXIS_WORLD, scratch, 2 * (int64_t)n));
    for (int i = 0; i < n; i++) hash[i] = (uint64_t)scratch[i] + ((uint64_t)scratch[n + i] << 32);
    return DGM_OK;
}
