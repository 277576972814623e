/* train --repeat: the same run again, from what run.json says, and whether the same comes out. */
#ifndef DGM_REPEAT_H
#define DGM_REPEAT_H

#include "dgm/config.h"

#include <jansson.h>

typedef struct {
    json_t *record; /* the run.json of the run to repeat */
    char *path;     /* of it */
    char *dir;      /* the run's folder */
} dgm_repeat;

/* Reads the run.json that --repeat names, looks whether such a run can be repeated and whether it can be here (DATA, --init, kernels), says what
 * differs, and puts the settings of the run into `config`.  Settings that change no bit may be given along with --repeat, others must be
 * those of the run: DGM_ERR_USAGE.  DGM_ERR_INPUT, with the reason, for a run that cannot be repeated.  Release with dgm_repeat_fini in any
 * case.  Collective on the world of MPI. */
dgm_err dgm_repeat_begin(dgm_config *config, dgm_repeat *out);
void dgm_repeat_fini(dgm_repeat *repeat);

/* Compares what run `out` has left with what the run that was repeated left, and prints it.  DGM_ERR_DIFFERENT says where they part.  On one rank. */
dgm_err dgm_repeat_compare(const dgm_repeat *repeat, const char *out);

#endif
