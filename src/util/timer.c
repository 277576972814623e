/* One region is open at a time, so the totals of all regions add up to the time since the reset. */
#include "dgm/timer.h"

#include <time.h>

static _Thread_local dgm_timer_totals totals;
static _Thread_local dgm_region open_region = DGM_REGION_OTHER, paused_region;
static _Thread_local double opened_at, hiding_since;
static _Thread_local bool paused, hiding;

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
    if (!paused) totals.region_s[left] += now - opened_at;
    open_region = region;
    opened_at = now;
    return left;
}

void dgm_timer_hide(bool under_way)
{
    double now = dgm_timer_now();
    if (hiding && !paused) totals.hidden_s += now - hiding_since;
    hiding = under_way;
    hiding_since = now;
}

dgm_timer_totals dgm_timer_read(void)
{
    dgm_timer_enter(open_region);
    dgm_timer_hide(hiding);
    return totals;
}

void dgm_timer_reset(void)
{
    totals = (dgm_timer_totals){0};
    opened_at = hiding_since = dgm_timer_now();
}

void dgm_timer_pause(void)
{
    paused_region = dgm_timer_enter(open_region);
    dgm_timer_hide(hiding);
    paused = true;
}

void dgm_timer_resume(void)
{
    dgm_timer_enter(paused_region);
    dgm_timer_hide(hiding); /* what lay between does not count */
    paused = false;
}

const char *dgm_timer_name(dgm_region region)
{
    static const char *const names[] = {"gemm", "attention", "loss", "elementwise", "optimizer", "communication", "loading", "other"};
    return names[region];
}
