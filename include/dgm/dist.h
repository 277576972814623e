/* Where the elements of a matrix lie when ranks share it.  Arithmetic only: every rank can work out every rank's part.
 *
 * Two descriptions.  A block-cyclic distribution (dgm_cyclic) is what ScaLAPACK understands: blocks dealt out in turn over a grid of
 * processes.  A layout (dgm_layout) is a list of rectangles per rank with the place of each in that rank's memory; it describes the
 * training layout too: slices of unequal size, pieces that are apart in memory, rectangles stored transposed.
 * Indices and sizes count elements, from 0. */
#ifndef DGM_DIST_H
#define DGM_DIST_H

#include "dgm/error.h"

/* ---- one dimension, block-cyclic: block b of n elements lies on process b mod n_procs, as its block b / n_procs ---- */

typedef struct {
    int64_t n, block; /* block >= 1; the last one may be shorter */
    int n_procs;
} dgm_dist_axis;

int64_t dgm_dist_count(dgm_dist_axis axis, int proc); /* elements on that process (ScaLAPACK's NUMROC) */
int dgm_dist_owner(dgm_dist_axis axis, int64_t global);
int64_t dgm_dist_local(dgm_dist_axis axis, int64_t global);            /* its index on its owner */
int64_t dgm_dist_global(dgm_dist_axis axis, int proc, int64_t local);  /* and back */

/* ---- a matrix on a grid of processes ---- */

enum { DGM_CYCLIC_BLOCK = 64 };

/* Process (i, j) of the p_rows x p_cols grid is rank first_rank + i p_cols + j; other ranks hold nothing.  A rank stores its part
 * row-major and dense. */
typedef struct {
    int64_t rows, cols, row_block, col_block;
    int p_rows, p_cols, first_rank;
} dgm_cyclic;

/* For distributed linear algebra: square blocks on a grid of nearly as many rows as columns, p_rows = floor(sqrt(n_ranks)); up to
 * p_rows - 1 of the last ranks stay without a part. */
dgm_cyclic dgm_cyclic_square(int64_t rows, int64_t cols, int64_t block, int n_ranks);
dgm_cyclic dgm_cyclic_whole(int64_t rows, int64_t cols, int rank); /* all of it on one rank */
/* Equal slices of ceil(n / n_ranks) rows or columns; the last may be shorter or empty. */
dgm_cyclic dgm_cyclic_rows(int64_t rows, int64_t cols, int n_ranks);
dgm_cyclic dgm_cyclic_cols(int64_t rows, int64_t cols, int n_ranks);

bool dgm_cyclic_place(const dgm_cyclic *c, int rank, int *p_row, int *p_col); /* false for a rank outside of the grid */
/* Rows and columns of the rank's part, 0 and 0 outside of the grid. */
void dgm_cyclic_local(const dgm_cyclic *c, int rank, int64_t *rows, int64_t *cols);

/* ---- rectangles ---- */

typedef struct {
    int64_t row0, col0, rows, cols;          /* of the matrix */
    int64_t offset, row_stride, col_stride;  /* its element (r, c), counted from (row0, col0), is at offset + r row_stride + c col_stride */
} dgm_tile;

typedef struct {
    int64_t rows, cols;
    int n_ranks, rank; /* rank: of the tile added last */
    int64_t n_tiles;
    int64_t *first;    /* [n_ranks + 1]: tiles of rank r are [first[r], first[r + 1]) */
    dgm_tile *tiles;
} dgm_layout;

dgm_err dgm_layout_create(int64_t rows, int64_t cols, int n_ranks, dgm_layout **out);
void dgm_layout_destroy(dgm_layout *layout); /* accepts NULL */

/* Adds a tile to a rank; ranks in ascending order, a rank's tiles disjoint.  One that goes on where the rank's last one ends, in the
 * matrix's rows and in memory, is joined to it.  DGM_ERR_SHAPE when it lies outside of the matrix, DGM_ERR_NOMEM. */
dgm_err dgm_layout_add(dgm_layout *layout, int rank, dgm_tile tile);

/* Slices over all ranks, slice r of n from r N / n to (r + 1) N / n: of rows stored row-major, or of columns stored transposed
 * ([cols, rows], as the trainer keeps row-split matrices) or not. */
dgm_err dgm_layout_row_slices(int64_t rows, int64_t cols, int n_ranks, dgm_layout **out);
dgm_err dgm_layout_col_slices(int64_t rows, int64_t cols, int n_ranks, bool transposed, dgm_layout **out);
dgm_err dgm_layout_whole(int64_t rows, int64_t cols, int n_ranks, dgm_layout **out); /* all of it on every rank */
dgm_err dgm_layout_of_cyclic(const dgm_cyclic *c, int n_ranks, dgm_layout **out);

/* What one rank has and another one wants: a rectangle of the matrix, with its places in both memories. */
typedef struct {
    int64_t rows, cols;
    int64_t from, from_row_stride, from_col_stride;
    int64_t to, to_row_stride, to_col_stride;
} dgm_box;

/* The boxes that rank `holder` of `from` has for rank `taker` of `to`: *boxes (caller frees) and *n, in an order that depends on the
 * layouts alone. */
dgm_err dgm_layout_boxes(const dgm_layout *from, int holder, const dgm_layout *to, int taker, dgm_box **boxes, int64_t *n);

/* Copies the elements of a box. */
void dgm_box_copy(const dgm_box *box, const float *from, float *to);

#endif
