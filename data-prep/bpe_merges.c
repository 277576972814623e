/* Each merge touches only the words that have its pair.
 *
 * For every pair of neighbouring pieces there is a count and a list of the words that had it when it arose.  A merge walks its list,
 * rewrites the words and changes the counts of the pairs next to it.  All new pairs of a merge hold its new piece, and a piece is
 * made by one merge only: so their lists are complete when it ends, and afterwards counts only sink.  New pairs are collected as
 * events (pair, word) and laid out in one go.  The best pair comes from a heap whose entries may be too high, never too low; an
 * entry that comes up too high goes back with the present count.  Cost: the sum over merges of the words touched. */
#include "dgm/bpe_merges.h"

#include "dgm/stop.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    int32_t left, right;
    int64_t times;   /* adjacent places, weighted by how often their word occurs */
    int64_t list_at; /* words that have or had it: lists[list_at .. list_at + n_list) */
    int32_t n_list;
    int32_t n_events; /* not yet in the list */
} pair;

typedef struct { int64_t times; int32_t left, right, pair; } candidate;
typedef struct { int32_t pair, word; } event;

typedef struct {
    dgm_piece_words *words;
    int32_t *lengths; /* [words->n] pieces left in each word */
    pair *pairs;
    int64_t n_pairs, pairs_capacity;
    uint32_t *table; /* [table_size] pair number + 1, 0: free; at most half full */
    size_t table_size;
    int32_t *lists;
    int64_t n_lists, lists_capacity;
    event *events;
    int64_t n_events, events_capacity;
    candidate *heap;
    int64_t n_heap, heap_capacity;
    dgm_merge *merges;
    int64_t n_merges, merges_capacity;
} search;

/* Room for `more` elements behind *array's first n. */
static dgm_err reserve(void *array, int64_t n, int64_t more, int64_t *capacity, size_t element)
{
    if (n + more <= *capacity) return DGM_OK;
    int64_t want = DGM_MAX(n + more, DGM_MAX(2 * *capacity, 1024));
    void *old, *grown;
    memcpy(&old, array, sizeof old);
    grown = realloc(old, (size_t)want * element);
    if (grown == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "search for merges: %lld bytes", (long long)((size_t)want * element));
    memcpy(array, &grown, sizeof grown);
    *capacity = want;
    return DGM_OK;
}

/* ---- pairs ---- */

static size_t place_of(const search *s, int32_t left, int32_t right)
{
    uint64_t hash = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    size_t at = (size_t)(hash >> 20) & (s->table_size - 1);
    for (; s->table[at] != 0; at = (at + 1) & (s->table_size - 1)) {
        const pair *p = &s->pairs[s->table[at] - 1];
        if (p->left == left && p->right == right) break;
    }
    return at;
}

static dgm_err grow_table(search *s)
{
    size_t size = s->table_size == 0 ? 1 << 16 : 2 * s->table_size;
    uint32_t *table = calloc(size, sizeof *table);
    if (table == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "table of %lld pairs", (long long)s->n_pairs);
    free(s->table);
    s->table = table;
    s->table_size = size;
    for (int64_t i = 0; i < s->n_pairs; i++) s->table[place_of(s, s->pairs[i].left, s->pairs[i].right)] = (uint32_t)i + 1;
    return DGM_OK;
}

/* The pair's number; it is entered when it is new. */
static dgm_err find_pair(search *s, int32_t left, int32_t right, int32_t *number)
{
    if (2 * (size_t)(s->n_pairs + 1) > s->table_size) DGM_TRY(grow_table(s));
    size_t at = place_of(s, left, right);
    if (s->table[at] == 0) {
        if (s->n_pairs == INT32_MAX) return DGM_FAIL(DGM_ERR_NOMEM, "more than %d pairs of pieces", INT32_MAX);
        DGM_TRY(reserve(&s->pairs, s->n_pairs, 1, &s->pairs_capacity, sizeof *s->pairs));
        s->pairs[s->n_pairs++] = (pair){.left = left, .right = right};
        s->table[at] = (uint32_t)s->n_pairs;
    }
    *number = (int32_t)(s->table[at] - 1);
    return DGM_OK;
}

static dgm_err pair_arises(search *s, int32_t left, int32_t right, int32_t word)
{
    int32_t number = -1;
    DGM_TRY(find_pair(s, left, right, &number));
    s->pairs[number].times += s->words->times[word];
    DGM_TRY(reserve(&s->events, s->n_events, 1, &s->events_capacity, sizeof *s->events));
    s->events[s->n_events++] = (event){number, word};
    return DGM_OK;
}

static void pair_goes(search *s, int32_t left, int32_t right, int32_t word)
{
    uint32_t entry = s->table[place_of(s, left, right)];
    DGM_ASSERT(entry != 0);
    s->pairs[entry - 1].times -= s->words->times[word];
}

/* ---- the heap: most frequent first, then the lower left id, then the lower right id ---- */

static bool is_better(const candidate *a, const candidate *b)
{
    if (a->times != b->times) return a->times > b->times;
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

static dgm_err heap_push(search *s, int32_t number)
{
    const pair *p = &s->pairs[number];
    if (p->times < 2) return DGM_OK;
    DGM_TRY(reserve(&s->heap, s->n_heap, 1, &s->heap_capacity, sizeof *s->heap));
    candidate c = {p->times, p->left, p->right, number};
    int64_t at = s->n_heap++;
    for (; at > 0 && is_better(&c, &s->heap[(at - 1) / 2]); at = (at - 1) / 2) s->heap[at] = s->heap[(at - 1) / 2];
    s->heap[at] = c;
    return DGM_OK;
}

static candidate heap_pop(search *s)
{
    candidate top = s->heap[0], last = s->heap[--s->n_heap];
    int64_t at = 0;
    for (int64_t child; (child = 2 * at + 1) < s->n_heap; at = child) {
        if (child + 1 < s->n_heap && is_better(&s->heap[child + 1], &s->heap[child])) child++;
        if (!is_better(&s->heap[child], &last)) break;
        s->heap[at] = s->heap[child];
    }
    if (s->n_heap > 0) s->heap[at] = last;
    return top;
}

/* Makes the events the lists of their pairs, which are entered in the heap. */
static dgm_err settle_events(search *s)
{
    DGM_TRY(reserve(&s->lists, s->n_lists, s->n_events, &s->lists_capacity, sizeof *s->lists));
    for (int64_t i = 0; i < s->n_events; i++) s->pairs[s->events[i].pair].n_events++;
    for (int64_t i = 0; i < s->n_events; i++) {
        pair *p = &s->pairs[s->events[i].pair];
        if (p->n_events > 0) { /* its first event: takes room for all of them */
            DGM_ASSERT(p->n_list == 0);
            p->list_at = s->n_lists;
            s->n_lists += p->n_events;
            p->n_events = 0;
            DGM_TRY(heap_push(s, s->events[i].pair));
        }
        s->lists[p->list_at + p->n_list++] = s->events[i].word;
    }
    s->n_events = 0;
    return DGM_OK;
}

/* ---- merging ---- */

/* Joins left and right to `joined` wherever they meet in the word, from the left.  Every place where two pieces met before and one
 * of them is gone is taken off its pair's count; every place that is new is added. */
static dgm_err merge_in_word(search *s, int32_t word, int32_t left, int32_t right, int32_t joined)
{
    int32_t *pieces = s->words->pieces + s->words->starts[word], n = s->lengths[word], out = 0;
    bool previous_is_new = false; /* pieces[out - 1] was made here; the pair at its right is already off */
    for (int32_t in = 0; in < n;) {
        bool meets = in + 1 < n && pieces[in] == left && pieces[in + 1] == right;
        int32_t piece = meets ? joined : pieces[in];
        if (meets) {
            if (out > 0 && !previous_is_new) pair_goes(s, pieces[out - 1], left, word);
            pair_goes(s, left, right, word);
            if (in + 2 < n) pair_goes(s, right, pieces[in + 2], word);
        }
        if (out > 0 && (meets || previous_is_new)) DGM_TRY(pair_arises(s, pieces[out - 1], piece, word));
        pieces[out++] = piece;
        previous_is_new = meets;
        in += meets ? 2 : 1;
    }
    s->lengths[word] = out;
    return DGM_OK;
}

/* Adds the pair's text to the vocabulary; `joined` is -1 when the text is there already. */
static dgm_err add_joined(const search *s, int32_t number, dgm_vocab *vocab, dgm_text *text, int32_t *joined)
{
    size_t left_bytes, right_bytes;
    const char *left = dgm_vocab_piece(vocab, s->pairs[number].left, &left_bytes);
    const char *right = dgm_vocab_piece(vocab, s->pairs[number].right, &right_bytes);
    dgm_text_clear(text);
    DGM_TRY(dgm_text_append(text, left, left_bytes));
    DGM_TRY(dgm_text_append(text, right, right_bytes));
    *joined = -1;
    return dgm_vocab_find(vocab, text->text, text->bytes) < 0 ? dgm_vocab_add(vocab, text->text, text->bytes, joined) : DGM_OK;
}

static dgm_err merge_pair(search *s, int32_t number, int32_t joined)
{
    pair p = s->pairs[number];
    DGM_TRY(reserve(&s->merges, s->n_merges, 1, &s->merges_capacity, sizeof *s->merges));
    s->merges[s->n_merges++] = (dgm_merge){p.left, p.right};
    for (int32_t i = 0; i < p.n_list; i++) DGM_TRY(merge_in_word(s, s->lists[p.list_at + i], p.left, p.right, joined));
    DGM_ASSERT(s->pairs[number].times == 0);
    return settle_events(s);
}

static dgm_err count_pairs(search *s)
{
    for (int64_t w = 0; w < s->words->n; w++) {
        const int32_t *pieces = s->words->pieces + s->words->starts[w];
        s->lengths[w] = (int32_t)(s->words->starts[w + 1] - s->words->starts[w]);
        for (int32_t i = 0; i + 1 < s->lengths[w]; i++) DGM_TRY(pair_arises(s, pieces[i], pieces[i + 1], (int32_t)w));
    }
    return settle_events(s);
}

static dgm_err run(search *s, dgm_vocab *vocab, int32_t vocab_size, dgm_text *text)
{
    DGM_TRY(count_pairs(s));
    while (s->n_heap > 0 && dgm_vocab_size(vocab) < vocab_size) {
        DGM_TRY(dgm_stop_check());
        candidate best = heap_pop(s);
        if (best.times != s->pairs[best.pair].times) {
            DGM_TRY(heap_push(s, best.pair));
            continue;
        }
        int32_t joined;
        DGM_TRY(add_joined(s, best.pair, vocab, text, &joined));
        if (joined >= 0) DGM_TRY(merge_pair(s, best.pair, joined));
    }
    return DGM_OK;
}

dgm_err dgm_bpe_find_merges(dgm_piece_words *words, dgm_vocab *vocab, int32_t vocab_size, dgm_merge **merges, int64_t *n_merges)
{
    search s = {.words = words};
    dgm_text text = {0};
    if (words->n > INT32_MAX) return DGM_FAIL(DGM_ERR_NOMEM, "%lld distinct words; at most %d", (long long)words->n, INT32_MAX);
    s.lengths = malloc((size_t)(words->n + 1) * sizeof *s.lengths);
    dgm_err err = s.lengths != NULL ? run(&s, vocab, vocab_size, &text) : DGM_FAIL(DGM_ERR_NOMEM, "lengths of words");
    dgm_text_fini(&text);
    free(s.lengths);
    free(s.pairs);
    free(s.table);
    free(s.lists);
    free(s.events);
    free(s.heap);
    if (err != DGM_OK) {
        free(s.merges);
        return err;
    }
    *merges = s.merges; /* NULL when there are none */
    *n_merges = s.n_merges;
    return DGM_OK;
}
