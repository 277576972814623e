/* Compiled for AVX512-BF16 alone, and called only where the processor has it.
 *
 * VDPBF16PS adds two products of a lane to its sum at once, rounding in a way of its own and taking subnormal numbers for zero: every element
 * goes through the same instructions in the order of its pairs, so its bits depend on that order alone.  Operands are rounded while they
 * are laid into panels, which a product needs anyway: no bf16 copy of anything is kept in memory.
 *
 * A word of a panel is a pair of bf16, the element of even position low: two neighbours along K, positions 2i and 2i + 1 counted from where the part
 * of K begins, which one lane of the instruction multiplies and adds.  A part of odd length ends in a pair whose second half is zero. */
#include "dgm/kernels.h"

#include <immintrin.h>
#include <stddef.h>

#define UNROLL _Pragma("GCC unroll 16")
#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16, ROWS = 12, VECTORS = 2, COLUMNS = VECTORS * LANES, MAX_LEVELS = 9 };

/* ---- panels ---- */

static __mmask16 first(int64_t n) { return n >= LANES ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }

/* Lane i of the result is the pair (even[i], odd[i]). */
INLINE __m512i pairs_of(__m512 even, __m512 odd, __m512i interleave)
{
    return _mm512_permutexvar_epi16(interleave, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

INLINE __m512i interleaving(void)
{
    uint16_t index[32];
    for (int i = 0; i < LANES; i++) index[2 * i] = (uint16_t)i, index[2 * i + 1] = (uint16_t)(LANES + i);
    return _mm512_loadu_si512(index);
}

/* Rows lie side by side: two neighbours along K are two rows of memory.  A few pairs at a time go to all panels, so that each line of
 * memory is used up while it is in the cache. */
static void pack_side_by_side(int width, const float *x, int64_t k_stride, int64_t n_rows, int64_t k, int64_t panel_words, uint32_t *to)
{
    enum { PAIRS_AT_ONCE = 8 };
    const __m512i interleave = interleaving();
    int64_t n_pairs = (k + 1) / 2;
    for (int64_t p0 = 0; p0 < n_pairs; p0 += PAIRS_AT_ONCE) {
        int64_t p1 = DGM_MIN(p0 + PAIRS_AT_ONCE, n_pairs);
        for (int64_t r0 = 0; r0 < n_rows; r0 += width) {
            uint32_t *panel = to + r0 / width * panel_words;
            for (int g = 0; g < width; g += LANES) {
                __mmask16 mask = first(DGM_MIN(n_rows - r0 - g, (int64_t)width - g));
                for (int64_t p = p0; p < p1; p++) {
                    const float *at = x + 2 * p * k_stride + r0 + g;
                    __m512 even = _mm512_maskz_loadu_ps(mask, at);
                    __m512 odd = _mm512_maskz_loadu_ps(2 * p + 1 < k ? mask : 0, at + k_stride);
                    _mm512_storeu_si512(panel + p * width + g, pairs_of(even, odd, interleave));
                }
            }
        }
    }
}

/* Turns 16 vectors of 16 words round: word j of vector i becomes word i of vector j. */
INLINE void transpose(__m512i v[LANES])
{
    __m512i t[LANES];
    UNROLL for (int i = 0; i < LANES; i += 2)
    {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    UNROLL for (int i = 0; i < LANES; i += 4)
    {
        v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        __m512i a = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88), b = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd);
        __m512i c = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88), d = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
        t[i] = _mm512_shuffle_i32x4(a, c, 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(b, d, 0x88);
        t[i + 8] = _mm512_shuffle_i32x4(a, c, 0xdd);
        t[i + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
    UNROLL for (int i = 0; i < LANES; i++) v[i] = t[i];
}

/* Rows lie one behind the other: 16 pairs of 16 rows are read along K and turned round. */
static void pack_end_to_end(int width, const float *x, int64_t row_stride, int64_t n_rows, int64_t k, int64_t panel_words, uint32_t *to)
{
    int64_t n_pairs = (k + 1) / 2;
    for (int64_t r0 = 0; r0 < n_rows; r0 += width) {
        uint32_t *panel = to + r0 / width * panel_words;
        for (int g = 0; g < width; g += LANES) {
            int64_t n_here = DGM_MIN(n_rows - r0 - g, (int64_t)DGM_MIN(width - g, (int)LANES));
            for (int64_t p0 = 0; p0 < n_pairs; p0 += LANES) {
                __mmask16 low = first(k - 2 * p0), high = first(k - 2 * p0 - LANES);
                __m512i v[LANES];
                for (int i = 0; i < LANES; i++) {
                    const float *at = x + (r0 + g + i) * row_stride + 2 * p0;
                    v[i] = i < n_here ? (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, at + LANES), _mm512_maskz_loadu_ps(low, at))
                                      : _mm512_setzero_si512();
                }
                transpose(v);
                int64_t n_here_pairs = DGM_MIN(n_pairs - p0, (int64_t)LANES);
                for (int j = 0; j < n_here_pairs; j++) _mm512_storeu_si512(panel + (p0 + j) * width + g, v[j]);
            }
        }
    }
}

static void pack(int width, const dgm_operand *x, int64_t row0, int64_t n_rows, const int64_t *start, int n_parts, int64_t panel_words,
                 uint32_t *panels)
{
    for (int part = 0; part < n_parts; part++) {
        int64_t k = start[part + 1] - start[part];
        const float *at = x->x + row0 * x->row_stride + start[part] * x->k_stride;
        if (x->k_stride == 1) pack_end_to_end(width, at, x->row_stride, n_rows, k, panel_words, panels);
        else pack_side_by_side(width, at, x->k_stride, n_rows, k, panel_words, panels);
        panels += (k + 1) / 2 * width;
    }
}

/* ---- the tile ---- */

typedef struct { __m512 v[ROWS][VECTORS]; } sums;

#define EACH_SUM(i, j) UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < VECTORS; j++)

/* s += the products of n_pairs pairs. */
INLINE void add_products(int64_t n_pairs, const uint32_t *a, const uint32_t *b, sums *s)
{
    for (int64_t p = 0; p < n_pairs; p++, a += ROWS, b += COLUMNS) {
        __m512bh column[VECTORS];
        UNROLL for (int j = 0; j < VECTORS; j++) column[j] = (__m512bh)_mm512_loadu_si512(b + LANES * j);
        EACH_SUM(i, j) s->v[i][j] = _mm512_dpbf16_ps(s->v[i][j], (__m512bh)_mm512_set1_epi32((int)a[i]), column[j]);
    }
}

INLINE void write_tile(const sums *s, int64_t rows, int64_t columns, float *c, int64_t ldc)
{
    if (rows == ROWS && columns == COLUMNS) {
        EACH_SUM(i, j) _mm512_storeu_ps(c + i * ldc + LANES * j, s->v[i][j]);
    } else {
        EACH_SUM(i, j) if (i < rows) _mm512_mask_storeu_ps(c + i * ldc + LANES * j, first(columns - LANES * j), s->v[i][j]);
    }
}

static void tile(const int64_t *n_pairs, int n_parts, bool continues, const uint32_t *a, const uint32_t *b, int64_t rows, int64_t columns,
                 float *c, int64_t ldc)
{
    sums s, waiting[MAX_LEVELS]; /* left halves of the tree that wait for their right ones, largest first */
    int depth = 0;
    for (int part = 0;; part++) {
        EACH_SUM(i, j) s.v[i][j] = _mm512_setzero_ps();
        if (continues) EACH_SUM(i, j) if (i < rows) s.v[i][j] = _mm512_maskz_loadu_ps(first(columns - LANES * j), c + i * ldc + LANES * j);
        add_products(n_pairs[part], a, b, &s);
        a += n_pairs[part] * ROWS, b += n_pairs[part] * COLUMNS;
        for (int ended = part; (ended & 1) != 0; ended >>= 1) {
            depth--;
            EACH_SUM(i, j) s.v[i][j] = _mm512_add_ps(waiting[depth].v[i][j], s.v[i][j]);
        }
        if (part + 1 == n_parts) break;
        EACH_SUM(i, j) waiting[depth].v[i][j] = s.v[i][j];
        depth++;
    }
    write_tile(&s, rows, columns, c, ldc);
}

extern const dgm_product_kernels dgm_product_kernels_bf16;
const dgm_product_kernels dgm_product_kernels_bf16 = {ROWS, COLUMNS, 2, pack, tile, NULL};
