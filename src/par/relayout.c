/* Sender and receiver walk the same list of rectangles and cut it into the same messages, so no headers travel.  In step k a rank sends to
 * the rank k places on and receives from the one k places back; all links are busy and no rank waits for another's turn. */
#include "dgm/relayout.h"

#include "mpi_call.h"

#include <stdlib.h>
#include <string.h>

/* Chosen with tests/bench_relayout: smaller staging shows the cost of messages, larger leaves the cache. */
enum { STAGING_FLOATS = 1 << 18, DIRECT_FLOATS = 1 << 14 };

typedef struct {
    dgm_box *box;
    int64_t n, next;
} box_list;

typedef struct {
    dgm_mpi_axis at;
    box_list *out, *in; /* [size]: for each rank, from each rank */
    float *staging[2];  /* what is packed, what arrives */
} move;

static void free_move(move *m)
{
    for (int r = 0; r < m->at.size; r++) {
        if (m->out != NULL) free(m->out[r].box);
        if (m->in != NULL) free(m->in[r].box);
    }
    free(m->out);
    free(m->in);
    free(m->staging[0]);
    free(m->staging[1]);
}

/* Cuts every box of the list that is too long for the staging buffer into bands that fit. */
static dgm_err cut_boxes(box_list *list)
{
    int64_t n = 0;
    for (int64_t i = 0; i < list->n; i++) {
        const dgm_box *b = &list->box[i];
        int64_t width = DGM_MIN(b->cols, STAGING_FLOATS), height = DGM_MAX(1, STAGING_FLOATS / width);
        n += ((b->cols + width - 1) / width) * ((b->rows + height - 1) / height);
    }
    if (n == list->n) return DGM_OK;
    dgm_box *cut = malloc((size_t)n * sizeof *cut);
    if (cut == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld rectangles between two layouts", (long long)n);
    n = 0;
    for (int64_t i = 0; i < list->n; i++) {
        const dgm_box *b = &list->box[i];
        int64_t width = DGM_MIN(b->cols, STAGING_FLOATS), height = DGM_MAX(1, STAGING_FLOATS / width);
        for (int64_t c = 0; c < b->cols; c += width)
            for (int64_t r = 0; r < b->rows; r += height) {
                dgm_box part = *b;
                part.rows = DGM_MIN(height, b->rows - r);
                part.cols = DGM_MIN(width, b->cols - c);
                part.from += r * b->from_row_stride + c * b->from_col_stride;
                part.to += r * b->to_row_stride + c * b->to_col_stride;
                cut[n++] = part;
            }
    }
    free(list->box);
    list->box = cut;
    list->n = n;
    return DGM_OK;
}

static bool contiguous(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride)
{
    return col_stride == 1 && (row_stride == cols || rows == 1);
}

/* Long and in one piece at both ends: needs no packing. */
static bool is_direct(const dgm_box *b)
{
    return b->rows * b->cols >= DIRECT_FLOATS &&
           ((contiguous(b->rows, b->cols, b->from_row_stride, b->from_col_stride) && contiguous(b->rows, b->cols, b->to_row_stride, b->to_col_stride)) ||
            (contiguous(b->cols, b->rows, b->from_col_stride, b->from_row_stride) && contiguous(b->cols, b->rows, b->to_col_stride, b->to_row_stride)));
}

static dgm_err list_boxes(const dgm_layout *from, int holder, const dgm_layout *to, int taker, box_list *list)
{
    DGM_TRY(dgm_layout_boxes(from, holder, to, taker, &list->box, &list->n));
    for (int64_t i = 0; i < list->n; i++)
        if (!is_direct(&list->box[i])) return cut_boxes(list);
    return DGM_OK;
}

/* All lists of this rank, and whether it will get all it wants. */
static dgm_err plan(move *m, const dgm_layout *from, const dgm_layout *to)
{
    int me = m->at.rank;
    if (from->n_ranks != m->at.size || to->n_ranks != m->at.size || from->rows != to->rows || from->cols != to->cols)
        return DGM_FAIL(DGM_ERR_SHAPE, "moving a %lld x %lld matrix on %d ranks into %lld x %lld on %d ranks, among %d ranks", (long long)from->rows,
                        (long long)from->cols, from->n_ranks, (long long)to->rows, (long long)to->cols, to->n_ranks, m->at.size);
    m->out = calloc((size_t)m->at.size, sizeof *m->out);
    m->in = calloc((size_t)m->at.size, sizeof *m->in);
    if (m->at.size > 1)
        for (int i = 0; i < 2; i++) m->staging[i] = malloc(STAGING_FLOATS * sizeof(float));
    if (m->out == NULL || m->in == NULL || (m->at.size > 1 && (m->staging[0] == NULL || m->staging[1] == NULL)))
        return DGM_FAIL(DGM_ERR_NOMEM, "moving a matrix among %d ranks", m->at.size);
    int64_t wanted = 0, found = 0;
    for (int64_t i = to->first[me]; i < to->first[me + 1]; i++) wanted += to->tiles[i].rows * to->tiles[i].cols;
    for (int r = 0; r < m->at.size; r++) {
        if (r != me) DGM_TRY(list_boxes(from, me, to, r, &m->out[r]));
        DGM_TRY(list_boxes(from, r, to, me, &m->in[r]));
        for (int64_t i = 0; i < m->in[r].n; i++) found += m->in[r].box[i].rows * m->in[r].box[i].cols;
    }
    if (found != wanted)
        return DGM_FAIL(DGM_ERR_SHAPE, "moving a %lld x %lld matrix: %lld elements wanted, %lld held (each must be held once)", (long long)to->rows,
                        (long long)to->cols, (long long)wanted, (long long)found);
    return DGM_OK;
}

typedef struct {
    const dgm_box *box;
    int64_t n, floats;
    bool direct;
} message;

/* The next message of the list: one long stretch, or as many short boxes as the staging buffer holds; 0 boxes at its end. */
static message next_message(box_list *list)
{
    message m = {.box = list->box + list->next};
    while (list->next < list->n) {
        const dgm_box *b = &list->box[list->next];
        int64_t floats = b->rows * b->cols;
        bool direct = is_direct(b);
        if (m.n > 0 && (direct || m.floats + floats > STAGING_FLOATS)) break;
        m.n++;
        m.floats += floats;
        m.direct = direct;
        list->next++;
        if (direct) break;
    }
    return m;
}

/* A packed box lies dense, in the order of the receiver's memory. */
static dgm_box packed(const dgm_box *b, int64_t at, bool packing)
{
    bool by_rows = b->to_col_stride <= b->to_row_stride;
    int64_t row_stride = by_rows ? b->cols : 1, col_stride = by_rows ? 1 : b->rows;
    dgm_box p = *b;
    if (packing) p.to = at, p.to_row_stride = row_stride, p.to_col_stride = col_stride;
    else p.from = at, p.from_row_stride = row_stride, p.from_col_stride = col_stride;
    return p;
}

static const float *pack(const message *m, const float *src, float *staging)
{
    if (m->direct) return src + m->box->from;
    int64_t at = 0;
    for (int64_t i = 0; i < m->n; i++) {
        dgm_box p = packed(&m->box[i], at, true);
        dgm_box_copy(&p, src, staging);
        at += p.rows * p.cols;
    }
    return staging;
}

static void unpack(const message *m, const float *staging, float *dst)
{
    int64_t at = 0;
    for (int64_t i = 0; i < m->n; i++) {
        dgm_box p = packed(&m->box[i], at, false);
        dgm_box_copy(&p, staging, dst);
        at += p.rows * p.cols;
    }
}

static dgm_err exchange(move *m, int to, int from, const float *src, float *dst)
{
    for (;;) {
        message out = next_message(&m->out[to]), in = next_message(&m->in[from]);
        if (out.n == 0 && in.n == 0) return DGM_OK;
        const float *send = out.n > 0 ? pack(&out, src, m->staging[0]) : NULL;
        float *receive = in.n > 0 && in.direct ? dst + in.box->to : m->staging[1];
        DGM_TRY(dgm_mpi_exchange(m->at.comm, to, send, out.floats * (int64_t)sizeof *send, from, receive, in.floats * (int64_t)sizeof *receive));
        if (in.n > 0 && !in.direct) unpack(&in, receive, dst);
    }
}

dgm_err dgm_relayout(const dgm_grid *grid, dgm_axis axis, const dgm_layout *from, const float *src, const dgm_layout *to, float *dst)
{
    move m = {.at = dgm_mpi_axis_of(grid, axis)};
    int me = m.at.rank;
    dgm_err err = dgm_coll_agree(grid, axis, plan(&m, from, to));
    for (int64_t i = 0; err == DGM_OK && i < m.in[me].n; i++) dgm_box_copy(&m.in[me].box[i], src, dst);
    for (int k = 1; err == DGM_OK && k < m.at.size; k++)
        err = exchange(&m, (me + k) % m.at.size, (me - k + m.at.size) % m.at.size, src, dst);
    free_move(&m);
    return err;
}
