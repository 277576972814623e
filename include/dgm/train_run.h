/* A training run: everything that is alive while one trains, its folder, and what a checkpoint has to remember. */
#ifndef DGM_TRAIN_RUN_H
#define DGM_TRAIN_RUN_H

#include "dgm/checksum.h"
#include "dgm/ckpt.h"
#include "dgm/loader.h"
#include "dgm/run_log.h"
#include "dgm/trace.h"
#include "dgm/train_options.h"

typedef struct {
    const dgm_config *config;
    dgm_train_settings settings;
    const char *dir;      /* RUN */
    const char *data_dir; /* DATA */
    dgm_grid *grid;
    dgm_dataset *dataset;
    dgm_params *params;
    float *flat;
    dgm_trainer *trainer;
    dgm_loader *loader;
    dgm_validator *validator;
    dgm_run_log *log;
    dgm_trace *trace;     /* NULL without --trace-hash */
    int lock;             /* of RUN, held by rank 0; -1: none */
    bool made_dir;        /* RUN was not there before, and this process made it.  On rank 0 */
    dgm_text tokenizer, tgt_tokenizer; /* JSON texts; the second empty when joint */
    char *resume_path, *resume_state; /* the checkpoint that is gone on from, its state.json; NULL: training begins */
    bool from_elsewhere;  /* it lies in another folder: this start branches off */
    int64_t branched_at;  /* the step of the last such start, 0: none; checkpoints up to it are not this run's.  On rank 0 */
    bool beginning_lost;  /* run.json does not tell how the run began.  On rank 0 */
    /* what a checkpoint remembers besides tensors */
    bool from_init;       /* training began with the model of --init */
    char init_sha256[DGM_SHA256_HEX]; /* of its file; "" when that is not known */
    int64_t step;         /* updates made */
    int64_t n_validations;
    int64_t best_step;    /* 0: none yet */
    double best_value;    /* of the best validation, in the unit of best_by */
    int64_t n_stale;      /* validations since */
} dgm_train_run;

/* Makes the grid, and takes RUN for this process before anything is written there: DGM_ERR_USAGE when another one holds it, or when it holds what this
 * start would not go on from.  DGM_ERR_STOPPED when a rank was asked to stop.  Collective on the world of MPI; the error is the same on all ranks.
 * *run is closed by the caller in any case. */
dgm_err dgm_train_run_claim(const dgm_config *config, dgm_train_run *run);

/* Opens DATA in data_dir, whose name must outlive *run, makes the model (or reads it from --init), and takes up the checkpoint that --resume asks
 * for.  DGM_ERR_STOPPED when a rank is asked to stop meanwhile.  Collective on grid->world; the error is the same on all ranks. */
dgm_err dgm_train_run_open(const char *data_dir, dgm_train_run *run);

/* Accepts a run that was not claimed (all zero, lock -1).  A RUN that this process made goes again as long as it is empty: one that is refused leaves
 * no folder behind. */
void dgm_train_run_close(dgm_train_run *run);

/* DGM_ERR_USAGE when RUN has no checkpoint but a result: a training that begins there would take away all that is left of the run.  Not collective. */
dgm_err dgm_train_run_check_begins(const char *dir);

/* Whether any rank was asked to stop: a signal reaches the ranks at different moments.  Collective on grid->world. */
dgm_err dgm_train_run_stop_asked(const dgm_train_run *run, bool *stop);

/* DGM_ERR_STOPPED with the message for a run that was asked to stop before it trained anything. */
dgm_err dgm_train_run_stopped_early(const dgm_train_run *run);

/* Update number `step` on the next batch, with the timer's regions around its parts; DGM_REGION_OTHER is open afterwards.
 * Collective on grid->world. */
dgm_err dgm_train_update(const dgm_grid *grid, dgm_loader *loader, dgm_trainer *trainer, int64_t step, dgm_step_result *out);

/* One update of the run, and what the logs say of it.  Collective on grid->world. */
dgm_err dgm_train_run_step(dgm_train_run *run);

/* Validates and remembers whether it was the best so far.  Collective on grid->world. */
dgm_err dgm_train_run_validate(dgm_train_run *run, bool *is_best);

/* Saves a checkpoint, marks it best if it is, removes old ones.  Collective on grid->world. */
dgm_err dgm_train_run_save(dgm_train_run *run, bool is_best);

/* Removes checkpoints that are neither among the newest, nor the best, nor what the result will be the mean of, nor what can be gone
 * back to as long as something is missing for it, and what killed runs left.
 * Collective on grid->world. */
dgm_err dgm_train_run_prune(const dgm_train_run *run);

/* Finds the checkpoint that --resume asks for, "auto" or its folder, and how its run began; none to be found with "auto" is a beginning.
 * DGM_ERR_USAGE when --init does not fit to it.  Collective on grid->world. */
dgm_err dgm_train_run_find(dgm_train_run *run, const char *which);

/* Takes it up.  DGM_ERR_USAGE when the run has later checkpoints than the folder named, or any and that is another run's.  Collective on
 * grid->world. */
dgm_err dgm_train_run_resume(dgm_train_run *run);

/* The tensors of a checkpoint, where they lie in this run. */
dgm_ckpt dgm_train_run_checkpoint(const dgm_train_run *run);

/* What a checkpoint remembers besides, and how the model came about (for its file; nothing of where it ran), as JSON text that the caller
 * frees; NULL when memory ends. */
char *dgm_train_run_state_text(const dgm_train_run *run);
char *dgm_train_run_record(const dgm_train_run *run);

/* Patience is exhausted or the epochs are over. */
bool dgm_train_run_is_over(const dgm_train_run *run);

/* Warns of what the result will want for: earlier checkpoints that are missing or do not look whole, or that lie in another run.  Collective on
 * grid->world. */
dgm_err dgm_train_run_foresee(const dgm_train_run *run);

/* The step of the checkpoint from which can be trained again what dgm_train_run_foresee would warn of; 0: nothing is missing, or there is none.
 * On rank 0. */
dgm_err dgm_train_run_way_back(const dgm_train_run *run, int64_t *step);

/* DGM_ERR_USAGE when a training that is over has made no checkpoint since it branched off, of which there could be a result. */
dgm_err dgm_train_run_check_own(const dgm_train_run *run, int64_t branched_at);

/* Writes RUN/model.safetensors: the mean of the last checkpoints, the best one, or the last.  DGM_ERR_INPUT, and what was there stays, when one of
 * them is missing or damaged.  Collective on grid->world. */
dgm_err dgm_train_run_finish(dgm_train_run *run);

#endif
