/* DONE, which makes a checkpoint whole: JSON {"version": 1, "step": N, "files": {NAME: {"bytes": N, "xxh3": "16 hex digits"}}} of the files
 * of a checkpoint; the digests are those of digest.h. */
#ifndef DGM_CKPT_DONE_H
#define DGM_CKPT_DONE_H

#include "dgm/grid.h"

#define DGM_CKPT_MODEL "model.safetensors"
#define DGM_CKPT_OPTIMIZER "optimizer.safetensors"
#define DGM_CKPT_STATE "state.json"
#define DGM_CKPT_DONE "DONE"

/* Digests the files in `dir`, each rank a share, and writes DONE.  Collective on grid->world; the same error everywhere. */
dgm_err dgm_ckpt_done_write(const char *dir, int64_t step, const dgm_grid *grid);

/* DGM_ERR_INPUT unless DONE is there, sizes and digests are right, and DONE, state.json and a folder's name step-NNNNNNNN say one step.  Collective on grid->world; the same error everywhere. */
dgm_err dgm_ckpt_done_check(const char *dir, const dgm_grid *grid);

/* The step that a folder's name says, -1 for other names. */
int64_t dgm_ckpt_step_of_name(const char *name);

/* The text of a file, read by rank 0, on all ranks; the caller frees it.  Collective on grid->world; the same error everywhere. */
dgm_err dgm_ckpt_read_text(const char *path, const dgm_grid *grid, char **text);

/* Puts back each step-N.old.tmp that stepped aside for a new step-N which never came, the run being killed just then; `folder` may be
 * absent.  Not collective: one process. */
dgm_err dgm_ckpt_restore_replaced(const char *folder);

/* Removes the step-*.tmp in a run's folder of checkpoints.  Not collective: one process. */
dgm_err dgm_ckpt_remove_leftovers(const char *folder);

#endif
