#include "dgm/translate.h"

#include "dgm/coll.h"
#include "dgm/corpus.h"
#include "dgm/length_order.h"
#include "dgm/unicode.h"

#include <stdlib.h>
#include <string.h>

/* ---- lists of sentences ---- */

void dgm_sentence_list_fini(dgm_sentence_list *list)
{
    free(list->sentence);
    dgm_ids_fini(&list->ids);
    *list = (dgm_sentence_list){0};
}

void dgm_sentence_list_clear(dgm_sentence_list *list)
{
    list->n = 0;
    dgm_ids_clear(&list->ids);
}

static dgm_err reserve(dgm_sentence_list *list, int64_t n)
{
    if (n <= list->capacity) return DGM_OK;
    int64_t capacity = DGM_MAX(2 * list->capacity, n);
    dgm_sentence *sentence = realloc(list->sentence, (size_t)capacity * sizeof *sentence);
    if (sentence == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld sentences", (long long)capacity);
    list->sentence = sentence, list->capacity = capacity;
    return DGM_OK;
}

/* The ids may have moved: each sentence finds its own again. */
static void point(dgm_sentence_list *list)
{
    const int32_t *at = list->ids.ids;
    for (int64_t i = 0; i < list->n; at += list->sentence[i++].n) list->sentence[i].ids = at;
}

void dgm_translate_text_of(const char **line, size_t *bytes, int64_t number)
{
    dgm_corpus_strip(line, bytes, number == 1);
    if (dgm_unicode_is_blank(*line, *bytes)) *bytes = 0;
}

dgm_err dgm_sentence_list_encode(dgm_sentence_list *list, dgm_tokenizer_state *tokenizer, const char *line, size_t bytes, int64_t max_tokens,
                                 const char *where, int64_t number)
{
    int64_t before = list->ids.n;
    const int32_t *ids = list->ids.ids;
    DGM_TRY(reserve(list, list->n + 1));
    dgm_err err = dgm_error_context(dgm_tokenizer_encode(tokenizer, line, bytes, &list->ids), "%s, line %lld", where, (long long)number);
    int64_t n = list->ids.n - before;
    if (err == DGM_OK && n > max_tokens)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s, line %lld: %lld tokens, more than --max-src-tokens %lld: split the line or raise the limit", where,
                       (long long)number, (long long)n, (long long)max_tokens);
    if (err == DGM_OK) list->sentence[list->n++] = (dgm_sentence){.ids = list->ids.ids + before, .n = n};
    else list->ids.n = before; /* the list is as before, wherever its ids are now */
    if (list->ids.ids != ids) point(list);
    return err;
}

void dgm_sentence_list_drop_last(dgm_sentence_list *list)
{
    list->n--;
    list->ids.n -= list->sentence[list->n].n;
}

dgm_err dgm_sentence_list_broadcast(const dgm_grid *grid, dgm_sentence_list *list)
{
    if (grid->size == 1) return DGM_OK;
    int64_t counts[2] = {list->n, list->ids.n}, *length = NULL;
    DGM_TRY(dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, counts, sizeof counts));
    dgm_err err = reserve(list, counts[0]);
    if (err == DGM_OK) err = dgm_ids_reserve(&list->ids, DGM_MAX(counts[1] - list->ids.n, 0));
    if (err == DGM_OK && (length = malloc((size_t)DGM_MAX(counts[0], 1) * sizeof *length)) == NULL)
        err = DGM_FAIL(DGM_ERR_NOMEM, "%lld sentences", (long long)counts[0]);
    DGM_GOTO(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    for (int64_t i = 0; grid->rank == 0 && i < counts[0]; i++) length[i] = list->sentence[i].n;
    DGM_GOTO(dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, length, counts[0] * (int64_t)sizeof *length));
    DGM_GOTO(dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, list->ids.ids, counts[1] * (int64_t)sizeof *list->ids.ids));
    list->n = counts[0], list->ids.n = counts[1];
    for (int64_t i = 0; i < list->n; i++) list->sentence[i] = (dgm_sentence){.n = length[i]};
    point(list);
fail:
    free(length);
    return err;
}

void dgm_sentence_list_prefix(dgm_sentence_list *list, const dgm_sentence_list *prefixes)
{
    DGM_ASSERT(prefixes->n == list->n);
    for (int64_t i = 0; i < list->n; i++) list->sentence[i].prefix = prefixes->sentence[i].ids, list->sentence[i].n_prefix = prefixes->sentence[i].n;
}

/* ---- shares ---- */

/* Sentences are dealt by falling length, to and fro over the ranks, so that each gets about the same work.
 * index[*n_mine]: this rank's; the caller frees. */
static dgm_err deal(const dgm_grid *grid, const dgm_sentence *sentences, int64_t n, int64_t **index, int64_t *n_mine)
{
    int64_t *length = calloc((size_t)DGM_MAX(n, 1), sizeof *length), *order = malloc((size_t)DGM_MAX(n, 1) * sizeof *order), taken = 0;
    dgm_err err = length != NULL && order != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld sentences", (long long)n);
    for (int64_t i = 0; err == DGM_OK && i < n; i++) length[i] = sentences[i].n;
    if (err == DGM_OK) err = dgm_length_order(length, n, order);
    for (int64_t i = 0; err == DGM_OK && i < n; i++) {
        int64_t lap = i / grid->size, place = i % grid->size;
        if ((lap % 2 == 0 ? place : grid->size - 1 - place) == grid->rank) order[taken++] = order[i];
    }
    free(length);
    *index = order, *n_mine = taken;
    return err;
}

/* ---- results on their way to rank 0 ----
 * Per sentence: int64 index, int64 number of hypotheses; per hypothesis: double log_prob, double score, int64 n, n ids in int32. */

static dgm_err put_hypotheses(dgm_text *bytes, int64_t index, const dgm_hypotheses *list)
{
    int64_t head[2] = {index, list->n};
    DGM_TRY(dgm_text_append(bytes, head, sizeof head));
    for (int i = 0; i < list->n; i++) {
        const dgm_hypothesis *h = &list->best[i];
        double scores[2] = {h->log_prob, h->score};
        DGM_TRY(dgm_text_append(bytes, scores, sizeof scores));
        DGM_TRY(dgm_text_append(bytes, &h->n, sizeof h->n));
        DGM_TRY(dgm_text_append(bytes, h->ids, (size_t)h->n * sizeof *h->ids));
    }
    return DGM_OK;
}

static const char *take(const char *at, void *to, size_t bytes)
{
    memcpy(to, at, bytes);
    return at + bytes;
}

static dgm_err get_hypotheses(const char **at, dgm_hypotheses *out)
{
    int64_t head[2], n;
    double scores[2];
    *at = take(*at, head, sizeof head);
    dgm_hypotheses *list = &out[head[0]];
    DGM_TRY(dgm_hypotheses_init(list, (int)DGM_MAX(head[1], 1)));
    for (int64_t i = 0; i < head[1]; i++) {
        *at = take(*at, scores, sizeof scores);
        *at = take(*at, &n, sizeof n);
        int32_t *ids = malloc((size_t)DGM_MAX(n, 1) * sizeof *ids);
        if (ids == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "a translation of %lld tokens", (long long)n);
        *at = take(*at, ids, (size_t)n * sizeof *ids);
        list->best[list->n++] = (dgm_hypothesis){ids, n, scores[0], scores[1]};
    }
    return DGM_OK;
}

static dgm_err collect(const dgm_grid *grid, dgm_err err, const dgm_text *bytes, int64_t n, dgm_hypotheses *out)
{
    char *all = NULL;
    int64_t *start = calloc((size_t)grid->size + 1, sizeof *start);
    if (err == DGM_OK && start == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "results");
    DGM_GOTO(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    DGM_GOTO(dgm_coll_collect(grid, DGM_AXIS_WORLD, 0, bytes->text, (int64_t)bytes->bytes, &all, start));
    if (grid->rank == 0) {
        const char *at = all;
        for (int64_t i = 0; i < n; i++) out[i] = (dgm_hypotheses){0};
        while (err == DGM_OK && at < all + start[grid->size]) err = get_hypotheses(&at, out);
        for (int64_t i = 0; err != DGM_OK && i < n; i++) dgm_hypotheses_fini(&out[i]);
    }
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
fail:
    free(all);
    free(start);
    return err;
}

static dgm_err translate_share(dgm_search *search, const dgm_translate_options *options, const dgm_sentence *sentences, const int64_t *index,
                               int64_t n, dgm_text *bytes)
{
    dgm_sentence *mine = malloc((size_t)DGM_MAX(n, 1) * sizeof *mine);
    dgm_hypotheses *found = calloc((size_t)DGM_MAX(n, 1), sizeof *found);
    dgm_err err = mine != NULL && found != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld sentences", (long long)n);
    for (int64_t i = 0; err == DGM_OK && i < n; i++) mine[i] = sentences[index[i]];
    if (err == DGM_OK) err = dgm_search_run(search, &options->search, options->batch_tokens, mine, n, found);
    for (int64_t i = 0; err == DGM_OK && i < n; i++) err = put_hypotheses(bytes, index[i], &found[i]);
    for (int64_t i = 0; found != NULL && i < n; i++) dgm_hypotheses_fini(&found[i]);
    free(mine);
    free(found);
    return err;
}

dgm_err dgm_translate_sentences(const dgm_grid *grid, dgm_search *search, const dgm_translate_options *options,
                                const dgm_sentence *sentences, int64_t n, dgm_hypotheses *out)
{
    int64_t *index = NULL, n_mine = 0;
    dgm_text bytes = {0};
    dgm_err err = deal(grid, sentences, n, &index, &n_mine);
    if (err == DGM_OK) err = translate_share(search, options, sentences, index, n_mine, &bytes);
    err = collect(grid, err, &bytes, n, out);
    free(index);
    dgm_text_fini(&bytes);
    return err;
}

dgm_err dgm_translate_text(const dgm_tokenizer *tokenizer, const dgm_hypothesis *hypothesis, dgm_text *text)
{
    size_t before = text->bytes;
    DGM_TRY(dgm_tokenizer_decode(tokenizer, hypothesis->ids, hypothesis->n, text));
    for (size_t i = before; i < text->bytes; i++)
        if (text->text[i] == '\n' || text->text[i] == '\0') text->text[i] = ' ';
    return DGM_OK;
}
