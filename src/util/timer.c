/* One region is open at a time, so the totals of all regions add up to the time since the reset. */
#include "dgm/timer.h"

#include <time.h>

static double totals[DGM_REGION_N];
static dgm_region open_region = DGM_REGION_ELEMENTWISE;
static double opened_at;

double dgm_timer_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

dgm_region dgm_timer_enter(dgm_region region)
{
    double now = dgm_timer_now();
    dgm_region left = open_region;
    totals[left] += now - opened_at;
    open_region = region;
    opened_at = now;
    return left;
}

double dgm_timer_total_s(dgm_region region) { return totals[region]; }

void dgm_timer_reset(void)
{
    for (int i = 0; i < DGM_REGION_N; i++) totals[i] = 0;
    opened_at = dgm_timer_now();
}

const char *dgm_timer_name(dgm_region region)
{
    static const char *const names[] = {"loading", "gemm", "attention", "loss", "elementwise", "optimizer", "communication"};
    return names[region];
}
