/* A corpus is three lists of sentence numbers: a pair can be made again from its number, so none is kept.
 *
 * The held-out parts are filled first; a later sentence whose words have been held out is passed over.  Sets hold 64-bit hashes: that
 * two different sentences should share one would only pass over one sentence too many. */
#include "dgm/demo_corpus.h"

#include "dgm/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct dgm_demo_corpus {
    dgm_rng rng;
    int64_t n[DGM_DEMO_N_PARTS];
    uint64_t *index[DGM_DEMO_N_PARTS]; /* [n[part]] */
};

/* ---- sets of hashes ---- */

typedef struct {
    uint64_t *slot; /* 0 is free */
    size_t n_slots, n;
} hash_set;

static bool set_holds(const hash_set *set, uint64_t hash)
{
    if (set->n_slots == 0) return false;
    for (size_t mask = set->n_slots - 1, at = hash & mask; set->slot[at] != 0; at = (at + 1) & mask)
        if (set->slot[at] == hash) return true;
    return false;
}

static void set_put(uint64_t *slot, size_t n_slots, uint64_t hash)
{
    size_t mask = n_slots - 1, at = hash & mask;
    while (slot[at] != 0) at = (at + 1) & mask;
    slot[at] = hash;
}

static dgm_err set_add(hash_set *set, uint64_t hash)
{
    if (2 * (set->n + 1) > set->n_slots) {
        size_t n_slots = set->n_slots > 0 ? 2 * set->n_slots : 4096;
        uint64_t *slot = calloc(n_slots, sizeof *slot);
        if (slot == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "set of %zu sentences", n_slots);
        for (size_t i = 0; i < set->n_slots; i++)
            if (set->slot[i] != 0) set_put(slot, n_slots, set->slot[i]);
        free(set->slot);
        set->slot = slot;
        set->n_slots = n_slots;
    }
    if (set_holds(set, hash)) return DGM_OK;
    set_put(set->slot, set->n_slots, hash);
    set->n++;
    return DGM_OK;
}

/* ---- sentences as keys ---- */

static int compare_words(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Of the words in order, or of the bag of them; the side is part of it.  Never 0. */
static uint64_t hash_of(const dgm_demo_side *side, bool bag, uint64_t which_side)
{
    const char *word[DGM_DEMO_ROOM];
    char text[DGM_DEMO_LINE_BYTES];
    size_t n = 0;
    for (int i = 0; i < side->n; i++) word[i] = side->word[i];
    if (bag) qsort(word, (size_t)side->n, sizeof *word, compare_words);
    for (int i = 0; i < side->n; i++) {
        size_t bytes = strlen(word[i]) + 1; /* with its zero: words do not run together */
        memcpy(text + n, word[i], bytes);
        n += bytes;
    }
    return XXH3_64bits_withSeed(text, n, which_side) | 1;
}

/* ---- making ---- */

typedef struct {
    hash_set held_bags, train_lines;
} filter;

/* Whether the pair may go into `part`; if so it is entered. */
static dgm_err admit(filter *f, dgm_demo_part part, const dgm_demo_pair *pair, bool *admitted)
{
    const dgm_demo_side *side[2] = {&pair->src, &pair->tgt};
    *admitted = true;
    for (uint64_t s = 0; s < 2; s++)
        if (set_holds(&f->held_bags, hash_of(side[s], true, s)) || set_holds(&f->train_lines, hash_of(side[s], false, s))) *admitted = false;
    for (uint64_t s = 0; *admitted && s < 2; s++) {
        if (part == DGM_DEMO_TRAIN) DGM_TRY(set_add(&f->train_lines, hash_of(side[s], false, s)));
        else DGM_TRY(set_add(&f->held_bags, hash_of(side[s], true, s)));
    }
    return DGM_OK;
}

dgm_err dgm_demo_corpus_create(uint64_t seed, const int64_t n_pairs[DGM_DEMO_N_PARTS], dgm_demo_corpus **out)
{
    static const dgm_demo_part order[DGM_DEMO_N_PARTS] = {DGM_DEMO_TEST, DGM_DEMO_VALID, DGM_DEMO_TRAIN};
    dgm_err err;
    filter f = {{0}, {0}};
    uint64_t next = 0;
    dgm_demo_pair pair;
    dgm_demo_corpus *c = calloc(1, sizeof *c);
    if (c == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "demo corpus");
    c->rng = dgm_rng_make(seed, DGM_RNG_CORPUS);
    for (int k = 0; k < DGM_DEMO_N_PARTS; k++) {
        dgm_demo_part part = order[k];
        c->index[part] = calloc((size_t)n_pairs[part], sizeof *c->index[part]);
        if (c->index[part] == NULL) {
            err = DGM_FAIL(DGM_ERR_NOMEM, "%lld sentence pairs", (long long)n_pairs[part]);
            goto fail;
        }
        while (c->n[part] < n_pairs[part]) {
            bool admitted;
            dgm_demo_sentence(c->rng, next, &pair);
            DGM_GOTO(admit(&f, part, &pair, &admitted));
            if (admitted) c->index[part][c->n[part]++] = next;
            next++;
        }
    }
    *out = c;
    c = NULL;
    err = DGM_OK;
fail:
    free(f.held_bags.slot);
    free(f.train_lines.slot);
    dgm_demo_corpus_destroy(c);
    return err;
}

void dgm_demo_corpus_destroy(dgm_demo_corpus *c)
{
    if (c == NULL) return;
    for (int part = 0; part < DGM_DEMO_N_PARTS; part++) free(c->index[part]);
    free(c);
}

int64_t dgm_demo_corpus_n(const dgm_demo_corpus *c, dgm_demo_part part) { return c->n[part]; }

void dgm_demo_corpus_pair(const dgm_demo_corpus *c, dgm_demo_part part, int64_t i, dgm_demo_pair *out)
{
    dgm_demo_sentence(c->rng, c->index[part][i], out);
}

/* ---- writing ---- */

static dgm_err write_part(const dgm_demo_corpus *c, dgm_demo_part part, const char *dir)
{
    static const char *const names[DGM_DEMO_N_PARTS] = {"train", "valid", "test"};
    static const char *const languages[2] = {"en", "wld"};
    dgm_err err = DGM_OK;
    char *text[2] = {NULL, NULL};
    size_t bytes[2] = {0, 0};
    FILE *file[2] = {open_memstream(&text[0], &bytes[0]), open_memstream(&text[1], &bytes[1])};
    for (int64_t i = 0; file[0] != NULL && file[1] != NULL && i < c->n[part]; i++) {
        dgm_demo_pair pair;
        char line[DGM_DEMO_LINE_BYTES];
        dgm_demo_corpus_pair(c, part, i, &pair);
        dgm_demo_line(&pair.src, line);
        fprintf(file[0], "%s\n", line);
        dgm_demo_line(&pair.tgt, line);
        fprintf(file[1], "%s\n", line);
    }
    for (int s = 0; s < 2; s++) {
        bool failed = file[s] == NULL || ferror(file[s]);
        if (file[s] != NULL) failed |= fclose(file[s]) != 0;
        if (failed && err == DGM_OK) err = DGM_FAIL(DGM_ERR_NOMEM, "text of %s.%s", names[part], languages[s]);
    }
    for (int s = 0; err == DGM_OK && s < 2; s++) {
        char name[32];
        snprintf(name, sizeof name, "%s.%s", names[part], languages[s]);
        char *path = dgm_io_join(dir, name);
        err = path != NULL ? dgm_io_write_file(path, text[s], bytes[s]) : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", dir);
        free(path);
    }
    free(text[0]);
    free(text[1]);
    return err;
}

dgm_err dgm_demo_corpus_write(const dgm_demo_corpus *c, const char *dir)
{
    DGM_TRY(dgm_io_make_dirs(dir));
    for (int part = 0; part < DGM_DEMO_N_PARTS; part++) DGM_TRY(write_part(c, (dgm_demo_part)part, dir));
    return DGM_OK;
}
