/* A run can be repeated when one course of updates, validations and logs with one set of settings leads to what it left: however often it was
 * interrupted, but not when its settings were changed half-way in a way that shows. */
#include "build_config.h"

#include "dgm/repeat.h"

#include "dgm/checksum.h"
#include "dgm/coll.h"
#include "dgm/dataset.h"
#include "dgm/gemm.h"
#include "dgm/io.h"
#include "dgm/json_text.h"
#include "dgm/log.h"
#include "dgm/model_file.h"
#include "dgm/prepare.h"
#include "dgm/run_record.h"
#include "dgm/train_options.h"

#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static int64_t number_in(const json_t *object, const char *name) { return json_integer_value(json_object_get(object, name)); }

/* ---- can such a run be repeated? ---- */

static bool is_fast(const json_t *settings) { return strcmp(text_of(settings, "reduction"), "fast") == 0; }

static dgm_circumstances circumstances_of(const json_t *settings)
{
    return (dgm_circumstances){.cosine = strcmp(text_of(settings, "schedule"), "cosine") == 0, .fast = is_fast(settings)};
}

/* The reasons why it cannot are gathered, a line for each, so that nobody removes one and meets the next. */

/* A setting that was otherwise in an earlier start, and shows in what the run left. */
static dgm_err check_setting(const dgm_repeat *r, const char *name, const json_t *was, int64_t until, dgm_text *why)
{
    static const char *const of_the_end[] = {"max_steps", "checkpoint_every", "average_last"}; /* the result follows from the last ones alone */
    const json_t *settings = json_object_get(r->record, "settings");
    if (dgm_train_setting_effect(name, circumstances_of(settings)) == DGM_EFFECT_NONE) return DGM_OK;
    for (size_t i = 0; i < sizeof of_the_end / sizeof of_the_end[0]; i++)
        if (strcmp(name, of_the_end[i]) == 0) return DGM_OK;
    return dgm_text_printf(why, "\n  - the run had %s = %s up to step %" PRId64 " and %s after it", name,
                           json_is_string(was) ? json_string_value(was) : "(unset)", until,
                           json_object_get(settings, name) ? text_of(settings, name) : "(unset)");
}

/* A run that was stopped and then closed with a smaller max_steps did not validate and log where it was stopped, as a run to that step does. */
static dgm_err check_closed(const json_t *was, int64_t at, dgm_text *why)
{
    int64_t validates = dgm_run_record_number(json_object_get(was, "settings"), "validate_every"),
            logs = dgm_run_record_number(json_object_get(was, "settings"), "log_every");
    if (dgm_run_record_number(json_object_get(was, "settings"), "max_steps") == at) return DGM_OK;
    if (validates > 0 && at % validates == 0 && logs > 0 && at % logs == 0) return DGM_OK;
    return dgm_text_printf(why, "\n  - the run was stopped at step %" PRId64 " and closed there without validating and logging; a run to that step ends with both",
                           at);
}

/* A run that came to its end and was then trained further has validated and logged there.  A run that goes through does so only at its own steps. */
static dgm_err check_end(const json_t *was, int64_t ended_at, dgm_text *why)
{
    int64_t validates = dgm_run_record_number(json_object_get(was, "settings"), "validate_every"),
            logs = dgm_run_record_number(json_object_get(was, "settings"), "log_every");
    if (validates <= 0 || ended_at % validates != 0)
        DGM_TRY(dgm_text_printf(why, "\n  - the run ended at step %" PRId64 ", where it validated, and was then trained further; a run that goes "
                                "through validates at multiples of validate_every = %" PRId64 " only", ended_at, validates));
    if (logs <= 0 || ended_at % logs != 0)
        DGM_TRY(dgm_text_printf(why, "\n  - the run ended at step %" PRId64 ", which it logged, and was then trained further; a run that goes "
                                "through logs multiples of log_every = %" PRId64 " only", ended_at, logs));
    return DGM_OK;
}

static dgm_err check_machine(const dgm_repeat *r, const json_t *was, int64_t until, dgm_text *why)
{
    const json_t *before = json_object_get(was, "layout"), *after = json_object_get(r->record, "layout");
    const char *kernels = text_of(was, "gemm"), *last = text_of(r->record, "gemm");
    int64_t dp = number_in(before, "dp"), tp = number_in(before, "tp"), dp_after = number_in(after, "dp"), tp_after = number_in(after, "tp");
    if (strcmp(kernels, last) != 0)
        DGM_TRY(dgm_text_printf(why, "\n  - its matrix products were by %s up to step %" PRId64 " and by %s after it", kernels, until, last));
    if (is_fast(json_object_get(was, "settings")) && (dp != dp_after || tp != tp_after))
        DGM_TRY(dgm_text_printf(why, "\n  - with reduction = fast, whose bits depend on the layout, it had dp %" PRId64 " x tp %" PRId64
                                " up to step %" PRId64 " and dp %" PRId64 " x tp %" PRId64 " after it",
                                dp, tp, until, dp_after, tp_after));
    return DGM_OK;
}

/* A setting that the next start had, too, is told of that one. */
static dgm_err check_start(const dgm_repeat *r, const json_t *start, const json_t *next, int64_t last, dgm_text *why)
{
    int64_t until = number_in(next, "after_step");
    json_t *was = dgm_run_record_of_start(r->record, start), *value;
    const char *name;
    dgm_err err = DGM_OK;
    json_object_foreach(json_object_get(start, "settings"), name, value)
    {
        json_t *then = json_object_get(json_object_get(next, "settings"), name);
        if (err == DGM_OK && (then == NULL || !json_equal(then, value))) err = check_setting(r, name, value, until, why);
    }
    int64_t ended_at = number_in(start, "ended_at");
    if (dgm_run_record_number(json_object_get(was, "settings"), "max_steps") == until) ended_at = until; /* killed before it wrote that down */
    if (err == DGM_OK && ended_at > 0 && ended_at < last) err = check_end(was, ended_at, why);
    if (err == DGM_OK) err = check_machine(r, was, until, why);
    json_decref(was);
    return err;
}

static dgm_err refuse(const dgm_repeat *r, const char *why, bool idle_end)
{
    if (idle_end) /* its settings count for nothing, but stand in the record */
        return DGM_FAIL(DGM_ERR_INPUT, "%s: no run that goes through is the same:%s\nThe last start made no updates: start the run once more as "
                        "before it, with --resume auto, and repeat it then", r->path, why);
    return DGM_FAIL(DGM_ERR_INPUT, "%s: no run that goes through is the same:%s\nTrain one by hand, and see with dragoman compare how far both are "
                    "the same", r->path, why);
}

/* The run up to a start that went on from a checkpoint of another folder. */
static dgm_err refuse_branch(const dgm_repeat *r, const json_t *start)
{
    char *from = dgm_run_record_text(start, NULL, "from");
    int64_t end = number_in(json_object_get(r->record, "result"), "step");
    dgm_err err = DGM_FAIL(DGM_ERR_INPUT, "%s: up to step %" PRId64 " the run lay in another folder, and its metrics with it (it went on from %s): "
                           "train that one to step %" PRId64 " (--resume auto, --max-steps) and repeat it instead",
                           r->path, number_in(start, "after_step"), from != NULL ? from : "a checkpoint there", end);
    free(from);
    return err;
}

/* How many starts there are without those at the end that made no updates. */
static size_t n_with_updates(const json_t *starts, int64_t last)
{
    size_t n = json_array_size(starts);
    while (n > 1 && number_in(json_array_get(starts, n - 1), "after_step") == last) n--;
    return n;
}

static dgm_err check_course(const dgm_repeat *r)
{
    const json_t *starts = json_object_get(r->record, "starts"), *result = json_object_get(r->record, "result");
    if (text_of(result, "model")[0] == '\0' && !dgm_io_holds(r->dir, "model.safetensors"))
        return DGM_FAIL(DGM_ERR_INPUT,
                        "%s has no result: the run has not ended yet, so there is nothing to repeat it for; finish it with --resume auto", r->path);
    for (size_t i = 0; i < json_array_size(starts); i++)
        if (json_object_get(json_array_get(starts, i), "from") != NULL) return refuse_branch(r, json_array_get(starts, i));
    int64_t first = number_in(json_array_get(starts, 0), "after_step"), last = json_is_object(result) ? number_in(result, "step") : INT64_MAX;
    if (first != 0)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: nothing is known of the run before step %" PRId64 ", as its run.json was lost then: train one by hand, "
                        "and see with dragoman compare how far both are the same", r->path, first);
    dgm_text why = {0};
    int64_t until = 0;
    dgm_err err = DGM_OK;
    for (size_t i = 1; err == DGM_OK && i < json_array_size(starts); i++) {
        until = number_in(json_array_get(starts, i), "after_step");
        err = check_start(r, json_array_get(starts, i - 1), json_array_get(starts, i), last, &why);
    }
    size_t n = n_with_updates(starts, last);
    const json_t *trained = json_array_get(starts, n - 1);
    if (err == DGM_OK && n < json_array_size(starts) && number_in(trained, "ended_at") != last) {
        json_t *was = dgm_run_record_of_start(r->record, trained);
        err = check_closed(was, last, &why);
        json_decref(was);
    }
    if (err == DGM_OK && why.text != NULL) err = refuse(r, why.text, until == last);
    dgm_text_fini(&why);
    return err;
}

/* ---- can it be repeated here? ---- */

/* What was otherwise, but is not known to change bits: said once.  So may be what was otherwise within the run; a last start that made no updates
 * does not count. */
static void warn_of_builds(const dgm_repeat *r)
{
    const json_t *starts = json_object_get(r->record, "starts"), *result = json_object_get(r->record, "result");
    size_t n = n_with_updates(starts, result != NULL ? number_in(result, "step") : INT64_MAX);
    for (size_t i = 1; i < n; i++) dgm_run_record_warn_of_build(r->record, i, "a repetition has one build");
    json_t *was = dgm_run_record_of_start(r->record, n > 0 ? json_array_get(starts, n - 1) : NULL), *is = dgm_run_record_build();
    dgm_run_record_warn_of_other(was, is, "the run had", "here it is", "the same bits are not promised");
    json_decref(was);
    json_decref(is);
}

static const char *whose(const char *gemm) { return strcmp(gemm, "fma") == 0 ? "Dragoman's kernels, " : "BLIS's kernels for "; }

static dgm_err check_kernels(const dgm_repeat *r, const dgm_config *config)
{
    const char *was = text_of(r->record, "gemm"), *is = dgm_gemm_family();
    if (strcmp(was, is) == 0 || was[0] == '\0') return DGM_OK;
    if (!dgm_config_flag(config, "any_machine"))
        return DGM_FAIL(DGM_ERR_INPUT,
                        "the run had matrix products by %s%s, here they are by %s%s, which round otherwise: repeat it on such a machine (%s), or give "
                        "--any-machine to see how far the result is",
                        whose(was), was, whose(is), is,
                        strcmp(was, "fma") == 0 ? "x86-64 with AVX2 and FMA, DRAGOMAN_GEMM not set"
                                                : "set DRAGOMAN_GEMM=blis, and BLIS_ARCH_TYPE if this one can run those kernels");
    dgm_log(DGM_LOG_WARN, "the run had matrix products by %s%s, here they are by %s%s: the result will not be the same", whose(was), was, whose(is), is);
    return DGM_OK;
}

static dgm_err check_layout(const dgm_repeat *r, const dgm_grid *world, const dgm_config *config)
{
    const json_t *layout = json_object_get(r->record, "layout");
    int64_t dp = number_in(layout, "dp"), tp = number_in(layout, "tp");
    if (!is_fast(json_object_get(r->record, "settings")) || (world->size == dp * tp && dgm_config_int(config, "tp") == tp)) return DGM_OK;
    return DGM_FAIL(DGM_ERR_USAGE, "the run had reduction = fast, whose bits depend on the layout: start it on %" PRId64 " ranks with --tp %" PRId64,
                    dp * tp, tp);
}

/* DATA: that of --data, where it lay, or as the setting says. */
static dgm_err find_data(const dgm_repeat *r, dgm_config *config)
{
    if (dgm_config_has(config, "data")) return DGM_OK;
    char *path = dgm_run_record_text(r->record, NULL, "data_path");
    if (path == NULL) path = dgm_run_record_text(r->record, "settings", "data");
    if (path == NULL) return DGM_FAIL(DGM_ERR_INPUT, "%s does not say where the data were: give --data", r->path);
    dgm_err err = dgm_config_set(config, "data", path);
    free(path);
    return err;
}

static dgm_err check_data(const dgm_repeat *r, const dgm_config *config)
{
    const char *dir = dgm_config_text(config, "data"), *want = text_of(r->record, "data");
    dgm_dataset *dataset = NULL;
    if (!dgm_io_is_dir(dir))
        return DGM_FAIL(DGM_ERR_INPUT, "%s, where the data of the run lay, is not there: give --data, a folder whose manifest.json has the sha256 %s",
                        dir, want);
    DGM_TRY(dgm_dataset_open(dir, &dataset));
    dgm_err err = DGM_OK;
    if (strcmp(dgm_dataset_hash(dataset), want) != 0)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s: these are not the data of the run: its manifest.json has the sha256 %s, expected %s", dir,
                       dgm_dataset_hash(dataset), want);
    if (err == DGM_OK) err = dgm_dataset_verify(dataset);
    dgm_dataset_close(dataset);
    return err;
}

/* The model of --init, of the same bytes as in the run. */
static dgm_err find_init(const dgm_repeat *r, dgm_config *config)
{
    const json_t *init = json_object_get(r->record, "init");
    bool given = dgm_config_has(config, "init");
    if (init == NULL && given) return DGM_FAIL(DGM_ERR_USAGE, "--init with --repeat: the run began with a new model");
    if (init == NULL || given) return DGM_OK;
    char *path = dgm_run_record_text(r->record, "init", "path");
    if (path == NULL) return DGM_FAIL(DGM_ERR_INPUT, "%s does not say where the model of --init was: give --init", r->path);
    dgm_err err = dgm_config_set(config, "init", path);
    free(path);
    return err;
}

static dgm_err check_init(const dgm_repeat *r, const dgm_config *config)
{
    const char *given = dgm_config_text(config, "init"), *want = text_of(json_object_get(r->record, "init"), "sha256");
    char hex[DGM_SHA256_HEX] = "", *path = NULL;
    if (given == NULL) return DGM_OK;
    dgm_err err = dgm_model_find(given, &path);
    if (err != DGM_OK) return dgm_error_context(err, "the model that the run began with is not there: give --init");
    err = dgm_sha256_file(path, hex);
    if (err == DGM_OK && strcmp(hex, want) != 0)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s is not the model that the run began with: it has the sha256 %s, expected %s", path, hex,
                       want[0] ? want : "one that is known");
    free(path);
    return err;
}

/* ---- settings ---- */

/* Those that belong to this start rather than to the run, show in the data, or were not asked because a model was there. */
static bool is_left_out(const dgm_repeat *r, const char *name)
{
    static const char *const names[] = {"config", "data", "out", "resume", "init", "repeat", "any_machine", "tp", "threads"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    bool has_init = json_object_get(r->record, "init") != NULL;
    return dgm_option_in(dgm_prepare_option_table, name) || (has_init && dgm_option_in(dgm_train_model_options, name));
}

/* What the command line says besides must be as in the run, or change nothing. */
static dgm_err check_given(const dgm_repeat *r, const dgm_config *config)
{
    const json_t *settings = json_object_get(r->record, "settings");
    json_t *now = dgm_run_record_settings(config), *value;
    const char *name;
    dgm_err err = now != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "settings");
    json_object_foreach(now, name, value)
    {
        if (err != DGM_OK || is_left_out(r, name) || !dgm_config_given(config, name)) continue;
        if (dgm_train_setting_effect(name, circumstances_of(settings)) == DGM_EFFECT_NONE) continue;
        if (strcmp(json_string_value(value), text_of(settings, name)) == 0) continue;
        err = DGM_FAIL(DGM_ERR_USAGE, "%s = %s, but the run to repeat had %s: leave it out", name, json_string_value(value),
                       json_object_get(settings, name) ? text_of(settings, name) : "none");
    }
    json_decref(now);
    return err;
}

static dgm_err take_settings(const dgm_repeat *r, dgm_config *config)
{
    const char *name;
    json_t *value;
    dgm_text text = {0};
    dgm_err err = DGM_OK;
    json_object_foreach(json_object_get(r->record, "settings"), name, value)
    {
        if (err != DGM_OK || is_left_out(r, name)) continue;
        char *bytes = json_is_string(value) ? dgm_json_text_bytes(json_string_value(value)) : NULL;
        err = bytes != NULL ? dgm_text_printf(&text, "%s = %s\n", name, bytes)
                            : DGM_FAIL(DGM_ERR_INPUT, "%s: the setting %s is no text", r->path, name);
        free(bytes);
    }
    if (err == DGM_OK && text.text != NULL) err = dgm_config_read_text(config, text.text, r->path);
    dgm_text_fini(&text);
    return err == DGM_ERR_USAGE
               ? DGM_FAIL(DGM_ERR_INPUT, "%s (the run had Dragoman %s, this is %s)", dgm_error_text(), text_of(r->record, "version"), PACKAGE_VERSION)
               : err;
}

/* ---- beginning ---- */

static dgm_err check_out(const dgm_repeat *r, const dgm_config *config)
{
    DGM_TRY(dgm_config_require(config, "out"));
    const char *out = dgm_config_text(config, "out");
    return dgm_io_same(out, r->dir) ? DGM_FAIL(DGM_ERR_USAGE, "--out %s is the folder of the run to repeat: choose another one", out) : DGM_OK;
}

static dgm_err begin(dgm_config *config, const dgm_grid *world, dgm_repeat *r)
{
    const char *given = dgm_config_text(config, "repeat");
    if (dgm_config_has(config, "config"))
        return DGM_FAIL(DGM_ERR_USAGE, "--config with --repeat: the settings are those of the run");
    r->path = dgm_io_is_dir(given) ? dgm_io_join(given, "run.json") : strdup(given);
    char *copy = r->path != NULL ? strdup(r->path) : NULL;
    r->dir = copy != NULL ? strdup(dirname(copy)) : NULL;
    free(copy);
    dgm_err err = r->dir != NULL ? check_out(r, config) : DGM_FAIL(DGM_ERR_NOMEM, "path %s", given);
    if (err == DGM_OK) err = dgm_error_context(dgm_run_record_read(r->path, &r->record), "--repeat");
    if (err == DGM_OK) err = check_course(r);
    if (err == DGM_OK) err = check_given(r, config);
    if (err == DGM_OK) err = take_settings(r, config);
    if (err == DGM_OK) err = check_kernels(r, config);
    if (err == DGM_OK) err = check_layout(r, world, config);
    if (err == DGM_OK) err = find_data(r, config);
    if (err == DGM_OK) err = find_init(r, config);
    if (err == DGM_OK && world->rank == 0) err = check_data(r, config);
    if (err == DGM_OK && world->rank == 0) err = check_init(r, config);
    if (err == DGM_OK && world->rank == 0) warn_of_builds(r);
    return err;
}

dgm_err dgm_repeat_begin(dgm_config *config, dgm_repeat *out)
{
    dgm_grid *world;
    *out = (dgm_repeat){0};
    DGM_TRY(dgm_grid_create(MPI_COMM_WORLD, 1, &world));
    dgm_err err = dgm_coll_agree(world, DGM_AXIS_WORLD, begin(config, world, out));
    dgm_grid_destroy(world);
    return err;
}

void dgm_repeat_fini(dgm_repeat *repeat)
{
    json_decref(repeat->record);
    free(repeat->path);
    free(repeat->dir);
    *repeat = (dgm_repeat){0};
}
