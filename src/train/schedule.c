/* In double: the same rate, to the last bit of a float, wherever it is computed with one libm. */
#include "dgm/schedule.h"

#include <math.h>
#include <string.h>

double dgm_schedule_rate(const dgm_schedule *schedule, int64_t step)
{
    double s = (double)DGM_MAX(step, 1), warmup = (double)schedule->warmup_steps;
    double ramp = warmup > 0 ? DGM_MIN(1.0, s / warmup) : 1.0;
    switch (schedule->kind) {
    case DGM_SCHEDULE_NOAM:
        warmup = DGM_MAX(warmup, 1);
        return schedule->peak / sqrt((double)schedule->d_model) * DGM_MIN(1 / sqrt(s), s / (warmup * sqrt(warmup)));
    case DGM_SCHEDULE_INVERSE_SQRT: return schedule->peak * DGM_MIN(ramp, sqrt(DGM_MAX(warmup, 1) / s));
    case DGM_SCHEDULE_COSINE: {
        double span = DGM_MAX((double)schedule->max_steps - warmup, 1), t = DGM_MIN(DGM_MAX(s - warmup, 0) / span, 1);
        return s < warmup ? schedule->peak * ramp : schedule->peak * 0.5 * (1 + cos(3.141592653589793 * t));
    }
    case DGM_SCHEDULE_CONSTANT: break;
    }
    return schedule->peak * ramp;
}

dgm_err dgm_schedule_parse(const char *name, dgm_schedule_kind *out)
{
    static const char *const names[] = {"noam", "inverse-sqrt", "cosine", "constant"};
    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (dgm_schedule_kind)i;
            return DGM_OK;
        }
    return DGM_FAIL(DGM_ERR_USAGE, "schedule = %s: expected noam, inverse-sqrt, cosine or constant", name);
}
