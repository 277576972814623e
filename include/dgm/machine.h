/* The machine's ceilings, measured: what the speed of training is compared with. */
#ifndef DGM_MACHINE_H
#define DGM_MACHINE_H

#include "dgm/gemm.h"
#include "dgm/link.h"

typedef struct {
    double peak_gflops;                        /* fp32 products, all ranks together: see dgm_machine_peak */
    double peak_bf16_gflops;                   /* the same of bf16 products; 0 where there are none */
    double copy_one_bytes_per_s;               /* of rank 0 alone; bytes read and bytes written both count */
    double copy_all_bytes_per_s;               /* of all ranks together, all at once */
    double add_bytes_per_s;                    /* of each rank, all at once: bytes of x in y += x, blocks that no cache holds */
    dgm_link link;                             /* zeros with one rank */
    int64_t gradient_bytes;                    /* of the block that is reduced below */
    double reduce_s, gather_s, allreduce_s;    /* over the replicas: dgm_reducer, dgm_allgather, MPI_Allreduce; 0 with one */
} dgm_machine;

/* GFLOP/s of all ranks together in the best of `tries` products of 2048 x 2048 matrices of floats that all ranks make at once, each with its
 * threads (after one that is not counted), as many by our kernels and by BLIS, unless one of them turns out far slower: the ceiling that every share of peak refers to.  Each takes until the last rank is done (dgm_coll_span).
 * The precision must be available; products are fp32 again afterwards.  Collective on grid->world. */
dgm_err dgm_machine_peak(const dgm_grid *grid, dgm_precision precision, int tries, double *gflops);

/* All of the above.  n_floats: of this rank's gradient; n_leaves: virtual_dp.  Best of several each.  Collective on grid->world. */
dgm_err dgm_machine_measure(const dgm_grid *grid, int64_t n_floats, int n_leaves, dgm_machine *out);

/* The most memory this process has had so far, in MiB. */
double dgm_machine_peak_memory_mb(void);

/* What the processor calls itself, "unknown" where it cannot be found out; `out` [bytes]. */
void dgm_machine_cpu(char *out, size_t bytes);

#endif
