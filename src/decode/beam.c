#include "dgm/beam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

dgm_beam_options dgm_beam_defaults(void)
{
    return (dgm_beam_options){.beam = 5, .n_best = 1, .length_penalty = 0.6, .length_kind = DGM_LENGTH_PAPER, .max_length_factor = 2,
                              .max_length_plus = 20, .min_length = 1};
}

dgm_err dgm_beam_check(const dgm_beam_options *o)
{
    if (o->beam < 1 || o->beam > 1024) return DGM_FAIL(DGM_ERR_USAGE, "--beam %d: expected 1 to 1024", o->beam);
    if (o->n_best < 1 || o->n_best > o->beam)
        return DGM_FAIL(DGM_ERR_USAGE, "--n-best %d: expected 1 to the beam of %d: raise --beam", o->n_best, o->beam);
    if (!(o->length_penalty >= 0 && o->length_penalty <= 10))
        return DGM_FAIL(DGM_ERR_USAGE, "--length-penalty %g: expected 0 to 10", o->length_penalty);
    if (!(o->max_length_factor >= 0 && o->max_length_factor <= 1000))
        return DGM_FAIL(DGM_ERR_USAGE, "--max-length-factor %g: expected 0 to 1000", o->max_length_factor);
    if (o->max_length_plus < 0 || o->max_length_plus > 1000000)
        return DGM_FAIL(DGM_ERR_USAGE, "--max-length-plus %lld: expected 0 to 1000000", (long long)o->max_length_plus);
    if (o->min_length < 0) return DGM_FAIL(DGM_ERR_USAGE, "--min-length %lld: expected 0 or more", (long long)o->min_length);
    if (o->max_length_factor == 0 && o->min_length > DGM_MAX(o->max_length_plus, 1))
        return DGM_FAIL(DGM_ERR_USAGE, "--min-length %lld: no translation has more than %lld tokens with --max-length-factor 0 and --max-length-plus %lld",
                        (long long)o->min_length, (long long)DGM_MAX(o->max_length_plus, 1), (long long)o->max_length_plus);
    return DGM_OK;
}

dgm_err dgm_beam_init(dgm_beam *b, const dgm_beam_options *options, int64_t n_src, int64_t n_prefix)
{
    double longest = options->max_length_factor * (double)n_src + (double)options->max_length_plus;
    dgm_err err;
    *b = (dgm_beam){.options = *options, .max_length = DGM_MAX((int64_t)longest, DGM_MAX(n_prefix, 1)), .n_live = 1};
    b->min_length = DGM_MAX(DGM_MIN(options->min_length, b->max_length), n_prefix);
    size_t n = (size_t)options->beam, room = n * (size_t)b->max_length;
    b->ids = malloc(2 * room * sizeof *b->ids);
    b->sum = calloc(2 * n, sizeof *b->sum);
    b->parent = calloc(2 * n, sizeof *b->parent);
    b->number = calloc(n, sizeof *b->number);
    b->may_end = calloc(n, sizeof *b->may_end);
    if (b->ids == NULL || b->sum == NULL || b->parent == NULL || b->number == NULL || b->may_end == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "a beam of %d hypotheses of up to %lld tokens", options->beam, (long long)b->max_length);
        goto fail;
    }
    b->next_ids = b->ids + room, b->next_sum = b->sum + n, b->taken = b->parent + n;
    DGM_GOTO(dgm_hypotheses_init(&b->done, options->beam));
    return DGM_OK;
fail:
    dgm_beam_fini(b);
    return err;
}

void dgm_beam_fini(dgm_beam *b)
{
    /* The two halves of each pair change places; the block begins with the lower one. */
    free(b->next_ids != NULL && b->next_ids < b->ids ? b->next_ids : b->ids);
    free(b->next_sum != NULL && b->next_sum < b->sum ? b->next_sum : b->sum);
    free(b->parent);
    free(b->number);
    free(b->may_end);
    dgm_hypotheses_fini(&b->done);
    *b = (dgm_beam){0};
}

int32_t dgm_beam_last(const dgm_beam *b, int i, int32_t begin)
{
    return b->length == 0 ? begin : b->ids[i * b->max_length + b->length - 1];
}

/* ---- hypotheses grow and end ---- */

/* `sum` has </s> in it. */
static dgm_err finish(dgm_beam *b, int from, double sum)
{
    double score = sum / dgm_hypothesis_penalty(b->options.length_kind, b->options.length_penalty, b->length + 1);
    b->n_done++;
    return dgm_hypotheses_add(&b->done, b->ids + from * b->max_length, b->length, sum, score);
}

static void grow(dgm_beam *b, int from, int32_t token, double sum, int to)
{
    int32_t *ids = b->next_ids + to * b->max_length;
    memcpy(ids, b->ids + from * b->max_length, (size_t)b->length * sizeof *ids);
    ids[b->length] = token;
    b->next_sum[to] = sum;
    b->parent[to] = from;
}

/* What has grown becomes what lives. */
static void turn(dgm_beam *b)
{
    int32_t *ids = b->ids;
    double *sum = b->sum;
    b->ids = b->next_ids, b->next_ids = ids;
    b->sum = b->next_sum, b->next_sum = sum;
    b->length++;
}

/* ---- hypotheses that compete ---- */

enum { TOKEN_END = -1, TOKEN_NONE = -2 };

typedef struct {
    double order, sum; /* order: the sum less the cost */
    int32_t token;     /* TOKEN_END sorts before all others */
    int from;
} candidate;

static bool better(candidate a, candidate b)
{
    if (b.token == TOKEN_NONE || a.token == TOKEN_NONE) return a.token != TOKEN_NONE;
    if (a.order != b.order) return a.order > b.order;
    return a.token != b.token ? a.token < b.token : a.from < b.from;
}

/* The best candidate left, which is then used up. */
static candidate take_best(dgm_beam *b, const int32_t *token, const double *log_prob, const double *cost, const double *end)
{
    int beam = b->options.beam;
    candidate best = {0, 0, TOKEN_NONE, 0};
    for (int i = 0; i < b->n_live; i++) {
        int at = b->taken[i];
        if (b->length < b->max_length && at < beam && token[i * beam + at] >= 0) {
            double sum = b->sum[i] + log_prob[i * beam + at];
            candidate c = {cost != NULL ? sum - cost[i * beam + at] : sum, sum, token[i * beam + at], i};
            if (better(c, best)) best = c;
        }
        if (b->may_end[i]) {
            candidate c = {b->sum[i] + end[i], b->sum[i] + end[i], TOKEN_END, i};
            if (better(c, best)) best = c;
        }
    }
    if (best.token == TOKEN_END) b->may_end[best.from] = false;
    else if (best.token != TOKEN_NONE) b->taken[best.from]++;
    return best;
}

/* Whether one of the live hypotheses may still become one of the results. */
static bool can_win(const dgm_beam *b, int n_live)
{
    if (b->done.n < b->options.n_best) return true;
    double largest = b->sum[0];
    for (int i = 1; i < n_live; i++) largest = DGM_MAX(largest, b->sum[i]);
    double bound = largest / dgm_hypothesis_penalty(b->options.length_kind, b->options.length_penalty, b->max_length + 1);
    return bound > b->done.best[b->options.n_best - 1].score;
}

dgm_err dgm_beam_advance(dgm_beam *b, const int32_t *token, const double *log_prob, const double *cost, const double *end)
{
    int beam = b->options.beam, n_live = 0;
    for (int i = 0; i < b->n_live; i++) {
        b->taken[i] = 0;
        b->may_end[i] = b->length >= b->min_length || token[i * beam] < 0;
    }
    for (int seen = 0; n_live < beam; seen++) {
        candidate c = take_best(b, token, log_prob, cost, end);
        if (c.token == TOKEN_NONE) break;
        if (c.token != TOKEN_END) grow(b, c.from, c.token, c.sum, n_live++);
        else if (seen < beam) DGM_TRY(finish(b, c.from, c.sum));
    }
    turn(b);
    b->n_live = n_live > 0 && b->n_done < beam && can_win(b, n_live) ? n_live : 0;
    return DGM_OK;
}

/* ---- hypotheses that go their own ways ---- */

void dgm_beam_split(dgm_beam *b)
{
    DGM_ASSERT(b->length == 0);
    b->n_live = b->options.beam;
    for (int i = 0; i < b->n_live; i++) b->number[i] = i;
}

dgm_err dgm_beam_extend(dgm_beam *b, const int32_t *token, const double *log_prob, int32_t end)
{
    int n_live = 0;
    for (int i = 0; i < b->n_live; i++) {
        double sum = b->sum[i] + log_prob[i];
        if (token[i] == end) {
            DGM_TRY(finish(b, i, sum));
            continue;
        }
        grow(b, i, token[i], sum, n_live);
        b->number[n_live++] = b->number[i];
    }
    turn(b);
    b->n_live = n_live;
    return DGM_OK;
}
