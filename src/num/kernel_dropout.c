/* Mask bits: sixteen Philox blocks, 128 elements of a row, at a time. */
#include "dgm/error.h"
#include "dgm/kernels.h"
#include "philox.h"

static void mask_row(const dgm_dropout *dropout, uint32_t threshold, int64_t d, int64_t column0, uint32_t sentence, uint32_t position,
                     uint16_t *mask)
{
    enum { COLUMNS = 8 * LANES };
    for (int64_t j = 0; j < d; j += COLUMNS) {
        uint64_t block[LANES];
        uint8_t keep[LANES];
        uint32_t first = (dropout->site << 16) + (uint32_t)((column0 + j) / 8);
        for (int i = 0; i < LANES; i++) block[i] = first + (uint32_t)i;
        wide word[4] = {wide_load(block), wide_all(position), wide_all(sentence), wide_all(dropout->step)};
        philox_keep_bytes(dropout->rng.key, threshold, word, keep);
        int64_t n = DGM_MIN(d - j, COLUMNS), words = dgm_dropout_words(n);
        uint16_t *out = mask + j / 16;
        for (int64_t w = 0; w < words; w++) out[w] = (uint16_t)(keep[2 * w] | keep[2 * w + 1] << 8);
        if (n % 16 != 0) out[words - 1] &= (uint16_t)((1 << n % 16) - 1); /* bits beyond the row are 0 */
    }
}

static void mask_rows(const dgm_dropout *dropout, int64_t rows, int64_t d, int64_t column0, const uint32_t *sentence,
                      const uint32_t *position, uint16_t *mask)
{
    uint32_t threshold = dgm_dropout_threshold(dropout->rate);
    int64_t words = dgm_dropout_words(d);
    for (int64_t r = 0; r < rows; r++) mask_row(dropout, threshold, d, column0, sentence[r], position[r], mask + r * words);
}

const dgm_dropout_kernels DGM_KERNELS_NAME(dropout, DGM_FAMILY) = {mask_rows};
