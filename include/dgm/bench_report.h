/* What `bench` has measured, and how it is shown: text for people, one JSON object for programs. */
#ifndef DGM_BENCH_REPORT_H
#define DGM_BENCH_REPORT_H

#include "dgm/machine.h"
#include "dgm/step_time.h"
#include "dgm/train_options.h"

#include <stdio.h>

typedef struct {
    const dgm_grid *grid;
    const dgm_hparams *hp;
    const dgm_train_settings *settings;
    int threads;           /* that the ranks compute with: of the one that has fewest.  settings->threads are what was asked for */
    const char *config;    /* file or preset; NULL: none */
    const char *sentences; /* where they come from */
    dgm_machine machine;   /* peak_gflops is 0: not measured */
    int64_t n_steps, n_settle_steps;
    dgm_step_time *time;        /* [n_steps] mean over the ranks */
    int64_t *tgt_tokens;        /* [n_steps] */
    double *flops;              /* [n_steps] of the model's products: dgm_hparams_flops */
    int64_t *memory_kb;         /* [grid->size] most memory of each rank, training alone */
} dgm_bench_result;

/* On standard output.  DGM_ERR_NOMEM.  Not collective: for rank 0. */
dgm_err dgm_bench_print(const dgm_bench_result *result);
dgm_err dgm_bench_print_json(const dgm_bench_result *result);

#endif
