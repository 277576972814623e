/* What a comparison found, as text and as JSON. */
#include "dgm/compare.h"

#include "dgm/json_text.h"

#include <string.h>

/* ---- text ---- */

/* A line for each, under names of one width. */
static void print_differences(const json_t *list, const char *key_a, const char *key_b, FILE *out)
{
    size_t i, width = 8;
    json_t *entry;
    const char *name, *a, *b, *effect;
    json_array_foreach((json_t *)list, i, entry) width = DGM_MAX(width, strlen(json_string_value(json_object_get(entry, "name"))));
    json_array_foreach((json_t *)list, i, entry)
    {
        if (json_unpack(entry, "{s:s, s:s, s:s, s:s}", "name", &name, key_a, &a, key_b, &b, "effect", &effect) != 0) continue;
        char mark = strcmp(effect, "bits") == 0 ? '!' : strcmp(effect, "record") == 0 ? '~' : ' ';
        fprintf(out, "  %c %-*s  %.60s | %.60s\n", mark, (int)width, name, a, b);
    }
}

static void print_record(const dgm_comparison *c, FILE *out)
{
    if (c->record == NULL && c->runs) fprintf(out, "run.json: not in both, so settings, data and machines are not compared\n");
    if (json_array_size(c->record) == 0) return;
    fprintf(out, "recorded differently (! may change what is learned; ~ what is logged, when training ends, which checkpoint is the result):\n");
    print_differences(c->record, "a", "b", out);
}

/* Nothing in it may change bits or what is left behind. */
static bool is_harmless(const json_t *start)
{
    size_t i;
    json_t *entry, *list = json_object_get(start, "differences");
    json_array_foreach(list, i, entry)
    {
        const char *effect = json_string_value(json_object_get(entry, "effect"));
        if (effect == NULL || strcmp(effect, "none") != 0) return false;
    }
    return json_is_array(list) && json_object_get(start, "from") == NULL;
}

static void print_start(const json_t *start, FILE *out)
{
    const json_t *until = json_object_get(start, "until"), *list = json_object_get(start, "differences");
    const char *from = json_string_value(json_object_get(start, "from"));
    fprintf(out, "  updates %lld ", (long long)json_integer_value(json_object_get(start, "after_step")) + 1);
    if (until != NULL) fprintf(out, "to %lld", (long long)json_integer_value(until));
    else fprintf(out, "and on");
    if (from != NULL) fprintf(out, ", going on from %s", from);
    fprintf(out, json_is_array(list) ? "\n" : ": nothing is known of them, an earlier run.json was lost\n");
    print_differences(list, "then", "last", out);
}

static void print_starts(const char *run, const json_t *starts, FILE *out)
{
    enum { HARMLESS_SHOWN = 3 };
    size_t i;
    int n_harmless = 0;
    json_t *start;
    if (json_array_size(starts) == 0) return;
    fprintf(out, "earlier starts of %s (what was then otherwise | in its last start):\n", run);
    json_array_foreach((json_t *)starts, i, start)
        if (!is_harmless(start) || n_harmless++ < HARMLESS_SHOWN) print_start(start, out);
    if (n_harmless > HARMLESS_SHOWN) fprintf(out, "  and %d more with what changes nothing (--json names it)\n", n_harmless - HARMLESS_SHOWN);
}

/* What the pattern of the first difference means. */
static const char *trace_hint(const dgm_comparison *c)
{
    const dgm_trace_difference *t = &c->trace;
    bool known = c->metrics.step == t->step;
    if (t->n_gradients == 0 && t->before < 0) return "what training began with differs";
    if (t->n_gradients == 0 && t->before == t->step)
        return "the update left the same weights: a checkpoint of this step was changed before training went on from it";
    if (!t->has_gradients) return "of the gradients of this step nothing is known";
    if (t->n_gradients == 0) return "the gradients are the same: it arises in the update";
    if (known && c->metrics.other_batch) return "the batch is another one";
    if (t->n_gradients == t->n_tensors)
        return "all gradients differ: it arises in the forward pass, from the batch, the weights before it, or random bits";
    return "gradients nearer to the loss are the same: it arises in the backward pass at that tensor, or in the reduction";
}

/* The last step of a file; where it has no line, that. */
static const char *last_step(int64_t step, char *text, size_t bytes)
{
    snprintf(text, bytes, step < 0 ? "none" : "%lld", (long long)step);
    return text;
}

static void print_no_common(const char *what, int64_t last_a, int64_t last_b, FILE *out)
{
    char a[24], b[24];
    fprintf(out, "%s: no step is in both (the last: %s | %s)\n", what, last_step(last_a, a, sizeof a), last_step(last_b, b, sizeof b));
}

/* Steps before the first that differs were not looked at: what is first there is not what was first. */
static void print_trace_gap(const dgm_trace_difference *t, FILE *out)
{
    fprintf(out, "  steps %s it were not traced by both, so which tensor was the first is not known; to find it, train both ",
            t->before < 0 ? "before" : "between that and");
    if (t->before == 0) fprintf(out, "again");
    else if (t->before < 0) fprintf(out, "on from a checkpoint before step %lld (--resume)", (long long)t->step);
    else fprintf(out, "on from a checkpoint of step %lld or before (--resume)", (long long)t->before);
    fprintf(out, " with --trace-hash --trace-hash-every 1, to step %lld\n", (long long)t->step);
}

/* "metrics: not in both, B/metrics.jsonl is missing" */
static void print_not_in_both(const dgm_comparison *c, const char *name, const dgm_log_presence *p, const char *hint, FILE *out)
{
    const char *gone_a = p->missing_a ? "is missing" : "is not there", *gone_b = p->missing_b ? "is missing" : "is not there";
    fprintf(out, "%s: not in both", name);
    if (!p->in_a) fprintf(out, ", %s/%s.jsonl %s", c->a, name, gone_a);
    if (!p->in_b) fprintf(out, ", %s/%s.jsonl %s", c->b, name, gone_b);
    fprintf(out, "%s\n", p->missing_a || p->missing_b ? "" : hint);
}

static void print_damage(const dgm_log_damage *d, FILE *out)
{
    if (d->n == 0) return;
    fprintf(out, "  %s", d->first);
    if (d->n > 1) fprintf(out, ", and %lld more that do not belong there", (long long)d->n - 1);
    fprintf(out, "\n");
}

static void print_trace(const dgm_comparison *c, FILE *out)
{
    const dgm_trace_difference *t = &c->trace;
    char counts[128];
    if (t->other_tensors) fprintf(out, "trace: the models have other tensors\n");
    else if (t->n_common == 0) print_no_common("trace", t->last_a, t->last_b, out);
    else if (t->step < 0) fprintf(out, "trace: the same at %lld common steps, to step %lld\n", (long long)t->n_common, (long long)t->before);
    print_damage(&t->damage_a, out);
    print_damage(&t->damage_b, out);
    if (t->step < 0) return;
    dgm_trace_difference_tell(t, counts, sizeof counts);
    fprintf(out, "trace: part at step %lld", (long long)t->step);
    if (!t->exact) fprintf(out, " or before it");
    if (t->before >= 0 && t->before < t->step) fprintf(out, " (the same at step %lld)", (long long)t->before);
    fprintf(out, ": %s\n", counts);
    if (t->exact && t->n_gradients > 0)
        fprintf(out, "  gradient nearest to the loss, so first in the backward pass: %s\n  gradient farthest from it: %s\n", t->last_gradient,
                t->first_gradient);
    if (t->n_weights > 0) fprintf(out, "  first weight in the model's order: %s\n", t->first_weight);
    if (t->exact) fprintf(out, "  %s\n", trace_hint(c));
    else print_trace_gap(t, out);
}

static void print_metrics(const dgm_comparison *c, FILE *out)
{
    const dgm_metrics_difference *m = &c->metrics;
    if (m->n_common == 0) print_no_common("metrics", m->last_a, m->last_b, out);
    else if (m->step < 0)
        fprintf(out, "metrics: the same in %lld common lines, to steps %lld | %lld\n", (long long)m->n_common, (long long)m->last_a,
                (long long)m->last_b);
    else
        fprintf(out, "metrics: part at %s %lld: %s %s | %s%s%s%s\n", m->validation ? "the validation of step" : "step", (long long)m->step, m->field,
                m->value_a, m->value_b, m->others[0] ? " (also " : "", m->others, m->others[0] ? ")" : "");
    if (m->step > DGM_MAX(m->before, 0) + 1 && !(c->trace.step >= 0 && c->trace.step <= m->step)) {
        if (m->before >= 0) fprintf(out, "  the line before it, of step %lld, is the same; ", (long long)m->before);
        else fprintf(out, "  it is the first line of both; ");
        fprintf(out, "to find the step and the tensor, train both with --trace-hash (and --log-every 1)\n");
    }
    if (m->n_only_a + m->n_only_b > 0)
        fprintf(out, "  lines of steps that one alone %s: %lld | %lld\n", m->damage_a.n + m->damage_b.n > 0 ? "has in their place" : "logged",
                (long long)m->n_only_a, (long long)m->n_only_b);
    print_damage(&m->damage_a, out);
    print_damage(&m->damage_b, out);
}

static void print_model(const char *what, const dgm_model_difference *d, FILE *out)
{
    enum { SHOWN = 4 };
    if (dgm_model_difference_none(d)) fprintf(out, "%s: the same %lld numbers in %d tensors", what, (long long)d->n_elements, d->n_tensors);
    else
        fprintf(out, "%s: %d of %d tensors differ, %lld of %lld numbers", what, d->n_different, d->n_tensors, (long long)d->n_different_elements,
                (long long)d->n_elements);
    if (d->strings[0] != '\0') fprintf(out, "; metadata differ: %s", d->strings);
    fputc('\n', out);
    if (d->n_only_a + d->n_only_b + d->n_shapes > 0)
        fprintf(out, "  tensors that one alone has: %d | %d; of other shapes: %d (%s)\n", d->n_only_a, d->n_only_b, d->n_shapes, d->missing);
    for (int i = 0; i < d->n_different; i++) {
        const dgm_tensor_difference *t = &d->tensors[i];
        if (i < SHOWN || i == d->largest)
            fprintf(out, "  %s: %lld of %lld, by at most %.3g%s\n", t->name, (long long)t->n_different, (long long)t->n_elements, t->max_difference,
                    i == d->largest ? " (the largest)" : "");
    }
    int n_left = d->n_different - SHOWN - (d->largest >= SHOWN);
    if (n_left > 0) fprintf(out, "  and %d more\n", n_left);
    if (dgm_model_difference_noise_is_larger(d))
        fprintf(out, "  k_proj.bias, by at most %.3g, is not called the largest: it adds one number to all scores of a query, which softmax takes "
                "out again; what it learns is rounding noise, without effect\n", d->largest_noise);
}

static void print_checkpoints(const dgm_comparison *c, FILE *out)
{
    if (c->n_passed_over > 0) fprintf(out, "checkpoints: %d passed over: %s%s\n", c->n_passed_over, c->passed_over, c->n_passed_over > 1 ? "; ..." : "");
    if (c->other_checkpoint < 0) {
        if (c->n_checkpoints > 0)
            fprintf(out, "checkpoints: the same weights in %d of both, to step %lld\n", c->n_checkpoints, (long long)c->equal_checkpoint);
        return;
    }
    fprintf(out, "checkpoints: the first with other weights is of step %lld; ", (long long)c->other_checkpoint);
    if (c->equal_checkpoint >= 0) fprintf(out, "the last with the same, of step %lld\n", (long long)c->equal_checkpoint);
    else fprintf(out, "none before it was compared\n");
}

void dgm_comparison_print(const dgm_comparison *c, FILE *out)
{
    char verdict[DGM_COMPARE_VERDICT];
    print_record(c, out);
    print_starts(c->a, c->starts_a, out);
    print_starts(c->b, c->starts_b, out);
    if (c->has_trace) print_trace(c, out);
    else if (c->runs) print_not_in_both(c, "trace", &c->trace_in, " (train --trace-hash writes it)", out);
    if (c->has_metrics) print_metrics(c, out);
    else if (c->runs) print_not_in_both(c, "metrics", &c->metrics_in, "", out);
    print_checkpoints(c, out);
    if (c->has_model) print_model(c->runs ? "result" : "model", &c->model, out);
    if (c->has_optimizer) print_model("optimizer", &c->optimizer, out);
    if (c->only != 0) fprintf(out, "%s: only %s has one\n", c->runs ? "result" : "optimizer", c->only == 1 ? c->a : c->b);
    else if (c->runs && !c->has_model) fprintf(out, "result: neither has one\n");
    dgm_comparison_verdict(c, verdict, sizeof verdict);
    fprintf(out, "%s\n", verdict);
}

/* ---- JSON ---- */

static json_t *trace_json(const dgm_trace_difference *t)
{
    json_t *json = json_pack("{s:I, s:I, s:I, s:b, s:i}", "common_steps", (json_int_t)t->n_common, "last_step_a", (json_int_t)t->last_a,
                             "last_step_b", (json_int_t)t->last_b, "other_tensors", t->other_tensors, "tensors", t->n_tensors);
    if (json == NULL || t->step < 0) return json;
    json_object_update_new(json, json_pack("{s:I, s:I, s:b, s:i}", "step", (json_int_t)t->step, "same_step", (json_int_t)t->before, "first_known",
                                           t->exact, "weights", t->n_weights));
    if (t->has_gradients) json_object_set_new(json, "gradients", json_integer(t->n_gradients));
    if (t->n_gradients > 0)
        json_object_update_new(json, json_pack("{s:s, s:s}", "gradient_nearest_loss", t->last_gradient, "gradient_farthest", t->first_gradient));
    if (t->n_weights > 0) json_object_set_new(json, "first_weight", json_string(t->first_weight));
    return json;
}

static json_t *metrics_json(const dgm_metrics_difference *m)
{
    json_t *json = json_pack("{s:I, s:I, s:I, s:I, s:I}", "common_lines", (json_int_t)m->n_common, "only_a", (json_int_t)m->n_only_a, "only_b",
                             (json_int_t)m->n_only_b, "last_step_a", (json_int_t)m->last_a, "last_step_b", (json_int_t)m->last_b);
    if (json != NULL && m->step >= 0)
        json_object_update_new(json, json_pack("{s:I, s:I, s:b, s:b, s:s, s:s, s:s, s:s}", "step", (json_int_t)m->step, "same_step",
                                               (json_int_t)m->before, "validation", m->validation, "other_batch", m->other_batch, "field", m->field,
                                               "a", m->value_a, "b", m->value_b, "other_fields", m->others));
    return json;
}

static json_t *model_json(const dgm_model_difference *d)
{
    json_t *list = json_array();
    for (int i = 0; i < d->n_different; i++) /* JSON has no infinity */
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:f, s:b}", "name", d->tensors[i].name, "numbers",
                                              (json_int_t)d->tensors[i].n_elements, "different", (json_int_t)d->tensors[i].n_different,
                                              "max_difference", DGM_MIN(d->tensors[i].max_difference, 1e308), "noise", d->tensors[i].is_noise));
    return json_pack("{s:i, s:I, s:I, s:i, s:i, s:i, s:s, s:o, s:s*}", "tensors", d->n_tensors, "numbers", (json_int_t)d->n_elements,
                     "different_numbers", (json_int_t)d->n_different_elements, "only_a", d->n_only_a, "only_b", d->n_only_b, "other_shapes",
                     d->n_shapes, "metadata", d->strings, "different", list, "largest", d->n_different > 0 ? d->tensors[d->largest].name : NULL);
}

static json_t *checkpoints_json(const dgm_comparison *c)
{
    json_t *json = json_pack("{s:i, s:I}", "common", c->n_checkpoints, "same_step", (json_int_t)c->equal_checkpoint);
    if (json != NULL && c->other_checkpoint >= 0) json_object_set_new(json, "step", json_integer((json_int_t)c->other_checkpoint));
    if (json != NULL) json_object_set_new(json, "passed_over", json_integer(c->n_passed_over));
    return json;
}

/* What was not looked at because of it. */
static void add_what_lacks(json_t *json, const dgm_comparison *c)
{
    char path[DGM_COMPARE_LOGS][DGM_COMPARE_PATH];
    const dgm_log_damage *damage[DGM_COMPARE_LOGS];
    json_t *missing = json_array(), *damaged = json_array();
    int n = dgm_comparison_missing(c, path);
    (void)dgm_comparison_damage(c, damage);
    for (int i = 0; i < n; i++) json_array_append_new(missing, dgm_json_name(path[i]));
    for (int i = 0; i < DGM_COMPARE_LOGS; i++)
        if (damage[i]->n > 0) json_array_append_new(damaged, dgm_json_name(damage[i]->first));
    json_object_set_new(json, "missing", missing);
    json_object_set_new(json, "damaged", damaged);
}

json_t *dgm_comparison_to_json(const dgm_comparison *c)
{
    char verdict[DGM_COMPARE_VERDICT];
    dgm_comparison_verdict(c, verdict, sizeof verdict);
    json_t *json = json_pack("{s:b, s:b, s:o, s:s, s:O}", "compared", dgm_comparison_possible(c), "identical", dgm_comparison_identical(c),
                             "verdict", dgm_json_name(verdict), "kind", c->runs ? "runs" : "models", "recorded",
                             c->record != NULL ? c->record : json_null());
    if (json == NULL) return NULL;
    if (c->runs)
        json_object_set_new(json, "earlier_starts", json_pack("{s:O, s:O}", "a", c->starts_a != NULL ? c->starts_a : json_null(), "b",
                                                              c->starts_b != NULL ? c->starts_b : json_null()));
    if (c->runs) add_what_lacks(json, c);
    if (c->has_trace) json_object_set_new(json, "trace", trace_json(&c->trace));
    if (c->has_metrics) json_object_set_new(json, "metrics", metrics_json(&c->metrics));
    if (c->n_checkpoints + c->n_passed_over > 0) json_object_set_new(json, "checkpoints", checkpoints_json(c));
    if (c->has_model) json_object_set_new(json, "model", model_json(&c->model));
    if (c->has_optimizer) json_object_set_new(json, "optimizer", model_json(&c->optimizer));
    return json;
}
