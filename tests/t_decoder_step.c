/* The decoder one position at a time against the training forward pass over whole sentences. */
#include "dgm/decoder_step.h"
#include "dgm/grid.h"
#include "dgm/next_token.h"
#include "dgm/rng.h"
#include "dgm/transformer.h"
#include "dgm/vocab.h"
#include "tap.h"
#include "toy_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_SENT = 4, MAX_ROWS = 64, VOCAB = 97, D = 32 };
static const int64_t src_length[N_SENT] = {5, 1, 12, 3}, tgt_length[N_SENT] = {7, 4, 1, 9}; /* </s> and <s> included */

typedef struct {
    dgm_packed packed;
    int64_t start[N_SENT + 1], leaf[2];
    int32_t ids[MAX_ROWS];
    uint32_t sentence[MAX_ROWS], position[MAX_ROWS];
} side;

/* Random sentences; `begin` puts <s> first, else </s> comes last. */
static void pack(side *s, const int64_t *length, bool begin, int64_t vocab)
{
    int64_t at = 0;
    for (int64_t i = 0; i < N_SENT; i++) {
        s->start[i] = at;
        toy_sentence(1, (uint64_t)(i + 10 * begin), vocab, length[i], s->ids + at);
        if (begin) s->ids[at] = DGM_TOKEN_BEGIN;
        else s->ids[at + length[i] - 1] = DGM_TOKEN_END;
        for (int64_t j = 0; j < length[i]; j++, at++) s->sentence[at] = (uint32_t)i, s->position[at] = (uint32_t)j;
    }
    s->start[N_SENT] = s->leaf[1] = at;
    s->leaf[0] = 0;
    s->packed = (dgm_packed){N_SENT, at, s->start, s->leaf, s->ids, s->sentence, s->position};
}

/* Steps through all sentences side by side; states land where the packed forward pass has them. */
static dgm_err step_through(dgm_decoder_step *step, const side *tgt, const dgm_cross_kv *cross, float *out)
{
    int32_t path[N_SENT][MAX_ROWS];
    float hidden[N_SENT * D];
    dgm_kvcache cache;
    dgm_kvcache_share share[N_SENT];
    for (int i = 0; i < N_SENT; i++) share[i] = dgm_kvcache_enter();
    DGM_TRY(dgm_kvcache_init(&cache, 1, &(dgm_kvcache_shape){2, D}));
    for (int64_t t = 0;; t++) {
        dgm_decoder_row rows[N_SENT];
        int64_t n = 0, at[N_SENT];
        for (int i = 0; i < N_SENT; i++) {
            if (t >= tgt_length[i]) continue;
            DGM_TRY(dgm_kvcache_take(&cache, &share[i], t > 0 ? path[i][t - 1] : -1, &path[i][t]));
            at[n] = tgt->start[i] + t;
            rows[n++] = (dgm_decoder_row){tgt->ids[tgt->start[i] + t], t, path[i], &cross[i]};
        }
        if (n == 0) break;
        DGM_TRY(dgm_decoder_step_run(step, n, rows, &cache, 0, hidden));
        for (int64_t r = 0; r < n; r++) memcpy(out + at[r] * D, hidden + r * D, D * sizeof *out);
    }
    dgm_kvcache_fini(&cache);
    return DGM_OK;
}

static void test_model(dgm_norm_place norm, dgm_activation activation, bool joint, const char *name)
{
    toy_model m;
    side src, tgt;
    dgm_transformer *t = NULL;
    dgm_decoder_step *step = NULL;
    dgm_cross_kv cross[N_SENT];
    static float source[MAX_ROWS * D], want[MAX_ROWS * D], got[MAX_ROWS * D];
    static double want_double[MAX_ROWS * D];
    toy_model_init(&m, norm, activation, joint, VOCAB, 11);
    pack(&src, src_length, false, m.hp.src_vocab_size);
    pack(&tgt, tgt_length, true, m.hp.tgt_vocab_size);
    tap_err(dgm_transformer_create(m.params, dgm_grid_single(), &t), DGM_OK, "%s: transformer", name);
    tap_err(dgm_decoder_step_create(m.params, &m.weights, &step), DGM_OK, "%s: decoder step", name);
    tap_err(dgm_transformer_encode(t, &src.packed, &m.weights, source), DGM_OK, "%s: encode", name);
    tap_err(dgm_transformer_decode(t, &src.packed, source, &tgt.packed, &m.weights, want), DGM_OK, "%s: decode whole sentences", name);
    tap_err(dgm_decoder_step_cross(step, N_SENT, src.start, source, cross), DGM_OK, "%s: keys and values of the sources", name);
    tap_err(step_through(step, &tgt, cross, got), DGM_OK, "%s: decode by positions", name);
    for (int64_t i = 0; i < tgt.packed.n_rows * D; i++) want_double[i] = (double)want[i];
    tap_near_array(got, want_double, tgt.packed.n_rows * D, 1e-5, "%s: decoder states of whole sentences and of single positions", name);
    for (int i = 0; i < N_SENT; i++) dgm_cross_kv_fini(&cross[i]);
    dgm_decoder_step_destroy(step);
    dgm_transformer_destroy(t);
    toy_model_fini(&m);
}

/* Candidates against a softmax in double over the whole vocabulary. */
static void test_best(int64_t vocab)
{
    enum { ROWS = 3, TOP = 6 };
    toy_model m;
    dgm_next_token *next = NULL;
    dgm_decoder_step *step = NULL;
    float hidden[ROWS * D];
    int32_t token[ROWS * TOP];
    double log_prob[ROWS * TOP], end[ROWS], *logit = malloc((size_t)vocab * sizeof *logit), worst = 0;
    int wrong = 0;
    if (logit == NULL) abort();
    toy_model_init(&m, DGM_NORM_POST, DGM_ACTIVATION_RELU, true, vocab, 12);
    dgm_rng rng = dgm_rng_make(13, DGM_RNG_TEST);
    for (int i = 0; i < ROWS * D; i++) hidden[i] = (float)dgm_rng_normal(rng, (uint64_t)i, 0);
    tap_err(dgm_decoder_step_create(m.params, &m.weights, &step), DGM_OK, "decoder step");
    tap_err(dgm_next_token_create(1, &(const dgm_panels *){dgm_decoder_step_output(step)}, &next), DGM_OK, "its candidates");
    tap_err(dgm_next_token_best(next, ROWS, &(const float *){hidden}, NULL, TOP, token, log_prob, NULL, end), DGM_OK, "candidates");
    for (int r = 0; r < ROWS; r++) {
        double sum = 0;
        for (int64_t j = 0; j < vocab; j++) {
            logit[j] = 0;
            for (int i = 0; i < D; i++) logit[j] += (double)hidden[r * D + i] * (double)m.weights.embedding[j * D + i];
            sum += exp(logit[j]);
        }
        worst = fmax(worst, fabs(end[r] - (logit[DGM_TOKEN_END] - log(sum))));
        for (int k = 0; k < TOP; k++) {
            int64_t best = -1;
            for (int64_t j = DGM_VOCAB_N_SPECIAL; j < vocab; j++)
                if (logit[j] > -1e30 && (best < 0 || logit[j] > logit[best])) best = j;
            wrong += token[r * TOP + k] != best;
            if (best < 0) continue;
            worst = fmax(worst, fabs(log_prob[r * TOP + k] - (logit[best] - log(sum))));
            logit[best] = -1e31;
        }
    }
    tap_int(wrong, 0, "the %d likeliest tokens of %lld, special ones never", TOP, (long long)vocab);
    tap_near(worst, 0, 1e-5, "their log-probabilities and that of </s>");
    dgm_next_token_destroy(next);
    dgm_decoder_step_destroy(step);
    toy_model_fini(&m);
    free(logit);
}

/* Blocks of logits have another shape for another number of rows; the bits are the same. */
static void test_many_rows(void)
{
    enum { ROWS = 700, TOP = 3, WIDE = 2500 };
    toy_model m;
    dgm_next_token *next = NULL;
    dgm_decoder_step *step = NULL;
    static float hidden[ROWS * D];
    static int32_t token[ROWS * TOP];
    static double log_prob[ROWS * TOP], end[ROWS];
    int differ = 0;
    toy_model_init(&m, DGM_NORM_POST, DGM_ACTIVATION_RELU, true, WIDE, 12);
    dgm_rng rng = dgm_rng_make(14, DGM_RNG_TEST);
    for (int i = 0; i < ROWS * D; i++) hidden[i] = (float)dgm_rng_normal(rng, (uint64_t)i, 0);
    if (dgm_decoder_step_create(m.params, &m.weights, &step) != DGM_OK || dgm_next_token_create(1, &(const dgm_panels *){dgm_decoder_step_output(step)}, &next) != DGM_OK)
        abort();
    tap_err(dgm_next_token_best(next, ROWS, &(const float *){hidden}, NULL, TOP, token, log_prob, NULL, end), DGM_OK, "candidates of %d rows", ROWS);
    for (int r = 0; r < ROWS; r += 23) {
        int32_t token_alone[2 * TOP];
        double log_prob_alone[2 * TOP], end_alone[2];
        int n = r + 1 < ROWS ? 2 : 1;
        if (dgm_next_token_best(next, n, &(const float *){hidden + r * D}, NULL, TOP, token_alone, log_prob_alone, NULL, end_alone) != DGM_OK) abort();
        differ += memcmp(token_alone, token + r * TOP, TOP * sizeof *token) != 0 || end_alone[0] != end[r] ||
                  memcmp(log_prob_alone, log_prob + r * TOP, TOP * sizeof *log_prob) != 0;
    }
    tap_int(differ, 0, "a row has the same ones in other company, to the bit");
    dgm_next_token_destroy(next);
    dgm_decoder_step_destroy(step);
    toy_model_fini(&m);
}

static void test_not_finite(void)
{
    toy_model m;
    dgm_next_token *next = NULL;
    dgm_decoder_step *step = NULL;
    float hidden[D] = {0};
    int32_t token;
    double log_prob, end;
    toy_model_init(&m, DGM_NORM_POST, DGM_ACTIVATION_RELU, true, VOCAB, 12);
    m.weights.embedding[50 * D] = NAN;
    if (dgm_decoder_step_create(m.params, &m.weights, &step) != DGM_OK || dgm_next_token_create(1, &(const dgm_panels *){dgm_decoder_step_output(step)}, &next) != DGM_OK)
        abort();
    tap_err(dgm_next_token_best(next, 1, &(const float *){hidden}, NULL, 1, &token, &log_prob, NULL, &end), DGM_ERR_NUMERIC, "a NaN in the weights is an error");
    dgm_next_token_destroy(next);
    dgm_decoder_step_destroy(step);
    toy_model_fini(&m);
}

/* Slots are shared along the tree and come back when nobody uses them. */
static void test_cache(void)
{
    dgm_kvcache c;
    dgm_kvcache_share one = dgm_kvcache_enter(), two = dgm_kvcache_enter();
    int32_t root, a, b, d, other;
    if (dgm_kvcache_init(&c, 2, (const dgm_kvcache_shape[]){{2, 16}, {1, 8}}) != DGM_OK || dgm_kvcache_take(&c, &one, -1, &root) != DGM_OK || dgm_kvcache_take(&c, &one, root, &a) != DGM_OK ||
        dgm_kvcache_take(&c, &one, root, &b) != DGM_OK || dgm_kvcache_take(&c, &one, a, &d) != DGM_OK)
        abort();
    dgm_kvcache_release(&c, &one, root);
    dgm_kvcache_release(&c, &one, a);
    tap_int(c.n_used, 4, "slots that others grow from stay");
    dgm_kvcache_release(&c, &one, d);
    tap_int(c.n_used, 2, "the end of a path takes along what it alone had");
    dgm_kvcache_retain(&c, b);
    dgm_kvcache_release(&c, &one, b);
    tap_int(c.n_used, 2, "a slot held twice is released twice");
    dgm_kvcache_release(&c, &one, b);
    tap_int(c.n_used, 0, "all come back");
    int32_t last = -1;
    if (dgm_kvcache_take(&c, &two, -1, &other) != DGM_OK) abort();
    dgm_kvcache_at(&c, 1, other)[0] = -1;
    for (int i = 0; i < 1000; i++)
        if (dgm_kvcache_take(&c, &one, last, &last) != DGM_OK) abort();
        else dgm_kvcache_at(&c, 1, last)[0] = (float)i;
    bool kept = dgm_kvcache_at(&c, 1, other)[0] == -1;
    for (int i = 999, slot = last; i >= 0; slot = c.before[slot], i--) kept = kept && dgm_kvcache_at(&c, 1, slot)[0] == (float)i;
    tap_ok(kept, "contents stay when the pool grows, beside another sentence's");
    int32_t n_pages = c.n_pages;
    dgm_kvcache_leave(&c, &one);
    tap_int(c.n_used, 1, "a sentence that leaves takes all it has along");
    for (int i = 0; i < 1000; i++)
        if (dgm_kvcache_take(&c, &two, other, &last) != DGM_OK) abort();
    tap_int(c.n_pages, n_pages, "and the next one gets its pages");
    dgm_kvcache_fini(&c);
}

int main(void)
{
    test_model(DGM_NORM_POST, DGM_ACTIVATION_RELU, true, "post-norm, ReLU, joint vocabulary");
    test_model(DGM_NORM_PRE, DGM_ACTIVATION_GELU, false, "pre-norm, GELU, two vocabularies");
    test_best(VOCAB);
    test_best(2500);
    test_best(8);
    test_many_rows();
    test_not_finite();
    test_cache();
    return tap_done();
}
