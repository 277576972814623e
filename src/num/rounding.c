/* C's own call for it, rather than a register: the C library knows where each processor keeps rounding mode, flush-to-zero and traps (MXCSR, FPCR). */
#include "dgm/rounding.h"

#include <fenv.h>

void dgm_rounding_reset(void) { (void)fesetenv(FE_DFL_ENV); } /* the default environment can always be had */
