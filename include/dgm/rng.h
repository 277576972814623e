/* Counter-based random bits: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * A value is a function of (seed, purpose) and a 128-bit counter that says what it is for: never of the rank, the layout or the
 * order of calls.  There is no state to save: whoever knows the names of a value can make it again. */
#ifndef DGM_RNG_H
#define DGM_RNG_H

#include <stdint.h>

typedef enum { /* the numbers are part of every model's identity: never change or reuse one */
    DGM_RNG_INIT = 1,
    DGM_RNG_SHUFFLE = 2,
    DGM_RNG_DROPOUT = 3,
    DGM_RNG_SAMPLE = 4,
    DGM_RNG_BOOTSTRAP = 5,
    DGM_RNG_CORPUS = 6,
    DGM_RNG_TEST = 7,
    DGM_RNG_BPE_DROPOUT = 8
} dgm_rng_purpose;

typedef struct { uint32_t key[2]; } dgm_rng;
typedef struct { uint32_t v[4]; } dgm_rng_block;

dgm_rng dgm_rng_make(uint64_t seed, dgm_rng_purpose purpose);

/* The four 32-bit values at counter (c0, c1, c2, c3). */
dgm_rng_block dgm_rng_at(dgm_rng rng, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3);

/* Uniform in [0, 1), 53 bits, from two values of the block at (index, stream). */
double dgm_rng_uniform(dgm_rng rng, uint64_t index, uint64_t stream);

/* Standard normal (Box and Muller 1958). */
double dgm_rng_normal(dgm_rng rng, uint64_t index, uint64_t stream);

/* Uniform integer in [0, n), n >= 1, without bias worth naming (64-bit multiply-shift). */
uint64_t dgm_rng_below(dgm_rng rng, uint64_t n, uint64_t index, uint64_t stream);

/* Fills order[n] with a permutation of 0..n-1 (Fisher and Yates), the same for the same (rng, stream). */
void dgm_rng_permute(dgm_rng rng, uint64_t stream, int64_t n, int64_t *order);

#endif
