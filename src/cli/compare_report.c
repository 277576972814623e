/* What a comparison found, in a sentence, as text and as JSON. */
#include "dgm/compare.h"

#include "dgm/json_text.h"

#include <string.h>

/* ---- the answer ---- */

static bool trace_parts(const dgm_comparison *c) { return c->has_trace && (c->trace.step >= 0 || c->trace.other_tensors); }

/* The run that ends first, when one does: 1 a, 2 b. */
static int shorter(const dgm_comparison *c)
{
    int64_t a = c->has_metrics ? c->metrics.last_a : c->trace.last_a, b = c->has_metrics ? c->metrics.last_b : c->trace.last_b;
    return !c->runs || (!c->has_metrics && !c->has_trace) || a == b ? 0 : a < b ? 1 : 2;
}

bool dgm_comparison_identical(const dgm_comparison *c)
{
    bool parts = trace_parts(c) || (c->has_metrics && c->metrics.step >= 0) || c->other_checkpoint >= 0;
    return !parts && shorter(c) == 0 && c->only == 0 && (!c->has_model || dgm_model_difference_none(&c->model)) &&
           (!c->has_optimizer || dgm_model_difference_none(&c->optimizer));
}

static bool noise_is_larger(const dgm_model_difference *d)
{
    return d->n_different > 0 && !d->tensors[d->largest].is_noise && d->largest_noise > d->tensors[d->largest].max_difference;
}

static void model_verdict(const char *what, const dgm_model_difference *d, char *text, size_t bytes)
{
    if (d->n_different > 0)
        snprintf(text, bytes, "%s differ in %d of %d tensors, by at most %.3g in %s%s", what, d->n_different, d->n_tensors,
                 d->tensors[d->largest].max_difference, d->tensors[d->largest].name, noise_is_larger(d) ? " (k_proj.bias left out)" : "");
    else
        snprintf(text, bytes, "%s have other tensors: %s", what, d->missing);
}

/* "at step 9", or where steps were left out since the one before: "between steps 50 and 100". */
static void tell_place(int64_t before, int64_t step, char *text, size_t bytes)
{
    if (before < 0 && step > 1) snprintf(text, bytes, "at step %lld or before it", (long long)step);
    else if (before >= 0 && step - before > 1) snprintf(text, bytes, "between steps %lld and %lld", (long long)before, (long long)step);
    else snprintf(text, bytes, "at step %lld", (long long)step);
}

static void trace_verdict(const dgm_trace_difference *t, char *text, size_t bytes)
{
    bool gradient = t->n_gradients > 0;
    char place[64];
    tell_place(t->before, t->step, place, sizeof place);
    if (t->other_tensors) snprintf(text, bytes, "the runs train other tensors");
    else if (!gradient && t->before < 0)
        snprintf(text, bytes, "the runs begin with other weights at step %lld: %s is the first", (long long)t->step, t->first_weight);
    else
        snprintf(text, bytes, "the runs part %s: the %s of %s is the first that differs", place, gradient ? "gradient" : "weight",
                 gradient ? t->last_gradient : t->first_weight);
}

void dgm_comparison_verdict(const dgm_comparison *c, char *text, size_t bytes)
{
    const dgm_metrics_difference *m = &c->metrics;
    int ends = shorter(c);
    char place[64];
    tell_place(m->before, m->step, place, sizeof place);
    bool metrics_first = c->has_metrics && m->step >= 0 && (!trace_parts(c) || c->trace.other_tensors || m->step < c->trace.step);
    if (dgm_comparison_identical(c)) snprintf(text, bytes, "identical");
    else if (metrics_first && !(c->has_trace && c->trace.other_tensors))
        snprintf(text, bytes, "the runs part %s: %s is %s and %s", place, m->field, m->value_a, m->value_b);
    else if (trace_parts(c)) trace_verdict(&c->trace, text, bytes);
    else if (ends != 0)
        snprintf(text, bytes, "nothing differs up to step %lld, where %s ends",
                 (long long)(ends == 1 ? DGM_MAX(m->last_a, c->trace.last_a) : DGM_MAX(m->last_b, c->trace.last_b)), ends == 1 ? c->a : c->b);
    else if (c->has_model && !dgm_model_difference_none(&c->model)) model_verdict(c->runs ? "the results" : "the models", &c->model, text, bytes);
    else if (c->has_optimizer && !dgm_model_difference_none(&c->optimizer)) model_verdict("the optimizers' moments", &c->optimizer, text, bytes);
    else if (c->other_checkpoint >= 0) snprintf(text, bytes, "the checkpoints of step %lld have other weights", (long long)c->other_checkpoint);
    else snprintf(text, bytes, "nothing differs, but only %s has a result", c->only == 1 ? c->a : c->b);
}

/* ---- text ---- */

static void print_record(const dgm_comparison *c, FILE *out)
{
    size_t i, width = 8, n = json_array_size(c->record);
    json_t *entry;
    const char *name, *a, *b, *effect;
    json_array_foreach(c->record, i, entry) width = DGM_MAX(width, strlen(json_string_value(json_object_get(entry, "name"))));
    if (n == 0) return;
    fprintf(out, "recorded differently (! may change what is learned; ~ what is logged, when training ends, which checkpoint is the result):\n");
    json_array_foreach(c->record, i, entry)
    {
        if (json_unpack(entry, "{s:s, s:s, s:s, s:s}", "name", &name, "a", &a, "b", &b, "effect", &effect) != 0) continue;
        char mark = strcmp(effect, "bits") == 0 ? '!' : strcmp(effect, "record") == 0 ? '~' : ' ';
        fprintf(out, "  %c %-*s  %.60s | %.60s\n", mark, (int)width, name, a, b);
    }
}

/* What the pattern of the first difference means. */
static const char *trace_hint(const dgm_comparison *c)
{
    const dgm_trace_difference *t = &c->trace;
    bool known = c->has_metrics && c->metrics.step == t->step;
    if (t->n_gradients == 0 && t->before < 0) return "what training began with differs";
    if (t->n_gradients == 0 && t->before == t->step)
        return "the update left the same weights: a checkpoint of this step was changed before training went on from it";
    if (t->n_gradients == 0) return "the gradients are the same: it arises in the update";
    if (known && c->metrics.other_batch) return "the batch is another one";
    if (t->n_gradients == t->n_tensors)
        return "all gradients differ: it arises in the forward pass, from the batch, the weights before it, or random bits";
    return "gradients nearer to the loss are the same: it arises in the backward pass at that tensor, or in the reduction";
}

static void print_trace(const dgm_comparison *c, FILE *out)
{
    const dgm_trace_difference *t = &c->trace;
    if (t->other_tensors) {
        fprintf(out, "trace: the models have other tensors\n");
        return;
    }
    if (t->step < 0) {
        fprintf(out, "trace: the same at %lld common steps, to step %lld\n", (long long)t->n_common, (long long)t->before);
        return;
    }
    fprintf(out, "trace: part at step %lld", (long long)t->step);
    if (t->before >= 0 && t->before < t->step) fprintf(out, " (the same at step %lld)", (long long)t->before);
    fprintf(out, ": gradients of %d, weights of %d of %d tensors differ\n", t->n_gradients, t->n_weights, t->n_tensors);
    if (t->n_gradients > 0)
        fprintf(out, "  gradient nearest to the loss, so first in the backward pass: %s\n  gradient farthest from it: %s\n", t->last_gradient,
                t->first_gradient);
    if (t->n_weights > 0) fprintf(out, "  first weight in the model's order: %s\n", t->first_weight);
    fprintf(out, "  %s\n", trace_hint(c));
}

static void print_metrics(const dgm_comparison *c, FILE *out)
{
    const dgm_metrics_difference *m = &c->metrics;
    if (m->step < 0)
        fprintf(out, "metrics: the same in %lld common lines, to steps %lld | %lld\n", (long long)m->n_common, (long long)m->last_a,
                (long long)m->last_b);
    else
        fprintf(out, "metrics: part at %s %lld: %s %s | %s%s%s%s\n", m->validation ? "the validation of step" : "step", (long long)m->step, m->field,
                m->value_a, m->value_b, m->others[0] ? " (also " : "", m->others, m->others[0] ? ")" : "");
    if (m->step > DGM_MAX(m->before, 0) + 1 && !(c->has_trace && c->trace.step >= 0 && c->trace.step <= m->step)) {
        if (m->before >= 0) fprintf(out, "  the line before it, of step %lld, is the same; ", (long long)m->before);
        else fprintf(out, "  it is the first line of both; ");
        fprintf(out, "to find the step and the tensor, train both with --trace-hash (and --log-every 1)\n");
    }
    if (m->n_only_a + m->n_only_b > 0)
        fprintf(out, "  lines of steps that one alone logged: %lld | %lld\n", (long long)m->n_only_a, (long long)m->n_only_b);
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
    if (noise_is_larger(d))
        fprintf(out, "  k_proj.bias, by at most %.3g, is not called the largest: it adds one number to all scores of a query, which softmax takes out "
                "again; what it learns is rounding noise, without effect\n", d->largest_noise);
}

void dgm_comparison_print(const dgm_comparison *c, FILE *out)
{
    char verdict[512];
    print_record(c, out);
    if (c->has_trace) print_trace(c, out);
    else if (c->runs) fprintf(out, "trace: not in both (train --trace-hash writes it)\n");
    if (c->has_metrics) print_metrics(c, out);
    if (c->other_checkpoint >= 0)
        fprintf(out, "checkpoints: the first with other weights is of step %lld; ", (long long)c->other_checkpoint);
    if (c->other_checkpoint >= 0 && c->equal_checkpoint >= 0) fprintf(out, "the last with the same, of step %lld\n", (long long)c->equal_checkpoint);
    else if (c->other_checkpoint >= 0) fprintf(out, "both have none before it\n");
    if (c->has_model) print_model(c->runs ? "result" : "model", &c->model, out);
    if (c->has_optimizer) print_model("optimizer", &c->optimizer, out);
    if (c->only != 0) fprintf(out, "result: only %s has one\n", c->only == 1 ? c->a : c->b);
    dgm_comparison_verdict(c, verdict, sizeof verdict);
    fprintf(out, "%s\n", verdict);
}

/* ---- JSON ---- */

static json_t *trace_json(const dgm_trace_difference *t)
{
    json_t *json = json_pack("{s:I, s:I, s:I, s:b, s:i}", "common_steps", (json_int_t)t->n_common, "last_step_a", (json_int_t)t->last_a,
                             "last_step_b", (json_int_t)t->last_b, "other_tensors", t->other_tensors, "tensors", t->n_tensors);
    if (json == NULL || t->step < 0) return json;
    json_object_update_new(json, json_pack("{s:I, s:I, s:i, s:i}", "step", (json_int_t)t->step, "same_step", (json_int_t)t->before, "gradients",
                                           t->n_gradients, "weights", t->n_weights));
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

json_t *dgm_comparison_to_json(const dgm_comparison *c)
{
    char verdict[512];
    dgm_comparison_verdict(c, verdict, sizeof verdict);
    json_t *json = json_pack("{s:b, s:o, s:s, s:O}", "identical", dgm_comparison_identical(c), "verdict", dgm_json_name(verdict), "kind",
                             c->runs ? "runs" : "models", "recorded", c->record);
    if (json == NULL) return NULL;
    if (c->has_trace) json_object_set_new(json, "trace", trace_json(&c->trace));
    if (c->has_metrics) json_object_set_new(json, "metrics", metrics_json(&c->metrics));
    if (c->other_checkpoint >= 0)
        json_object_set_new(json, "checkpoints",
                            json_pack("{s:I, s:I}", "step", (json_int_t)c->other_checkpoint, "same_step", (json_int_t)c->equal_checkpoint));
    if (c->has_model) json_object_set_new(json, "model", model_json(&c->model));
    if (c->has_optimizer) json_object_set_new(json, "optimizer", model_json(&c->optimizer));
    return json;
}
