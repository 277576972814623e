/* One position of all sentences under way. */
#include "dgm/search_run.h"
#include "dgm/vocab.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static float *matrix(int64_t rows, int64_t columns)
{
    return aligned_alloc(64, ((size_t)(rows * columns) * sizeof(float) + 63) / 64 * 64);
}

static dgm_err make_rows(dgm_search_run_state *r, int64_t n_rows)
{
    if (n_rows <= r->row_capacity) return DGM_OK;
    int64_t n = DGM_MAX(n_rows, 2 * r->row_capacity);
    size_t count = (size_t)n;
    bool whole = true;
    free(r->rows), free(r->wanted), free(r->wanted_log_prob), free(r->end), free(r->draws), free(r->banned_start);
    r->row_capacity = 0;
    r->rows = malloc(count * sizeof *r->rows);
    r->wanted = malloc(count * sizeof *r->wanted);
    r->wanted_log_prob = malloc(count * sizeof *r->wanted_log_prob);
    r->end = malloc(count * sizeof *r->end);
    r->draws = malloc(count * sizeof *r->draws);
    r->banned_start = malloc((count + 1) * sizeof *r->banned_start);
    for (int m = 0; m < r->search->n_models; m++) {
        free(r->hidden[m]);
        r->hidden[m] = matrix(n, r->search->members[m].model.params->hp.d_model);
        whole = whole && r->hidden[m] != NULL;
    }
    if (!whole || !r->rows || !r->wanted || !r->wanted_log_prob || !r->end || !r->draws || !r->banned_start)
        return DGM_FAIL(DGM_ERR_NOMEM, "%lld hypotheses", (long long)n);
    r->row_capacity = n;
    return DGM_OK;
}

static dgm_err make_lists(dgm_search_run_state *r, int64_t n_rows)
{
    int64_t n = n_rows * r->n_top;
    if (n <= r->list_capacity) return DGM_OK;
    n = DGM_MAX(n, 2 * r->list_capacity);
    free(r->token), free(r->log_prob);
    r->list_capacity = 0;
    r->token = malloc((size_t)n * sizeof *r->token);
    r->log_prob = malloc((size_t)n * sizeof *r->log_prob);
    if (r->token == NULL || r->log_prob == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld candidates", (long long)n);
    r->list_capacity = n;
    return DGM_OK;
}

/* ---- rows ---- */

/* A live hypothesis gets a slot for its next position; the hold on the slot before becomes the new slot's own. */
static dgm_err take_slot(dgm_search_run_state *r, dgm_under_way *u, int32_t *path)
{
    dgm_kvcache *cache = &r->search->cache;
    int32_t before = u->length > 0 ? path[u->length - 1] : -1;
    DGM_TRY(dgm_kvcache_take(cache, &u->slots, before, &path[u->length]));
    if (before >= 0) dgm_kvcache_release(cache, &u->slots, before);
    return DGM_OK;
}

/* What may not follow ids[n] goes to r->banned, as row `row`'s. */
static dgm_err list_banned(dgm_search_run_state *r, int64_t row, const int32_t *ids, int64_t n)
{
    int n_gram = r->options->no_repeat_ngram;
    if (row == 0) dgm_ids_clear(&r->banned);
    r->banned_start[row] = r->banned.n;
    if (n_gram > 0 && n > 0) {
        DGM_TRY(dgm_ids_reserve(&r->banned, n));
        r->banned.n += dgm_candidates_banned(ids, n, n_gram, r->banned.ids + r->banned.n);
    }
    r->banned_start[row + 1] = r->banned.n;
    return DGM_OK;
}

static dgm_err add_row(dgm_search_run_state *r, dgm_under_way *u, int g, int j, int64_t row)
{
    const dgm_beam *b = &u->groups[g];
    const dgm_sentence *s = &r->sentences[u->index];
    int32_t *path = dgm_under_way_path(u, g * r->width + j);
    DGM_TRY(take_slot(r, u, path));
    r->rows[row] = (dgm_decoder_row){dgm_beam_last(b, j, DGM_TOKEN_BEGIN), u->length, path, u->cross};
    r->wanted[row] = u->length < s->n_prefix ? s->prefix[u->length] : -1;
    r->any_wanted = r->any_wanted || r->wanted[row] >= 0;
    return list_banned(r, row, b->ids + j * b->max_length, u->length);
}

static dgm_err collect_rows(dgm_search_run_state *r, int64_t *n_rows)
{
    int64_t n = 0;
    for (int64_t i = 0; i < r->n_active; i++)
        for (int g = 0; g < r->n_groups; g++) n += r->active[i].groups[g].n_live;
    DGM_TRY(make_rows(r, n));
    n = 0, r->any_wanted = false;
    for (int64_t i = 0; i < r->n_active; i++)
        for (int g = 0; g < r->n_groups; g++)
            for (int j = 0; j < r->active[i].groups[g].n_live; j++) DGM_TRY(add_row(r, &r->active[i], g, j, n++));
    *n_rows = n;
    return DGM_OK;
}

/* ---- choosing ---- */

/* Enough candidates that `width` are left when banned ones are out and others have moved down. */
static int row_length(const dgm_search_run_state *r, int64_t n_banned)
{
    return r->width + (int)n_banned + (r->n_groups > 1 ? (r->n_groups - 1) * r->width : 0);
}

/* Enough for every row. */
static int list_length(const dgm_search_run_state *r, int64_t n_rows)
{
    int64_t most = 0;
    for (int64_t row = 0; row < n_rows; row++) most = DGM_MAX(most, r->banned_start[row + 1] - r->banned_start[row]);
    return row_length(r, most);
}

/* The candidates of one row: the forced token, or what bans and costs leave.  A row looks at as many as it needs itself, not at as many as
 * another made the list long: several models list in fp32 and are ordered in double, where a longer list could end differently. */
static void filter_row(const dgm_search_run_state *r, int64_t row, int n_costs, int32_t *token, double *log_prob, double *cost)
{
    int64_t n_banned = r->banned_start[row + 1] - r->banned_start[row];
    int length = row_length(r, n_banned);
    if (r->wanted[row] >= 0)
        dgm_candidates_filter(1, &r->wanted[row], &r->wanted_log_prob[row], 0, NULL, 0, NULL, r->width, token, log_prob, cost);
    else
        dgm_candidates_filter(length, r->token + row * r->n_top, r->log_prob + row * r->n_top, n_banned, r->banned.ids + r->banned_start[row],
                              n_costs, r->costs, r->width, token, log_prob, cost);
}

/* Every live hypothesis makes its last token dearer for the groups that come after. */
static int add_costs(dgm_search_run_state *r, const dgm_beam *b, int n_costs)
{
    for (int j = 0; j < b->n_live; j++) {
        int32_t token = dgm_beam_last(b, j, -1);
        int at = 0;
        while (at < n_costs && r->costs[at].token != token) at++;
        if (at == n_costs) r->costs[n_costs++] = (dgm_candidate_cost){token, 0};
        r->costs[at].cost += r->options->diverse_strength;
    }
    return n_costs;
}

/* Advances the groups of one sentence, whose rows begin at `row`. */
static dgm_err advance_groups(dgm_search_run_state *r, dgm_under_way *u, int64_t row)
{
    int n_costs = 0;
    bool plain = r->n_groups == 1 && r->n_top == r->width && !r->any_wanted && r->search->n_models == 1;
    for (int g = 0; g < r->n_groups; g++) {
        dgm_beam *b = &u->groups[g];
        int n_live = b->n_live, w = r->width;
        if (n_live == 0) continue;
        if (plain) {
            DGM_TRY(dgm_beam_advance(b, r->token + row * w, r->log_prob + row * w, NULL, r->end + row));
        } else {
            for (int j = 0; j < n_live; j++)
                filter_row(r, row + j, n_costs, r->list_token + j * w, r->list_log_prob + j * w, r->list_cost + j * w);
            DGM_TRY(dgm_beam_advance(b, r->list_token, r->list_log_prob, r->list_cost, r->end + row));
            n_costs = add_costs(r, b, n_costs);
        }
        row += n_live;
    }
    return DGM_OK;
}

/* ---- drawing ---- */

static void describe_draws(dgm_search_run_state *r)
{
    int64_t row = 0;
    for (int64_t i = 0; i < r->n_active; i++) {
        const dgm_under_way *u = &r->active[i];
        const dgm_beam *b = &u->groups[0];
        for (int j = 0; j < b->n_live; j++, row++)
            r->draws[row] = (dgm_draw){
                .u = dgm_sample_uniform(r->options->sampling.seed, u->key, b->number[j], u->length),
                .wanted = r->wanted[row],
                .may_end = u->length >= b->min_length,
                .must_end = u->length >= b->max_length,
                .n_banned = r->banned_start[row + 1] - r->banned_start[row],
                .banned = r->banned.ids + r->banned_start[row],
            };
    }
}

/* ---- moving on ---- */

/* The paths of a group's new live hypotheses; those of the old ones end. */
static void reorder_paths(dgm_search_run_state *r, dgm_under_way *u, int g, int n_live_before)
{
    dgm_kvcache *cache = &r->search->cache;
    const dgm_beam *b = &u->groups[g];
    int64_t last = u->length;
    for (int j = 0; j < b->n_live; j++) {
        const int32_t *from = dgm_under_way_path(u, g * r->width + b->parent[j]);
        memcpy(u->next_path + (g * r->width + j) * u->path_stride, from, (size_t)(last + 1) * sizeof *from);
        dgm_kvcache_retain(cache, from[last]);
    }
    for (int j = 0; j < n_live_before; j++) dgm_kvcache_release(cache, &u->slots, dgm_under_way_path(u, g * r->width + j)[last]);
}

static bool holds(const dgm_hypotheses *list, const dgm_hypothesis *h)
{
    for (int i = 0; i < list->n; i++)
        if (list->best[i].n == h->n && memcmp(list->best[i].ids, h->ids, (size_t)h->n * sizeof *h->ids) == 0) return true;
    return false;
}

/* Hands the results of a sentence over, those of several groups by their scores; what several found counts once. */
static dgm_err finish(dgm_search_run_state *r, dgm_under_way *u)
{
    dgm_hypotheses *out = &r->out[u->index];
    if (r->n_groups == 1) {
        *out = u->groups[0].done;
        u->groups[0].done = (dgm_hypotheses){0};
    } else {
        DGM_TRY(dgm_hypotheses_init(out, r->n_groups * r->width));
        for (int g = 0; g < r->n_groups; g++)
            for (int i = 0; i < u->groups[g].done.n; i++) {
                const dgm_hypothesis *h = &u->groups[g].done.best[i];
                if (!holds(out, h)) DGM_TRY(dgm_hypotheses_add(out, h->ids, h->n, h->log_prob, h->score));
            }
    }
    dgm_search_leave(r, u);
    return DGM_OK;
}

/* One sentence, whose rows begin at `row`; *n_rows of them. */
static dgm_err advance(dgm_search_run_state *r, dgm_under_way *u, int64_t row, int64_t *n_rows, bool *ended)
{
    int before[1024], n_live = 0; /* a beam is at most so wide */
    *n_rows = 0;
    for (int g = 0; g < r->n_groups; g++) *n_rows += before[g] = u->groups[g].n_live;
    if (r->options->sample) DGM_TRY(dgm_beam_extend(&u->groups[0], r->token + row, r->log_prob + row, DGM_TOKEN_END));
    else DGM_TRY(advance_groups(r, u, row));
    for (int g = 0; g < r->n_groups; g++) {
        reorder_paths(r, u, g, before[g]);
        n_live += u->groups[g].n_live;
    }
    int32_t *path = u->path;
    u->path = u->next_path, u->next_path = path;
    u->length++;
    *ended = n_live == 0;
    return DGM_OK;
}

static dgm_err advance_all(dgm_search_run_state *r)
{
    int64_t row = 0, kept = 0, n_rows;
    dgm_err err = DGM_OK;
    for (int64_t i = 0; i < r->n_active; i++) {
        dgm_under_way moved = r->active[i];
        bool ended = false;
        if (err == DGM_OK) err = advance(r, &moved, row, &n_rows, &ended);
        if (err == DGM_OK) row += n_rows;
        if (err == DGM_OK && ended) err = finish(r, &moved);
        if (err != DGM_OK || !ended) r->active[kept++] = moved;
    }
    r->n_active = kept;
    return err;
}

dgm_err dgm_search_step(dgm_search_run_state *r)
{
    dgm_search *s = r->search;
    const float *const *hidden = (const float *const *)r->hidden;
    int64_t n_rows;
    DGM_TRY(collect_rows(r, &n_rows));
    for (int m = 0; m < s->n_models; m++) DGM_TRY(dgm_decoder_step_run(s->members[m].step, n_rows, r->rows, &s->cache, m, r->hidden[m]));
    r->n_top = r->options->sample ? 1 : list_length(r, n_rows);
    DGM_TRY(make_lists(r, n_rows));
    if (r->options->sample) {
        describe_draws(r);
        DGM_TRY(dgm_next_token_draw(s->next, &r->options->sampling, n_rows, hidden, r->draws, r->token, r->log_prob));
    } else {
        DGM_TRY(dgm_next_token_best(s->next, n_rows, hidden, r->any_wanted ? r->wanted : NULL, r->n_top, r->token, r->log_prob,
                                    r->wanted_log_prob, r->end));
    }
    s->n_rows_done += n_rows;
    return advance_all(r);
}
