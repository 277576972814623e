/* Rows are sorted by (token, leaf); a replica's leaves all come before those of the next, so sorting what has been received by token
 * alone, keeping the order otherwise, gives the order of leaves over the whole batch whatever the number of replicas. */
#include "dgm/embedrows.h"

#include "dgm/sort.h"
#include "dgm/timer.h"

#include <stdlib.h>
#include <string.h>

struct dgm_embedrows {
    int64_t d, capacity;
    uint64_t *order;      /* [2 capacity] id << 40 | leaf << 32 | row, and room to sort them */
    int32_t *id, *leaf;   /* [capacity] labels in the order of sending */
    float *row;           /* [capacity, d] */
    float *sum;           /* [d] */
    int64_t *owner_start; /* [n_owners + 1] */
    dgm_coll_rows *exchange;
};

dgm_err dgm_embedrows_create(int64_t d, dgm_embedrows **out)
{
    dgm_embedrows *r = calloc(1, sizeof *r);
    if (r == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "embedding gradients");
    r->d = d;
    r->sum = malloc((size_t)d * sizeof *r->sum);
    dgm_err err = r->sum != NULL ? dgm_coll_rows_create(&r->exchange) : DGM_FAIL(DGM_ERR_NOMEM, "embedding gradients");
    if (err != DGM_OK) {
        dgm_embedrows_destroy(r);
        return err;
    }
    *out = r;
    return DGM_OK;
}

void dgm_embedrows_destroy(dgm_embedrows *rows)
{
    if (rows == NULL) return;
    dgm_coll_rows_destroy(rows->exchange);
    free(rows->order);
    free(rows->id);
    free(rows->leaf);
    free(rows->row);
    free(rows->sum);
    free(rows->owner_start);
    free(rows);
}

static dgm_err reserve(dgm_embedrows *r, int64_t n, int n_owners)
{
    if (r->owner_start == NULL) r->owner_start = malloc((size_t)(n_owners + 1) * sizeof *r->owner_start);
    if (r->owner_start == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "embedding gradients");
    if (n <= r->capacity) return DGM_OK;
    n = DGM_MAX(n, 2 * r->capacity);
    free(r->order), free(r->id), free(r->leaf), free(r->row);
    r->order = malloc(2 * (size_t)n * sizeof *r->order);
    r->id = malloc((size_t)n * sizeof *r->id);
    r->leaf = malloc((size_t)n * sizeof *r->leaf);
    r->row = malloc((size_t)(n * r->d) * sizeof *r->row);
    r->capacity = n;
    if (r->order && r->id && r->leaf && r->row) return DGM_OK;
    r->capacity = 0;
    return DGM_FAIL(DGM_ERR_NOMEM, "embedding gradients of %lld rows", (long long)n);
}

static int32_t id_at(const dgm_embedrows *r, int64_t i) { return (int32_t)(r->order[i] >> 40); }
static int32_t leaf_at(const dgm_embedrows *r, int64_t i) { return (int32_t)(r->order[i] >> 32 & 255); }
static int64_t row_at(const dgm_embedrows *r, int64_t i) { return (int64_t)(r->order[i] & UINT32_MAX); }

static void sort_rows(dgm_embedrows *r, int64_t n, const int32_t *id, const int32_t *leaf)
{
    for (int64_t i = 0; i < n; i++) r->order[i] = (uint64_t)id[i] << 40 | (uint64_t)leaf[i] << 32 | (uint64_t)i;
    dgm_sort_u64(n, r->order, r->order + r->capacity);
}

/* Rows sorted by token: all of a token are summed, then added to its place once. */
static void add_sorted(dgm_embedrows *r, int64_t n, const float *row, int64_t offset, int64_t first_id, float *flat)
{
    for (int64_t i = 0; i < n;) {
        int32_t id = id_at(r, i);
        memcpy(r->sum, row + row_at(r, i) * r->d, (size_t)r->d * sizeof *r->sum);
        for (i++; i < n && id_at(r, i) == id; i++) dgm_elem_add(r->d, row + row_at(r, i) * r->d, r->sum);
        dgm_elem_add(r->d, r->sum, flat + offset + (id - first_id) * r->d);
    }
}

dgm_err dgm_embedrows_add(dgm_embedrows *rows, const dgm_grid *grid, const dgm_embedding_grad *grad, int64_t offset, int64_t first_id,
                          const int64_t *part_start, float *flat)
{
    dgm_err err = reserve(rows, grad->n, grid->dp_size);
    if (grid->dp_size > 1) {
        dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
        err = dgm_coll_agree(grid, DGM_AXIS_DP, err);
        dgm_timer_enter(left);
    }
    DGM_TRY(err);
    sort_rows(rows, grad->n, grad->id, grad->leaf);
    if (grid->dp_size == 1) {
        add_sorted(rows, grad->n, grad->row, offset, first_id, flat);
        return DGM_OK;
    }
    int owner = 0;
    rows->owner_start[0] = 0;
    for (int64_t i = 0; i < grad->n; i++) {
        int64_t at = offset + (id_at(rows, i) - first_id) * rows->d;
        while (at >= part_start[owner + 1]) rows->owner_start[++owner] = i;
        rows->id[i] = id_at(rows, i);
        rows->leaf[i] = leaf_at(rows, i);
        memcpy(rows->row + i * rows->d, grad->row + row_at(rows, i) * rows->d, (size_t)rows->d * sizeof *rows->row);
    }
    while (owner < grid->dp_size) rows->owner_start[++owner] = grad->n;
    int64_t n_got;
    const int32_t *got_id, *got_leaf;
    const float *got_row;
    dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
    err = dgm_coll_rows_exchange(grid, rows->exchange, rows->d, rows->id, rows->leaf, rows->row, rows->owner_start, &n_got, &got_id, &got_leaf,
                                 &got_row);
    if (err == DGM_OK) err = dgm_coll_agree(grid, DGM_AXIS_DP, reserve(rows, n_got, grid->dp_size));
    dgm_timer_enter(left);
    DGM_TRY(err);
    sort_rows(rows, n_got, got_id, got_leaf);
    add_sorted(rows, n_got, got_row, offset, first_id, flat);
    return DGM_OK;
}
