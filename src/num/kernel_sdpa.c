/* Attention inside one sentence and head at a time.  Keys and values are copied once into scratch, padded to sixteen lanes, keys also
 * transposed; then eight queries go together: their scores with sixteen keys are eight registers that share every load of a key.
 * The eight never mix: a row's bits are those it has alone.  What a query may not see has probability 0 and adds zeros. */
#include "dgm/error.h"
#include "dgm/kernels.h"
#include "philox.h"
#include "scalar.h"
#include "transpose.h"

enum { TILE = 8, MAX_TOKENS = 4096 };

typedef struct {
    const dgm_sdpa_dims *dims;
    int64_t d, d_pad;         /* d_head, and rounded up to lanes */
    int64_t n_q, n_k, n_k_pad;
    int64_t head;             /* global index */
    uint32_t sentence;
    float query_scale;        /* 1 / sqrt(d_head) */
    float *keys_t, *values_t; /* [d, n_k_pad] */
    float *keys, *values;     /* [n_k, d_pad] */
    float *dkeys, *dvalues;   /* [n_k, d_pad] */
    float *q, *dout;          /* [TILE, d_pad] */
    float *p, *ds;            /* [TILE, n_k_pad] */
} head_job;

static int64_t pad(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

/* Scratch for the longest sentence there may be, so that it is allocated once. */
static void lay_out(head_job *h, const dgm_sdpa_dims *dims, bool backward)
{
    int64_t longest = MAX_TOKENS;
    for (int64_t s = 0; s < dims->n_sent; s++) longest = DGM_MAX(longest, pad(dims->k_start[s + 1] - dims->k_start[s]));
    *h = (head_job){.dims = dims, .d = dims->d_head, .d_pad = pad(dims->d_head), .query_scale = 1 / sqrtf((float)dims->d_head)};
    int64_t block = longest * h->d_pad, tile_d = TILE * h->d_pad, tile_k = TILE * longest;
    float *at = dgm_kernels_scratch((backward ? 5 : 2) * block + 2 * tile_d + 2 * tile_k);
    h->p = at, at += tile_k;
    h->ds = at, at += tile_k;
    h->q = at, at += tile_d;
    h->dout = at, at += tile_d;
    h->keys_t = at, at += block;
    if (!backward) {
        h->values = at;
        return;
    }
    h->values_t = at, at += block;
    h->keys = at, at += block;
    h->dkeys = at, at += block;
    h->dvalues = at;
}

static void enter_sentence(head_job *h, int64_t s)
{
    h->n_q = h->dims->q_start[s + 1] - h->dims->q_start[s];
    h->n_k = h->dims->k_start[s + 1] - h->dims->k_start[s];
    h->n_k_pad = pad(h->n_k);
    h->sentence = h->dims->sentence == NULL ? 0 : h->dims->sentence[s];
    DGM_ASSERT(h->n_k >= 1 || h->n_q == 0);
    DGM_ASSERT(h->dims->dropout == NULL || h->n_k <= MAX_TOKENS);
}

/* to [n_to, d_pad] from n rows of x times `scale`; the rest is 0. */
static void copy_rows(const head_job *h, int64_t n, int64_t n_to, const float *x, int64_t ld, float scale, float *to)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < h->d_pad; c += LANES)
            lanes_store(to + i * h->d_pad + c, lanes_mul(lanes_take(x + i * ld + c, h->d - c, 0), lanes_all(scale)));
    memset(to + n * h->d_pad, 0, (size_t)((n_to - n) * h->d_pad) * sizeof *to);
}

/* LANES_WIDTH columns of LANES_WIDTH keys, of which the first n_keys are there and the others 0. */
LANES_INLINE void transpose_block(const float *x, int64_t ld, int64_t n_keys, int64_t n_columns, float *to, int64_t ld_to)
{
    static const float none[LANES_WIDTH];
    vec_f v[LANES_WIDTH];
    if (n_columns == LANES_WIDTH) {
        _Pragma("GCC unroll 16") for (int i = 0; i < LANES_WIDTH; i++) v[i] = *(const vec_f_anywhere *)(i < n_keys ? x + i * ld : none);
        lanes_transpose(v);
        _Pragma("GCC unroll 16") for (int i = 0; i < LANES_WIDTH; i++) *(vec_f_anywhere *)(to + i * ld_to) = v[i];
        return;
    }
    memset(v, 0, sizeof v);
    for (int i = 0; i < DGM_MIN(n_keys, (int64_t)LANES_WIDTH); i++) memcpy(&v[i], x + i * ld, (size_t)n_columns * sizeof *x);
    lanes_transpose(v);
    for (int i = 0; i < n_columns; i++) *(vec_f_anywhere *)(to + i * ld_to) = v[i];
}

/* to [d, n_k_pad] from n_k rows of x, each line of which is read once: rows may be a multiple of 4 KiB apart, and then share one set of the L1 cache. */
static void transpose_rows(const head_job *h, const float *restrict x, int64_t ld, float *restrict to)
{
    for (int64_t j = 0; j < h->n_k_pad; j += LANES_WIDTH)
        for (int64_t c = 0; c < h->d; c += LANES_WIDTH)
            transpose_block(x + j * ld + c, ld, h->n_k - j, DGM_MIN(h->d - c, (int64_t)LANES_WIDTH), to + c * h->n_k_pad + j, h->n_k_pad);
}

/* ---- fetching ahead ---- */

typedef struct { int64_t first, n; } row_range;
typedef struct { row_range q, k; } sentence_rows;

/* Those of the sentence after s; none after the last. */
static sentence_rows rows_after(const dgm_sdpa_dims *dims, int64_t s)
{
    if (s + 1 >= dims->n_sent) return (sentence_rows){{0, 0}, {0, 0}};
    const int64_t *q = dims->q_start + s + 1, *k = dims->k_start + s + 1;
    return (sentence_rows){{q[0], q[1] - q[0]}, {k[0], k[1] - k[0]}};
}

/* Rows of one head lie far apart in memory, which the processor does not fetch by itself: those of the next sentence are asked for ahead. */
static void fetch_rows(const head_job *h, row_range rows, const float *x, int64_t ld)
{
    for (int64_t i = rows.first; i < rows.first + rows.n; i++)
        for (int64_t c = 0; c < h->d; c += LANES) __builtin_prefetch(x + i * ld + c);
}

/* The same for rows that will be written. */
static void fetch_to_write(const head_job *h, row_range rows, float *x, int64_t ld)
{
    for (int64_t i = rows.first; i < rows.first + rows.n; i++)
        for (int64_t c = 0; c < h->d; c += LANES) __builtin_prefetch(x + i * ld + c, 1);
}

/* ---- tiles ---- */

/* sum[i] = x[i] . column block of matrix_t: TILE rows with sixteen keys, over d in order. */
LANES_INLINE void dot_tile(const head_job *h, const float *x, const float *matrix_t, int64_t j, lanes sum[TILE])
{
    for (int i = 0; i < TILE; i++) sum[i] = lanes_zero();
    for (int64_t c = 0; c < h->d; c++) {
        lanes m = lanes_load(matrix_t + c * h->n_k_pad + j);
        _Pragma("GCC unroll 8") for (int i = 0; i < TILE; i++)
            sum[i] = lanes_add(sum[i], lanes_mul(lanes_all(x[i * h->d_pad + c]), m));
    }
}

/* out[i] = sum over keys j < n of weight[i, j] * matrix[j, c..c+15], over j in order. */
LANES_INLINE void weigh_tile(const head_job *h, const float *weight, const float *matrix, int64_t n, int64_t c, lanes sum[TILE])
{
    for (int i = 0; i < TILE; i++) sum[i] = lanes_zero();
    for (int64_t j = 0; j < n; j++) {
        lanes m = lanes_load(matrix + j * h->d_pad + c);
        _Pragma("GCC unroll 8") for (int i = 0; i < TILE; i++)
            sum[i] = lanes_add(sum[i], lanes_mul(lanes_all(weight[i * h->n_k_pad + j]), m));
    }
}

/* matrix[j] += sum over the tile's queries i, in order, of weight[i, j] * x[i], for keys j < n. */
static void spread_tile(const head_job *h, const float *weight, const float *x, int64_t n, float *matrix)
{
    for (int64_t c = 0; c < h->d_pad; c += LANES) {
        lanes row[TILE];
        _Pragma("GCC unroll 8") for (int i = 0; i < TILE; i++) row[i] = lanes_load(x + i * h->d_pad + c);
        for (int64_t j = 0; j < n; j++) {
            lanes sum = lanes_load(matrix + j * h->d_pad + c);
            _Pragma("GCC unroll 8") for (int i = 0; i < TILE; i++)
                sum = lanes_add(sum, lanes_mul(lanes_all(weight[i * h->n_k_pad + j]), row[i]));
            lanes_store(matrix + j * h->d_pad + c, sum);
        }
    }
}

/* Mask words of sixteen keys from j on for each query of the tile: two Philox blocks a query, sixteen a tile. */
LANES_INLINE void tile_mask(const head_job *h, uint32_t threshold, int64_t query, int64_t j, uint16_t word[TILE])
{
    const dgm_dropout *dropout = h->dims->dropout;
    uint64_t block[LANES], position[LANES];
    uint8_t keep[LANES];
    uint32_t first = (dropout->site << 16) + (uint32_t)((h->head * MAX_TOKENS + j) / 8);
    for (int i = 0; i < LANES; i++) block[i] = first + (uint32_t)(i & 1), position[i] = (uint32_t)query + (uint32_t)(i / 2);
    wide counter[4] = {wide_load(block), wide_load(position), wide_all(h->sentence), wide_all(dropout->step)};
    philox_keep_bytes(dropout->rng.key, threshold, counter, keep);
    for (int i = 0; i < TILE; i++) word[i] = (uint16_t)(keep[2 * i] | keep[2 * i + 1] << 8);
}

/* Keys that query i of the sentence sees. */
static int64_t visible(const head_job *h, int64_t i) { return h->dims->causal ? DGM_MIN(i + 1, h->n_k) : h->n_k; }

/* Lanes of the keys j.. that are among the first n. */
LANES_INLINE lanes_i among_first(int64_t n, int64_t j)
{
    static const float index[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return lanes_less(lanes_load(index), lanes_all((float)DGM_MIN(n - j, LANES)));
}

/* Scores in p[0..n) become probabilities, zeros up to n_tile; *largest: of the scores; returns the denominator. */
static float softmax_row(int64_t n, int64_t n_tile, float *p, float *largest)
{
    lanes top = lanes_all(-INFINITY), sum = lanes_zero();
    for (int64_t j = 0; j < n; j += LANES) {
        lanes s = lanes_select(among_first(n, j), lanes_load(p + j), lanes_all(-INFINITY));
        lanes_store(p + j, s);
        top = lanes_max(top, s);
    }
    float max = lanes_largest(top);
    for (int64_t j = 0; j < n; j += LANES) {
        lanes e = lanes_exp(lanes_sub(lanes_load(p + j), lanes_all(max)));
        lanes_store(p + j, e);
        sum = lanes_add(sum, e);
    }
    float total = lanes_sum(sum), share = 1 / total;
    for (int64_t j = 0; j < n; j += LANES) lanes_store(p + j, lanes_mul(lanes_load(p + j), lanes_all(share)));
    for (int64_t j = pad(n); j < n_tile; j += LANES) lanes_store(p + j, lanes_zero());
    *largest = max;
    return total;
}

static void drop_probabilities(const head_job *h, int64_t query, int64_t n)
{
    const dgm_dropout *dropout = h->dims->dropout;
    uint32_t threshold = dgm_dropout_threshold(dropout->rate);
    lanes scale = lanes_all(dgm_dropout_scale(dropout->rate));
    for (int64_t j = 0; j < n; j += LANES) {
        uint16_t word[TILE];
        tile_mask(h, threshold, query, j, word);
        for (int i = 0; i < TILE; i++) {
            float *at = h->p + i * h->n_k_pad + j;
            lanes_store(at, lanes_keep(word[i], lanes_mul(lanes_load(at), scale)));
        }
    }
}

/* Queries first .. first + TILE - 1 of the sentence; q, out and lse point at the first. */
static void forward_tile(const head_job *h, int64_t first, const float *q, int64_t ldq, float *out, int64_t ldo, float *lse)
{
    int64_t rows = DGM_MIN(h->n_q - first, TILE), seen = visible(h, first + rows - 1);
    copy_rows(h, rows, TILE, q, ldq, h->query_scale, h->q);
    for (int64_t j = 0; j < seen; j += LANES) {
        lanes score[TILE];
        dot_tile(h, h->q, h->keys_t, j, score);
        for (int i = 0; i < TILE; i++) lanes_store(h->p + i * h->n_k_pad + j, score[i]);
    }
    float max[TILE];
    double total[TILE], log_total[TILE];
    for (int64_t i = 0; i < TILE; i++)
        total[i] = (double)softmax_row(DGM_MIN(visible(h, first + i), seen), pad(seen), h->p + i * h->n_k_pad, &max[i]);
    if (lse != NULL) {
        scalar_log_8(total, log_total);
        for (int64_t i = 0; i < rows; i++) lse[i * h->dims->n_heads] = (float)((double)max[i] + log_total[i]);
    }
    if (h->dims->dropout != NULL) drop_probabilities(h, first, seen);
    for (int64_t c = 0; c < h->d_pad; c += LANES) {
        lanes sum[TILE];
        weigh_tile(h, h->p, h->values, seen, c, sum);
        for (int64_t i = 0; i < rows; i++) lanes_put(out + i * ldo + c, h->d - c, sum[i]);
    }
}

static void forward(const dgm_sdpa_dims *dims, const float *q, int64_t ldq, const float *k, const float *v, int64_t ldkv, float *out,
                    int64_t ldo, float *lse)
{
    head_job h;
    lay_out(&h, dims, false);
    for (int64_t s = 0; s < dims->n_sent; s++) {
        sentence_rows next = rows_after(dims, s);
        enter_sentence(&h, s);
        for (int64_t head = 0; head < dims->n_heads; head++) {
            int64_t q0 = dims->q_start[s], k0 = dims->k_start[s], column = head * h.d;
            h.head = dims->head0 + head;
            fetch_rows(&h, next.q, q + column, ldq);
            fetch_rows(&h, next.k, k + column, ldkv), fetch_rows(&h, next.k, v + column, ldkv);
            fetch_to_write(&h, next.q, out + column, ldo);
            transpose_rows(&h, k + k0 * ldkv + column, ldkv, h.keys_t);
            copy_rows(&h, h.n_k, h.n_k, v + k0 * ldkv + column, ldkv, 1, h.values);
            for (int64_t i = 0; i < h.n_q; i += TILE)
                forward_tile(&h, i, q + (q0 + i) * ldq + column, ldq, out + (q0 + i) * ldo + column, ldo,
                             lse == NULL ? NULL : lse + (q0 + i) * dims->n_heads + head);
        }
    }
}

/* ---- backward: the probabilities are made again from the scores and lse ---- */

/* Sixteen keys of one query: p (dropped, for dv) and ds = p * (mask dp - row_dot). */
LANES_INLINE void score_gradient(const head_job *h, int64_t at, lanes_i sees, lanes score, lanes dp, float lse, float row_dot,
                                 const uint16_t *word, float scale)
{
    lanes p = lanes_where(sees, lanes_exp(lanes_sub(score, lanes_all(lse)))), dropped = p;
    if (word != NULL) {
        dropped = lanes_keep(*word, lanes_mul(p, lanes_all(scale)));
        dp = lanes_keep(*word, lanes_mul(dp, lanes_all(scale)));
    }
    lanes_store(h->p + at, dropped);
    lanes_store(h->ds + at, lanes_mul(p, lanes_sub(dp, lanes_all(row_dot))));
}

/* sum over d of dout * out = sum over keys of p * dp, the term that the softmax takes off every score's gradient */
static float row_dot(const head_job *h, const float *out, const float *dout)
{
    lanes sum = lanes_zero();
    for (int64_t c = 0; c < h->d; c += LANES) sum = lanes_add(sum, lanes_mul(lanes_take(out + c, h->d - c, 0), lanes_load(dout + c)));
    return lanes_sum(sum);
}

static void backward_tile(const head_job *h, int64_t first, const float *q, int64_t ldq, const float *out, const float *dout, int64_t ldo,
                          const float *lse, float *dq, int64_t lddq)
{
    int64_t rows = DGM_MIN(h->n_q - first, TILE), seen = visible(h, first + rows - 1);
    const dgm_dropout *dropout = h->dims->dropout;
    uint32_t threshold = dropout == NULL ? 0 : dgm_dropout_threshold(dropout->rate);
    float scale = dropout == NULL ? 1 : dgm_dropout_scale(dropout->rate);
    float row_lse[TILE], dot[TILE];
    copy_rows(h, rows, TILE, q, ldq, h->query_scale, h->q);
    copy_rows(h, rows, TILE, dout, ldo, 1, h->dout);
    for (int64_t i = 0; i < TILE; i++) {
        row_lse[i] = i < rows ? lse[i * h->dims->n_heads] : INFINITY; /* rows that are not there: p = exp(-inf) = 0 */
        dot[i] = i < rows ? row_dot(h, out + i * ldo, h->dout + i * h->d_pad) : 0;
    }
    for (int64_t j = 0; j < seen; j += LANES) {
        lanes score[TILE], dp[TILE];
        uint16_t word[TILE];
        dot_tile(h, h->q, h->keys_t, j, score);
        dot_tile(h, h->dout, h->values_t, j, dp);
        if (dropout != NULL) tile_mask(h, threshold, first, j, word);
        for (int i = 0; i < TILE; i++)
            score_gradient(h, i * h->n_k_pad + j, among_first(visible(h, first + i), j), score[i], dp[i], row_lse[i], dot[i],
                           dropout == NULL ? NULL : word + i, scale);
    }
    for (int64_t c = 0; c < h->d_pad; c += LANES) {
        lanes sum[TILE];
        weigh_tile(h, h->ds, h->keys, seen, c, sum);
        for (int64_t i = 0; i < rows; i++) lanes_put(dq + i * lddq + c, h->d - c, lanes_mul(sum[i], lanes_all(h->query_scale)));
    }
    spread_tile(h, h->ds, h->q, seen, h->dkeys);
    spread_tile(h, h->p, h->dout, seen, h->dvalues);
}

static void write_rows(const head_job *h, const float *from, float *to, int64_t ld)
{
    for (int64_t j = 0; j < h->n_k; j++)
        for (int64_t c = 0; c < h->d; c += LANES) lanes_put(to + j * ld + c, h->d - c, lanes_load(from + j * h->d_pad + c));
}

static void backward(const dgm_sdpa_dims *dims, const float *q, int64_t ldq, const float *k, const float *v, int64_t ldkv,
                     const float *out, const float *dout, int64_t ldo, const float *lse, float *dq, int64_t lddq, float *dk, float *dv,
                     int64_t lddkv)
{
    head_job h;
    lay_out(&h, dims, true);
    for (int64_t s = 0; s < dims->n_sent; s++) {
        sentence_rows next = rows_after(dims, s);
        enter_sentence(&h, s);
        for (int64_t head = 0; head < dims->n_heads; head++) {
            int64_t q0 = dims->q_start[s], k0 = dims->k_start[s], column = head * h.d, kv = k0 * ldkv + column;
            h.head = dims->head0 + head;
            fetch_rows(&h, next.q, q + column, ldq);
            fetch_rows(&h, next.k, k + column, ldkv), fetch_rows(&h, next.k, v + column, ldkv);
            fetch_rows(&h, next.q, out + column, ldo), fetch_rows(&h, next.q, dout + column, ldo);
            fetch_to_write(&h, next.q, dq + column, lddq);
            fetch_to_write(&h, next.k, dk + column, lddkv), fetch_to_write(&h, next.k, dv + column, lddkv);
            transpose_rows(&h, k + kv, ldkv, h.keys_t);
            transpose_rows(&h, v + kv, ldkv, h.values_t);
            copy_rows(&h, h.n_k, h.n_k, k + kv, ldkv, 1, h.keys);
            memset(h.dkeys, 0, (size_t)(h.n_k * h.d_pad) * sizeof *h.dkeys);
            memset(h.dvalues, 0, (size_t)(h.n_k * h.d_pad) * sizeof *h.dvalues);
            for (int64_t i = 0; i < h.n_q; i += TILE) {
                int64_t q_at = (q0 + i) * ldq + column, o_at = (q0 + i) * ldo + column;
                backward_tile(&h, i, q + q_at, ldq, out + o_at, dout + o_at, ldo, lse + (q0 + i) * dims->n_heads + head,
                              dq + (q0 + i) * lddq + column, lddq);
            }
            write_rows(&h, h.dkeys, dk + k0 * lddkv + column, lddkv);
            write_rows(&h, h.dvalues, dv + k0 * lddkv + column, lddkv);
        }
    }
}

const dgm_sdpa_kernels DGM_KERNELS_NAME(sdpa, DGM_FAMILY) = {forward, backward};
