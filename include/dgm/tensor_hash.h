/* Hashes of logical tensors that do not depend on who holds which part: how runs of different layouts are compared step by step.
 *
 * The hash of a tensor is the sum modulo 2^64, over its elements, of m(i * 2^32 xor b): i is the place of the element in the logical,
 * row-major tensor (rotated, where a tensor has more than 2^32 elements), b the 32 bits of the number as it is stored (a NaN or a negative
 * zero has bits like any other), m the finalizer of splitmix64 (Steele, Lea and Flood 2014).  A sum has no order: any rank hashes what it
 * holds, in the order it lies in memory, and the parts are added.  It finds differences; it is no proof against somebody who wants two
 * tensors to look alike. */
#ifndef DGM_TENSOR_HASH_H
#define DGM_TENSOR_HASH_H

#include "dgm/grid.h"
#include "dgm/params.h"

/* The hash of n numbers that are elements first, first + 1, ... of a tensor. */
uint64_t dgm_tensor_hash(int64_t first, const float *data, int64_t n);

/* Adds to hash[params->n_tensors] what this rank holds in the floats [lo, hi) of its flat block of parameters or gradients, block edges or its ends.
 * Replicated tensors are hashed on tp rank 0 alone, so that the sum over all ranks has them once.  Not collective. */
void dgm_tensor_hash_add(const dgm_params *params, int64_t lo, int64_t hi, const float *flat, uint64_t *hash);

/* hash[n] <- sum over all ranks, modulo 2^64.  scratch [2 * n].  Collective on grid->world; n equal on all ranks. */
dgm_err dgm_tensor_hash_sum(const dgm_grid *grid, uint64_t *hash, int n, int64_t *scratch);

#endif
