/* Arithmetic of distributed matrices.  Nothing here communicates: ranks agree on who holds what because they compute the same. */
#include "dgm/dist.h"

#include <stdlib.h>
#include <string.h>

/* ---- one dimension ---- */

int64_t dgm_dist_count(dgm_dist_axis axis, int proc)
{
    int64_t whole = axis.n / axis.block, rest = axis.n % axis.block; /* whole blocks, and the length of the last, shorter one */
    int64_t rounds = whole / axis.n_procs, more = whole % axis.n_procs;
    return rounds * axis.block + (proc < more ? axis.block : proc == more ? rest : 0);
}

int dgm_dist_owner(dgm_dist_axis axis, int64_t global) { return (int)(global / axis.block % axis.n_procs); }

int64_t dgm_dist_local(dgm_dist_axis axis, int64_t global)
{
    return global / axis.block / axis.n_procs * axis.block + global % axis.block;
}

int64_t dgm_dist_global(dgm_dist_axis axis, int proc, int64_t local)
{
    return (local / axis.block * axis.n_procs + proc) * axis.block + local % axis.block;
}

/* ---- a matrix on a grid of processes ---- */

dgm_cyclic dgm_cyclic_square(int64_t rows, int64_t cols, int64_t block, int n_ranks)
{
    int side = 1;
    while ((side + 1) * (side + 1) <= n_ranks) side++;
    return (dgm_cyclic){rows, cols, block, block, side, n_ranks / side, 0};
}

dgm_cyclic dgm_cyclic_whole(int64_t rows, int64_t cols, int rank)
{
    return (dgm_cyclic){rows, cols, DGM_MAX(rows, 1), DGM_MAX(cols, 1), 1, 1, rank};
}

dgm_cyclic dgm_cyclic_rows(int64_t rows, int64_t cols, int n_ranks)
{
    return (dgm_cyclic){rows, cols, DGM_MAX((rows + n_ranks - 1) / n_ranks, 1), DGM_MAX(cols, 1), n_ranks, 1, 0};
}

dgm_cyclic dgm_cyclic_cols(int64_t rows, int64_t cols, int n_ranks)
{
    return (dgm_cyclic){rows, cols, DGM_MAX(rows, 1), DGM_MAX((cols + n_ranks - 1) / n_ranks, 1), 1, n_ranks, 0};
}

static dgm_dist_axis row_axis(const dgm_cyclic *c) { return (dgm_dist_axis){c->rows, c->row_block, c->p_rows}; }
static dgm_dist_axis col_axis(const dgm_cyclic *c) { return (dgm_dist_axis){c->cols, c->col_block, c->p_cols}; }

bool dgm_cyclic_place(const dgm_cyclic *c, int rank, int *p_row, int *p_col)
{
    int place = rank - c->first_rank;
    if (place < 0 || place >= c->p_rows * c->p_cols) return false;
    *p_row = place / c->p_cols;
    *p_col = place % c->p_cols;
    return true;
}

void dgm_cyclic_local(const dgm_cyclic *c, int rank, int64_t *rows, int64_t *cols)
{
    int p_row, p_col;
    bool member = dgm_cyclic_place(c, rank, &p_row, &p_col);
    *rows = member ? dgm_dist_count(row_axis(c), p_row) : 0;
    *cols = member ? dgm_dist_count(col_axis(c), p_col) : 0;
}

/* ---- layouts ---- */

dgm_err dgm_layout_create(int64_t rows, int64_t cols, int n_ranks, dgm_layout **out)
{
    if (rows < 0 || cols < 0 || n_ranks < 1)
        return DGM_FAIL(DGM_ERR_SHAPE, "layout of a %lld x %lld matrix on %d ranks", (long long)rows, (long long)cols, n_ranks);
    dgm_layout *l = calloc(1, sizeof *l);
    if (l != NULL) *l = (dgm_layout){.rows = rows, .cols = cols, .n_ranks = n_ranks, .first = calloc((size_t)n_ranks + 1, sizeof *l->first)};
    if (l == NULL || l->first == NULL) {
        dgm_layout_destroy(l);
        return DGM_FAIL(DGM_ERR_NOMEM, "layout of a matrix on %d ranks", n_ranks);
    }
    *out = l;
    return DGM_OK;
}

void dgm_layout_destroy(dgm_layout *layout)
{
    if (layout == NULL) return;
    free(layout->first);
    free(layout->tiles);
    free(layout);
}

/* Whether `b` continues `a` downwards, so that one tile says both. */
static bool continues(const dgm_tile *a, const dgm_tile *b)
{
    return a->col0 == b->col0 && a->cols == b->cols && a->row0 + a->rows == b->row0 && a->row_stride == b->row_stride &&
           a->col_stride == b->col_stride && a->offset + a->rows * a->row_stride == b->offset;
}

dgm_err dgm_layout_add(dgm_layout *l, int rank, dgm_tile t)
{
    if (rank < l->rank || rank >= l->n_ranks || t.rows < 0 || t.cols < 0 || t.row0 < 0 || t.col0 < 0 || t.row0 + t.rows > l->rows ||
        t.col0 + t.cols > l->cols || t.offset < 0)
        return DGM_FAIL(DGM_ERR_SHAPE, "tile of rows %lld + %lld, columns %lld + %lld on rank %d: the matrix is %lld x %lld on %d ranks",
                        (long long)t.row0, (long long)t.rows, (long long)t.col0, (long long)t.cols, rank, (long long)l->rows,
                        (long long)l->cols, l->n_ranks);
    if (t.rows == 0 || t.cols == 0) return DGM_OK;
    l->rank = rank;
    dgm_tile *last = l->n_tiles > l->first[rank] ? &l->tiles[l->n_tiles - 1] : NULL;
    if (last != NULL && continues(last, &t)) {
        last->rows += t.rows;
        return DGM_OK;
    }
    if ((l->n_tiles & (l->n_tiles - 1)) == 0) { /* capacities are powers of two */
        dgm_tile *grown = realloc(l->tiles, (size_t)DGM_MAX(1, 2 * l->n_tiles) * sizeof *grown);
        if (grown == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "layout of %lld tiles", (long long)l->n_tiles);
        l->tiles = grown;
    }
    l->tiles[l->n_tiles++] = t;
    for (int r = rank + 1; r <= l->n_ranks; r++) l->first[r] = l->n_tiles;
    return DGM_OK;
}

typedef dgm_err (*rank_tiles)(dgm_layout *layout, int rank, const void *how);

/* A layout whose tiles `add` makes, rank after rank. */
static dgm_err build(int64_t rows, int64_t cols, int n_ranks, rank_tiles add, const void *how, dgm_layout **out)
{
    dgm_layout *l = NULL;
    DGM_TRY(dgm_layout_create(rows, cols, n_ranks, &l));
    for (int r = 0; r < n_ranks; r++) {
        dgm_err err = add(l, r, how);
        if (err != DGM_OK) {
            dgm_layout_destroy(l);
            return err;
        }
    }
    *out = l;
    return DGM_OK;
}

static dgm_err add_row_slice(dgm_layout *l, int r, const void *how)
{
    (void)how;
    int64_t lo = r * l->rows / l->n_ranks, hi = (r + 1) * l->rows / l->n_ranks;
    return dgm_layout_add(l, r, (dgm_tile){lo, 0, hi - lo, l->cols, 0, l->cols, 1});
}

static dgm_err add_col_slice(dgm_layout *l, int r, const void *how)
{
    bool transposed = *(const bool *)how;
    int64_t lo = r * l->cols / l->n_ranks, hi = (r + 1) * l->cols / l->n_ranks;
    return dgm_layout_add(l, r, (dgm_tile){0, lo, l->rows, hi - lo, 0, transposed ? 1 : hi - lo, transposed ? l->rows : 1});
}

static dgm_err add_whole(dgm_layout *l, int r, const void *how)
{
    (void)how;
    return dgm_layout_add(l, r, (dgm_tile){0, 0, l->rows, l->cols, 0, l->cols, 1});
}

/* Block after block, down each block column: consecutive blocks of a process are not neighbours in the matrix. */
static dgm_err add_cyclic(dgm_layout *l, int r, const void *how)
{
    const dgm_cyclic *c = how;
    int p_row, p_col;
    int64_t n_rows, n_cols;
    if (!dgm_cyclic_place(c, r, &p_row, &p_col)) return DGM_OK;
    dgm_cyclic_local(c, r, &n_rows, &n_cols);
    for (int64_t j = 0; j < n_cols; j += c->col_block)
        for (int64_t i = 0; i < n_rows; i += c->row_block)
            DGM_TRY(dgm_layout_add(l, r, (dgm_tile){dgm_dist_global(row_axis(c), p_row, i), dgm_dist_global(col_axis(c), p_col, j),
                                                    DGM_MIN(c->row_block, n_rows - i), DGM_MIN(c->col_block, n_cols - j),
                                                    i * n_cols + j, n_cols, 1}));
    return DGM_OK;
}

dgm_err dgm_layout_row_slices(int64_t rows, int64_t cols, int n_ranks, dgm_layout **out)
{
    return build(rows, cols, n_ranks, add_row_slice, NULL, out);
}

dgm_err dgm_layout_col_slices(int64_t rows, int64_t cols, int n_ranks, bool transposed, dgm_layout **out)
{
    return build(rows, cols, n_ranks, add_col_slice, &transposed, out);
}

dgm_err dgm_layout_whole(int64_t rows, int64_t cols, int n_ranks, dgm_layout **out)
{
    return build(rows, cols, n_ranks, add_whole, NULL, out);
}

dgm_err dgm_layout_of_cyclic(const dgm_cyclic *c, int n_ranks, dgm_layout **out)
{
    return build(c->rows, c->cols, n_ranks, add_cyclic, c, out);
}

/* ---- from one layout to another ---- */

/* The common part of two tiles; false if there is none. */
static bool intersect(const dgm_tile *a, const dgm_tile *b, dgm_box *box)
{
    int64_t row = DGM_MAX(a->row0, b->row0), row_end = DGM_MIN(a->row0 + a->rows, b->row0 + b->rows);
    int64_t col = DGM_MAX(a->col0, b->col0), col_end = DGM_MIN(a->col0 + a->cols, b->col0 + b->cols);
    if (row >= row_end || col >= col_end) return false;
    *box = (dgm_box){.rows = row_end - row,
                     .cols = col_end - col,
                     .from = a->offset + (row - a->row0) * a->row_stride + (col - a->col0) * a->col_stride,
                     .from_row_stride = a->row_stride,
                     .from_col_stride = a->col_stride,
                     .to = b->offset + (row - b->row0) * b->row_stride + (col - b->col0) * b->col_stride,
                     .to_row_stride = b->row_stride,
                     .to_col_stride = b->col_stride};
    return true;
}

dgm_err dgm_layout_boxes(const dgm_layout *from, int holder, const dgm_layout *to, int taker, dgm_box **boxes, int64_t *n)
{
    dgm_box *list = NULL, box;
    int64_t count = 0;
    for (int64_t i = from->first[holder]; i < from->first[holder + 1]; i++)
        for (int64_t j = to->first[taker]; j < to->first[taker + 1]; j++) {
            if (!intersect(&from->tiles[i], &to->tiles[j], &box)) continue;
            if ((count & (count - 1)) == 0) {
                dgm_box *grown = realloc(list, (size_t)DGM_MAX(1, 2 * count) * sizeof *grown);
                if (grown == NULL) {
                    free(list);
                    return DGM_FAIL(DGM_ERR_NOMEM, "%lld rectangles between two layouts", (long long)count);
                }
                list = grown;
            }
            list[count++] = box;
        }
    *boxes = list;
    *n = count;
    return DGM_OK;
}

/* Rows or columns that are contiguous on both sides go as they are; a transposition goes in squares that stay in the L1 cache. */
void dgm_box_copy(const dgm_box *b, const float *from, float *to)
{
    enum { SIDE = 32 };
    from += b->from;
    to += b->to;
    if (b->from_col_stride == 1 && b->to_col_stride == 1) {
        if (b->from_row_stride == b->cols && b->to_row_stride == b->cols)
            memcpy(to, from, (size_t)(b->rows * b->cols) * sizeof *to);
        else
            for (int64_t r = 0; r < b->rows; r++) memcpy(to + r * b->to_row_stride, from + r * b->from_row_stride, (size_t)b->cols * sizeof *to);
        return;
    }
    if (b->from_row_stride == 1 && b->to_row_stride == 1) {
        for (int64_t c = 0; c < b->cols; c++) memcpy(to + c * b->to_col_stride, from + c * b->from_col_stride, (size_t)b->rows * sizeof *to);
        return;
    }
    for (int64_t row = 0; row < b->rows; row += SIDE)
        for (int64_t col = 0; col < b->cols; col += SIDE)
            for (int64_t r = row; r < DGM_MIN(row + SIDE, b->rows); r++)
                for (int64_t c = col; c < DGM_MIN(col + SIDE, b->cols); c++)
                    to[r * b->to_row_stride + c * b->to_col_stride] = from[r * b->from_row_stride + c * b->from_col_stride];
}
