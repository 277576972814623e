/* One row of the dynamic programme at a time, in its band only.  Which edit led to a cell is found out again when it is asked for. */
#include "dgm/beam_distance.h"

#include <math.h>
#include <stdlib.h>

enum { BEAM = 25, OUT_OF_REACH = 1 << 29 };

void dgm_beam_distance_fini(dgm_beam_distance *d)
{
    free(d->row);
    free(d->cost);
    free(d->trial);
    *d = (dgm_beam_distance){0};
}

/* Where the rows' bands are; returns how many cells they have together. */
static int64_t place_rows(dgm_beam_distance *d)
{
    double ratio = d->n_hyp > 0 ? (double)d->n_ref / d->n_hyp : 1;
    int64_t beam = BEAM < ratio / 2 ? (int64_t)ceil(ratio / 2 + BEAM) : BEAM, end = (int64_t)d->n_ref + 1, n_cells = end + 1;
    d->row[0] = (dgm_distance_row){0, d->n_ref + 1, 0};
    d->widest = 0;
    for (int32_t i = 1; i <= d->n_hyp; i++) {
        int64_t diagonal = (int64_t)floor(i * ratio), lo = DGM_MAX(diagonal - beam, 0), hi = DGM_MIN(diagonal + beam, end);
        d->row[i] = (dgm_distance_row){(int32_t)lo, (int32_t)hi, n_cells};
        d->widest = DGM_MAX(d->widest, hi - lo + 1);
        n_cells += hi - lo + 1;
    }
    return n_cells;
}

static dgm_err reserve_cells(int32_t **cells, int64_t *room, int64_t n)
{
    if (n <= *room) return DGM_OK;
    int64_t more = DGM_MAX(n, 2 * *room);
    int32_t *grown = realloc(*cells, (size_t)more * sizeof *grown);
    if (grown == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "edit distance: %lld cells", (long long)more);
    *cells = grown;
    *room = more;
    return DGM_OK;
}

dgm_err dgm_beam_distance_begin(dgm_beam_distance *d, int32_t n_hyp, const int32_t *ref, int32_t n_ref)
{
    int64_t n_rows = (int64_t)n_hyp + 1;
    d->n_hyp = n_hyp;
    d->n_ref = n_ref;
    d->ref = ref;
    if (n_rows > d->rows_room) {
        int64_t room = DGM_MAX(n_rows, 2 * d->rows_room);
        dgm_distance_row *row = realloc(d->row, (size_t)room * sizeof *row);
        if (row == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "edit distance: %lld words", (long long)room);
        d->row = row;
        d->rows_room = room;
    }
    DGM_TRY(reserve_cells(&d->cost, &d->cost_room, place_rows(d)));
    DGM_TRY(reserve_cells(&d->trial, &d->trial_room, 2 * d->widest));
    d->cost[0] = OUT_OF_REACH;
    for (int32_t j = 0; j <= n_ref; j++) d->cost[1 + j] = j; /* before any word of the hypothesis: insertions */
    return DGM_OK;
}

/* Fills the cells of row i from those of row i - 1; both begin with the cell that is out of reach. */
static void fill_row(const dgm_beam_distance *d, int32_t i, int32_t word, const int32_t *before, int32_t *cell)
{
    const dgm_distance_row *row = &d->row[i], *last = row - 1;
    const int32_t *up = before + 1 - last->lo, *ref = d->ref;
    int32_t *here = cell + 1 - row->lo, both = DGM_MIN(row->hi, last->hi), j = row->lo, left = OUT_OF_REACH;
    cell[0] = OUT_OF_REACH;
    if (j == 0) {
        left = here[0] = up[0] + 1;
        j = 1;
    }
    int32_t diagonal = up[j - 1];
    for (; j < both; j++) {
        int32_t cost = diagonal + (word != ref[j - 1]), above = up[j];
        cost = DGM_MIN(cost, above + 1);
        left = DGM_MIN(cost, left + 1);
        here[j] = left;
        diagonal = above;
    }
    if (j < row->hi) { /* the row before ends here */
        int32_t cost = diagonal + (word != ref[j - 1]);
        left = here[j] = DGM_MIN(cost, left + 1);
        j++;
    }
    for (; j < row->hi; j++) here[j] = ++left;
}

int32_t dgm_beam_distance_set(dgm_beam_distance *d, const int32_t *hyp, int32_t n_same)
{
    for (int32_t i = n_same + 1; i <= d->n_hyp; i++)
        fill_row(d, i, hyp[i - 1], d->cost + d->row[i - 1].at, d->cost + d->row[i].at);
    const dgm_distance_row *last = &d->row[d->n_hyp];
    return d->cost[last->at + 1 + d->n_ref - last->lo];
}

int32_t dgm_beam_distance_try(dgm_beam_distance *d, const int32_t *hyp, int32_t n_same)
{
    const int32_t *before = d->cost + d->row[n_same].at;
    for (int32_t i = n_same + 1; i <= d->n_hyp; i++) {
        int32_t *cell = d->trial + (i & 1) * d->widest;
        fill_row(d, i, hyp[i - 1], before, cell);
        before = cell;
    }
    return before[1 + d->n_ref - d->row[d->n_hyp].lo];
}

/* The cost of a cell that was set. */
static int32_t cost_at(const dgm_beam_distance *d, int32_t i, int32_t j)
{
    const dgm_distance_row *row = &d->row[i];
    return j >= row->lo && j < row->hi ? d->cost[row->at + 1 + j - row->lo] : OUT_OF_REACH;
}

int32_t dgm_beam_distance_trace(const dgm_beam_distance *d, const int32_t *hyp, dgm_edit *edits)
{
    int32_t i = d->n_hyp, j = d->n_ref, n = 0;
    while (i > 0 || j > 0) {
        int32_t cost = cost_at(d, i, j);
        bool differs = i > 0 && j > 0 && hyp[i - 1] != d->ref[j - 1];
        dgm_edit edit = DGM_EDIT_INSERT;
        if (i > 0 && j > 0 && cost_at(d, i - 1, j - 1) + differs == cost) edit = differs ? DGM_EDIT_SUBSTITUTE : DGM_EDIT_KEEP;
        else if (i > 0 && cost_at(d, i - 1, j) + 1 == cost) edit = DGM_EDIT_DELETE;
        edits[n++] = edit;
        i -= edit != DGM_EDIT_INSERT;
        j -= edit != DGM_EDIT_DELETE;
    }
    return n;
}
