/* fp32 matrix products: every element is one chain s = fma(a, b, s) over k, then the tree over parts.  A fused multiply-add has one correct
 * result, so the families give the same bits with tiles of different sizes.  Where the compiler's target has no such instruction there
 * is no kernel, and products are BLIS's.
 *
 * The tile keeps its sums in registers over all of K, reads both panels end to end, and writes each element of the result once. */
#include "dgm/kernels.h"
#include "transpose.h"

#include <stddef.h>

#if defined(__FMA__)
#include <immintrin.h>
#endif

#if LANES_WIDTH == 16
enum { ROWS = 12, VECTORS = 2 }; /* 24 sums, 2 columns, 1 row of 32 registers */
#define FMA(a, b, s) ((vec_f)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(s)))
#elif LANES_WIDTH == 8 && defined(__FMA__)
enum { ROWS = 6, VECTORS = 2 }; /* 12 sums, 2 columns, 1 row of 16 registers */
#define FMA(a, b, s) ((vec_f)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(s)))
#endif

#ifdef FMA

enum { WIDTH = LANES_WIDTH, COLUMNS = WIDTH * VECTORS, MAX_LEVELS = 9 };

/* ---- panels ---- */

/* Rows lie side by side: a step of K of all rows is contiguous in memory.  A few steps at a time go to all panels, so that each line of memory
 * is used up while it is in the cache. */
LANES_INLINE void pack_side_by_side(const int width, const float *x, int64_t k_stride, int64_t n_rows, int64_t n_k, int64_t panel_words, float *to)
{
    enum { STEPS_AT_ONCE = 16 };
    for (int64_t k0 = 0; k0 < n_k; k0 += STEPS_AT_ONCE) {
        int64_t k1 = DGM_MIN(k0 + STEPS_AT_ONCE, n_k);
        for (int64_t r = 0; r < n_rows; r += width) {
            float *panel = to + r / width * panel_words;
            if (n_rows - r >= width) {
                for (int64_t k = k0; k < k1; k++) memcpy(panel + k * width, x + k * k_stride + r, (size_t)width * sizeof *x);
                continue;
            }
            for (int64_t k = k0; k < k1; k++) {
                memset(panel + k * width, 0, (size_t)width * sizeof *x);
                memcpy(panel + k * width, x + k * k_stride + r, (size_t)(n_rows - r) * sizeof *x);
            }
        }
    }
}

/* Rows lie one behind the other: WIDTH steps of WIDTH rows are read along K and turned round.  A panel's last store of a step may run into the next
 * step, which is written later. */
LANES_INLINE void pack_end_to_end(const int width, const float *x, int64_t row_stride, int64_t n_rows, int64_t n_k, int64_t panel_words, float *to)
{
    for (int64_t r0 = 0; r0 < n_rows; r0 += width) {
        float *panel = to + r0 / width * panel_words;
        for (int g = 0; g < width; g += WIDTH) {
            int64_t n_here = DGM_MIN(n_rows - r0 - g, (int64_t)DGM_MIN(width - g, (int)WIDTH));
            const float *at = n_here > 0 ? x + (r0 + g) * row_stride : x;
            for (int64_t k = 0; k < n_k; k += WIDTH) {
                vec_f v[WIDTH];
                int64_t steps = DGM_MIN(n_k - k, (int64_t)WIDTH);
                if (steps == WIDTH && n_here >= DGM_MIN(width, (int)WIDTH)) {
                    _Pragma("GCC unroll 16") for (int i = 0; i < WIDTH; i++)
                        v[i] = i < DGM_MIN(width, (int)WIDTH) ? (vec_f)*(const vec_f_anywhere *)(at + i * row_stride + k) : (vec_f){0};
                } else {
                    for (int i = 0; i < WIDTH; i++) {
                        v[i] = (vec_f){0};
                        if (i < n_here) memcpy(&v[i], at + i * row_stride + k, (size_t)steps * sizeof *at);
                    }
                }
                lanes_transpose(v);
                for (int j = 0; j < steps; j++) *(vec_f_anywhere *)(panel + (k + j) * width + g) = v[j];
            }
        }
    }
}

LANES_INLINE void pack_panels(const int width, const dgm_operand *x, int64_t row0, int64_t n_rows, const int64_t *start, int n_parts, int64_t panel_words,
                              float *panels)
{
    for (int part = 0; part < n_parts; part++) {
        int64_t n_k = start[part + 1] - start[part];
        const float *at = x->x + row0 * x->row_stride + start[part] * x->k_stride;
        if (x->k_stride == 1) pack_end_to_end(width, at, x->row_stride, n_rows, n_k, panel_words, panels);
        else pack_side_by_side(width, at, x->k_stride, n_rows, n_k, panel_words, panels);
        panels += n_k * width;
    }
}

static void pack(int width, const dgm_operand *x, int64_t row0, int64_t n_rows, const int64_t *start, int n_parts, int64_t panel_words,
                 uint32_t *panels)
{
    if (width == ROWS) pack_panels(ROWS, x, row0, n_rows, start, n_parts, panel_words, (float *)panels);
    else pack_panels(COLUMNS, x, row0, n_rows, start, n_parts, panel_words, (float *)panels);
}

/* ---- the tile ---- */

typedef struct { vec_f v[ROWS][VECTORS]; } sums;

#define EACH_SUM(i, j) _Pragma("GCC unroll 16") for (int i = 0; i < ROWS; i++) _Pragma("GCC unroll 16") for (int j = 0; j < VECTORS; j++)

/* s += the products of n steps along K; element (i, k) of a at a[i row_stride + k k_stride]. */
LANES_INLINE void add_products(int64_t n, const float *a, int64_t row_stride, int64_t k_stride, const float *b, sums *s)
{
    for (int64_t k = 0; k < n; k++, a += k_stride, b += COLUMNS) {
        vec_f column[VECTORS];
        _Pragma("GCC unroll 16") for (int j = 0; j < VECTORS; j++) column[j] = *(const vec_f_anywhere *)(b + WIDTH * j);
        EACH_SUM(i, j) s->v[i][j] = FMA(a[i * row_stride] - (vec_f){0}, column[j], s->v[i][j]);
    }
}

/* At the edges through memory of its own: sums whose address is taken would not stay in registers. */
LANES_INLINE void read_tile(int64_t rows, int64_t columns, const float *c, int64_t ldc, sums *s)
{
    if (rows == ROWS && columns == COLUMNS) {
        EACH_SUM(i, j) s->v[i][j] = *(const vec_f_anywhere *)(c + i * ldc + WIDTH * j);
    } else {
        sums edge = {{{{0}}}};
        for (int64_t i = 0; i < rows; i++) memcpy(edge.v[i], c + i * ldc, (size_t)columns * sizeof *c);
        EACH_SUM(i, j) s->v[i][j] = edge.v[i][j];
    }
}

LANES_INLINE void write_tile(const sums *s, int64_t rows, int64_t columns, float *c, int64_t ldc)
{
    if (rows == ROWS && columns == COLUMNS) {
        EACH_SUM(i, j) *(vec_f_anywhere *)(c + i * ldc + WIDTH * j) = s->v[i][j];
    } else {
        sums edge;
        EACH_SUM(i, j) edge.v[i][j] = s->v[i][j];
        for (int64_t i = 0; i < rows; i++) memcpy(c + i * ldc, edge.v[i], (size_t)columns * sizeof *c);
    }
}

/* Panels follow part on part, so that only the length of a part counts. */
LANES_INLINE void tile_from(const int64_t *start, const int64_t *n_words, int n_parts, bool continues, const float *a, int64_t row_stride, int64_t k_stride,
                            const float *b, int64_t rows, int64_t columns, float *c, int64_t ldc)
{
    for (int64_t i = 0; i < rows; i++) {
        __builtin_prefetch(c + i * ldc, 1);
        __builtin_prefetch(c + i * ldc + columns - 1, 1);
    }
    sums s, waiting[MAX_LEVELS]; /* left halves of the tree that wait for their right ones, largest first */
    int depth = 0;
    for (int part = 0;; part++) {
        int64_t n = start != NULL ? start[part + 1] - start[part] : n_words[part];
        if (continues) read_tile(rows, columns, c, ldc, &s);
        else EACH_SUM(i, j) s.v[i][j] = (vec_f){0};
        add_products(n, a, row_stride, k_stride, b, &s);
        a += n * k_stride, b += n * COLUMNS;
        for (int ended = part; (ended & 1) != 0; ended >>= 1) {
            depth--;
            EACH_SUM(i, j) s.v[i][j] = waiting[depth].v[i][j] + s.v[i][j];
        }
        if (part + 1 == n_parts) break;
        EACH_SUM(i, j) waiting[depth].v[i][j] = s.v[i][j];
        depth++;
    }
    write_tile(&s, rows, columns, c, ldc);
}

static void tile(const int64_t *n_words, int n_parts, bool continues, const uint32_t *a, const uint32_t *b, int64_t rows, int64_t columns, float *c,
                 int64_t ldc)
{
    tile_from(NULL, n_words, n_parts, continues, (const float *)a, 1, ROWS, (const float *)b, rows, columns, c, ldc);
}

static void tile_of_rows(const int64_t *start, int n_parts, bool continues, const float *a, int64_t a_stride, const uint32_t *b, int64_t columns,
                         float *c, int64_t ldc)
{
    tile_from(start, NULL, n_parts, continues, a + start[0], a_stride, 1, (const float *)b, ROWS, columns, c, ldc);
}

static const dgm_product_kernels kernels = {ROWS, COLUMNS, 1, pack, tile, tile_of_rows};
const dgm_product_kernels *const DGM_KERNELS_NAME(product, DGM_FAMILY) = &kernels;

#else

const dgm_product_kernels *const DGM_KERNELS_NAME(product, DGM_FAMILY) = NULL;

#endif
