/* What a handler may do is little: it leaves a mark, which long work looks at between its parts. */
#include "dgm/stop.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t asked;

static void note_signal(int number)
{
    (void)number;
    asked = 1;
}

void dgm_stop_catch(void)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
}

bool dgm_stop_asked(void) { return asked != 0; }

dgm_err dgm_stop_check(void) { return dgm_stop_asked() ? DGM_FAIL(DGM_ERR_STOPPED, "asked to stop by a signal") : DGM_OK; }
