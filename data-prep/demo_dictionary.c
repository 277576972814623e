/* Counts, over the training part, which words each source word became, and keeps the most frequent.
 *
 * The alignment is the grammar's own, better than any that could be learned; phrases that became a compound are not counted, so that a
 * noun keeps its plain form. */
#include "dgm/demo_corpus.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { N_SLOTS = 8192, TRANSLATION_BYTES = 4 * DGM_DEMO_WORD_BYTES };

typedef struct {
    char word[DGM_DEMO_WORD_BYTES], translation[TRANSLATION_BYTES]; /* words separated by spaces; "" for none */
    int64_t count;                                                  /* 0: a free slot */
} entry;

struct dgm_demo_dictionary {
    entry slot[N_SLOTS];
    int n;
};

static void count(dgm_demo_dictionary *d, const char *word, const char *translation)
{
    size_t at = (XXH3_64bits(word, strlen(word)) ^ XXH3_64bits(translation, strlen(translation))) & (N_SLOTS - 1);
    for (; d->slot[at].count > 0; at = (at + 1) & (N_SLOTS - 1))
        if (strcmp(d->slot[at].word, word) == 0 && strcmp(d->slot[at].translation, translation) == 0) break;
    if (d->slot[at].count++ > 0) return;
    d->n++;
    DGM_ASSERT(d->n < N_SLOTS); /* the lexicon has some hundred words of a few forms each */
    strcpy(d->slot[at].word, word);
    strcpy(d->slot[at].translation, translation);
}

static void count_pair(dgm_demo_dictionary *d, const dgm_demo_pair *pair)
{
    for (int i = 0; i < pair->src.n; i++) {
        char translation[TRANSLATION_BYTES] = "";
        if (pair->in_compound[i]) continue;
        for (int k = 0; k < pair->tgt.n; k++) {
            if (pair->source[k] != i) continue;
            DGM_ASSERT(strlen(translation) + 1 + DGM_DEMO_WORD_BYTES < sizeof translation);
            if (translation[0] != '\0') strcat(translation, " ");
            strcat(translation, pair->tgt.word[k]);
        }
        count(d, pair->src.word[i], translation);
    }
}

dgm_err dgm_demo_dictionary_create(const dgm_demo_corpus *corpus, dgm_demo_dictionary **out)
{
    dgm_demo_dictionary *d = calloc(1, sizeof *d);
    if (d == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "dictionary");
    for (int64_t i = 0; i < dgm_demo_corpus_n(corpus, DGM_DEMO_TRAIN); i++) {
        dgm_demo_pair pair;
        dgm_demo_corpus_pair(corpus, DGM_DEMO_TRAIN, i, &pair);
        count_pair(d, &pair);
    }
    *out = d;
    return DGM_OK;
}

void dgm_demo_dictionary_destroy(dgm_demo_dictionary *d) { free(d); }

/* Of two as frequent the first in the alphabet. */
static const char *best(const dgm_demo_dictionary *d, const char *word)
{
    const entry *best = NULL;
    for (const entry *e = d->slot; e < d->slot + N_SLOTS; e++) {
        if (e->count == 0 || strcmp(e->word, word) != 0) continue;
        if (best == NULL || e->count > best->count || (e->count == best->count && strcmp(e->translation, best->translation) < 0)) best = e;
    }
    return best != NULL ? best->translation : "";
}

void dgm_demo_dictionary_translate(const dgm_demo_dictionary *d, const dgm_demo_side *src, dgm_demo_side *out)
{
    out->n = 0;
    out->comma_after = -1;
    for (int i = 0; i < src->n; i++) {
        char translation[TRANSLATION_BYTES];
        strcpy(translation, best(d, src->word[i]));
        for (char *rest = translation, *word; (word = strsep(&rest, " ")) != NULL;) {
            if (word[0] == '\0') continue;
            DGM_ASSERT(out->n < DGM_DEMO_ROOM);
            strcpy(out->word[out->n++], word);
        }
    }
}
