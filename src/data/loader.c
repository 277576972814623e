/* The order of training, found again from (seed, epoch) alone.
 *
 * Shuffling all sentences would need random access to each; shuffling frames, and then the sentences of some sixty frames together,
 * needs one window in memory and mixes well, since neighbours of a corpus are scattered over a quarter of a million places.
 * A batch is copied out of its window, so that it may go over the end of a window, or of many where the data are few. */
#include "dgm/loader.h"

#include "dgm/bpe_dropout.h"
#include "dgm/rng.h"
#include "dgm/tree.h"

#include <stdlib.h>
#include <string.h>

struct dgm_loader {
    const dgm_dataset *data;
    dgm_loader_options options;
    dgm_rng rng;
    int leaf_lo, leaf_hi;
    dgm_loader_state state;

    int64_t planned_epoch; /* the epoch that frame_order is of; -1: none */
    int64_t *frame_order;  /* [n_frames] */

    int64_t window_epoch, window_first; /* the window in memory: its epoch and its first sentence; epoch -1: none */
    int64_t n_window;                   /* sentences in it */
    int32_t *words;                     /* its frames, end to end */
    int64_t words_room;
    dgm_pair *pairs; /* [n_window] as they lie in the frames */
    int64_t *order;  /* [n_window] as they come in training */
    int64_t pairs_room;

    dgm_pair *batch; /* the global batch, copied */
    int64_t batch_room;
    int32_t *ids;
    int64_t ids_room;
    dgm_batch_builder *builder;

    dgm_bpe_dropout *src_dropout, *tgt_dropout; /* NULL: sentences stay as encoded */
    dgm_ids cut;                                /* a sentence cut anew: source, then target */
};

enum { MAX_FIRST_ROOM = 1 << 20 };

/* Makes room for n items, keeping those there are.  Some more is taken, as the next window or batch may be a little larger. */
static dgm_err grow(void **items, int64_t *room, int64_t n, size_t size)
{
    if (n <= *room) return DGM_OK;
    int64_t more = n + n / 4;
    void *data = realloc(*items, (size_t)more * size);
    if (data == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "loader: %lld items of %zu bytes", (long long)more, size);
    *items = data;
    *room = more;
    return DGM_OK;
}

static dgm_err check(const dgm_dataset *data, const dgm_loader_options *o)
{
    if (o->batch_tokens < 1) return DGM_FAIL(DGM_ERR_USAGE, "batch_tokens is %lld, expected at least 1", (long long)o->batch_tokens);
    if (o->micro_batch_tokens < 0)
        return DGM_FAIL(DGM_ERR_USAGE, "micro_batch_tokens is %lld, expected 0 (no limit) or more", (long long)o->micro_batch_tokens);
    if (o->virtual_dp < 1 || (o->virtual_dp & (o->virtual_dp - 1)) != 0)
        return DGM_FAIL(DGM_ERR_USAGE, "virtual_dp is %d, expected a power of two", o->virtual_dp);
    if (!(o->bpe_dropout >= 0 && o->bpe_dropout < 1)) return DGM_FAIL(DGM_ERR_USAGE, "bpe_dropout is %g, expected at least 0 and less than 1", o->bpe_dropout);
    if (o->bpe_dropout > 0 && dgm_dataset_tokenizer(data, DGM_SIDE_SRC) == NULL)
        return DGM_FAIL(DGM_ERR_USAGE, "bpe_dropout = %g with generated sentences, which have no pieces: expected 0, or --data", o->bpe_dropout);
    if (o->n_replicas < 1 || o->n_replicas > o->virtual_dp)
        return DGM_FAIL(DGM_ERR_USAGE, "%d replicas, expected 1 to virtual_dp, which is %d", o->n_replicas, o->virtual_dp);
    if (o->replica < 0 || o->replica >= o->n_replicas) return DGM_FAIL(DGM_ERR_USAGE, "replica %d of %d", o->replica, o->n_replicas);
    if (dgm_dataset_train_totals(data)->n_pairs < 1) return DGM_FAIL(DGM_ERR_INPUT, "there is no sentence to train on");
    return DGM_OK;
}

static dgm_err make_dropout(dgm_loader *l)
{
    const dgm_loader_options *o = &l->options;
    if (o->bpe_dropout == 0) return DGM_OK;
    DGM_TRY(dgm_bpe_dropout_create(dgm_dataset_tokenizer(l->data, DGM_SIDE_SRC), o->bpe_dropout, o->seed, 0, &l->src_dropout));
    return dgm_bpe_dropout_create(dgm_dataset_tokenizer(l->data, DGM_SIDE_TGT), o->bpe_dropout, o->seed, 1, &l->tgt_dropout);
}

dgm_err dgm_loader_create(const dgm_dataset *dataset, const dgm_loader_options *options, dgm_loader **out)
{
    dgm_err err;
    DGM_TRY(check(dataset, options));
    dgm_loader *l = calloc(1, sizeof *l);
    if (l == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "loader");
    l->data = dataset;
    l->options = *options;
    l->rng = dgm_rng_make(options->seed, DGM_RNG_SHUFFLE);
    l->planned_epoch = l->window_epoch = -1;
    dgm_tree_range(options->virtual_dp, options->replica, options->n_replicas, &l->leaf_lo, &l->leaf_hi);
    l->frame_order = malloc((size_t)dgm_dataset_train_totals(dataset)->n_frames * sizeof *l->frame_order);
    if (l->frame_order == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "loader: order of frames");
        goto fail;
    }
    DGM_GOTO(dgm_batch_builder_create(&l->builder));
    DGM_GOTO(make_dropout(l));
    int64_t usual = DGM_MIN(options->batch_tokens, MAX_FIRST_ROOM); /* steps of the usual size then take no memory */
    DGM_GOTO(grow((void **)&l->batch, &l->batch_room, usual / 4, sizeof *l->batch));
    DGM_GOTO(grow((void **)&l->ids, &l->ids_room, 3 * usual, sizeof *l->ids));
    *out = l;
    return DGM_OK;
fail:
    dgm_loader_destroy(l);
    return err;
}

void dgm_loader_destroy(dgm_loader *l)
{
    if (l == NULL) return;
    dgm_ids_fini(&l->cut);
    dgm_bpe_dropout_destroy(l->tgt_dropout);
    dgm_bpe_dropout_destroy(l->src_dropout);
    dgm_batch_builder_destroy(l->builder);
    free(l->ids);
    free(l->batch);
    free(l->order);
    free(l->pairs);
    free(l->words);
    free(l->frame_order);
    free(l);
}

/* Streams of random bits: 0 orders an epoch's frames, k + 1 the sentences of the window that begins at its k-th frame. */
static uint64_t stream_of(int64_t epoch, int64_t k) { return (uint64_t)epoch << 32 | (uint64_t)k; }

/* Frames [*from, *to) of the epoch's order are the window that sentence `position` is in; *first is its first sentence. */
static void find_window(const dgm_loader *l, int64_t position, int64_t *from, int64_t *to, int64_t *first)
{
    int64_t n_frames = dgm_dataset_train_totals(l->data)->n_frames, at = 0, k = 0;
    for (;;) {
        int64_t begin = k, n = 0;
        do n += dgm_dataset_frame(l->data, l->frame_order[k++])->n_pairs;
        while (k < n_frames && n + dgm_dataset_frame(l->data, l->frame_order[k])->n_pairs <= DGM_LOADER_WINDOW);
        if (position < at + n || k == n_frames) {
            *from = begin;
            *to = k;
            *first = at;
            return;
        }
        at += n;
    }
}

/* Brings the window of (epoch, position) into memory, unless it is there. */
static dgm_err load_window(dgm_loader *l, int64_t epoch, int64_t position)
{
    if (l->window_epoch == epoch && position >= l->window_first && position < l->window_first + l->n_window) return DGM_OK;
    if (l->planned_epoch != epoch) {
        dgm_rng_permute(l->rng, stream_of(epoch, 0), dgm_dataset_train_totals(l->data)->n_frames, l->frame_order);
        l->planned_epoch = epoch;
    }
    int64_t from, to, first, n_pairs = 0, n_words = 0;
    find_window(l, position, &from, &to, &first);
    for (int64_t k = from; k < to; k++) {
        const dgm_shard_frame *f = dgm_dataset_frame(l->data, l->frame_order[k]);
        n_pairs += f->n_pairs;
        n_words += f->n_words;
    }
    l->window_epoch = -1;
    int64_t pairs_room = l->pairs_room;
    DGM_TRY(grow((void **)&l->words, &l->words_room, n_words, sizeof *l->words));
    DGM_TRY(grow((void **)&l->order, &pairs_room, n_pairs, sizeof *l->order));
    DGM_TRY(grow((void **)&l->pairs, &l->pairs_room, n_pairs, sizeof *l->pairs));
    int64_t at = 0, at_word = 0;
    for (int64_t k = from; k < to; k++) {
        const dgm_shard_frame *f = dgm_dataset_frame(l->data, l->frame_order[k]);
        DGM_TRY(dgm_dataset_read_frame(l->data, l->frame_order[k], l->words + at_word, l->pairs + at));
        at += f->n_pairs;
        at_word += f->n_words;
    }
    dgm_rng_permute(l->rng, stream_of(epoch, from + 1), n_pairs, l->order);
    l->window_epoch = epoch;
    l->window_first = first;
    l->n_window = n_pairs;
    return DGM_OK;
}

/* A sentence as this epoch has it; valid until the next one. */
static dgm_err cut_anew(dgm_loader *l, dgm_loader_state at, dgm_pair *p)
{
    int64_t most = dgm_dataset_max_length(l->data);
    if (l->src_dropout == NULL) return DGM_OK;
    dgm_ids_clear(&l->cut);
    DGM_TRY(dgm_bpe_dropout_apply(l->src_dropout, at.epoch, at.position, p->src, p->n_src, &l->cut));
    int64_t n_src = l->cut.n;
    DGM_TRY(dgm_bpe_dropout_apply(l->tgt_dropout, at.epoch, at.position, p->tgt, p->n_tgt, &l->cut));
    int64_t n_tgt = l->cut.n - n_src;
    if (n_src > most || n_tgt > most) return DGM_OK;
    *p = (dgm_pair){l->cut.ids, l->cut.ids + n_src, (int32_t)n_src, (int32_t)n_tgt};
    return DGM_OK;
}

/* The ids are kept at their place in l->ids, as the block may still move. */
static dgm_err take(dgm_loader *l, const dgm_pair *p, int64_t n_taken, int64_t n_ids)
{
    int64_t n = (int64_t)p->n_src + p->n_tgt;
    DGM_TRY(grow((void **)&l->batch, &l->batch_room, n_taken + 1, sizeof *l->batch));
    DGM_TRY(grow((void **)&l->ids, &l->ids_room, n_ids + n + 1, sizeof *l->ids));
    if (p->n_src > 0) memcpy(l->ids + n_ids, p->src, (size_t)p->n_src * sizeof *p->src);
    if (p->n_tgt > 0) memcpy(l->ids + n_ids + p->n_src, p->tgt, (size_t)p->n_tgt * sizeof *p->tgt);
    l->batch[n_taken] = (dgm_pair){.n_src = p->n_src, .n_tgt = p->n_tgt};
    return DGM_OK;
}

dgm_err dgm_loader_next(dgm_loader *l, dgm_step_batch *out)
{
    dgm_loader_state next = l->state;
    int64_t n = 0, n_ids = 0, n_tokens = 0;
    for (;;) {
        DGM_TRY(load_window(l, next.epoch, next.position));
        dgm_pair p = l->pairs[l->order[next.position - l->window_first]];
        DGM_TRY(cut_anew(l, next, &p));
        n_tokens += (int64_t)p.n_tgt + 1;
        if (n > 0 && n_tokens > l->options.batch_tokens) break;
        DGM_TRY(take(l, &p, n, n_ids));
        n++;
        n_ids += (int64_t)p.n_src + p.n_tgt;
        if (++next.position == dgm_dataset_train_totals(l->data)->n_pairs) next = (dgm_loader_state){next.epoch + 1, 0};
    }
    const int32_t *at = l->ids;
    for (int64_t i = 0; i < n; i++) {
        l->batch[i].src = at;
        l->batch[i].tgt = at + l->batch[i].n_src;
        at += (int64_t)l->batch[i].n_src + l->batch[i].n_tgt;
    }
    DGM_TRY(dgm_batch_build(l->builder, l->batch, n, l->options.virtual_dp, l->leaf_lo, l->leaf_hi, l->options.micro_batch_tokens, out));
    l->state = next;
    return DGM_OK;
}

dgm_loader_state dgm_loader_get_state(const dgm_loader *l) { return l->state; }

dgm_err dgm_loader_set_state(dgm_loader *l, dgm_loader_state state)
{
    int64_t n = dgm_dataset_train_totals(l->data)->n_pairs;
    if (state.epoch < 0 || state.epoch > INT32_MAX || state.position < 0 || state.position >= n)
        return DGM_FAIL(DGM_ERR_INPUT, "the state to go on from is epoch %lld, sentence %lld; expected a sentence from 0 to %lld",
                        (long long)state.epoch, (long long)state.position, (long long)n - 1);
    l->state = state;
    return DGM_OK;
}

int64_t dgm_loader_epoch_sentences(const dgm_loader *l) { return dgm_dataset_train_totals(l->data)->n_pairs; }

int64_t dgm_loader_epoch_tokens(const dgm_loader *l)
{
    const dgm_shard_totals *t = dgm_dataset_train_totals(l->data);
    return t->n_tgt_tokens + t->n_pairs;
}
