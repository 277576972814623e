/* Checkpoints: all that training needs to go on, on any layout, with the same bits.
 *
 *   RUN/checkpoints/step-00000500/model.safetensors       the parameters: a model file like any other
 *                                 optimizer.safetensors   the moments, exp_avg.NAME, ...
 *                                 state.json              what the trainer wants to know again
 *                                 DONE                    JSON: step, size and digest of each file above; written last
 *   RUN/last, RUN/best                                    links into checkpoints/
 *
 * A checkpoint is written in step-NNNNNNNN.tmp and renamed when all of it is on disk: a folder without .tmp and with a DONE whose digests
 * are right is whole if its name, DONE and state.json say one step; anything else is left over from a run that was killed, or somebody has changed it.
 * Nothing in it depends on rank, layout, time or path.
 * All functions are collective on grid->world unless they say otherwise, and return the same error on all ranks. */
#ifndef DGM_CKPT_H
#define DGM_CKPT_H

#include "dgm/grid.h"
#include "dgm/model_file.h"
#include "dgm/params.h"

enum { DGM_CKPT_MAX_MOMENTS = 3 };

typedef struct {
    const dgm_params *params;
    float *flat;    /* [params->n_floats] the same on all replicas */
    const dgm_range *ranges; /* [n_ranges] the stretches whose moments this rank holds: ascending, block edges; the replicas' cover the flat block */
    int n_ranges;
    int n_moments;
    struct {
        const char *name; /* "exp_avg", ... */
        float *data;      /* of the stretches, end to end */
    } moment[DGM_CKPT_MAX_MOMENTS];
} dgm_ckpt;

/* Saves a checkpoint and makes RUN/last point to it.  A failure (a full disk, say) leaves the checkpoints that were there.
 * Removes what killed runs left behind.  `state` is JSON text; all but the tensors is equal on all ranks. */
dgm_err dgm_ckpt_save(const char *run, int64_t step, const dgm_grid *grid, const dgm_ckpt *ckpt, const dgm_model_strings *strings,
                      const char *state);

/* Reads this rank's parameters and moments from the checkpoint folder `path`, which dgm_ckpt_find or dgm_ckpt_verify has looked at.
 * DGM_ERR_INPUT when it is of another architecture or optimizer. */
dgm_err dgm_ckpt_load(const char *path, const dgm_grid *grid, const dgm_ckpt *ckpt);

/* The text of its state.json; the caller frees it. */
dgm_err dgm_ckpt_read_state(const char *path, const dgm_grid *grid, char **text);

/* Which checkpoint to go on from, a path that the caller frees.  which = "auto": the newest whole one of the run, damaged ones skipped
 * with a warning; NULL when the run has none at all, DGM_ERR_INPUT when it has some and none is whole.  Otherwise `which` is a
 * checkpoint's folder, DGM_ERR_INPUT when it is not whole. */
dgm_err dgm_ckpt_find(const char *run, const char *which, const dgm_grid *grid, char **path);

/* DGM_ERR_INPUT, saying what is missing or damaged, unless all of the checkpoint is as it was written. */
dgm_err dgm_ckpt_verify(const char *path, const dgm_grid *grid);

/* Whether DONE is there, the files have the sizes it says, and all say one step: cheap.  Not collective. */
bool dgm_ckpt_looks_whole(const char *path);

/* Whether a folder is that of a checkpoint, whole or not, rather than one that holds a model.  Not collective. */
bool dgm_ckpt_is_folder(const char *path);

/* Makes RUN/NAME ("best") point to the checkpoint of that step. */
dgm_err dgm_ckpt_mark(const char *run, const char *name, int64_t step, const dgm_grid *grid);

/* Removes checkpoints but for the keep_last (at least 1) newest whole ones, those that RUN/last and RUN/best point to, and those of the
 * steps keep[n_keep].  Damaged ones do not count as kept.  Removes what killed runs left behind, too. */
dgm_err dgm_ckpt_prune(const char *run, int keep_last, const int64_t *keep, int n_keep, const dgm_grid *grid);

/* The steps of the checkpoints there are, whole or not, ascending; the caller frees them.  Not collective. */
dgm_err dgm_ckpt_list(const char *run, int64_t **steps, int *n);

/* RUN/checkpoints/step-NNNNNNNN, in memory the caller frees; NULL when memory ends.  Not collective. */
char *dgm_ckpt_path(const char *run, int64_t step);

#endif
