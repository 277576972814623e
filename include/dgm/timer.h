/* Monotonic time, and where the time of training goes: named regions.
 *
 * One region is open at a time and regions do not nest: entering one leaves the other.  So the totals of all regions add up to the
 * time since the reset, without what lies between pause and resume.  Every thread has totals of its own; those of the thread that trains
 * are what is reported. */
#ifndef DGM_TIMER_H
#define DGM_TIMER_H

#include <stdbool.h>

typedef enum {
    DGM_REGION_GEMM,          /* matrix products, the additions of their partial results along the trees included */
    DGM_REGION_ATTENTION,     /* scores, softmax, dropout and weighted sums inside sentences */
    DGM_REGION_LOSS,          /* softmax over the vocabulary, loss and its gradient */
    DGM_REGION_ELEMENTWISE,   /* norms, biases, activations, dropout, residuals, embeddings, additions of whole gradients */
    DGM_REGION_OPTIMIZER,     /* norm of the gradient, clipping, update */
    DGM_REGION_COMMUNICATION, /* exposed: this rank waits for messages, or adds what has come */
    DGM_REGION_LOADING,       /* batches: reading, shuffling, packing */
    DGM_REGION_OTHER,         /* logs and what else lies between updates */
    DGM_REGION_N
} dgm_region;

typedef struct {
    double region_s[DGM_REGION_N];
    double hidden_s; /* communication under way while this rank computed: part of no region */
} dgm_timer_totals;

/* Seconds since some fixed moment, never going back. */
double dgm_timer_now(void);

/* Returns the region that was left, to go back to it. */
dgm_region dgm_timer_enter(dgm_region region);

/* Says whether communication is under way from now on while this rank computes: that time counts as hidden, once more beside the regions.
 * Call with false before waiting for it. */
void dgm_timer_hide(bool under_way);

/* Since the reset; the open region is counted up to now. */
dgm_timer_totals dgm_timer_read(void);
void dgm_timer_reset(void);

/* What lies between counts nowhere, whatever regions are entered there; resume goes back to the region that pause left. */
void dgm_timer_pause(void);
void dgm_timer_resume(void);

const char *dgm_timer_name(dgm_region region);

#endif
