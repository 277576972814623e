/* Attention against a double version written from the formula, its gradients against finite differences of that version, and the
 * promise: a sentence, a query and a head have the bits they have alone, in every kernel family. */
#include "naive.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SENT = 6 };

typedef struct {
    const char *name;
    int64_t n_sent, q_len[MAX_SENT], k_len[MAX_SENT], n_heads, d_head;
    bool causal;
    float rate;
} setting;

static const setting settings[] = {
    {"self", 4, {15, 1, 7, 22}, {15, 1, 7, 22}, 2, 32, false, 0},
    {"causal", 4, {15, 1, 7, 33}, {15, 1, 7, 33}, 2, 16, true, 0},
    {"cross", 3, {5, 17, 1}, {9, 2, 31}, 2, 8, false, 0},
    {"odd d_head", 2, {9, 18}, {9, 18}, 3, 20, true, 0},
    {"dropout", 3, {15, 20, 3}, {17, 20, 1}, 2, 16, false, 0.3f},
    {"causal dropout", 3, {15, 20, 3}, {15, 20, 3}, 3, 8, true, 0.1f},
    {"long", 2, {300, 2}, {300, 2}, 1, 64, true, 0.1f},
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

/* Everything one run reads and writes; q, k and v have spare columns, which must stay as they are. */
typedef struct {
    dgm_sdpa_dims dims;
    dgm_dropout dropout;
    int64_t q_start[MAX_SENT + 1], k_start[MAX_SENT + 1];
    uint32_t sentence[MAX_SENT];
    int64_t n_q, n_k, width, ldq, ldkv, ldo;
    float *q, *k, *v, *dout;
} problem;

typedef struct { float *out, *lse, *dq, *dk, *dv; } result;

static void problem_init(problem *p, const setting *s)
{
    *p = (problem){.dropout = {dgm_rng_make(5, DGM_RNG_DROPOUT), 77, 9, s->rate}};
    for (int64_t i = 0; i < s->n_sent; i++) {
        p->q_start[i + 1] = p->q_start[i] + s->q_len[i];
        p->k_start[i + 1] = p->k_start[i] + s->k_len[i];
        p->sentence[i] = (uint32_t)(1000 + 37 * i);
    }
    p->n_q = p->q_start[s->n_sent], p->n_k = p->k_start[s->n_sent], p->width = s->n_heads * s->d_head;
    p->ldq = p->width + 5, p->ldkv = 2 * p->width + 1, p->ldo = p->width + 2;
    p->q = naive_floats(21, 1, p->n_q * p->ldq);
    p->k = naive_floats(22, 1, p->n_k * p->ldkv);
    p->v = naive_floats(23, 1, p->n_k * p->ldkv);
    p->dout = naive_floats(24, 1, p->n_q * p->ldo);
    p->dims = (dgm_sdpa_dims){.n_sent = s->n_sent, .q_start = p->q_start, .k_start = p->k_start, .n_heads = s->n_heads, .d_head = s->d_head,
                              .causal = s->causal, .dropout = s->rate > 0 ? &p->dropout : NULL, .sentence = p->sentence};
}

static void problem_fini(problem *p) { free(p->q), free(p->k), free(p->v), free(p->dout); }

static result run(const problem *p, const dgm_kernels *kernels)
{
    result r = {naive_floats(31, 1, p->n_q * p->ldo), naive_floats(32, 1, p->n_q * p->dims.n_heads), naive_floats(33, 1, p->n_q * p->ldq),
                naive_floats(34, 1, p->n_k * p->ldkv), naive_floats(35, 1, p->n_k * p->ldkv)};
    kernels->sdpa->forward(&p->dims, p->q, p->ldq, p->k, p->v, p->ldkv, r.out, p->ldo, r.lse);
    kernels->sdpa->backward(&p->dims, p->q, p->ldq, p->k, p->v, p->ldkv, r.out, p->dout, p->ldo, r.lse, r.dq, p->ldq, r.dk, r.dv, p->ldkv);
    return r;
}

static void result_fini(result *r) { free(r->out), free(r->lse), free(r->dq), free(r->dk), free(r->dv); }

/* ---- the formula, in double ---- */

/* Kept or not, by the definition in elem.h and sdpa.h: element (head * 4096 + key) of row (sentence, query). */
static bool kept(const problem *p, int64_t s, int64_t head, int64_t query, int64_t key)
{
    uint32_t element = (uint32_t)((p->dims.head0 + head) * 4096 + key);
    dgm_rng_block b = dgm_rng_at(p->dropout.rng, (p->dropout.site << 16) + element / 8, (uint32_t)query, p->sentence[s], p->dropout.step);
    uint32_t word = b.v[element % 8 / 2], bits = element % 2 == 0 ? word & 0xFFFF : word >> 16;
    return bits >= (uint32_t)lround((double)p->dropout.rate * 65536);
}

/* One query row: out[d_head], returns lse. */
static double naive_row(const problem *p, const double *q, const double *k, const double *v, int64_t s, int64_t head, int64_t query, double *out)
{
    int64_t d = p->dims.d_head, n = p->k_start[s + 1] - p->k_start[s], column = head * d;
    if (p->dims.causal) n = DGM_MIN(n, query + 1);
    double score[512], max = -INFINITY, sum = 0;
    for (int64_t j = 0; j < n; j++) {
        score[j] = 0;
        for (int64_t c = 0; c < d; c++)
            score[j] += q[(p->q_start[s] + query) * p->ldq + column + c] * k[(p->k_start[s] + j) * p->ldkv + column + c];
        score[j] /= sqrt((double)d);
        max = fmax(max, score[j]);
    }
    for (int64_t j = 0; j < n; j++) sum += exp(score[j] - max);
    for (int64_t c = 0; c < d; c++) out[c] = 0;
    for (int64_t j = 0; j < n; j++) {
        double weight = exp(score[j] - max) / sum;
        if (p->dims.dropout != NULL) weight *= kept(p, s, head, query, j) ? 1 / (1 - (double)p->dropout.rate) : 0;
        for (int64_t c = 0; c < d; c++) out[c] += weight * v[(p->k_start[s] + j) * p->ldkv + column + c];
    }
    return max + log(sum);
}

/* sum of dout * out over sentence s */
static double naive_loss(const problem *p, const double *q, const double *k, const double *v, int64_t s)
{
    double row[128], loss = 0;
    for (int64_t head = 0; head < p->dims.n_heads; head++)
        for (int64_t i = 0; i < p->q_start[s + 1] - p->q_start[s]; i++) {
            naive_row(p, q, k, v, s, head, i, row);
            for (int64_t c = 0; c < p->dims.d_head; c++)
                loss += row[c] * (double)p->dout[(p->q_start[s] + i) * p->ldo + head * p->dims.d_head + c];
        }
    return loss;
}

static double *doubled(const float *x, int64_t n)
{
    double *y = naive_memory((size_t)n * sizeof *y);
    for (int64_t i = 0; i < n; i++) y[i] = (double)x[i];
    return y;
}

static void check_forward(const problem *p, const result *r, double *const x[3], const char *name)
{
    double worst = 0, worst_lse = 0, row[128];
    for (int64_t s = 0; s < p->dims.n_sent; s++)
        for (int64_t head = 0; head < p->dims.n_heads; head++)
            for (int64_t i = p->q_start[s]; i < p->q_start[s + 1]; i++) {
                double lse = naive_row(p, x[0], x[1], x[2], s, head, i - p->q_start[s], row);
                worst = fmax(worst, naive_distance(p->dims.d_head, r->out + i * p->ldo + head * p->dims.d_head, row));
                worst_lse = fmax(worst_lse, fabs(lse - (double)r->lse[i * p->dims.n_heads + head]));
            }
    tap_near(worst, 0, 3e-6, "%s: out near double", name);
    tap_near(worst_lse, 0, 3e-6, "%s: lse near double", name);
}

/* Central differences at random places of each of q, k, v. */
static void check_gradients(const problem *p, const result *r, double *const x[3], const char *name, int n_places)
{
    const float *got[3] = {r->dq, r->dk, r->dv};
    const double h = 1e-5;
    for (int which = 0; which < 3; which++) {
        const int64_t *start = which == 0 ? p->q_start : p->k_start;
        double worst = 0, largest = 0;
        for (int t = 0; t < n_places; t++) {
            int64_t s = t % p->dims.n_sent, row = naive_pick(start[s], start[s + 1] - 1);
            int64_t at = row * (which == 0 ? p->ldq : p->ldkv) + naive_pick(0, p->width - 1);
            double kept_value = x[which][at];
            x[which][at] = kept_value + h;
            double up = naive_loss(p, x[0], x[1], x[2], s);
            x[which][at] = kept_value - h;
            double down = naive_loss(p, x[0], x[1], x[2], s);
            x[which][at] = kept_value;
            double want = (up - down) / (2 * h);
            worst = fmax(worst, fabs(want - (double)got[which][at]));
            largest = fmax(largest, fabs(want));
        }
        tap_near(worst, 0, 1e-5, "%s: d%c near finite differences (largest %.2g)", name, "qkv"[which], largest);
    }
}

/* ---- bits ---- */

static bool same_columns(const float *a, int64_t lda, const float *b, int64_t ldb, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++)
        if (memcmp(a + i * lda, b + i * ldb, (size_t)columns * sizeof *a) != 0) return false;
    return true;
}

static void check_families(const problem *p, const result *r, const char *name)
{
    const dgm_kernels *families[3];
    int n = naive_families(families);
    for (int f = 1; f < n; f++) {
        result other = run(p, families[f]);
        bool same = memcmp(r->out, other.out, (size_t)(p->n_q * p->ldo) * sizeof(float)) == 0 &&
                    memcmp(r->lse, other.lse, (size_t)(p->n_q * p->dims.n_heads) * sizeof(float)) == 0 &&
                    memcmp(r->dq, other.dq, (size_t)(p->n_q * p->ldq) * sizeof(float)) == 0 &&
                    memcmp(r->dk, other.dk, (size_t)(p->n_k * p->ldkv) * sizeof(float)) == 0 &&
                    memcmp(r->dv, other.dv, (size_t)(p->n_k * p->ldkv) * sizeof(float)) == 0;
        tap_ok(same, "%s: %s and %s give the same bits", name, families[f]->family, families[0]->family);
        result_fini(&other);
    }
}

static void check_guards(const problem *p, const result *r, const char *name)
{
    float *out = naive_floats(31, 1, p->n_q * p->ldo), *dq = naive_floats(33, 1, p->n_q * p->ldq), *dk = naive_floats(34, 1, p->n_k * p->ldkv);
    tap_ok(same_columns(r->out + p->width, p->ldo, out + p->width, p->ldo, p->n_q, p->ldo - p->width) &&
               same_columns(r->dq + p->width, p->ldq, dq + p->width, p->ldq, p->n_q, p->ldq - p->width) &&
               same_columns(r->dk + p->width, p->ldkv, dk + p->width, p->ldkv, p->n_k, p->ldkv - p->width),
           "%s: nothing is written beside the heads", name);
    free(out), free(dq), free(dk);
}

/* Sentence s by itself, at row 0 of moved arrays. */
static void check_alone(const problem *p, const result *r, const char *name, int64_t s)
{
    problem alone = *p;
    int64_t q0 = p->q_start[s], k0 = p->k_start[s];
    alone.dims.n_sent = 1, alone.dims.q_start = alone.q_start, alone.dims.k_start = alone.k_start, alone.dims.sentence = alone.sentence;
    alone.q_start[0] = alone.k_start[0] = 0;
    alone.n_q = alone.q_start[1] = p->q_start[s + 1] - q0, alone.n_k = alone.k_start[1] = p->k_start[s + 1] - k0;
    alone.sentence[0] = p->sentence[s];
    alone.q += q0 * p->ldq, alone.k += k0 * p->ldkv, alone.v += k0 * p->ldkv, alone.dout += q0 * p->ldo;
    if (p->dims.dropout != NULL) alone.dims.dropout = &alone.dropout;
    result one = run(&alone, dgm_kernels_now());
    tap_ok(same_columns(one.out, p->ldo, r->out + q0 * p->ldo, p->ldo, alone.n_q, p->width) &&
               same_columns(one.dq, p->ldq, r->dq + q0 * p->ldq, p->ldq, alone.n_q, p->width) &&
               same_columns(one.dk, p->ldkv, r->dk + k0 * p->ldkv, p->ldkv, alone.n_k, p->width) &&
               same_columns(one.dv, p->ldkv, r->dv + k0 * p->ldkv, p->ldkv, alone.n_k, p->width),
           "%s: sentence %lld alone has the same bits", name, (long long)s);
    result_fini(&one);
}

/* The last head by itself, as another tensor-parallel rank would hold it. */
static void check_head(const problem *p, const result *r, const char *name)
{
    problem part = *p;
    int64_t column = (p->dims.n_heads - 1) * p->dims.d_head;
    part.dims.head0 = p->dims.n_heads - 1, part.dims.n_heads = 1;
    part.q += column, part.k += column, part.v += column, part.dout += column;
    /* the last row's stride would run over the end of the arrays by `column` floats: give up the last sentence's spare room instead */
    part.dims.n_sent = p->dims.n_sent - 1;
    part.n_q = p->q_start[part.dims.n_sent], part.n_k = p->k_start[part.dims.n_sent];
    result one = run(&part, dgm_kernels_now());
    tap_ok(same_columns(one.out, p->ldo, r->out + column, p->ldo, part.n_q, p->dims.d_head) &&
               same_columns(one.dq, p->ldq, r->dq + column, p->ldq, part.n_q, p->dims.d_head) &&
               same_columns(one.dk, p->ldkv, r->dk + column, p->ldkv, part.n_k, p->dims.d_head) &&
               same_columns(one.dv, p->ldkv, r->dv + column, p->ldkv, part.n_k, p->dims.d_head),
           "%s: a head held alone has the same bits", name);
    result_fini(&one);
}

/* Each query as a sentence of one token over all the keys: the tile it stood in must not matter. */
static void check_query_alone(const problem *p, const result *r, const char *name)
{
    problem single = *p;
    bool same = true;
    for (int64_t i = 0; i < p->q_start[1]; i++) {
        single.dims.n_sent = 1, single.dims.q_start = (int64_t[]){0, 1};
        float out[128];
        dgm_sdpa_forward(&single.dims, p->q + i * p->ldq, p->ldq, p->k, p->v, p->ldkv, out, p->ldo, NULL);
        same = same && memcmp(out, r->out + i * p->ldo, (size_t)p->width * sizeof *out) == 0;
    }
    tap_ok(same, "%s: a query alone has the same bits", name);
}

int main(void)
{
    for (int i = 0; i < N_SETTINGS; i++) {
        const setting *s = &settings[i];
        problem p;
        problem_init(&p, s);
        result r = run(&p, dgm_kernels_now());
        double *x[3] = {doubled(p.q, p.n_q * p.ldq), doubled(p.k, p.n_k * p.ldkv), doubled(p.v, p.n_k * p.ldkv)};
        bool big = p.n_q > 200;
        check_forward(&p, &r, x, s->name);
        check_gradients(&p, &r, x, s->name, big ? 6 : 60);
        check_families(&p, &r, s->name);
        check_guards(&p, &r, s->name);
        for (int64_t at = 0; at < s->n_sent; at++) check_alone(&p, &r, s->name, at);
        if (s->n_heads > 1) check_head(&p, &r, s->name);
        if (!s->causal && s->rate <= 0) check_query_alone(&p, &r, s->name);
        for (int w = 0; w < 3; w++) free(x[w]);
        result_fini(&r);
        problem_fini(&p);
    }
    return tap_done();
}
