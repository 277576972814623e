/* Saving and loading.  The order is what makes a checkpoint safe: data, flushed; DONE, flushed; the folder's rename; only then the link.
 * Whatever moment a run is killed at, the folders without .tmp are whole. */
#include "dgm/ckpt.h"

#include "ckpt_done.h"
#include "dgm/coll.h"
#include "dgm/io.h"
#include "dgm/sharded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *root;     /* RUN/checkpoints */
    char *final;    /* .../step-NNNNNNNN */
    char *partial;  /* .../step-NNNNNNNN.tmp */
    char *replaced; /* .../step-NNNNNNNN.old.tmp: a checkpoint of the same step, on its way out */
    char *model, *optimizer, *state; /* in partial */
} places;

static char *with_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path) + strlen(suffix) + 1;
    char *p = malloc(n);
    if (p != NULL) snprintf(p, n, "%s%s", path, suffix);
    return p;
}

static void places_fini(places *p)
{
    free(p->root);
    free(p->final);
    free(p->partial);
    free(p->replaced);
    free(p->model);
    free(p->optimizer);
    free(p->state);
}

static dgm_err places_init(const char *run, int64_t step, places *p)
{
    *p = (places){0};
    p->root = dgm_io_join(run, "checkpoints");
    p->final = dgm_ckpt_path(run, step);
    if (p->final != NULL) p->partial = with_suffix(p->final, ".tmp");
    if (p->final != NULL) p->replaced = with_suffix(p->final, ".old.tmp");
    if (p->partial != NULL) p->model = dgm_io_join(p->partial, DGM_CKPT_MODEL);
    if (p->partial != NULL) p->optimizer = dgm_io_join(p->partial, DGM_CKPT_OPTIMIZER);
    if (p->partial != NULL) p->state = dgm_io_join(p->partial, DGM_CKPT_STATE);
    if (p->root != NULL && p->replaced != NULL && p->model != NULL && p->optimizer != NULL && p->state != NULL) return DGM_OK;
    return DGM_FAIL(DGM_ERR_NOMEM, "paths of checkpoint %lld", (long long)step);
}

/* ---- saving ---- */

static dgm_err begin(const places *p)
{
    DGM_TRY(dgm_io_make_dirs(p->root));
    DGM_TRY(dgm_ckpt_restore_replaced(p->root));
    DGM_TRY(dgm_ckpt_remove_leftovers(p->root));
    return dgm_io_make_dirs(p->partial);
}

/* A checkpoint of the same step (its run went on from an earlier one) steps aside first: folders cannot be renamed over each other. */
static dgm_err put_in_place(const places *p)
{
    DGM_TRY(dgm_io_sync_dir(p->partial));
    bool replaces = dgm_io_exists(p->final);
    if (replaces) DGM_TRY(dgm_io_rename(p->final, p->replaced));
    dgm_err err = dgm_io_rename(p->partial, p->final);
    if (err == DGM_OK) return replaces ? dgm_io_remove_tree(p->replaced) : DGM_OK;
    if (replaces) rename(p->replaced, p->final); /* if that fails too, the next save or find tries again */
    return err;
}

static void blocks_of(const dgm_ckpt *ckpt, dgm_sharded_block *blocks, char (*prefix)[32])
{
    for (int i = 0; i < ckpt->n_moments; i++) {
        snprintf(prefix[i], sizeof prefix[i], "%s.", ckpt->moment[i].name);
        blocks[i] = (dgm_sharded_block){prefix[i], ckpt->moment[i].data};
    }
}

static dgm_err save_parts(const places *p, int64_t step, const dgm_grid *grid, const dgm_ckpt *ckpt, const dgm_model_strings *strings,
                          const char *state)
{
    char prefix[DGM_CKPT_MAX_MOMENTS][32];
    dgm_sharded_block blocks[DGM_CKPT_MAX_MOMENTS];
    static const dgm_safetensors_string_pair format = {"format", "pt"};
    blocks_of(ckpt, blocks, prefix);
    DGM_TRY(dgm_model_file_save(p->model, grid, ckpt->params, strings, ckpt->flat));
    DGM_TRY(dgm_sharded_save(p->optimizer, grid, ckpt->params, blocks, ckpt->n_moments, ckpt->ranges, ckpt->n_ranges, &format, 1, false));
    dgm_err err = grid->rank == 0 ? dgm_io_write_file(p->state, state, strlen(state)) : DGM_OK;
    DGM_TRY(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    return dgm_ckpt_done_write(p->partial, step, grid);
}

dgm_err dgm_ckpt_save(const char *run, int64_t step, const dgm_grid *grid, const dgm_ckpt *ckpt, const dgm_model_strings *strings,
                      const char *state)
{
    places p;
    bool is_root = grid->rank == 0;
    DGM_ASSERT(ckpt->n_moments >= 0 && ckpt->n_moments <= DGM_CKPT_MAX_MOMENTS);
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, places_init(run, step, &p));
    if (err == DGM_OK) err = dgm_coll_agree(grid, DGM_AXIS_WORLD, is_root ? begin(&p) : DGM_OK);
    if (err == DGM_OK) {
        err = save_parts(&p, step, grid, ckpt, strings, state);
        if (err == DGM_OK) err = dgm_coll_agree(grid, DGM_AXIS_WORLD, is_root ? put_in_place(&p) : DGM_OK);
        if (err != DGM_OK && is_root) { /* the first error is the one to tell */
            char text[2048];
            snprintf(text, sizeof text, "%s", dgm_error_text());
            dgm_io_remove_tree(p.partial);
            err = DGM_FAIL(err, "%s", text);
        }
    }
    places_fini(&p);
    if (err != DGM_OK) return dgm_error_context(err, "checkpoint of step %lld", (long long)step);
    return dgm_ckpt_mark(run, "last", step, grid);
}

/* ---- loading ---- */

static dgm_err load_moments(const char *path, const dgm_ckpt *ckpt)
{
    char prefix[DGM_CKPT_MAX_MOMENTS][32];
    dgm_sharded_block blocks[DGM_CKPT_MAX_MOMENTS];
    dgm_safetensors *file = NULL;
    char *name = dgm_io_join(path, DGM_CKPT_OPTIMIZER);
    blocks_of(ckpt, blocks, prefix);
    dgm_err err = name != NULL ? dgm_safetensors_open(name, &file) : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", path);
    if (err == DGM_OK) err = dgm_sharded_check(file, name, ckpt->params, blocks, ckpt->n_moments);
    if (err == DGM_OK) err = dgm_sharded_load(file, ckpt->params, blocks, ckpt->n_moments, ckpt->ranges, ckpt->n_ranges);
    dgm_safetensors_close(file);
    free(name);
    return err;
}

dgm_err dgm_ckpt_load(const char *path, const dgm_grid *grid, const dgm_ckpt *ckpt)
{
    dgm_model_file *model = NULL;
    dgm_err err = dgm_model_file_open(path, &model);
    if (err == DGM_OK) err = dgm_hparams_check_same(dgm_model_file_hparams(model), &ckpt->params->hp, path); /* shapes do not show all of it */
    if (err == DGM_OK) err = dgm_model_file_read_range(model, ckpt->params, 0, ckpt->params->n_floats, ckpt->flat); /* DONE has been checked */
    if (err == DGM_OK) err = load_moments(path, ckpt);
    dgm_model_file_close(model);
    return dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
}

dgm_err dgm_ckpt_read_state(const char *path, const dgm_grid *grid, char **text)
{
    char *name = dgm_io_join(path, DGM_CKPT_STATE);
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, name != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", path));
    if (err == DGM_OK) err = dgm_ckpt_read_text(name, grid, text);
    free(name);
    return err;
}
