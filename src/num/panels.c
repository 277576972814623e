#include "dgm/panels.h"

#include "dgm/kernels.h"

#include <stdlib.h>
#include <string.h>

dgm_err dgm_panels_init(dgm_panels *p, int64_t in, int64_t out)
{
    DGM_ASSERT(in >= 1 && out >= 1);
    int64_t n_panels = (out + DGM_PANEL_COLUMNS - 1) / DGM_PANEL_COLUMNS;
    size_t bytes = (size_t)(n_panels * in * DGM_PANEL_COLUMNS) * sizeof(float);
    float *panel = aligned_alloc(64, bytes);
    if (panel == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "weights of %lld x %lld", (long long)out, (long long)in);
    memset(panel, 0, bytes);
    *p = (dgm_panels){in, out, panel};
    return DGM_OK;
}

void dgm_panels_fini(dgm_panels *p)
{
    free(p->panel);
    *p = (dgm_panels){0};
}

void dgm_panels_set(dgm_panels *p, int64_t row0, int64_t n, const float *w, int64_t row_stride, int64_t column_stride)
{
    DGM_ASSERT(row0 >= 0 && n >= 0 && row0 + n <= p->out);
    /* A stretch of all rows at a time: what is written stays in the L1 cache until the rows of its panel are through. */
    enum { STRETCH = 16 };
    for (int64_t from = 0; from < p->in; from += STRETCH) {
        int64_t to = DGM_MIN(p->in, from + STRETCH);
        for (int64_t i = 0; i < n; i++) {
            int64_t row = row0 + i;
            float *column = p->panel + row / DGM_PANEL_COLUMNS * p->in * DGM_PANEL_COLUMNS + row % DGM_PANEL_COLUMNS;
            for (int64_t j = from; j < to; j++) column[j * DGM_PANEL_COLUMNS] = w[i * row_stride + j * column_stride];
        }
    }
}

void dgm_panels_columns(const dgm_panels *p, int64_t first, int64_t n, int64_t rows, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    DGM_ASSERT(first % DGM_PANEL_COLUMNS == 0 && n >= 0 && first + n <= p->out);
    dgm_kernels_now()->decode->panels(p->in, n, p->panel + first * p->in, rows, x, ldx, y, ldy);
}

void dgm_panels_product(const dgm_panels *p, int64_t rows, const float *x, int64_t ldx, float *y, int64_t ldy)
{
    dgm_panels_columns(p, 0, p->out, rows, x, ldx, y, ldy);
}
