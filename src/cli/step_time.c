/* Times travel as whole nanoseconds: their sums are exact, so every rank has the same means and may decide by them. */
#include "dgm/step_time.h"

#include "dgm/coll.h"

enum { SUMS = DGM_REGION_N + 1, TURN = 32 };

static int64_t nanoseconds(double seconds) { return (int64_t)(seconds * 1e9); }

/* At most TURN updates. */
static dgm_err mean_of_turn(const dgm_grid *grid, const dgm_timer_totals *own, int64_t n, dgm_step_time *out)
{
    int64_t sum[TURN][SUMS], busiest[TURN];
    for (int64_t i = 0; i < n; i++) {
        busiest[i] = 0;
        for (int r = 0; r < DGM_REGION_N; r++) {
            sum[i][r] = nanoseconds(own[i].region_s[r]);
            if (r != DGM_REGION_COMMUNICATION) busiest[i] += sum[i][r];
        }
        sum[i][DGM_REGION_N] = nanoseconds(own[i].hidden_s);
    }
    DGM_TRY(dgm_coll_sum_counts(grid, DGM_AXIS_WORLD, &sum[0][0], n * SUMS));
    DGM_TRY(dgm_coll_max_counts(grid, DGM_AXIS_WORLD, busiest, n));
    double unit = 1e-9 / grid->size;
    for (int64_t i = 0; i < n; i++) {
        dgm_step_time t = {.hidden_s = (double)sum[i][DGM_REGION_N] * unit};
        for (int r = 0; r < DGM_REGION_N; r++) {
            t.region_s[r] = (double)sum[i][r] * unit;
            t.step_s += t.region_s[r];
        }
        double exposed = t.region_s[DGM_REGION_COMMUNICATION];
        t.waiting_s = DGM_MIN(exposed, DGM_MAX(0, (double)busiest[i] * 1e-9 - (t.step_s - exposed)));
        out[i] = t;
    }
    return DGM_OK;
}

dgm_err dgm_step_time_mean(const dgm_grid *grid, const dgm_timer_totals *own, int64_t n, dgm_step_time *out)
{
    for (int64_t i = 0; i < n; i += TURN) DGM_TRY(mean_of_turn(grid, own + i, DGM_MIN(n - i, (int64_t)TURN), out + i));
    return DGM_OK;
}

void dgm_step_time_add(dgm_step_time *sum, const dgm_step_time *x)
{
    for (int r = 0; r < DGM_REGION_N; r++) sum->region_s[r] += x->region_s[r];
    sum->step_s += x->step_s;
    sum->hidden_s += x->hidden_s;
    sum->waiting_s += x->waiting_s;
}

json_t *dgm_step_time_json(const dgm_step_time *t, double factor)
{
    json_t *json = json_object();
    for (int r = 0; json != NULL && r < DGM_REGION_N; r++)
        json_object_set_new(json, dgm_timer_name((dgm_region)r), json_real(t->region_s[r] * factor));
    if (json == NULL) return NULL;
    json_object_set_new(json, "hidden", json_real(t->hidden_s * factor));
    json_object_set_new(json, "waiting", json_real(t->waiting_s * factor));
    return json;
}

void dgm_step_time_rows(const dgm_step_time *t, dgm_step_time_row rows[DGM_STEP_TIME_ROWS])
{
    static const struct { dgm_region region; const char *name; } shown[] = {
        {DGM_REGION_GEMM, "matrix products"},
        {DGM_REGION_ATTENTION, "attention"},
        {DGM_REGION_LOSS, "softmax and loss"},
        {DGM_REGION_ELEMENTWISE, "norms, elementwise"},
        {DGM_REGION_OPTIMIZER, "optimizer"},
        {DGM_REGION_COMMUNICATION, "communication, exposed"},
        {DGM_REGION_LOADING, "loading"},
        {DGM_REGION_OTHER, "other"},
    };
    int n = 0;
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        rows[n++] = (dgm_step_time_row){shown[i].name, t->region_s[shown[i].region], false};
        if (shown[i].region != DGM_REGION_COMMUNICATION) continue;
        rows[n++] = (dgm_step_time_row){"  waiting for a rank", t->waiting_s, true};
        rows[n++] = (dgm_step_time_row){"  hidden behind the rest", t->hidden_s, true};
    }
    rows[n] = (dgm_step_time_row){"update", t->step_s, false};
}
