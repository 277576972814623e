/* The vocabulary: pieces of text and their ids, 0 .. n - 1 in the order they were added.
 *
 * The first 260 ids are the same in every vocabulary:
 *   0 <pad>   1 <s>   2 </s>   3 <unk>   4 .. 259 <0x00> .. <0xFF>, the bytes of characters that have no piece of their own
 * then come single characters, then longer pieces.  In pieces U+2581 stands for a space, and only for that. */
#ifndef DGM_VOCAB_H
#define DGM_VOCAB_H

#include "dgm/error.h"

#include <stddef.h>

enum {
    DGM_TOKEN_PAD = 0,
    DGM_TOKEN_BEGIN = 1,       /* <s>, what a decoder sees first */
    DGM_TOKEN_END = 2,         /* </s>, ends every sentence */
    DGM_TOKEN_UNKNOWN = 3,     /* <unk>, never produced: every byte has a token */
    DGM_TOKEN_BYTE = 4,        /* <0x00>; byte b is DGM_TOKEN_BYTE + b */
    DGM_VOCAB_N_SPECIAL = 4,
    DGM_VOCAB_N_FIXED = 260,   /* specials and bytes */
    DGM_VOCAB_MAX = 1 << 24    /* the largest vocabulary; no model has more */
};

#define DGM_SPACE_MARK "\xE2\x96\x81" /* U+2581 in UTF-8 */
enum { DGM_SPACE_MARK_BYTES = 3, DGM_SPACE_MARK_CODE = 0x2581 };

typedef struct dgm_vocab dgm_vocab;

/* A vocabulary that holds the 260 fixed tokens. */
dgm_err dgm_vocab_create(dgm_vocab **out);
void dgm_vocab_destroy(dgm_vocab *vocab); /* accepts NULL */

/* Appends a piece (1 byte or more, copied) and gives its id; a piece already there keeps the id it has.
 * DGM_ERR_INPUT when the piece is empty or the vocabulary full. */
dgm_err dgm_vocab_add(dgm_vocab *vocab, const char *piece, size_t bytes, int32_t *id);

int32_t dgm_vocab_size(const dgm_vocab *vocab);

/* The id of a piece, -1 when it has none. */
int32_t dgm_vocab_find(const dgm_vocab *vocab, const char *piece, size_t bytes);

/* The text of an id in 0 .. size - 1, zero-terminated; valid until the next add.  `bytes` may be NULL. */
const char *dgm_vocab_piece(const dgm_vocab *vocab, int32_t id, size_t *bytes);

static inline bool dgm_vocab_is_special(int32_t id) { return id >= 0 && id < DGM_VOCAB_N_SPECIAL; }
static inline bool dgm_vocab_is_byte(int32_t id) { return id >= DGM_TOKEN_BYTE && id < DGM_VOCAB_N_FIXED; }

#endif
