/* Sorting instead of hashing: the places of all texts are sorted by the `order` tokens that begin there (counting sort, last token
 * first), so that equal n-grams stand side by side, for every n at once, and counting them is one walk.  Exact, and linear in the
 * length of the texts for any order and alphabet. */
#include "dgm/ngrams.h"

#include <stdlib.h>
#include <string.h>

void dgm_ngrams_fini(dgm_ngrams *g)
{
    free(g->number);
    free(g->place);
    free(g->next);
    free(g->text_of);
    free(g->end_of);
    free(g->bucket);
    free(g->seen);
    *g = (dgm_ngrams){0};
}

static dgm_err grow(int32_t **array, int64_t n)
{
    int32_t *more = realloc(*array, (size_t)n * sizeof *more);
    if (more == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld n-grams", (long long)n);
    *array = more;
    return DGM_OK;
}

static dgm_err reserve(dgm_ngrams *g, int64_t n, int64_t n_buckets, int64_t n_seen)
{
    if (n > INT32_MAX / 2) return DGM_FAIL(DGM_ERR_INPUT, "lines of %lld tokens together are too long to score", (long long)n);
    if (n > g->room) {
        int64_t room = DGM_MAX(n, 2 * g->room);
        g->room = 0;
        DGM_TRY(grow(&g->number, room));
        DGM_TRY(grow(&g->place, room));
        DGM_TRY(grow(&g->next, room));
        DGM_TRY(grow(&g->text_of, room));
        DGM_TRY(grow(&g->end_of, room));
        g->room = room;
    }
    if (n_buckets > g->buckets_room) {
        DGM_TRY(grow(&g->bucket, n_buckets));
        g->buckets_room = n_buckets;
    }
    if (n_seen > g->seen_room) {
        int64_t *seen = realloc(g->seen, (size_t)n_seen * sizeof *seen);
        if (seen == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld counts", (long long)n_seen);
        g->seen = seen;
        g->seen_room = n_seen;
    }
    return DGM_OK;
}

/* Puts a text behind the others, zeros behind it, and its places into `place`. */
static void add_text(dgm_ngrams *g, const dgm_id_list *list, int32_t text, int order, int32_t *at, int32_t *n_places)
{
    int32_t end = *at + (int32_t)list->n;
    for (int64_t i = 0; i < list->n; i++, ++*at) {
        g->number[*at] = list->id[i] + 1;
        g->text_of[*at] = text;
        g->end_of[*at] = end;
        g->place[(*n_places)++] = *at;
    }
    memset(g->number + *at, 0, (size_t)order * sizeof *g->number);
    *at += order;
}

/* Sorts the places by the `order` tokens from there: stable counting sorts by the last token, ..., by the first. */
static void sort_places(dgm_ngrams *g, int order, int32_t n_ids, int32_t n)
{
    for (int k = order - 1; k >= 0; k--) {
        const int32_t *key = g->number + k;
        int32_t sum = 0;
        memset(g->bucket, 0, ((size_t)n_ids + 1) * sizeof *g->bucket);
        for (int32_t i = 0; i < n; i++) g->bucket[key[g->place[i]]]++;
        for (int32_t b = 0; b <= n_ids; b++) {
            int32_t count = g->bucket[b];
            g->bucket[b] = sum;
            sum += count;
        }
        for (int32_t i = 0; i < n; i++) g->next[g->bucket[key[g->place[i]]]++] = g->place[i];
        int32_t *swap = g->place;
        g->place = g->next;
        g->next = swap;
    }
}

/* Ends the runs of equal n-grams of the orders above `from`. */
static void end_runs(dgm_ngrams *g, int from, int order, int n_texts, int64_t *match)
{
    for (int n = from; n < order; n++) {
        int64_t *seen = g->seen + (int64_t)n * n_texts, most = seen[1];
        for (int r = 2; r < n_texts; r++) most = DGM_MAX(most, seen[r]);
        match[n] += DGM_MIN(seen[0], most);
        memset(seen, 0, (size_t)n_texts * sizeof *seen);
    }
}

static void count_runs(dgm_ngrams *g, int order, int n_texts, int32_t n, int64_t *match)
{
    memset(g->seen, 0, (size_t)order * (size_t)n_texts * sizeof *g->seen);
    memset(match, 0, (size_t)order * sizeof *match);
    for (int32_t i = 0; i < n; i++) {
        const int32_t *here = g->number + g->place[i], *before = i > 0 ? g->number + g->place[i - 1] : here;
        int32_t length = DGM_MIN(order, g->end_of[g->place[i]] - g->place[i]), common = 0;
        while (i > 0 && common < length && here[common] == before[common]) common++;
        end_runs(g, common, order, n_texts, match);
        int64_t *seen = g->seen + g->text_of[g->place[i]];
        for (int k = 0; k < length; k++) seen[(int64_t)k * n_texts]++;
    }
    end_runs(g, 0, order, n_texts, match);
}

dgm_err dgm_ngrams_match(dgm_ngrams *g, int order, int32_t n_ids, const dgm_id_list *hyp, const dgm_id_list *refs, int n_refs,
                         int64_t *match)
{
    DGM_ASSERT(order >= 1 && n_refs >= 1);
    int64_t n = hyp->n + order;
    for (int r = 0; r < n_refs; r++) n += refs[r].n + order;
    DGM_TRY(reserve(g, n, (int64_t)n_ids + 1, (int64_t)order * (n_refs + 1)));
    int32_t at = 0, n_places = 0;
    add_text(g, hyp, 0, order, &at, &n_places);
    for (int r = 0; r < n_refs; r++) add_text(g, &refs[r], r + 1, order, &at, &n_places);
    sort_places(g, order, n_ids, n_places);
    count_runs(g, order, n_refs + 1, n_places, match);
    return DGM_OK;
}
