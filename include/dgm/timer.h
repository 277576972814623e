/* Monotonic time and named regions of a training step. */
#ifndef DGM_TIMER_H
#define DGM_TIMER_H

typedef enum {
    DGM_REGION_LOADING,
    DGM_REGION_GEMM,
    DGM_REGION_ATTENTION,
    DGM_REGION_LOSS,
    DGM_REGION_ELEMENTWISE,
    DGM_REGION_OPTIMIZER,
    DGM_REGION_COMMUNICATION,
    DGM_REGION_N
} dgm_region;

/* Seconds since some fixed moment, never going back. */
double dgm_timer_now(void);

/* Regions do not nest: entering one leaves the other.  dgm_timer_enter returns the region that was left, to go back to it. */
dgm_region dgm_timer_enter(dgm_region region);
double dgm_timer_total_s(dgm_region region);
void dgm_timer_reset(void);
const char *dgm_timer_name(dgm_region region);

#endif
