/* How the processor rounds is a state of each thread that any code in the process may change: a library built with -ffast-math makes it flush
 * subnormal numbers to zero as soon as it is loaded, MPI's plugins and the preloaded ones included.  The bits of a run would then be those of what
 * else is installed. */
#ifndef DGM_ROUNDING_H
#define DGM_ROUNDING_H

/* On the calling thread: to nearest, ties to even; subnormal numbers are kept; no operation traps.  Threads that it starts from then on begin so.
 * Tens of nanoseconds.  Called when a command begins, when MPI has started, whenever ranks agree (dgm_coll_agree), which they do before each update,
 * each batch of translations and each scoring of pairs, and by all threads of products when their number is set. */
void dgm_rounding_reset(void);

#endif
