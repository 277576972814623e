/* Learning rate as a function of the update's number. */
#ifndef DGM_SCHEDULE_H
#define DGM_SCHEDULE_H

#include "dgm/error.h"

typedef enum { DGM_SCHEDULE_NOAM, DGM_SCHEDULE_INVERSE_SQRT, DGM_SCHEDULE_COSINE, DGM_SCHEDULE_CONSTANT } dgm_schedule_kind;

typedef struct {
    dgm_schedule_kind kind;
    double peak;          /* rate at the end of the warm-up; noam: factor before d_model^-0.5 */
    int64_t warmup_steps; /* the rate grows linearly from 0; 0: no warm-up (noam: 1) */
    int64_t max_steps;    /* cosine: where it reaches 0 */
    int64_t d_model;      /* noam */
} dgm_schedule;

/* The rate of update `step`, from 1.
 *   noam          peak * d_model^-0.5 * min(step^-0.5, step * warmup^-1.5)   (Vaswani et al. 2017, eq. 3)
 *   inverse-sqrt  peak * min(step / warmup, sqrt(warmup / step))
 *   cosine        linear warm-up, then peak * (1 + cos(pi t)) / 2, t from 0 at warmup to 1 at max_steps  (Loshchilov and Hutter 2017)
 *   constant      linear warm-up, then peak */
double dgm_schedule_rate(const dgm_schedule *schedule, int64_t step);

/* "noam", "inverse-sqrt", "cosine" or "constant". */
dgm_err dgm_schedule_parse(const char *name, dgm_schedule_kind *out);

#endif
