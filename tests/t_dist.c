/* Where elements lie, against dealing them out one by one. */
#include "dgm/dist.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Deals n elements out block by block and compares every question with what happened. */
static bool axis_matches(dgm_dist_axis axis)
{
    int64_t count[16] = {0};
    for (int64_t i = 0; i < axis.n; i++) {
        int proc = 0;
        for (int64_t b = 0; b < i / axis.block; b++) proc = proc + 1 == axis.n_procs ? 0 : proc + 1;
        if (dgm_dist_owner(axis, i) != proc || dgm_dist_local(axis, i) != count[proc] || dgm_dist_global(axis, proc, count[proc]) != i) return false;
        count[proc]++;
    }
    for (int p = 0; p < axis.n_procs; p++)
        if (dgm_dist_count(axis, p) != count[p]) return false;
    return true;
}

static void test_axis(void)
{
    bool all = true;
    for (int64_t n = 0; n <= 70 && all; n++)
        for (int64_t block = 1; block <= 9 && all; block++)
            for (int procs = 1; procs <= 7 && all; procs++) {
                all = axis_matches((dgm_dist_axis){n, block, procs});
                if (!all) tap_note("n = %lld, block = %lld, %d processes", (long long)n, (long long)block, procs);
            }
    tap_ok(all, "owner, local and global index, count: 0 to 70 elements, blocks of 1 to 9, 1 to 7 processes");
    dgm_dist_axis large = {INT64_C(5000000123), 64, 6};
    int64_t sum = 0;
    for (int p = 0; p < 6; p++) sum += dgm_dist_count(large, p);
    tap_int(sum, large.n, "counts of 5,000,000,123 elements add up");
    int64_t last = large.n - 1;
    tap_int(dgm_dist_global(large, dgm_dist_owner(large, last), dgm_dist_local(large, last)), last, "and the last one is found again");
}

static void test_shapes(void)
{
    static const int want[][3] = {{1, 1, 1}, {2, 1, 2}, {3, 1, 3}, {4, 2, 2}, {5, 2, 2}, {6, 2, 3}, {7, 2, 3}, {8, 2, 4}, {9, 3, 3}, {64, 8, 8}};
    bool all = true;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        dgm_cyclic c = dgm_cyclic_square(10, 10, 4, want[i][0]);
        all = all && c.p_rows == want[i][1] && c.p_cols == want[i][2];
    }
    tap_ok(all, "process grids are nearly square");
}

/* Each element of the matrix must be held once, `times` times over all ranks, each at a place of its own in its rank's memory. */
static bool is_cover(const dgm_layout *l, int times)
{
    int64_t n = l->rows * l->cols;
    int *seen = calloc((size_t)n + 1, sizeof *seen);
    bool ok = true;
    for (int r = 0; r < l->n_ranks; r++) {
        char *used = calloc((size_t)n + 1, 1);
        for (int64_t i = l->first[r]; i < l->first[r + 1]; i++) {
            const dgm_tile *t = &l->tiles[i];
            for (int64_t y = 0; y < t->rows; y++)
                for (int64_t x = 0; x < t->cols; x++) {
                    int64_t at = t->offset + y * t->row_stride + x * t->col_stride;
                    ok = ok && at >= 0 && at < n && !used[at];
                    if (ok) used[at] = 1;
                    seen[(t->row0 + y) * l->cols + t->col0 + x]++;
                }
        }
        free(used);
    }
    for (int64_t i = 0; i < n; i++) ok = ok && seen[i] == times;
    free(seen);
    return ok;
}

/* Element (row, col) of a cyclic layout must be where the arithmetic of one dimension says. */
static bool cyclic_places(const dgm_cyclic *c, const dgm_layout *l)
{
    bool ok = true;
    for (int r = 0; r < l->n_ranks; r++) {
        int64_t n_rows, n_cols, held = 0;
        dgm_cyclic_local(c, r, &n_rows, &n_cols);
        for (int64_t i = l->first[r]; i < l->first[r + 1]; i++) {
            const dgm_tile *t = &l->tiles[i];
            held += t->rows * t->cols;
            for (int64_t y = t->row0; y < t->row0 + t->rows; y++)
                for (int64_t x = t->col0; x < t->col0 + t->cols; x++) {
                    dgm_dist_axis down = {c->rows, c->row_block, c->p_rows}, across = {c->cols, c->col_block, c->p_cols};
                    int rank = c->first_rank + dgm_dist_owner(down, y) * c->p_cols + dgm_dist_owner(across, x);
                    int64_t at = dgm_dist_local(down, y) * n_cols + dgm_dist_local(across, x);
                    ok = ok && rank == r && at == t->offset + (y - t->row0) * t->row_stride + (x - t->col0) * t->col_stride;
                }
        }
        ok = ok && held == n_rows * n_cols;
    }
    return ok;
}

static void test_layouts(void)
{
    static const int64_t shape[][2] = {{1, 1}, {8, 8}, {7, 13}, {13, 7}, {3, 40}, {130, 67}, {0, 5}};
    bool slices = true, cyclic = true, places = true;
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++)
        for (int ranks = 1; ranks <= 6; ranks++) {
            dgm_layout *l[4] = {NULL};
            int64_t rows = shape[s][0], cols = shape[s][1];
            slices = slices && dgm_layout_row_slices(rows, cols, ranks, &l[0]) == DGM_OK && is_cover(l[0], 1) &&
                     dgm_layout_col_slices(rows, cols, ranks, false, &l[1]) == DGM_OK && is_cover(l[1], 1) &&
                     dgm_layout_col_slices(rows, cols, ranks, true, &l[2]) == DGM_OK && is_cover(l[2], 1) &&
                     dgm_layout_whole(rows, cols, ranks, &l[3]) == DGM_OK && is_cover(l[3], ranks);
            for (int i = 0; i < 4; i++) dgm_layout_destroy(l[i]);
            dgm_cyclic forms[5] = {dgm_cyclic_square(rows, cols, 4, ranks), dgm_cyclic_rows(rows, cols, ranks), dgm_cyclic_cols(rows, cols, ranks),
                                   dgm_cyclic_whole(rows, cols, ranks - 1), {rows, cols, 3, 5, 1, ranks, 0}};
            for (int i = 0; i < 5; i++) {
                dgm_layout *c = NULL;
                cyclic = cyclic && dgm_layout_of_cyclic(&forms[i], ranks, &c) == DGM_OK && is_cover(c, 1);
                places = places && c != NULL && cyclic_places(&forms[i], c);
                dgm_layout_destroy(c);
            }
        }
    tap_ok(slices, "slices by rows, by columns, transposed, and whole matrices hold every element once a rank that wants it");
    tap_ok(cyclic, "block-cyclic forms hold every element once");
    tap_ok(places, "where the arithmetic of one dimension says");
}

static void test_joining(void)
{
    dgm_layout *l = NULL;
    tap_err(dgm_layout_create(8, 4, 2, &l), DGM_OK, "a layout");
    dgm_layout_add(l, 0, (dgm_tile){0, 0, 2, 4, 0, 4, 1});
    dgm_layout_add(l, 0, (dgm_tile){2, 0, 2, 4, 8, 4, 1});
    tap_int(l->n_tiles, 1, "a tile that continues the one before is joined to it");
    dgm_layout_add(l, 0, (dgm_tile){4, 0, 2, 4, 20, 4, 1});
    tap_int(l->n_tiles, 2, "not with a gap in memory");
    dgm_layout_add(l, 1, (dgm_tile){6, 0, 2, 4, 28, 4, 1});
    tap_int(l->n_tiles, 3, "nor on another rank");
    dgm_layout_add(l, 1, (dgm_tile){0, 0, 0, 4, 0, 4, 1});
    tap_int(l->n_tiles, 3, "an empty tile is none");
    tap_err(dgm_layout_add(l, 0, (dgm_tile){0, 0, 1, 1, 0, 1, 1}), DGM_ERR_SHAPE, "ranks come in order");
    tap_err(dgm_layout_add(l, 1, (dgm_tile){7, 0, 2, 4, 0, 4, 1}), DGM_ERR_SHAPE, "a tile beyond the matrix is refused");
    tap_error_says("rows 7 + 2, columns 0 + 4 on rank 1: the matrix is 8 x 4");
    dgm_layout_destroy(l);
    tap_err(dgm_layout_create(-1, 4, 2, &l), DGM_ERR_SHAPE, "so is a matrix of -1 rows");
}

/* All nine kinds of strides. */
static void test_copy(void)
{
    enum { R = 45, C = 70 };
    static float from[4 * R * C], to[4 * R * C];
    bool all = true;
    const int64_t strides[4][2] = {{C, 1}, {C + 3, 1}, {1, R}, {1, R + 2}};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            for (int k = 0; k < 4 * R * C; k++) from[k] = (float)k, to[k] = -1;
            dgm_box b = {R, C, 11, strides[i][0], strides[i][1], 7, strides[j][0], strides[j][1]};
            dgm_box_copy(&b, from, to);
            int64_t written = 0;
            for (int64_t r = 0; r < R; r++)
                for (int64_t c = 0; c < C; c++)
                    all = all && to[7 + r * strides[j][0] + c * strides[j][1]] == from[11 + r * strides[i][0] + c * strides[i][1]];
            for (int k = 0; k < 4 * R * C; k++) written += to[k] >= 0;
            all = all && written == R * C;
        }
    tap_ok(all, "rectangles of all strides are copied, and nothing beside them");
}

int main(void)
{
    test_axis();
    test_shapes();
    test_layouts();
    test_joining();
    test_copy();
    return tap_done();
}
