/* Logs that one of two runs has not, though it wrote one, and lines that are none: without them less was looked at than the runs had. */
#include "dgm/compare.h"

#include <string.h>

void dgm_log_damage_note(dgm_log_damage *damage, const char *path, int64_t line, const char *what)
{
    if (damage->n++ == 0) snprintf(damage->first, sizeof damage->first, "%.300s: line %lld %s", path, (long long)line, what);
}

bool dgm_comparison_damage(const dgm_comparison *c, const dgm_log_damage *out[DGM_COMPARE_LOGS])
{
    bool any = false;
    const dgm_log_damage *all[DGM_COMPARE_LOGS] = {&c->metrics.damage_a, &c->metrics.damage_b, &c->trace.damage_a, &c->trace.damage_b};
    for (int i = 0; i < DGM_COMPARE_LOGS; i++) {
        any = any || all[i]->n > 0;
        out[i] = all[i];
    }
    return any;
}

void dgm_log_presence_find(dgm_log_presence *p, bool in_a, bool in_b, bool always)
{
    p->missing_a = !in_a && (p->written_a || (always && in_b));
    p->missing_b = !in_b && (p->written_b || (always && in_a));
    p->in_a = in_a;
    p->in_b = in_b;
}

int dgm_comparison_missing(const dgm_comparison *c, char path[DGM_COMPARE_LOGS][DGM_COMPARE_PATH])
{
    int n = 0;
    if (c->metrics_in.missing_a) snprintf(path[n++], DGM_COMPARE_PATH, "%.300s/metrics.jsonl", c->a);
    if (c->metrics_in.missing_b) snprintf(path[n++], DGM_COMPARE_PATH, "%.300s/metrics.jsonl", c->b);
    if (c->trace_in.missing_a) snprintf(path[n++], DGM_COMPARE_PATH, "%.300s/trace.jsonl", c->a);
    if (c->trace_in.missing_b) snprintf(path[n++], DGM_COMPARE_PATH, "%.300s/trace.jsonl", c->b);
    return n;
}
