/* Lines of text to token ids and back.
 *
 * Encoding a line: Unicode normal form C; a space is put before it; every space becomes U+2581; words begin at each U+2581;
 * the characters of a word become pieces by merges (bpe.h); a character without a piece becomes its UTF-8 bytes.
 * So decode(encode(line)) is NFC(line) for every valid UTF-8 line, whatever spaces, control characters or unseen characters it
 * has; an empty line has no ids.  A U+2581 in the text itself goes through bytes, and text that looks like "</s>" is text.
 *
 * On disk a tokenizer is a Hugging Face `tokenizers` file, tokenizer.json: model BPE with byte fallback, normalizers NFC, Prepend
 * and Replace, pre-tokenizer Split, decoders Replace, ByteFallback, Fuse and Strip.  That library gives the same ids, with two
 * exceptions that its format leaves no way round: it takes a U+2581 in the text for a space, and (unless told otherwise with
 * encode_special_tokens) "<s>" in the text for the special token.
 *
 * A tokenizer does not change once made: threads may share it, each with a state of its own.  Not collective, all of it. */
#ifndef DGM_TOKENIZER_H
#define DGM_TOKENIZER_H

#include "dgm/bpe.h"
#include "dgm/buffer.h"
#include "dgm/checksum.h"
#include "dgm/vocab.h"

typedef struct dgm_tokenizer dgm_tokenizer;
typedef struct dgm_tokenizer_state dgm_tokenizer_state;

/* Takes over `vocab` (also when it fails); copies merges[n_merges], best first.  DGM_ERR_INPUT as dgm_bpe_create. */
dgm_err dgm_tokenizer_create(dgm_vocab *vocab, const dgm_merge *merges, int64_t n_merges, dgm_tokenizer **out);
void dgm_tokenizer_destroy(dgm_tokenizer *tokenizer); /* accepts NULL */

/* Reads a tokenizer.json, or the one in the folder `path`.  DGM_ERR_INPUT names the file, the field, what it has and what is
 * expected. */
dgm_err dgm_tokenizer_load(const char *path, dgm_tokenizer **out);
/* The same from text in memory; `where` names it in messages. */
dgm_err dgm_tokenizer_from_json(const char *text, size_t bytes, const char *where, dgm_tokenizer **out);

/* The text of tokenizer.json, appended to `text`: the same bytes for equal tokenizers, whatever file they came from. */
dgm_err dgm_tokenizer_to_json(const dgm_tokenizer *tokenizer, dgm_text *text);
dgm_err dgm_tokenizer_save(const dgm_tokenizer *tokenizer, const char *path);
/* SHA-256 of that text, 64 hex digits; the sha256sum of the file that dgm_tokenizer_save writes. */
dgm_err dgm_tokenizer_hash(const dgm_tokenizer *tokenizer, char hex[DGM_SHA256_HEX]);

int32_t dgm_tokenizer_vocab_size(const dgm_tokenizer *tokenizer);
/* The piece of an id in 0 .. vocab_size - 1, zero-terminated, U+2581 for spaces; valid as long as the tokenizer. */
const char *dgm_tokenizer_piece(const dgm_tokenizer *tokenizer, int32_t id);
const dgm_vocab *dgm_tokenizer_vocab(const dgm_tokenizer *tokenizer);
const dgm_bpe *dgm_tokenizer_bpe(const dgm_tokenizer *tokenizer);

/* What one thread needs to encode: room to work in and a memory of words seen, bounded (about 100 MB at most, then it starts
 * afresh).  The tokenizer must outlive it. */
dgm_err dgm_tokenizer_state_create(const dgm_tokenizer *tokenizer, dgm_tokenizer_state **out);
void dgm_tokenizer_state_destroy(dgm_tokenizer_state *state); /* accepts NULL */

/* Appends the ids of one line (no line end in it, no <s> or </s> added) to `ids`.  DGM_ERR_INPUT, with the byte's place, when the
 * line is not valid UTF-8; `ids` is then as before. */
dgm_err dgm_tokenizer_encode(dgm_tokenizer_state *state, const char *line, size_t bytes, dgm_ids *ids);

/* dgm_tokenizer_encode that shows its work: for every word, `tracer` is called with rank -1 and the word's characters, then after
 * each merge. */
dgm_err dgm_tokenizer_trace(dgm_tokenizer_state *state, const char *line, size_t bytes, dgm_ids *ids, dgm_bpe_tracer tracer, void *context);

/* Appends the text of ids[n] to `text`.  Special tokens are left out; runs of byte tokens become characters, and a byte that
 * belongs to no valid character becomes U+FFFD, so that the result is always valid UTF-8 (it may hold any control character that
 * byte tokens spell, LF included).  DGM_ERR_INPUT when an id is not in the vocabulary. */
dgm_err dgm_tokenizer_decode(const dgm_tokenizer *tokenizer, const int32_t *ids, int64_t n, dgm_text *text);

#endif
