/* Sentences join a search, encoded in groups, and leave it. */
#include "dgm/search_run.h"
#include "dgm/vocab.h"

#include <stdlib.h>
#include <string.h>

void dgm_search_leave(dgm_search_run_state *r, dgm_under_way *u)
{
    dgm_kvcache_leave(&r->search->cache, &u->slots);
    for (int g = 0; u->groups != NULL && g < r->n_groups; g++) dgm_beam_fini(&u->groups[g]);
    for (int m = 0; u->cross != NULL && m < r->search->n_models; m++) dgm_cross_kv_fini(&u->cross[m]);
    free(u->groups);
    free(u->cross);
    free(u->path);
    free(u->next_path);
    *u = (dgm_under_way){.slots = dgm_kvcache_enter()};
}

static dgm_beam_options group_options(const dgm_search_run_state *r)
{
    dgm_beam_options o = r->options->beam;
    o.beam = r->width;
    if (r->n_groups > 1) o.n_best = r->width; /* a group that stopped early would no longer cost the later ones anything */
    return o;
}

/* The caller has filled in u->cross. */
static dgm_err enter(dgm_search_run_state *r, dgm_under_way *u, int64_t index)
{
    const dgm_sentence *s = &r->sentences[index];
    const dgm_beam_options options = group_options(r);
    u->index = index;
    u->key = dgm_sample_key(s->ids, s->n);
    u->groups = calloc((size_t)r->n_groups, sizeof *u->groups);
    if (u->groups == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "a sentence of %lld tokens", (long long)s->n);
    for (int g = 0; g < r->n_groups; g++) DGM_TRY(dgm_beam_init(&u->groups[g], &options, s->n, s->n_prefix));
    if (r->options->sample) dgm_beam_split(&u->groups[0]);
    u->path_stride = u->groups[0].max_length + 1;
    size_t paths = (size_t)(r->n_groups * r->width) * (size_t)u->path_stride;
    u->path = malloc(paths * sizeof *u->path);
    u->next_path = malloc(paths * sizeof *u->next_path);
    if (u->path == NULL || u->next_path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "a sentence of %lld tokens", (long long)s->n);
    return DGM_OK;
}

/* How many of the next sentences are encoded together now: 0 while more than half the room is taken. */
static int64_t group_size(const dgm_search_run_state *r)
{
    int64_t each = r->n_groups * r->width, taken = r->n_active * each, n = 0, tokens = 0;
    if (2 * taken > r->max_rows) return 0;
    while (r->n_begun + n < r->n) {
        tokens += r->sentences[r->order[r->n_begun + n]].n + 1;
        taken += each;
        if ((tokens > r->max_rows || taken > r->max_rows) && (n > 0 || r->n_active > 0)) break;
        n++;
    }
    return n;
}

typedef struct {
    int64_t *start, leaf[2];
    int32_t *ids;
    uint32_t *label; /* [rows] sentences, [rows] positions */
    float *hidden;   /* of the widest model */
    dgm_cross_kv *cross; /* [n] of one model */
} group;

static void group_fini(group *g)
{
    free(g->start);
    free(g->ids);
    free(g->label);
    free(g->hidden);
    free(g->cross);
}

static int64_t widest(const dgm_search *s)
{
    int64_t d = 0;
    for (int m = 0; m < s->n_models; m++) d = DGM_MAX(d, s->members[m].model.params->hp.d_model);
    return d;
}

static dgm_err group_init(const dgm_search_run_state *r, int64_t n, group *g)
{
    int64_t rows = 0, at = 0;
    for (int64_t i = 0; i < n; i++) rows += r->sentences[r->order[r->n_begun + i]].n + 1;
    *g = (group){.leaf = {0, rows}};
    g->start = malloc((size_t)(n + 1) * sizeof *g->start);
    g->ids = malloc((size_t)rows * sizeof *g->ids);
    g->label = malloc((size_t)(2 * rows) * sizeof *g->label);
    g->hidden = aligned_alloc(64, ((size_t)(rows * widest(r->search)) * sizeof *g->hidden + 63) / 64 * 64);
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

/* Encodes a group with one model for the sentences joining[n]. */
static dgm_err encode(dgm_search_run_state *r, int64_t n, group *g, int model, dgm_under_way *joining)
{
    dgm_search_member *m = &r->search->members[model];
    int64_t rows = g->leaf[1];
    dgm_packed src = {n, rows, g->start, g->leaf, g->ids, g->label, g->label + rows};
    DGM_TRY(dgm_transformer_encode(m->encoder, &src, m->model.weights, g->hidden));
    DGM_TRY(dgm_decoder_step_cross(m->step, n, g->start, g->hidden, g->cross));
    for (int64_t i = 0; i < n; i++) joining[i].cross[model] = g->cross[i];
    return DGM_OK;
}

static dgm_err begin_group(dgm_search_run_state *r, int64_t n)
{
    dgm_under_way *joining = r->active + r->n_active;
    group g;
    dgm_err err;
    DGM_TRY(group_init(r, n, &g));
    for (int64_t i = 0; i < n; i++) {
        joining[i] = (dgm_under_way){.slots = dgm_kvcache_enter(), .cross = calloc((size_t)r->search->n_models, sizeof *joining->cross)};
        r->n_active++; /* from here on it is released with the others, whatever becomes of the rest */
        if (joining[i].cross == NULL) {
            err = DGM_FAIL(DGM_ERR_NOMEM, "%lld sentences", (long long)n);
            goto fail;
        }
    }
    for (int m = 0; m < r->search->n_models; m++) DGM_GOTO(encode(r, n, &g, m, joining));
    for (int64_t i = 0; i < n; i++) DGM_GOTO(enter(r, &joining[i], r->order[r->n_begun + i]));
    r->n_begun += n;
    err = DGM_OK;
fail:
    group_fini(&g);
    return err;
}

static dgm_err grow_active(dgm_search_run_state *r, int64_t n)
{
    if (r->n_active + n <= r->active_capacity) return DGM_OK;
    int64_t capacity = DGM_MAX(2 * r->active_capacity, r->n_active + n);
    dgm_under_way *active = realloc(r->active, (size_t)capacity * sizeof *active);
    if (active == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld sentences under way", (long long)capacity);
    r->active = active, r->active_capacity = capacity;
    return DGM_OK;
}

dgm_err dgm_search_join(dgm_search_run_state *r)
{
    int64_t n = group_size(r);
    if (n == 0) return DGM_OK;
    DGM_TRY(grow_active(r, n));
    return begin_group(r, n);
}
