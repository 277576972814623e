/* The wish to stop: a signal that is remembered until the program comes to a place where it can stop in order. */
#ifndef DGM_STOP_H
#define DGM_STOP_H

#include "dgm/error.h"

#include <stdbool.h>

/* From here on SIGTERM and SIGUSR1 do not end the process but are remembered.  A second SIGTERM changes nothing. */
void dgm_stop_catch(void);

bool dgm_stop_asked(void); /* of this process: ranks must agree before they act on it.  Not collective */

/* DGM_ERR_STOPPED once asked to: for long work of one process, whose caller knows what it means.  Not collective. */
dgm_err dgm_stop_check(void);

#endif
