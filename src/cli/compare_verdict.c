/* The answer of a comparison.  It may claim what was looked at and no more: lines that one run alone has, and steps between common ones, were not. */
#include "dgm/compare.h"

#include <stdarg.h>
#include <string.h>

/* ---- what was looked at ---- */

static bool trace_parts(const dgm_comparison *c) { return c->trace.step >= 0 || c->trace.other_tensors; }

static int64_t n_lines(const dgm_comparison *c) { return c->trace.n_common + c->metrics.n_common + c->n_checkpoints; }

bool dgm_comparison_possible(const dgm_comparison *c) { return c->has_model || c->trace.other_tensors || n_lines(c) > 0; }

/* How far a run goes, by what is compared; -1: not known. */
static int64_t end_of_a(const dgm_comparison *c) { return DGM_MAX(c->metrics.last_a, DGM_MAX(c->trace.last_a, c->last_checkpoint_a)); }
static int64_t end_of_b(const dgm_comparison *c) { return DGM_MAX(c->metrics.last_b, DGM_MAX(c->trace.last_b, c->last_checkpoint_b)); }

/* Where nothing differs: the last step that was looked at in both. */
static int64_t same_until(const dgm_comparison *c) { return DGM_MAX(c->metrics.before, DGM_MAX(c->trace.before, c->equal_checkpoint)); }

static bool ends_differ(const dgm_comparison *c)
{
    int64_t a = end_of_a(c), b = end_of_b(c);
    return a != b && !(c->has_model && (a < 0 || b < 0)); /* of a finished run whose logs are gone only the result is known */
}

bool dgm_comparison_identical(const dgm_comparison *c)
{
    if (!dgm_comparison_possible(c) || (c->has_model && !dgm_model_difference_none(&c->model))) return false;
    if (!c->runs) return !c->has_optimizer || dgm_model_difference_none(&c->optimizer);
    const dgm_log_damage *damage[DGM_COMPARE_LOGS];
    bool parts = trace_parts(c) || c->metrics.step >= 0 || c->other_checkpoint >= 0;
    return !parts && !dgm_comparison_damage(c, damage) && !ends_differ(c) && c->only == 0 && (c->has_model || same_until(c) == end_of_a(c));
}

/* ---- words ---- */

static void append(char *text, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *text, size_t bytes, const char *format, ...)
{
    va_list args;
    size_t used = strlen(text);
    va_start(args, format);
    vsnprintf(text + used, bytes - used, format, args);
    va_end(args);
}

/* "at step 9", or where steps were left out since the one before: "between steps 50 and 100".  first: the first step that there can be. */
static void tell_place(int64_t before, int64_t step, int64_t first, char *text, size_t bytes)
{
    if (before < 0 && step > first) snprintf(text, bytes, "at step %lld or before it", (long long)step);
    else if (before >= 0 && step - before > 1) snprintf(text, bytes, "between steps %lld and %lld", (long long)before, (long long)step);
    else snprintf(text, bytes, "at step %lld", (long long)step);
}

/* "9 common steps of trace.jsonl and 8 common lines of metrics.jsonl, up to step 8, where B ends" */
static void tell_common(const dgm_comparison *c, char *text, size_t bytes)
{
    const struct { int64_t n; const char *what, *of; } parts[] = {{c->trace.n_common, "step", " of trace.jsonl"},
                                                                  {c->metrics.n_common, "line", " of metrics.jsonl"},
                                                                  {c->n_checkpoints, "checkpoint", ""}};
    const char *between = "";
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].n == 0) continue;
        append(text, bytes, "%s%lld common %s%s%s", between, (long long)parts[i].n, parts[i].what, parts[i].n == 1 ? "" : "s", parts[i].of);
        between = " and ";
    }
    int64_t a = end_of_a(c), b = end_of_b(c), until = same_until(c);
    if (DGM_MIN(a, b) > until)
        append(text, bytes, ", the last of step %lld (%s goes on to step %lld, %s to step %lld)", (long long)until, c->a, (long long)a, c->b,
               (long long)b);
    else append(text, bytes, ", up to step %lld, where %s", (long long)until, a == b ? "both end" : a < b ? c->a : c->b);
    if (a != b && DGM_MIN(a, b) <= until) append(text, bytes, " ends");
}

void dgm_trace_difference_tell(const dgm_trace_difference *t, char *text, size_t bytes)
{
    text[0] = '\0';
    if (t->has_gradients) append(text, bytes, "gradients of %d, ", t->n_gradients);
    append(text, bytes, "weights of %d of %d tensors differ", t->n_weights, t->n_tensors);
}

bool dgm_model_difference_noise_is_larger(const dgm_model_difference *d)
{
    return d->n_different > 0 && !d->tensors[d->largest].is_noise && d->largest_noise > d->tensors[d->largest].max_difference;
}

/* ---- the answer ---- */

static void model_verdict(const char *what, const dgm_model_difference *d, char *text, size_t bytes)
{
    if (d->n_different > 0)
        snprintf(text, bytes, "%s differ in %d of %d tensors, by at most %.3g in %s%s", what, d->n_different, d->n_tensors,
                 d->tensors[d->largest].max_difference, d->tensors[d->largest].name,
                 dgm_model_difference_noise_is_larger(d) ? " (k_proj.bias left out)" : "");
    else
        snprintf(text, bytes, "%s have other tensors: %s", what, d->missing);
}

static void trace_verdict(const dgm_trace_difference *t, char *text, size_t bytes)
{
    bool gradient = t->n_gradients > 0;
    char place[64], counts[128];
    tell_place(t->before, t->step, 0, place, sizeof place);
    dgm_trace_difference_tell(t, counts, sizeof counts);
    if (t->other_tensors) snprintf(text, bytes, "the runs train other tensors");
    else if (!t->exact) snprintf(text, bytes, "the runs part %s: at step %lld %s already", place, (long long)t->step, counts);
    else if (t->before < 0)
        snprintf(text, bytes, "the runs begin with other weights at step %lld: %s is the first", (long long)t->step, t->first_weight);
    else
        snprintf(text, bytes, "the runs part %s: the %s of %s is the first that differs", place, gradient ? "gradient" : "weight",
                 gradient ? t->last_gradient : t->first_weight);
}

static void metrics_verdict(const dgm_comparison *c, char *text, size_t bytes)
{
    const dgm_metrics_difference *m = &c->metrics;
    char place[64];
    int64_t traced = c->trace.before < m->step ? c->trace.before : -1;
    tell_place(DGM_MAX(m->before, traced), m->step, 1, place, sizeof place);
    snprintf(text, bytes, "the runs part %s: %s is %s and %s", place, m->field, m->value_a, m->value_b);
}

static void checkpoint_verdict(const dgm_comparison *c, char *text, size_t bytes)
{
    char place[64];
    tell_place(DGM_MAX(c->equal_checkpoint, c->trace.before), c->other_checkpoint, 0, place, sizeof place);
    snprintf(text, bytes, "the runs part %s: the checkpoints of step %lld have other weights", place, (long long)c->other_checkpoint);
}

/* "; B/metrics.jsonl is missing; A/trace.jsonl: line 4 is damaged, or not where it belongs" */
static void append_what_lacks(const dgm_comparison *c, char *text, size_t bytes)
{
    char missing[DGM_COMPARE_LOGS][DGM_COMPARE_PATH];
    const dgm_log_damage *damage[DGM_COMPARE_LOGS];
    int n = dgm_comparison_missing(c, missing);
    (void)dgm_comparison_damage(c, damage);
    for (int i = 0; i < n; i++) append(text, bytes, "; %s is missing", missing[i]);
    for (int i = 0; i < DGM_COMPARE_LOGS; i++)
        if (damage[i]->n > 0) append(text, bytes, "; %s", damage[i]->first);
}

static void identical_verdict(const dgm_comparison *c, char *text, size_t bytes)
{
    char missing[DGM_COMPARE_LOGS][DGM_COMPARE_PATH];
    bool weights = c->has_model || c->trace.before == end_of_a(c) || c->equal_checkpoint == end_of_a(c);
    if (!c->runs && c->only != 0)
        snprintf(text, bytes, "the models are identical; only %s has moments of an optimizer", c->only == 1 ? c->a : c->b);
    else if (c->runs && n_lines(c) == 0) snprintf(text, bytes, "the results are identical; nothing else could be compared");
    else if (c->runs && weights && dgm_comparison_missing(c, missing) > 0) snprintf(text, bytes, "identical in what both have");
    else snprintf(text, bytes, "identical");
    if (c->runs && !weights) {
        append(text, bytes, " in ");
        tell_common(c, text, bytes);
        append(text, bytes, "; weights of that step were not compared");
    }
    append_what_lacks(c, text, bytes);
}

/* Nothing differs, yet the runs are not the same, or it is not known. */
static void part_verdict(const dgm_comparison *c, char *text, size_t bytes)
{
    if (n_lines(c) == 0 && !ends_differ(c)) snprintf(text, bytes, "the results are the same; nothing else could be compared");
    else if (n_lines(c) == 0)
        snprintf(text, bytes, "the results are the same, but %s goes to step %lld, %s to step %lld; nothing else could be compared", c->a,
                 (long long)end_of_a(c), c->b, (long long)end_of_b(c));
    else {
        snprintf(text, bytes, "nothing differs in ");
        tell_common(c, text, bytes);
    }
    if (c->only != 0) append(text, bytes, "; only %s has a result", c->only == 1 ? c->a : c->b);
    append_what_lacks(c, text, bytes);
}

void dgm_comparison_verdict(const dgm_comparison *c, char *text, size_t bytes)
{
    const dgm_metrics_difference *m = &c->metrics;
    bool metrics_part = m->step >= 0 && !c->trace.other_tensors && (c->trace.step < 0 || m->step < c->trace.step);
    bool checkpoints_part = c->other_checkpoint >= 0 && !(metrics_part && m->step <= c->other_checkpoint);
    if (!dgm_comparison_possible(c))
        snprintf(text, bytes,
                 "nothing could be compared: no logged step, traced step or checkpoint is in both runs, and not both have a result; train both with "
                 "--trace-hash, or with the same --log-every or --checkpoint-every, up to a step that both reach");
    else if (dgm_comparison_identical(c)) identical_verdict(c, text, bytes);
    else if (checkpoints_part) checkpoint_verdict(c, text, bytes);
    else if (metrics_part) metrics_verdict(c, text, bytes);
    else if (trace_parts(c)) trace_verdict(&c->trace, text, bytes);
    else if (ends_differ(c) && n_lines(c) > 0) part_verdict(c, text, bytes);
    else if (c->has_model && !dgm_model_difference_none(&c->model)) model_verdict(c->runs ? "the results" : "the models", &c->model, text, bytes);
    else if (c->has_optimizer && !dgm_model_difference_none(&c->optimizer)) model_verdict("the optimizers' moments", &c->optimizer, text, bytes);
    else part_verdict(c, text, bytes);
}
