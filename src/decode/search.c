#include "dgm/search.h"

#include "dgm/decoder_step.h"
#include "dgm/grid.h"
#include "dgm/length_order.h"
#include "dgm/next_token.h"
#include "dgm/transformer.h"
#include "dgm/vocab.h"

#include <stdlib.h>
#include <string.h>

struct dgm_search {
    const dgm_params *params;
    const dgm_weights *weights;
    dgm_transformer *encoder;
    dgm_decoder_step *step;
    dgm_next_token *next;
    dgm_kvcache cache;
    int64_t n_rows_done;
};

/* A sentence under way. */
typedef struct {
    int64_t index; /* of the sentence */
    dgm_beam beam;
    dgm_cross_kv cross;
    dgm_kvcache_share slots;
    int32_t *path, *next_path; /* [beam, max_length + 1] slots of each live hypothesis, and room to reorder them */
} under_way;

typedef struct {
    dgm_search *search;
    const dgm_beam_options *options;
    int64_t max_rows;
    const dgm_sentence *sentences;
    dgm_hypotheses *out;
    int64_t *order; /* sentences by falling length */
    int64_t n, n_begun;
    under_way *active;
    int64_t n_active, active_capacity;
    /* one step's rows, [row_capacity] or that many times the beam or d_model */
    int64_t row_capacity;
    dgm_decoder_row *rows;
    float *hidden;
    int32_t *token;
    double *log_prob, *end;
} run;

dgm_err dgm_search_create(const dgm_params *params, const dgm_weights *weights, dgm_search **out)
{
    dgm_err err;
    dgm_search *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "search");
    s->params = params, s->weights = weights;
    DGM_GOTO(dgm_kvcache_init(&s->cache, params->hp.n_decoder_layers, params->hp.d_model));
    DGM_GOTO(dgm_transformer_create(params, dgm_grid_single(), &s->encoder));
    DGM_GOTO(dgm_decoder_step_create(params, weights, &s->step));
    DGM_GOTO(dgm_next_token_create(dgm_decoder_step_output(s->step), &s->next));
    *out = s;
    return DGM_OK;
fail:
    dgm_search_destroy(s);
    return err;
}

void dgm_search_destroy(dgm_search *s)
{
    if (s == NULL) return;
    dgm_next_token_destroy(s->next);
    dgm_decoder_step_destroy(s->step);
    dgm_transformer_destroy(s->encoder);
    dgm_kvcache_fini(&s->cache);
    free(s);
}

void dgm_search_load(dgm_search *s) { dgm_decoder_step_load(s->step); }

int64_t dgm_search_n_rows(const dgm_search *s) { return s->n_rows_done; }

/* ---- sentences join and leave ---- */

static int64_t path_stride(const under_way *u) { return u->beam.max_length + 1; }

static int32_t *path_of(const under_way *u, int hypothesis) { return u->path + hypothesis * path_stride(u); }

/* The caller has filled in u->cross. */
static dgm_err enter(run *r, under_way *u, int64_t index)
{
    u->index = index;
    DGM_TRY(dgm_beam_init(&u->beam, r->options, r->sentences[index].n));
    size_t paths = (size_t)r->options->beam * (size_t)path_stride(u);
    u->path = malloc(paths * sizeof *u->path);
    u->next_path = malloc(paths * sizeof *u->next_path);
    if (u->path == NULL || u->next_path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "a sentence of %lld tokens", (long long)r->sentences[index].n);
    return DGM_OK;
}

/* Gives everything back. */
static void leave(dgm_kvcache *cache, under_way *u)
{
    dgm_kvcache_leave(cache, &u->slots);
    dgm_beam_fini(&u->beam);
    dgm_cross_kv_fini(&u->cross);
    free(u->path);
    free(u->next_path);
    *u = (under_way){.slots = dgm_kvcache_enter()};
}

/* How many of the next sentences are encoded together now: 0 while more than half the room is taken. */
static int64_t group_size(const run *r)
{
    int64_t taken = r->n_active * r->options->beam, n = 0, tokens = 0;
    if (2 * taken > r->max_rows) return 0;
    while (r->n_begun + n < r->n) {
        tokens += r->sentences[r->order[r->n_begun + n]].n + 1;
        taken += r->options->beam;
        if ((tokens > r->max_rows || taken > r->max_rows) && (n > 0 || r->n_active > 0)) break;
        n++;
    }
    return n;
}

typedef struct {
    int64_t *start, leaf[2];
    int32_t *ids;
    uint32_t *label; /* [rows] sentences, [rows] positions */
    float *hidden;
    dgm_cross_kv *cross;
} group;

static void group_fini(group *g)
{
    free(g->start);
    free(g->ids);
    free(g->label);
    free(g->hidden);
    free(g->cross);
}

static dgm_err group_init(const run *r, int64_t n, group *g)
{
    int64_t rows = 0, at = 0;
    for (int64_t i = 0; i < n; i++) rows += r->sentences[r->order[r->n_begun + i]].n + 1;
    *g = (group){.leaf = {0, rows}};
    g->start = malloc((size_t)(n + 1) * sizeof *g->start);
    g->ids = malloc((size_t)rows * sizeof *g->ids);
    g->label = malloc((size_t)(2 * rows) * sizeof *g->label);
    g->hidden = aligned_alloc(64, ((size_t)(rows * r->search->params->hp.d_model) * sizeof *g->hidden + 63) / 64 * 64);
    g->cross = calloc((size_t)n, sizeof *g->cross);
    if (!g->start || !g->ids || !g->label || !g->hidden || !g->cross) {
        group_fini(g);
        return DGM_FAIL(DGM_ERR_NOMEM, "%lld source tokens: lower --batch-tokens", (long long)rows);
    }
    for (int64_t i = 0; i < n; i++) {
        const dgm_sentence *s = &r->sentences[r->order[r->n_begun + i]];
        g->start[i] = at;
        for (int64_t j = 0; j <= s->n; j++, at++) {
            g->ids[at] = j < s->n ? s->ids[j] : DGM_TOKEN_END;
            g->label[at] = (uint32_t)i;
            g->label[rows + at] = (uint32_t)j;
        }
    }
    g->start[n] = at;
    return DGM_OK;
}

/* Encodes the next n sentences; they are then under way. */
static dgm_err begin_group(run *r, int64_t n)
{
    group g;
    dgm_search *s = r->search;
    dgm_err err;
    DGM_TRY(group_init(r, n, &g));
    int64_t rows = g.leaf[1];
    dgm_packed src = {n, rows, g.start, g.leaf, g.ids, g.label, g.label + rows};
    DGM_GOTO(dgm_transformer_encode(s->encoder, &src, s->weights, g.hidden));
    DGM_GOTO(dgm_decoder_step_cross(s->step, n, g.start, g.hidden, g.cross));
    for (int64_t i = 0; i < n; i++) {
        under_way *u = &r->active[r->n_active++];
        *u = (under_way){.cross = g.cross[i], .slots = dgm_kvcache_enter()}; /* takes it over, whatever becomes of the rest */
        if (err == DGM_OK) err = enter(r, u, r->order[r->n_begun + i]);
    }
    r->n_begun += n;
fail:
    group_fini(&g);
    return err;
}

static dgm_err grow_active(run *r, int64_t n)
{
    if (r->n_active + n <= r->active_capacity) return DGM_OK;
    int64_t capacity = DGM_MAX(2 * r->active_capacity, r->n_active + n);
    under_way *active = realloc(r->active, (size_t)capacity * sizeof *active);
    if (active == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld sentences under way", (long long)capacity);
    r->active = active, r->active_capacity = capacity;
    return DGM_OK;
}

/* Hands the result over. */
static void finish(run *r, under_way *u)
{
    r->out[u->index] = u->beam.done;
    u->beam.done = (dgm_hypotheses){0};
    leave(&r->search->cache, u);
}

/* ---- one step ---- */

static dgm_err make_room(run *r, int64_t n_rows)
{
    if (n_rows <= r->row_capacity) return DGM_OK;
    int64_t n = DGM_MAX(n_rows, 2 * r->row_capacity);
    size_t tops = (size_t)n * (size_t)r->options->beam;
    free(r->rows), free(r->hidden), free(r->token), free(r->log_prob), free(r->end);
    r->row_capacity = 0;
    r->rows = malloc((size_t)n * sizeof *r->rows);
    r->hidden = aligned_alloc(64, ((size_t)(n * r->search->params->hp.d_model) * sizeof *r->hidden + 63) / 64 * 64);
    r->token = malloc(tops * sizeof *r->token);
    r->log_prob = malloc(tops * sizeof *r->log_prob);
    r->end = malloc((size_t)n * sizeof *r->end);
    if (!r->rows || !r->hidden || !r->token || !r->log_prob || !r->end) return DGM_FAIL(DGM_ERR_NOMEM, "%lld hypotheses", (long long)n);
    r->row_capacity = n;
    return DGM_OK;
}

/* Each live hypothesis gets a slot for its next position; the hold on the slot before becomes the new slot's own. */
static dgm_err collect_rows(run *r, int64_t *n_rows)
{
    int64_t n = 0;
    for (int64_t i = 0; i < r->n_active; i++) n += r->active[i].beam.n_live;
    DGM_TRY(make_room(r, n));
    n = 0;
    for (int64_t i = 0; i < r->n_active; i++) {
        under_way *u = &r->active[i];
        for (int j = 0; j < u->beam.n_live; j++) {
            int32_t *path = path_of(u, j), before = u->beam.length > 0 ? path[u->beam.length - 1] : -1;
            DGM_TRY(dgm_kvcache_take(&r->search->cache, &u->slots, before, &path[u->beam.length]));
            if (before >= 0) dgm_kvcache_release(&r->search->cache, &u->slots, before);
            r->rows[n++] = (dgm_decoder_row){dgm_beam_last(&u->beam, j, DGM_TOKEN_BEGIN), u->beam.length, path, &u->cross};
        }
    }
    *n_rows = n;
    return DGM_OK;
}

/* The paths of the new live hypotheses; those of the old ones end. */
static void reorder_paths(dgm_kvcache *cache, under_way *u, int n_live_before)
{
    int64_t n = u->beam.length, stride = path_stride(u);
    for (int j = 0; j < u->beam.n_live; j++) {
        const int32_t *from = path_of(u, u->beam.parent[j]);
        memcpy(u->next_path + j * stride, from, (size_t)n * sizeof *from);
        dgm_kvcache_retain(cache, from[n - 1]);
    }
    for (int j = 0; j < n_live_before; j++) dgm_kvcache_release(cache, &u->slots, path_of(u, j)[n - 1]);
    int32_t *path = u->path;
    u->path = u->next_path, u->next_path = path;
}

static dgm_err advance(run *r)
{
    int64_t row = 0, kept = 0;
    int beam = r->options->beam;
    dgm_err err = DGM_OK;
    for (int64_t i = 0; i < r->n_active; i++) {
        under_way *u = &r->active[i];
        int n_live = u->beam.n_live;
        if (err == DGM_OK) err = dgm_beam_advance(&u->beam, r->token + row * beam, r->log_prob + row * beam, r->end + row);
        if (err == DGM_OK) reorder_paths(&r->search->cache, u, n_live);
        row += n_live;
        if (err == DGM_OK && u->beam.n_live == 0) {
            finish(r, u);
            continue;
        }
        under_way moved = *u;
        r->active[kept++] = moved;
    }
    r->n_active = kept;
    return err;
}

static dgm_err step(run *r)
{
    dgm_search *s = r->search;
    int64_t n_rows;
    DGM_TRY(collect_rows(r, &n_rows));
    DGM_TRY(dgm_decoder_step_run(s->step, n_rows, r->rows, &s->cache, r->hidden));
    DGM_TRY(dgm_next_token_best(s->next, n_rows, r->hidden, r->options->beam, r->token, r->log_prob, r->end));
    s->n_rows_done += n_rows;
    return advance(r);
}

/* ---- all sentences ---- */

/* r->order: the sentences that have tokens, longest first. */
static dgm_err sort_by_length(run *r, int64_t n)
{
    int64_t *length = calloc((size_t)DGM_MAX(n, 1), sizeof *length);
    r->order = malloc((size_t)DGM_MAX(n, 1) * sizeof *r->order);
    dgm_err err = length != NULL && r->order != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld sentences", (long long)n);
    for (int64_t i = 0; err == DGM_OK && i < n; i++) length[i] = r->sentences[i].n;
    if (err == DGM_OK) err = dgm_length_order(length, n, r->order);
    while (r->n < n && err == DGM_OK && r->sentences[r->order[r->n]].n > 0) r->n++;
    free(length);
    return err;
}

static dgm_err check(const dgm_search *s, const dgm_beam_options *options, const dgm_sentence *sentences, int64_t n)
{
    int64_t vocab = s->params->hp.src_vocab_size;
    DGM_TRY(dgm_beam_check(options));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < sentences[i].n; j++)
            if (sentences[i].ids[j] < 0 || sentences[i].ids[j] >= vocab)
                return DGM_FAIL(DGM_ERR_INPUT, "sentence %lld: token id %d, expected 0 to %lld: was it made with another tokenizer?",
                                (long long)i + 1, sentences[i].ids[j], (long long)vocab - 1);
    return DGM_OK;
}

static dgm_err add_empty(dgm_hypotheses *out)
{
    DGM_TRY(dgm_hypotheses_init(out, 1));
    return dgm_hypotheses_add(out, NULL, 0, 0, 0);
}

static dgm_err work(run *r, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (r->sentences[i].n == 0) DGM_TRY(add_empty(&r->out[i]));
    DGM_TRY(sort_by_length(r, n));
    while (r->n_begun < r->n || r->n_active > 0) {
        int64_t joining = group_size(r);
        DGM_TRY(grow_active(r, joining));
        if (joining > 0) DGM_TRY(begin_group(r, joining));
        DGM_TRY(step(r));
    }
    return DGM_OK;
}

dgm_err dgm_search_run(dgm_search *s, const dgm_beam_options *options, int64_t max_rows, const dgm_sentence *sentences, int64_t n,
                       dgm_hypotheses *out)
{
    DGM_TRY(check(s, options, sentences, n));
    run r = {.search = s, .options = options, .max_rows = max_rows, .sentences = sentences, .out = out};
    for (int64_t i = 0; i < n; i++) out[i] = (dgm_hypotheses){0};
    dgm_err err = work(&r, n);
    if (err != DGM_OK) {
        for (int64_t i = 0; i < r.n_active; i++) leave(&s->cache, &r.active[i]);
        for (int64_t i = 0; i < n; i++) dgm_hypotheses_fini(&out[i]);
    }
    free(r.order), free(r.active);
    free(r.rows), free(r.hidden), free(r.token), free(r.log_prob), free(r.end);
    return err;
}
