/* Pieces lie end to end in one block; an open-addressing table of ids finds them.  The table is at most half full. */
#include "dgm/vocab.h"

#include "dgm/buffer.h"
#include "dgm/checksum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dgm_vocab {
    dgm_text pieces; /* each with its zero byte */
    size_t *starts;  /* [capacity + 1]; piece i is pieces[starts[i] .. starts[i + 1] - 1), then the zero */
    int32_t n, capacity;
    int32_t *table; /* [table_size] id, or -1 */
    size_t table_size;
};

/* The place of the piece in the table, or the free place where it belongs. */
static size_t place_of(const dgm_vocab *v, const char *piece, size_t bytes)
{
    size_t at = dgm_checksum_xxh64(piece, bytes) & (v->table_size - 1);
    for (; v->table[at] >= 0; at = (at + 1) & (v->table_size - 1)) {
        int32_t id = v->table[at];
        if (v->starts[id + 1] - v->starts[id] - 1 == bytes && memcmp(v->pieces.text + v->starts[id], piece, bytes) == 0) break;
    }
    return at;
}

static dgm_err grow(dgm_vocab *v)
{
    int32_t capacity = v->capacity == 0 ? 1024 : 2 * v->capacity;
    size_t table_size = (size_t)capacity * 2;
    size_t *starts = realloc(v->starts, ((size_t)capacity + 1) * sizeof *starts);
    if (starts == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "vocabulary of %d pieces", capacity);
    if (v->starts == NULL) starts[0] = 0;
    v->starts = starts;
    int32_t *table = malloc(table_size * sizeof *table);
    if (table == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "vocabulary of %d pieces", capacity);
    memset(table, 0xFF, table_size * sizeof *table);
    free(v->table);
    v->table = table;
    v->table_size = table_size;
    v->capacity = capacity;
    for (int32_t id = 0; id < v->n; id++) {
        size_t bytes = v->starts[id + 1] - v->starts[id] - 1;
        v->table[place_of(v, v->pieces.text + v->starts[id], bytes)] = id;
    }
    return DGM_OK;
}

static dgm_err add_fixed(dgm_vocab *v)
{
    static const char *const specials[DGM_VOCAB_N_SPECIAL] = {"<pad>", "<s>", "</s>", "<unk>"};
    int32_t id;
    for (int i = 0; i < DGM_VOCAB_N_SPECIAL; i++) DGM_TRY(dgm_vocab_add(v, specials[i], strlen(specials[i]), &id));
    for (int byte = 0; byte < 256; byte++) {
        char name[8];
        int length = snprintf(name, sizeof name, "<0x%02X>", (unsigned)byte);
        DGM_TRY(dgm_vocab_add(v, name, (size_t)length, &id));
    }
    DGM_ASSERT(v->n == DGM_VOCAB_N_FIXED);
    return DGM_OK;
}

dgm_err dgm_vocab_create(dgm_vocab **out)
{
    dgm_err err;
    dgm_vocab *v = calloc(1, sizeof *v);
    if (v == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "vocabulary");
    DGM_GOTO(add_fixed(v));
    *out = v;
    return DGM_OK;
fail:
    dgm_vocab_destroy(v);
    return err;
}

void dgm_vocab_destroy(dgm_vocab *v)
{
    if (v == NULL) return;
    dgm_text_fini(&v->pieces);
    free(v->starts);
    free(v->table);
    free(v);
}

dgm_err dgm_vocab_add(dgm_vocab *v, const char *piece, size_t bytes, int32_t *id)
{
    if (bytes == 0) return DGM_FAIL(DGM_ERR_INPUT, "an empty piece cannot be in a vocabulary");
    if (v->n == v->capacity) {
        if (v->n >= DGM_VOCAB_MAX) return DGM_FAIL(DGM_ERR_INPUT, "a vocabulary has at most %d pieces", DGM_VOCAB_MAX);
        DGM_TRY(grow(v));
    }
    size_t at = place_of(v, piece, bytes);
    if (v->table[at] < 0) {
        DGM_TRY(dgm_text_append(&v->pieces, piece, bytes));
        DGM_TRY(dgm_text_append(&v->pieces, "", 1));
        v->table[at] = v->n++;
        v->starts[v->n] = v->pieces.bytes;
    }
    *id = v->table[at];
    return DGM_OK;
}

int32_t dgm_vocab_size(const dgm_vocab *v) { return v->n; }

int32_t dgm_vocab_find(const dgm_vocab *v, const char *piece, size_t bytes) { return v->table[place_of(v, piece, bytes)]; }

const char *dgm_vocab_piece(const dgm_vocab *v, int32_t id, size_t *bytes)
{
    DGM_ASSERT(id >= 0 && id < v->n);
    if (bytes != NULL) *bytes = v->starts[id + 1] - v->starts[id] - 1;
    return v->pieces.text + v->starts[id];
}
