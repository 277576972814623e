/* Metrics compare words again and again: once they are small numbers, comparing them costs nothing and tables can be indexed by them. */
#include "dgm/word_ids.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void dgm_id_list_fini(dgm_id_list *list)
{
    free(list->id);
    *list = (dgm_id_list){0};
}

dgm_err dgm_id_list_reserve(dgm_id_list *list, int64_t n)
{
    if (n <= list->room) return DGM_OK;
    int64_t room = DGM_MAX(n, 2 * list->room);
    int32_t *id = realloc(list->id, (size_t)room * sizeof *id);
    if (id == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld numbers", (long long)room);
    list->id = id;
    list->room = room;
    return DGM_OK;
}

void dgm_word_ids_fini(dgm_word_ids *ids)
{
    free(ids->word);
    free(ids->slot);
    *ids = (dgm_word_ids){0};
}

dgm_err dgm_word_ids_clear(dgm_word_ids *ids, int64_t n)
{
    size_t need = 64;
    if (n > INT32_MAX / 4) return DGM_FAIL(DGM_ERR_INPUT, "%lld words in one line are too many to score", (long long)n);
    if (n > ids->room) {
        dgm_mt_span *word = realloc(ids->word, (size_t)n * sizeof *word);
        if (word == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld words", (long long)n);
        ids->word = word;
        ids->room = n;
    }
    while (need < 2 * (size_t)n) need *= 2;
    if (need > ids->slots_room) {
        int32_t *slot = realloc(ids->slot, need * sizeof *slot);
        if (slot == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "table of %zu words", need);
        ids->slot = slot;
        ids->slots_room = need;
    }
    ids->n_slots = need; /* smaller again after a long line, or emptying it would cost every later one */
    memset(ids->slot, 0, need * sizeof *ids->slot);
    ids->n = 0;
    return DGM_OK;
}

int32_t dgm_word_ids_of(dgm_word_ids *ids, dgm_mt_span word)
{
    size_t mask = ids->n_slots - 1, at = XXH3_64bits(word.text, word.n_bytes) & mask;
    for (; ids->slot[at] != 0; at = (at + 1) & mask) {
        int32_t id = ids->slot[at] - 1;
        if (ids->word[id].n_bytes == word.n_bytes && memcmp(ids->word[id].text, word.text, word.n_bytes) == 0) return id;
    }
    DGM_ASSERT(ids->n < ids->room);
    ids->word[ids->n] = word;
    ids->slot[at] = ids->n + 1;
    return ids->n++;
}

dgm_err dgm_word_ids_list(dgm_word_ids *ids, const dgm_mt_tokens *tokens, dgm_id_list *out)
{
    DGM_TRY(dgm_id_list_reserve(out, tokens->n));
    for (int64_t i = 0; i < tokens->n; i++) out->id[i] = dgm_word_ids_of(ids, tokens->token[i]);
    out->n = tokens->n;
    return DGM_OK;
}
