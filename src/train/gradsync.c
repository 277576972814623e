/* A round's gradient is written to the top of a stack of flat blocks; when two neighbouring subtrees are complete the upper is added
 * to the lower.  What is left at the end are the maximal subtrees of this replica's leaves: what the reducer sends.
 *
 * In the last round nothing waits for the whole block: as soon as a stage is final its joins are made, while it is still in the cache,
 * and its bucket goes on its way. */
#include "dgm/gradsync.h"

#include "dgm/embed.h"
#include "dgm/embedrows.h"
#include "dgm/timer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct dgm_gradsync {
    const dgm_params *params;
    const dgm_grid *grid;
    dgm_gradsync_options options;
    dgm_tree_stack sums;
    float *block[DGM_TREE_MAX_NODES];      /* flat gradients, allocated when first needed */
    dgm_weights view[DGM_TREE_MAX_NODES];
    dgm_embedding_grad src_rows, tgt_rows; /* src_rows unused with a joint vocabulary */
    dgm_embedrows *rows;
    int64_t src_table_floats;              /* this rank's part of a source embedding of its own */
    dgm_slices slices;
    dgm_range *own;                        /* [n_own] this rank's slice */
    int n_own;
    dgm_reducer *reducer;
    double *squares;                       /* [n_global_blocks] */
    struct {
        dgm_tree_node node;
        bool is_last;
        int n_joins;      /* the last round's: how often its block is added to the one below */
        int n_final;      /* stages joined */
        int n_ready;      /* buckets handed to the reducer */
    } round;
    dgm_err err;          /* of the reduction during the backward pass */
};

dgm_err dgm_gradsync_create(const dgm_params *params, const dgm_grid *grid, const dgm_gradsync_options *options, dgm_gradsync **out)
{
    dgm_err err;
    dgm_gradsync *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "gradients");
    *s = (dgm_gradsync){.params = params, .grid = grid, .options = *options};
    s->squares = malloc((size_t)params->n_global_blocks * sizeof *s->squares);
    s->own = malloc((size_t)params->n_stages * sizeof *s->own);
    if (s->squares == NULL || s->own == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "gradient reduction");
        goto fail;
    }
    DGM_GOTO(dgm_slices_init(params, grid->dp_size, options->part_floats > 0 ? options->part_floats : DGM_SLICES_PART_FLOATS, &s->slices));
    s->n_own = dgm_slices_ranges(&s->slices, grid->dp_rank, s->own);
    DGM_GOTO(dgm_reducer_create(grid, options->reduction, options->n_leaves, s->slices.n_buckets, s->slices.start, &s->reducer));
    int source = dgm_params_find(params, "model.encoder.embed_tokens.weight");
    for (int i = 0; i < params->n_units; i++)
        if (params->units[i].tensor == source) s->src_table_floats += params->units[i].rows * params->units[i].cols;
    DGM_GOTO(dgm_embedding_grad_init(params->hp.d_model, &s->src_rows));
    DGM_GOTO(dgm_embedding_grad_init(params->hp.d_model, &s->tgt_rows));
    DGM_GOTO(dgm_embedrows_create(params->hp.d_model, &s->rows));
    *out = s;
    return DGM_OK;
fail:
    dgm_gradsync_destroy(s);
    return err;
}

void dgm_gradsync_destroy(dgm_gradsync *sync)
{
    if (sync == NULL) return;
    for (int i = 0; i < DGM_TREE_MAX_NODES; i++) {
        free(sync->block[i]);
        dgm_weights_fini(&sync->view[i]);
    }
    dgm_embedding_grad_fini(&sync->src_rows);
    dgm_embedding_grad_fini(&sync->tgt_rows);
    dgm_embedrows_destroy(sync->rows);
    dgm_reducer_destroy(sync->reducer);
    dgm_slices_fini(&sync->slices);
    free(sync->own);
    free(sync->squares);
    free(sync);
}

const dgm_slices *dgm_gradsync_slices(const dgm_gradsync *sync) { return &sync->slices; }

void dgm_gradsync_begin(dgm_gradsync *sync)
{
    dgm_tree_clear(&sync->sums);
    sync->src_rows.n = sync->tgt_rows.n = 0;
    sync->round.is_last = false;
    sync->err = DGM_OK;
}

/* ---- rounds ---- */

static void add_block(dgm_gradsync *s, int i, int64_t lo, int64_t hi) { dgm_elem_add(hi - lo, s->block[i + 1] + lo, s->block[i] + lo); }

/* Stages up to n_final, in their order, have been written by the last round: joins them and hands over the buckets that they complete. */
static dgm_err finish_stages(dgm_gradsync *s, int n_final)
{
    for (; s->round.n_final < n_final; s->round.n_final++) {
        int stage = s->round.n_final == 0 ? 0 : s->params->n_stages - s->round.n_final;
        for (int j = 1; j <= s->round.n_joins; j++)
            add_block(s, s->sums.n - j, s->params->stage_start[stage], s->params->stage_start[stage + 1]);
    }
    int ready = s->round.n_ready;
    while (ready < s->slices.n_buckets && s->slices.n_final[ready] <= n_final) ready++;
    if (ready == s->round.n_ready) return DGM_OK;
    s->round.n_ready = ready;
    return dgm_reducer_ready(s->reducer, ready);
}

void dgm_gradsync_progress(dgm_gradsync *sync, int n_final)
{
    dgm_gradsync *s = sync;
    bool overlaps = s->options.overlap && s->options.reduction == DGM_REDUCE_FIXED && s->grid->dp_size > 1;
    if (!overlaps || !s->round.is_last || s->err != DGM_OK) return;
    if (n_final <= s->round.n_final && !dgm_reducer_is_busy(s->reducer)) return;
    dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
    dgm_timer_hide(false);
    if (n_final > s->round.n_final) s->err = finish_stages(s, n_final);
    if (s->err == DGM_OK) s->err = dgm_reducer_poll(s->reducer);
    dgm_timer_hide(dgm_reducer_is_busy(s->reducer));
    dgm_timer_enter(left);
}

dgm_err dgm_gradsync_begin_round(dgm_gradsync *sync, int first_leaf, int n_leaves, bool is_last, dgm_gradsync_round *out)
{
    dgm_gradsync *s = sync;
    int top = s->sums.n;
    if (s->block[top] == NULL) {
        DGM_TRY(dgm_params_alloc(s->params, &s->block[top]));
        DGM_TRY(dgm_weights_init(s->params, s->block[top], &s->view[top]));
    }
    if (!s->params->hp.joint_vocab) /* its gradient is rows alone; the last step added them here */
        memset(s->view[top].src_embedding, 0, (size_t)s->src_table_floats * sizeof(float));
    s->round.node = (dgm_tree_node){first_leaf, n_leaves};
    s->round.is_last = is_last;
    s->round.n_final = s->round.n_ready = 0;
    s->round.n_joins = s->options.reduction == DGM_REDUCE_FAST ? top : dgm_tree_joins(&s->sums, s->round.node);
    *out = (dgm_gradsync_round){.grad = &s->view[top], .tgt_rows = &s->tgt_rows,
                                .src_rows = s->params->hp.joint_vocab ? &s->tgt_rows : &s->src_rows};
    if (is_last) dgm_reducer_begin(s->reducer, s->block, top + 1 - s->round.n_joins);
    return DGM_OK;
}

static void join(void *user, int i)
{
    dgm_gradsync *s = user;
    if (!s->round.is_last) add_block(s, i, 0, s->params->n_floats); /* else made stage by stage */
}

void dgm_gradsync_end_round(dgm_gradsync *sync)
{
    dgm_gradsync *s = sync;
    if (s->round.is_last && s->err == DGM_OK) s->err = finish_stages(s, s->params->n_stages);
    if (s->options.reduction == DGM_REDUCE_FAST) { /* one running sum */
        if (s->sums.n == 1) join(s, 0);
        s->sums.n = 1;
    } else {
        dgm_tree_push(&s->sums, s->round.node, join, s);
    }
}

/* ---- over the replicas ---- */

/* Brings the rows of one embedding table to the slices that own them. */
static dgm_err add_rows(dgm_gradsync *s, const char *name, dgm_embedding_grad *rows)
{
    int tensor = dgm_params_find(s->params, name);
    for (int i = 0; i < s->params->n_units; i++) {
        const dgm_unit *u = &s->params->units[i];
        if (u->tensor != tensor) continue;
        return dgm_embedrows_add(s->rows, s->grid, rows, u->offset, u->row0, dgm_slices_of_bucket(&s->slices, 0), s->block[0]);
    }
    return DGM_FAIL(DGM_ERR_INTERNAL, "no embedding %s", name);
}

dgm_err dgm_gradsync_reduce(dgm_gradsync *sync, const float **grad)
{
    dgm_gradsync *s = sync;
    bool joint = s->params->hp.joint_vocab;
    DGM_ASSERT(s->round.is_last);
    dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
    dgm_timer_hide(false);
    dgm_err err = s->err;
    if (err == DGM_OK) err = dgm_reducer_finish(s->reducer);
    dgm_timer_enter(DGM_REGION_ELEMENTWISE);
    if (err == DGM_OK) err = add_rows(s, joint ? "model.shared.weight" : "model.decoder.embed_tokens.weight", &s->tgt_rows);
    if (err == DGM_OK && !joint) err = add_rows(s, "model.encoder.embed_tokens.weight", &s->src_rows);
    dgm_timer_enter(left);
    *grad = s->block[0];
    return err;
}

bool dgm_gradsync_is_busy(const dgm_gradsync *sync) { return sync != NULL && sync->reducer != NULL && dgm_reducer_is_busy(sync->reducer); }

/* Whether a block is in this rank's slice. */
static bool owns(const dgm_gradsync *s, const dgm_block *block)
{
    for (int i = 0; i < s->n_own; i++)
        if (block->lo >= s->own[i].lo && block->lo < s->own[i].hi) return true;
    return false;
}

dgm_err dgm_gradsync_norm(dgm_gradsync *sync, const float *grad, bool skip_embeddings, double *norm)
{
    const dgm_params *p = sync->params;
    memset(sync->squares, 0, (size_t)p->n_global_blocks * sizeof *sync->squares);
    for (int b = 0; b < p->n_blocks; b++) {
        const dgm_block *block = &p->blocks[b];
        const dgm_unit *u = &p->units[block->unit];
        if (!owns(sync, block) || (u->replicated && p->tp_rank != 0)) continue;
        if (skip_embeddings && p->tensors[u->tensor].role == DGM_ROLE_EMBEDDING) continue;
        sync->squares[u->global_block + b - u->first_block] = dgm_elem_sum_squares(block->hi - block->lo, grad + block->lo);
    }
    /* Every block is one rank's and zero elsewhere: adding the bits as integers joins the lists and rounds nothing. */
    dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
    dgm_err err = dgm_coll_sum_counts(sync->grid, DGM_AXIS_WORLD, (int64_t *)sync->squares, p->n_global_blocks);
    dgm_timer_enter(left);
    double total = 0;
    for (int b = 0; b < p->n_global_blocks; b++) total += sync->squares[b];
    *norm = sqrt(total);
    return err;
}
