/* The record describes the last start in full; of earlier ones it has what was otherwise, so that a run that was interrupted a hundred times
 * still has a record that can be read. */
#include "build_config.h"

#include "dgm/run_record.h"

#include "dgm/checksum.h"
#include "dgm/coll.h"
#include "dgm/elem.h"
#include "dgm/gemm.h"
#include "dgm/io.h"
#include "dgm/json_text.h"
#include "dgm/link.h"
#include "dgm/log.h"
#include "dgm/log_gaps.h"
#include "dgm/machine.h"
#include "dgm/prepare.h"
#include "dgm/train_options.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

json_t *dgm_run_record_settings(const dgm_config *config)
{
    char *text = dgm_config_write(config), *rest = text;
    json_t *object = text != NULL ? json_object() : NULL;
    for (char *line; object != NULL && (line = strsep(&rest, "\n")) != NULL;) {
        char *equals = strstr(line, " = ");
        if (equals == NULL) continue;
        *equals = '\0';
        if (dgm_config_has(config, "data") && dgm_option_in(dgm_prepare_option_table, line)) continue;
        if (!dgm_train_setting_is_written(config, line)) continue;
        json_object_set_new(object, line, dgm_json_text(equals + 3, strlen(equals + 3)));
    }
    free(text);
    return object;
}

/* ---- reading ---- */

dgm_err dgm_run_record_read(const char *path, json_t **out)
{
    char *file = dgm_io_is_dir(path) ? dgm_io_join(path, "run.json") : strdup(path), *text = NULL;
    size_t n;
    json_error_t why;
    dgm_err err = file != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "path %s", path);
    if (err == DGM_OK && !dgm_io_exists(file))
        err = DGM_FAIL(DGM_ERR_INPUT, "%s: %s; expected the run.json of a run, or the folder of one", file, strerror(errno));
    if (err == DGM_OK) err = dgm_io_read_file(file, &text, &n);
    json_t *json = err == DGM_OK ? json_loadb(text, n, JSON_REJECT_DUPLICATES, &why) : NULL;
    if (err == DGM_OK && json == NULL) err = DGM_FAIL(DGM_ERR_INPUT, "%s: line %d: %s; expected the run.json of a run", file, why.line, why.text);
    else if (err == DGM_OK && !json_is_object(json_object_get(json, "settings")))
        err = DGM_FAIL(DGM_ERR_INPUT, "%s has no \"settings\"; expected the run.json of a run", file);
    free(text);
    free(file);
    if (err == DGM_OK) *out = json;
    else json_decref(json);
    return err;
}

char *dgm_run_record_text(const json_t *record, const char *object, const char *field)
{
    const json_t *in = object != NULL ? json_object_get(record, object) : record;
    const char *string = json_string_value(json_object_get(in, field));
    return string != NULL ? dgm_json_text_bytes(string) : NULL;
}

int64_t dgm_run_record_number(const json_t *settings, const char *name)
{
    const char *text = json_string_value(json_object_get(settings, name));
    return text != NULL ? strtoll(text, NULL, 10) : 0;
}

const json_t *dgm_run_record_branch(const json_t *record)
{
    const json_t *starts = json_object_get(record, "starts"), *last = NULL, *start;
    size_t i;
    json_array_foreach(starts, i, start)
    {
        if (json_is_string(json_object_get(start, "from"))) last = start;
    }
    return last;
}

/* ---- earlier starts ---- */

/* What two starts may differ in, besides the settings. */
static const char *const compared[] = {"version",   "compiler", "executable", "kernels", "gemm",     "gemm_bf16",
                                       "libraries", "cpu",      "hosts",      "layout",  "data_path"};
enum { N_COMPARED = sizeof compared / sizeof compared[0] };

json_t *dgm_run_record_of_start(const json_t *record, const json_t *start)
{
    json_t *full = json_copy((json_t *)record), *settings = json_copy(json_object_get(record, "settings")), *value;
    const char *name;
    for (int i = 0; full != NULL && i < N_COMPARED; i++)
        if ((value = json_object_get(start, compared[i])) != NULL) json_object_set(full, compared[i], value);
    json_object_foreach(json_object_get(start, "settings"), name, value)
    {
        if (json_is_null(value)) json_object_del(settings, name);
        else json_object_set(settings, name, value);
    }
    json_object_set_new(full, "settings", settings);
    return full;
}

/* The settings of `was` that are otherwise in `is`; how a start was asked for is none of them.  NULL: none. */
static json_t *settings_apart(const json_t *was, const json_t *is)
{
    json_t *apart = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)was, name, value)
    {
        const json_t *now = json_object_get(is, name);
        if (strcmp(name, "resume") != 0 && (now == NULL || !json_equal(value, now))) json_object_set(apart, name, value);
    }
    json_object_foreach((json_t *)is, name, value)
    {
        if (strcmp(name, "resume") != 0 && json_object_get(was, name) == NULL) json_object_set_new(apart, name, json_null());
    }
    if (json_object_size(apart) > 0) return apart;
    json_decref(apart);
    return NULL;
}

static json_t *start_apart(const json_t *was, const json_t *is, const json_t *start)
{
    json_t *apart = json_pack("{s:O}", "after_step", json_object_get(start, "after_step")), *value;
    for (int i = 0; i < N_COMPARED; i++)
        if ((value = json_object_get(was, compared[i])) != NULL && !json_equal(value, json_object_get(is, compared[i])))
            json_object_set(apart, compared[i], value);
    json_t *settings = settings_apart(json_object_get(was, "settings"), json_object_get(is, "settings"));
    if (settings != NULL) json_object_set_new(apart, "settings", settings);
    if ((value = json_object_get(start, "ended_at")) != NULL) json_object_set(apart, "ended_at", value);
    if ((value = json_object_get(start, "from")) != NULL) json_object_set(apart, "from", value);
    return apart;
}

/* The starts before this one that still count: those whose updates it builds on.  If the run had come to its end, that was in the last of
 * them; one that made no updates only made a result of what was there. */
static json_t *earlier_starts(const json_t *before, const json_t *now, int64_t step)
{
    json_t *list = json_array(), *start;
    const json_t *starts = json_object_get(before, "starts"), *ended = json_object_get(json_object_get(before, "result"), "step");
    size_t i;
    json_array_foreach(starts, i, start)
    {
        const json_t *after = json_object_get(start, "after_step");
        if (!json_is_integer(after) || json_integer_value(after) >= step) continue;
        json_t *was = dgm_run_record_of_start(before, start);
        json_array_append_new(list, start_apart(was, now, start));
        json_decref(was);
    }
    json_t *last = json_array_get(list, json_array_size(list) - 1);
    bool counts = json_array_size(list) == json_array_size(starts);
    if (last != NULL && counts && json_is_integer(ended) && json_integer_value(ended) <= step) json_object_set(last, "ended_at", (json_t *)ended);
    return list;
}

/* ---- other builds ---- */

static const char *text_in(const json_t *record, const char *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object != NULL ? json_object_get(record, object) : record, field));
    return text != NULL ? text : "";
}

void dgm_run_record_warn_of_other(const json_t *was, const json_t *is, const char *had, const char *has, const char *so)
{
    static const struct {
        const char *what, *object, *field;
    } parts[] = {{"Dragoman", NULL, "version"}, {"compiler", NULL, "compiler"}, {"BLIS", "libraries", "blis"}, {"C library", "libraries", "libc"}};
    bool by_blis = strcmp(text_in(was, NULL, "gemm"), "fma") != 0; /* our kernels give the same bits in all families */
    int n = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *before = text_in(was, parts[i].object, parts[i].field), *now = text_in(is, parts[i].object, parts[i].field);
        if (before[0] == '\0' || strcmp(before, now) == 0 || (strcmp(parts[i].what, "BLIS") == 0 && !by_blis)) continue;
        dgm_log(DGM_LOG_WARN, "%s %s %s, %s %s: %s", had, parts[i].what, before, has, now, so);
        n++;
    }
    const char *before = text_in(was, NULL, "executable"), *now = text_in(is, NULL, "executable");
    if (n == 0 && before[0] != '\0' && strcmp(before, now) != 0)
        dgm_log(DGM_LOG_WARN, "%s another build of this version (its file has the sha256 %.12s..., %s %.12s...): %s", had, before, has, now, so);
}

void dgm_run_record_warn_of_build(const json_t *record, size_t start, const char *so)
{
    const json_t *starts = json_object_get(record, "starts"), *next = json_array_get(starts, start);
    char had[64];
    json_t *was = dgm_run_record_of_start(record, json_array_get(starts, start - 1)), *is = dgm_run_record_of_start(record, next);
    snprintf(had, sizeof had, "up to step %lld the run had", (long long)json_integer_value(json_object_get(next, "after_step")));
    dgm_run_record_warn_of_other(was, is, had, "after it", so);
    json_decref(was);
    json_decref(is);
}

/* The folder of the run that a checkpoint belongs to: two above it.  The caller frees it; NULL: there is none. */
static char *run_of_checkpoint(const char *path)
{
    char *real = realpath(path, NULL);
    for (int i = 0; real != NULL && i < 2; i++) {
        char *slash = strrchr(real, '/');
        if (slash != NULL) *slash = '\0';
    }
    return real;
}

/* What is known of the run before this start; NULL: nothing.  A record that is gone or cannot be read leaves a list of starts that begins after
 * step 0, and so tells that something is not known. */
static json_t *earlier_record(const char *run, const dgm_run_facts *f)
{
    json_t *before = NULL;
    char *other = f->from != NULL ? run_of_checkpoint(f->from) : NULL;
    const char *where = f->from != NULL ? other : run;
    if (f->step > 0 && (where == NULL || dgm_run_record_read(where, &before) != DGM_OK))
        dgm_log(DGM_LOG_WARN, "what is known of the run before step %lld is lost: %s", (long long)f->step,
                where != NULL ? dgm_error_text() : f->from);
    free(other);
    return before;
}

/* An absolute path, and behind links, which may point elsewhere later, so that the record is of use from anywhere; as it was given where that fails. */
static json_t *path_json(const char *path)
{
    char *real = realpath(path, NULL);
    json_t *string = dgm_json_text(real != NULL ? real : path, strlen(real != NULL ? real : path));
    free(real);
    return string;
}

static json_t *starts_json(const json_t *before, const dgm_run_facts *f, const json_t *now)
{
    json_t *list = before != NULL ? earlier_starts(before, now, f->step) : json_array(),
           *start = json_pack("{s:I}", "after_step", (json_int_t)f->step);
    if (f->from != NULL) json_object_set_new(start, "from", path_json(f->from));
    json_array_append_new(list, start);
    return list;
}

/* ---- writing ---- */

/* The names of the hosts of all ranks, in rank order; on rank 0. */
static dgm_err hosts_json(const dgm_grid *grid, json_t **out)
{
    char name[256] = "";
    char *all = NULL;
    int64_t *start = malloc((size_t)(grid->size + 1) * sizeof *start);
    gethostname(name, sizeof name - 1);
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, start != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "names of hosts"));
    if (err == DGM_OK) err = dgm_coll_collect(grid, DGM_AXIS_WORLD, 0, name, (int64_t)strlen(name), &all, start);
    json_t *hosts = err == DGM_OK && grid->rank == 0 ? json_array() : NULL;
    for (int r = 0; hosts != NULL && r < grid->size; r++)
        json_array_append_new(hosts, dgm_json_text(all + start[r], (size_t)(start[r + 1] - start[r])));
    free(all);
    free(start);
    *out = hosts;
    return err;
}

json_t *dgm_run_record_build(void)
{
    char mpi[64], executable[DGM_SHA256_HEX] = "unknown";
    dgm_link_mpi_version(mpi, sizeof mpi);
    if (dgm_sha256_file("/proc/self/exe", executable) != DGM_OK) snprintf(executable, sizeof executable, "unknown");
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s}}", "version", PACKAGE_VERSION, "compiler", __VERSION__, "executable", executable,
                     "kernels", dgm_elem_family(), "gemm", dgm_gemm_family(), "libraries", "blis", dgm_gemm_version(), "libc",
                     gnu_get_libc_version(), "mpi", mpi);
}

static json_t *machine_json(const dgm_run_facts *f, json_t *hosts)
{
    char cpu[128];
    dgm_machine_cpu(cpu, sizeof cpu);
    const char *bf16 = strcmp(dgm_config_text(f->config, "precision"), "bf16") == 0 ? dgm_gemm_bf16_family() : NULL;
    json_t *json = dgm_run_record_build(),
           *rest = json_pack("{s:s*, s:s, s:o, s:{s:i, s:i, s:i}}", "gemm_bf16", bf16, "cpu", cpu, "hosts", hosts, "layout", "dp", f->grid->dp_size,
                             "tp", f->grid->tp_size, "threads", f->threads);
    if (json != NULL && json_object_update(json, rest) != 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(rest);
    return json;
}

/* Tells of another build than that of the start before, and of logs that were damaged since, while somebody may still put them back. */
static dgm_err tell_changes(const char *run, const json_t *record, int64_t step)
{
    dgm_log_gap gap[DGM_LOG_N];
    size_t n_starts = json_array_size(json_object_get(record, "starts"));
    if (n_starts > 1)
        dgm_run_record_warn_of_build(record, n_starts - 1, "the result may be none that one build makes alone (run.json records it)");
    DGM_TRY(dgm_log_gaps_find(run, record, step, gap));
    dgm_log_gaps_warn(run, gap, 0);
    return DGM_OK;
}

static dgm_err write_record(const char *run, const json_t *record)
{
    char *text = record != NULL ? json_dumps(record, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    char *path = dgm_io_join(run, "run.json");
    dgm_err err = text != NULL && path != NULL ? dgm_io_write_file(path, text, strlen(text)) : DGM_FAIL(DGM_ERR_NOMEM, "run.json");
    free(path);
    free(text);
    return err;
}

/* With --init as it is given now, or as an earlier start had it: one that goes on needs none. */
static json_t *init_json(const json_t *before, const dgm_run_facts *f)
{
    const char *init = dgm_config_text(f->config, "init");
    json_t *earlier = json_object_get(json_object_get(before, "init"), "path");
    json_t *path = init != NULL ? path_json(init) : earlier != NULL ? json_incref(earlier) : json_null();
    return json_pack("{s:s, s:o}", "sha256", f->init_sha256, "path", path);
}

static json_t *record_json(const char *run, const dgm_run_facts *f, json_t *hosts)
{
    json_t *record = machine_json(f, hosts);
    if (record == NULL) return NULL;
    json_t *before = earlier_record(run, f);
    int failed = json_object_set_new(record, "data", json_string(f->data_hash)) | json_object_set_new(record, "data_path", path_json(f->data_path)) |
                 json_object_set_new(record, "settings", dgm_run_record_settings(f->config));
    if (f->init_sha256 == NULL) { /* else the shape is the model's and the setting does not count */
        char pieces[24];
        snprintf(pieces, sizeof pieces, "%lld", (long long)dgm_train_pieces(f->config));
        failed |= json_object_set_new(json_object_get(record, "settings"), "virtual_tp", json_string(pieces));
    }
    if (f->init_sha256 != NULL) failed |= json_object_set_new(record, "init", init_json(before, f));
    failed |= json_object_set_new(record, "starts", starts_json(before, f, record));
    json_decref(before);
    if (!failed) return record;
    json_decref(record);
    return NULL;
}

dgm_err dgm_run_record_write(const char *run, const dgm_run_facts *facts)
{
    json_t *hosts = NULL;
    DGM_TRY(hosts_json(facts->grid, &hosts));
    dgm_err err = DGM_OK;
    if (facts->grid->rank == 0) {
        json_t *record = record_json(run, facts, hosts);
        err = record != NULL ? tell_changes(run, record, facts->step) : DGM_OK;
        if (err == DGM_OK) err = write_record(run, record);
        json_decref(record);
    }
    return dgm_coll_agree(facts->grid, DGM_AXIS_WORLD, err);
}

/* ---- the result ---- */

static dgm_err add_hash(json_t *result, const char *run, const char *file, const char *name)
{
    char hex[DGM_SHA256_HEX], *path = dgm_io_join(run, file);
    dgm_err err = path != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", run);
    if (err == DGM_OK && dgm_io_exists(path)) {
        err = dgm_sha256_file(path, hex);
        if (err == DGM_OK) json_object_set_new(result, name, json_string(hex));
    }
    free(path);
    return err;
}

/* What the logs lack, from before this start or since. */
static dgm_err add_gaps(json_t *result, const char *run, const json_t *record, int64_t step)
{
    const json_t *starts = json_object_get(record, "starts"), *last = json_array_get(starts, json_array_size(starts) - 1);
    dgm_log_gap gap[DGM_LOG_N];
    DGM_TRY(dgm_log_gaps_find(run, record, step, gap));
    dgm_log_gaps_warn(run, gap, json_integer_value(json_object_get(last, "after_step"))); /* of those before it was warned */
    json_t *lost = dgm_log_gaps_json(gap);
    if (lost != NULL) json_object_set_new(result, "lost", lost);
    return DGM_OK;
}

dgm_err dgm_run_record_result(const char *run, int64_t step)
{
    json_t *record = NULL, *result = json_pack("{s:I}", "step", (json_int_t)step);
    dgm_err err = result != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "result");
    if (err == DGM_OK && dgm_run_record_read(run, &record) != DGM_OK) { /* somebody took it away meanwhile: the model is there all the same */
        dgm_log(DGM_LOG_WARN, "the result is not recorded: %s", dgm_error_text());
        json_decref(result);
        return DGM_OK;
    }
    if (err == DGM_OK) err = add_hash(result, run, "model.safetensors", "model");
    if (err == DGM_OK) err = add_hash(result, run, "metrics.jsonl", "metrics");
    if (err == DGM_OK) err = add_hash(result, run, "trace.jsonl", "trace");
    if (err == DGM_OK) err = add_gaps(result, run, record, step);
    if (err == DGM_OK) {
        json_object_set(record, "result", result);
        err = write_record(run, record);
    }
    json_decref(result);
    json_decref(record);
    return err;
}
