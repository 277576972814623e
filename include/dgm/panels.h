/* Products with few rows: decoding multiplies a handful of hypotheses with the same weights at every position.
 *
 * The weights are laid out once in panels of 32 columns of the result, so that a product reads them end to end and packs nothing.
 * Every element of a product is one chain of multiplications and additions over k = 0, 1, 2, ... in that order, whatever the number of
 * rows: its bits depend on its row of x and its weights alone.  Not collective. */
#ifndef DGM_PANELS_H
#define DGM_PANELS_H

#include "dgm/error.h"

enum { DGM_PANEL_COLUMNS = 32 };

typedef struct {
    int64_t in, out;
    float *panel; /* [ceil(out / 32), in, 32], zeros beyond `out` */
} dgm_panels;

dgm_err dgm_panels_init(dgm_panels *panels, int64_t in, int64_t out);
void dgm_panels_fini(dgm_panels *panels); /* accepts a zeroed one */

/* Rows [row0, row0 + n) of the weights, each of `in` elements; element (i, j) of them is at w[i * row_stride + j * column_stride]. */
void dgm_panels_set(dgm_panels *panels, int64_t row0, int64_t n, const float *w, int64_t row_stride, int64_t column_stride);

/* y[rows, out] = x[rows, in] weights^T, row strides ldx and ldy. */
void dgm_panels_product(const dgm_panels *panels, int64_t rows, const float *x, int64_t ldx, float *y, int64_t ldy);

/* The same, columns [first, first + n) of it alone, to y[rows, n]; first is a multiple of DGM_PANEL_COLUMNS. */
void dgm_panels_columns(const dgm_panels *panels, int64_t first, int64_t n, int64_t rows, const float *x, int64_t ldx, float *y,
                        int64_t ldy);

#endif
