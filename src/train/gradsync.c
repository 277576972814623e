/* A round's gradient is written to the top of a stack of flat blocks; when two neighbouring subtrees are complete the upper is added
 * to the lower.  What is left at the end are the maximal subtrees of this replica's leaves: what dgm_coll_reduce_slices sends. */
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
    int n_leaves;
    dgm_tree_stack sums;
    float *block[DGM_TREE_MAX_NODES];      /* flat gradients, allocated when first needed */
    dgm_weights view[DGM_TREE_MAX_NODES];
    dgm_embedding_grad src_rows, tgt_rows; /* src_rows unused with a joint vocabulary */
    dgm_embedrows *rows;
    int64_t src_table_floats;              /* this rank's part of a source embedding of its own */
    int64_t *slice_start;                  /* [dp_size + 1] */
    float *workspace;
    double *squares;                       /* [n_global_blocks] */
};

dgm_err dgm_gradsync_create(const dgm_params *params, const dgm_grid *grid, int n_leaves, dgm_gradsync **out)
{
    dgm_err err;
    dgm_gradsync *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "gradients");
    s->params = params;
    s->grid = grid;
    s->n_leaves = n_leaves;
    s->slice_start = malloc((size_t)(grid->dp_size + 1) * sizeof *s->slice_start);
    s->workspace = malloc((size_t)DGM_MAX(dgm_coll_reduce_workspace(grid, n_leaves), 1) * sizeof *s->workspace);
    s->squares = malloc((size_t)params->n_global_blocks * sizeof *s->squares);
    if (s->slice_start == NULL || s->workspace == NULL || s->squares == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "gradient reduction");
        goto fail;
    }
    dgm_params_slices(params, grid->dp_size, s->slice_start);
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
    free(sync->slice_start);
    free(sync->workspace);
    free(sync->squares);
    free(sync);
}

const int64_t *dgm_gradsync_slices(const dgm_gradsync *sync) { return sync->slice_start; }

void dgm_gradsync_begin(dgm_gradsync *sync)
{
    dgm_tree_clear(&sync->sums);
    sync->src_rows.n = sync->tgt_rows.n = 0;
}

dgm_err dgm_gradsync_round(dgm_gradsync *sync, dgm_weights **grad, dgm_embedding_grad **src_rows, dgm_embedding_grad **tgt_rows)
{
    int top = sync->sums.n;
    if (sync->block[top] == NULL) {
        DGM_TRY(dgm_params_alloc(sync->params, &sync->block[top]));
        DGM_TRY(dgm_weights_init(sync->params, sync->block[top], &sync->view[top]));
    }
    if (!sync->params->hp.joint_vocab) /* its gradient is rows alone; the last step added them here */
        memset(sync->view[top].src_embedding, 0, (size_t)sync->src_table_floats * sizeof(float));
    *grad = &sync->view[top];
    *tgt_rows = &sync->tgt_rows;
    *src_rows = sync->params->hp.joint_vocab ? &sync->tgt_rows : &sync->src_rows;
    return DGM_OK;
}

static void join(void *user, int i)
{
    dgm_gradsync *s = user;
    dgm_elem_add(s->params->n_floats, s->block[i + 1], s->block[i]);
}

void dgm_gradsync_end_round(dgm_gradsync *sync, int first_leaf, int n_leaves)
{
    dgm_tree_push(&sync->sums, (dgm_tree_node){first_leaf, n_leaves}, join, sync);
}

/* Brings the rows of one embedding table to the slices that own them. */
static dgm_err add_rows(dgm_gradsync *s, const char *name, dgm_embedding_grad *rows, float *slice)
{
    int tensor = dgm_params_find(s->params, name);
    for (int i = 0; i < s->params->n_units; i++) {
        const dgm_unit *u = &s->params->units[i];
        if (u->tensor != tensor) continue;
        return dgm_embedrows_add(s->rows, s->grid, rows, u->offset, u->row0, s->slice_start, slice);
    }
    return DGM_FAIL(DGM_ERR_INTERNAL, "no embedding %s", name);
}

dgm_err dgm_gradsync_reduce(dgm_gradsync *sync, float **slice)
{
    const dgm_params *p = sync->params;
    dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);
    float *own = sync->block[0] + sync->slice_start[sync->grid->dp_rank];
    dgm_err err = dgm_coll_reduce_slices(sync->grid, sync->n_leaves, sync->block, sync->sums.n, sync->slice_start, own, sync->workspace);
    dgm_timer_enter(DGM_REGION_ELEMENTWISE);
    if (err == DGM_OK)
        err = add_rows(sync, p->hp.joint_vocab ? "model.shared.weight" : "model.decoder.embed_tokens.weight", &sync->tgt_rows, own);
    if (err == DGM_OK && !p->hp.joint_vocab) err = add_rows(sync, "model.encoder.embed_tokens.weight", &sync->src_rows, own);
    dgm_timer_enter(left);
    *slice = own;
    return err;
}

dgm_err dgm_gradsync_norm(dgm_gradsync *sync, const float *slice, bool skip_embeddings, double *norm)
{
    const dgm_params *p = sync->params;
    int64_t lo = sync->slice_start[sync->grid->dp_rank], hi = sync->slice_start[sync->grid->dp_rank + 1];
    memset(sync->squares, 0, (size_t)p->n_global_blocks * sizeof *sync->squares);
    for (int b = 0; b < p->n_blocks; b++) {
        const dgm_block *block = &p->blocks[b];
        const dgm_unit *u = &p->units[block->unit];
        if (block->lo < lo || block->lo >= hi || (u->replicated && p->tp_rank != 0)) continue;
        if (skip_embeddings && p->tensors[u->tensor].role == DGM_ROLE_EMBEDDING) continue;
        sync->squares[u->global_block + b - u->first_block] = dgm_elem_sum_squares(block->hi - block->lo, slice + (block->lo - lo));
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
