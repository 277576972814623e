/* The spelling of every piece is found once, so that a sentence costs little more than its merges. */
#include "dgm/bpe_dropout.h"

#include "dgm/rng.h"
#include "dgm/unicode.h"

#include <stdlib.h>

typedef struct { /* the place in the stream of random bits of one sentence */
    dgm_rng rng;
    uint64_t place;
    uint32_t epoch_and_side;
    uint32_t n_drawn;
    uint64_t below; /* a 32-bit value below it drops the merge */
    dgm_rng_block block;
} coin;

struct dgm_bpe_dropout {
    const dgm_bpe *bpe;
    int64_t *first;      /* [vocab_size + 1] where the spelling of each piece begins */
    dgm_ids spelling;    /* of all pieces, end to end; a piece that cannot be spelled is its own */
    bool *begins_a_word; /* [vocab_size] */
    dgm_ids word;
    dgm_bpe_work work;
    coin coin;
};

/* The characters of a piece, or the piece itself where one of them has no id. */
static dgm_err spell(const dgm_vocab *vocab, int32_t id, dgm_ids *spelling)
{
    size_t bytes;
    const char *piece = dgm_vocab_piece(vocab, id, &bytes);
    int64_t before = spelling->n;
    for (size_t at = 0, length; id >= DGM_VOCAB_N_FIXED && at < bytes; at += length) {
        int32_t code;
        length = dgm_unicode_next(piece + at, bytes - at, &code);
        DGM_ASSERT(length > 0); /* a tokenizer has checked its pieces */
        int32_t character = dgm_vocab_find(vocab, piece + at, length);
        if (character < DGM_VOCAB_N_FIXED) {
            spelling->n = before;
            break;
        }
        DGM_TRY(dgm_ids_append(spelling, &character, 1));
    }
    return spelling->n > before ? DGM_OK : dgm_ids_append(spelling, &id, 1);
}

static dgm_err spell_all(dgm_bpe_dropout *d, const dgm_tokenizer *tokenizer)
{
    const dgm_vocab *vocab = dgm_tokenizer_vocab(tokenizer);
    int32_t n = dgm_vocab_size(vocab), mark = dgm_vocab_find(vocab, DGM_SPACE_MARK, DGM_SPACE_MARK_BYTES);
    d->first = malloc(((size_t)n + 1) * sizeof *d->first);
    d->begins_a_word = malloc((size_t)n * sizeof *d->begins_a_word);
    if (d->first == NULL || d->begins_a_word == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "spelling of %d pieces", n);
    for (int32_t id = 0; id < n; id++) {
        d->first[id] = d->spelling.n;
        DGM_TRY(spell(vocab, id, &d->spelling));
        d->begins_a_word[id] = d->spelling.ids[d->first[id]] == mark;
    }
    d->first[n] = d->spelling.n;
    return DGM_OK;
}

dgm_err dgm_bpe_dropout_create(const dgm_tokenizer *tokenizer, double rate, uint64_t seed, int side, dgm_bpe_dropout **out)
{
    DGM_ASSERT(rate >= 0 && rate <= 1 && (side == 0 || side == 1));
    if (dgm_bpe_n_merges(dgm_tokenizer_bpe(tokenizer)) == 0)
        return DGM_FAIL(DGM_ERR_USAGE, "bpe_dropout = %g, but the %s tokenizer has no merges to leave out: expected 0", rate, side ? "target" : "source");
    dgm_bpe_dropout *d = calloc(1, sizeof *d);
    if (d == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "BPE-dropout");
    d->bpe = dgm_tokenizer_bpe(tokenizer);
    d->coin = (coin){.rng = dgm_rng_make(seed, DGM_RNG_BPE_DROPOUT), .epoch_and_side = (uint32_t)side, .below = (uint64_t)(rate * 0x1p32)};
    dgm_err err = spell_all(d, tokenizer);
    if (err == DGM_OK) *out = d;
    else dgm_bpe_dropout_destroy(d);
    return err;
}

void dgm_bpe_dropout_destroy(dgm_bpe_dropout *d)
{
    if (d == NULL) return;
    dgm_bpe_work_fini(&d->work);
    dgm_ids_fini(&d->word);
    dgm_ids_fini(&d->spelling);
    free(d->begins_a_word);
    free(d->first);
    free(d);
}

static bool drop(void *context)
{
    coin *c = context;
    uint32_t i = c->n_drawn++;
    if (i % 4 == 0) c->block = dgm_rng_at(c->rng, i / 4, c->epoch_and_side, (uint32_t)c->place, (uint32_t)(c->place >> 32));
    return c->block.v[i % 4] < c->below;
}

static dgm_err end_word(dgm_bpe_dropout *d, dgm_ids *out)
{
    DGM_TRY(dgm_bpe_apply_dropping(d->bpe, &d->work, d->word.ids, &d->word.n, drop, &d->coin));
    DGM_TRY(dgm_ids_append(out, d->word.ids, d->word.n));
    dgm_ids_clear(&d->word);
    return DGM_OK;
}

dgm_err dgm_bpe_dropout_apply(dgm_bpe_dropout *d, int64_t epoch, int64_t place, const int32_t *ids, int64_t n, dgm_ids *out)
{
    d->coin.epoch_and_side = (uint32_t)epoch << 1 | (d->coin.epoch_and_side & 1);
    d->coin.place = (uint64_t)place;
    d->coin.n_drawn = 0;
    dgm_ids_clear(&d->word);
    for (int64_t i = 0; i < n; i++) {
        if (d->begins_a_word[ids[i]] && d->word.n > 0) DGM_TRY(end_word(d, out));
        DGM_TRY(dgm_ids_append(&d->word, d->spelling.ids + d->first[ids[i]], d->first[ids[i] + 1] - d->first[ids[i]]));
    }
    return d->word.n > 0 ? end_word(d, out) : DGM_OK;
}
