/* Regions add up to the time there was, without pauses, and threads do not count into each other. */
#include "dgm/timer.h"
#include "tap.h"

#include <pthread.h>

static void pass(double seconds)
{
    for (double end = dgm_timer_now() + seconds; dgm_timer_now() < end;) {}
}

static double sum(const dgm_timer_totals *t)
{
    double s = 0;
    for (int r = 0; r < DGM_REGION_N; r++) s += t->region_s[r];
    return s;
}

static void *other_thread(void *unused)
{
    dgm_timer_enter(DGM_REGION_LOADING);
    pass(0.002);
    dgm_timer_hide(true);
    pass(0.002);
    dgm_timer_enter(DGM_REGION_OTHER);
    return unused;
}

int main(void)
{
    pthread_t thread;
    dgm_timer_enter(DGM_REGION_OTHER);
    double around = dgm_timer_now();
    dgm_timer_reset();
    double within = dgm_timer_now();
    for (int r = 0; r < DGM_REGION_N; r++) {
        dgm_region left = dgm_timer_enter((dgm_region)r);
        tap_int(left, r == 0 ? DGM_REGION_OTHER : r - 1, "entering %s tells what was left", dgm_timer_name((dgm_region)r));
        pass(0.001 * (r + 1));
    }
    within = dgm_timer_now() - within;
    dgm_timer_totals t = dgm_timer_read();
    around = dgm_timer_now() - around;
    tap_ok(sum(&t) >= within - 1e-9 && sum(&t) <= around + 1e-9, "regions add up to the time since the reset: %.9f s, expected %.9f to %.9f", sum(&t),
           within, around);
    for (int r = 0; r < DGM_REGION_N; r++)
        tap_ok(t.region_s[r] >= 0.001 * (r + 1), "%s has at least its %d ms: %g s", dgm_timer_name((dgm_region)r), r + 1, t.region_s[r]);
    tap_near(t.hidden_s, 0, 0, "nothing was hidden");

    dgm_timer_enter(DGM_REGION_GEMM);
    around = dgm_timer_now();
    dgm_timer_totals before = dgm_timer_read();
    dgm_timer_pause();
    dgm_timer_enter(DGM_REGION_LOSS);
    dgm_timer_hide(true);
    pass(0.01);
    dgm_timer_hide(false);
    dgm_timer_enter(DGM_REGION_ATTENTION);
    dgm_timer_resume();
    t = dgm_timer_read();
    around = dgm_timer_now() - around;
    tap_ok(sum(&t) - sum(&before) <= around - 0.01 + 1e-9, "a pause of 10 ms counts nowhere: %.9f s in %.9f", sum(&t) - sum(&before), around);
    tap_near(t.hidden_s, 0, 0, "nor does what was hidden in it");
    tap_int(dgm_timer_enter(DGM_REGION_OTHER), DGM_REGION_GEMM, "after it the region is open that was open before");

    around = dgm_timer_now();
    dgm_timer_hide(true);
    pass(0.003);
    dgm_timer_pause();
    pass(0.01);
    dgm_timer_resume();
    pass(0.003);
    dgm_timer_hide(false);
    around = dgm_timer_now() - around;
    pthread_create(&thread, NULL, other_thread, NULL);
    pthread_join(thread, NULL);
    t = dgm_timer_read();
    tap_ok(t.hidden_s >= 0.006 && t.hidden_s <= around - 0.01 + 1e-9, "hidden: from hide to hide, without the pause, this thread alone: %.9f s in %.9f",
           t.hidden_s, around);
    tap_near(t.region_s[DGM_REGION_LOADING], before.region_s[DGM_REGION_LOADING], 0, "another thread's loading is its own");
    dgm_timer_reset();
    t = dgm_timer_read();
    tap_ok(t.region_s[DGM_REGION_GEMM] == 0 && t.hidden_s == 0, "the reset forgets all");
    tap_text(dgm_timer_name(DGM_REGION_OTHER), "other", "every region has a name");
    return tap_done();
}
