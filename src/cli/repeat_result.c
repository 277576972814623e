/* Whether a repetition left what the run left, by the hashes of both; where it did not, where they part. */
#include "dgm/repeat.h"

#include "dgm/checksum.h"
#include "dgm/compare.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/log_gaps.h"
#include "dgm/run_record.h"

#include <stdlib.h>
#include <string.h>

/* The hash of one of the files: as it was recorded, or of the file itself where that was not done.  *is_there: the file still is, as it was. */
static dgm_err hash_of(const json_t *record, const char *dir, const char *file, const char *name, char *hex, bool *is_there)
{
    const char *recorded = json_string_value(json_object_get(json_object_get(record, "result"), name));
    char now[DGM_SHA256_HEX] = "", *path = dgm_io_join(dir, file);
    dgm_err err = path != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", dir);
    bool exists = path != NULL && dgm_io_exists(path);
    if (err == DGM_OK && exists) err = dgm_sha256_file(path, now);
    if (err == DGM_OK) {
        snprintf(hex, DGM_SHA256_HEX, "%s", recorded != NULL ? recorded : now);
        *is_there = exists && strcmp(hex, now) == 0;
        if (exists && !*is_there) dgm_log(DGM_LOG_WARN, "%s is not what it was when training ended: what run.json recorded then counts", path);
    }
    free(path);
    return err;
}

/* Where they part, from the files: those of the first run may be gone, and a changed one would mislead. */
static dgm_err tell_where(const char *dir, const char *out, bool files_there)
{
    dgm_comparison comparison;
    if (!files_there)
        return DGM_FAIL(DGM_ERR_DIFFERENT, "the result is not that of the run; the files of %s are not there any more to see where they part", dir);
    DGM_TRY(dgm_compare(dir, out, &comparison));
    bool none = dgm_comparison_identical(&comparison);
    dgm_comparison_print(&comparison, stdout);
    dgm_comparison_fini(&comparison);
    return none ? DGM_FAIL(DGM_ERR_DIFFERENT, "no number that both have differs, but one has lines that the other lacks: a log was damaged, and "
                                              "run.json of %s does not say so", dir)
                : DGM_FAIL(DGM_ERR_DIFFERENT, "the result is not that of the run, as told above");
}

/* One of the files of both runs. */
typedef struct {
    const char *file, *name;
    dgm_err (*compare)(const char *a, const char *b, int64_t *n_common, bool *differ); /* lines that both have; NULL: it has no lines */
    char was[DGM_SHA256_HEX], is[DGM_SHA256_HEX];
    bool was_there, is_there;
    const json_t *lost; /* what one of them lacks, as its run.json says */
    const char *lost_by;
    int64_t was_every, is_every; /* updates per line, as of dgm_log_gaps_trace_period; of traces alone */
} result_file;

static dgm_err compare_metrics(const char *a, const char *b, int64_t *n_common, bool *differ)
{
    dgm_metrics_difference d;
    DGM_TRY(dgm_compare_metrics(a, b, &d));
    *n_common = d.n_common;
    *differ = d.step >= 0 || d.damage_a.n + d.damage_b.n > 0;
    return DGM_OK;
}

static dgm_err compare_traces(const char *a, const char *b, int64_t *n_common, bool *differ)
{
    dgm_trace_difference d;
    DGM_TRY(dgm_compare_traces(a, b, &d));
    *n_common = d.n_common;
    *differ = d.other_tensors || d.step >= 0 || d.damage_a.n + d.damage_b.n > 0;
    return DGM_OK;
}

static const json_t *lost_of(const json_t *record, const char *name)
{
    return json_object_get(json_object_get(json_object_get(record, "result"), "lost"), name);
}

static dgm_err open_result(const dgm_repeat *r, const json_t *record, const char *out, result_file *f)
{
    DGM_TRY(hash_of(r->record, r->dir, f->file, f->name, f->was, &f->was_there));
    DGM_TRY(hash_of(record, out, f->file, f->name, f->is, &f->is_there));
    f->lost = lost_of(r->record, f->name);
    f->lost_by = r->dir;
    if (f->compare == compare_traces) {
        f->was_every = dgm_log_gaps_trace_period(r->record);
        f->is_every = dgm_log_gaps_trace_period(record);
    }
    if (f->lost == NULL && (f->lost = lost_of(record, f->name)) != NULL) f->lost_by = out;
    return DGM_OK;
}

typedef enum { SAME, SAME_LINES, NOT_COMPARED, OTHER } verdict;

/* No bit depends on --trace-hash and --trace-hash-every, so a repetition may have them otherwise. */
static bool other_steps(const result_file *f) { return f->was_every != f->is_every || f->was_every < 0; }

/* A log with holes, or of other steps, has another hash whatever its numbers are: the lines that both have decide, where the files are there. */
static dgm_err judge(const result_file *f, const char *dir, const char *out, verdict *v)
{
    bool known = f->was[0] != '\0' && f->is[0] != '\0', differ = false;
    int64_t n_common = 0;
    *v = !known ? NOT_COMPARED : strcmp(f->was, f->is) == 0 ? SAME : OTHER;
    if (*v != OTHER || (f->lost == NULL && !other_steps(f))) return DGM_OK;
    *v = NOT_COMPARED;
    if (!f->was_there || !f->is_there) return DGM_OK;
    char *a = dgm_io_join(dir, f->file), *b = dgm_io_join(out, f->file);
    dgm_err err = a != NULL && b != NULL ? f->compare(a, b, &n_common, &differ) : DGM_FAIL(DGM_ERR_NOMEM, "paths of %s", f->file);
    if (err == DGM_OK) *v = differ ? OTHER : n_common > 0 ? SAME_LINES : NOT_COMPARED;
    free(b);
    free(a);
    return err;
}

static int64_t number_in(const json_t *object, const char *name) { return json_integer_value(json_object_get(object, name)); }

/* "of every step", "of every 5 steps" */
static void tell_period(int64_t every, bool has_one, char *text, size_t bytes)
{
    if (!has_one) snprintf(text, bytes, "none");
    else if (every < 0) snprintf(text, bytes, "one of other steps after a new start");
    else if (every <= 1) snprintf(text, bytes, "one of every step");
    else snprintf(text, bytes, "one of every %lld steps", (long long)every);
}

static void print_periods(const result_file *f, const char *dir, const char *out)
{
    char was[64], is[64];
    tell_period(f->was_every, f->was[0] != '\0', was, sizeof was);
    tell_period(f->is_every, f->is[0] != '\0', is, sizeof is);
    printf("%s has %s, %s %s", dir, was, out, is);
    if (f->was[0] != '\0' && f->is[0] != '\0' && !(f->was_there && f->is_there))
        printf(", and that of %s is not there any more", f->was_there ? out : dir);
    printf("\n");
}

static void print_verdict(const result_file *f, const char *dir, const char *out, verdict v)
{
    static const char *const words[] = {"identical", "identical in the lines that both have", "not compared", "not identical"};
    char lost[DGM_LOG_GAP_TEXT];
    if (v == SAME || v == OTHER) printf("%-18s %-14s %s\n", f->file, words[v], f->is);
    else printf("%-18s %s: ", f->file, words[v]);
    if (v == SAME || v == OTHER) return;
    if (f->lost == NULL && other_steps(f)) {
        print_periods(f, dir, out);
        return;
    }
    dgm_log_gaps_text(number_in(f->lost, "lines"), number_in(f->lost, "from"), number_in(f->lost, "to"), lost, sizeof lost);
    if (f->lost != NULL) printf("%s lost %s\n", f->lost_by, lost);
    else printf("%s has none, and its run.json no hash of one\n", f->was[0] == '\0' ? dir : out);
}

/* All is compared but what is lost, gone, or what one of them was not asked to write. */
static bool is_less(const result_file *f, verdict v)
{
    bool asked = f->lost != NULL || !other_steps(f), in_both = f->was[0] != '\0' && f->is[0] != '\0';
    return (v == SAME_LINES && asked) || (v == NOT_COMPARED && (asked || in_both));
}

dgm_err dgm_repeat_compare(const dgm_repeat *repeat, const char *out)
{
    result_file files[] = {{.file = "model.safetensors", .name = "model"},
                           {.file = "metrics.jsonl", .name = "metrics", .compare = compare_metrics},
                           {.file = "trace.jsonl", .name = "trace", .compare = compare_traces}};
    json_t *record = NULL;
    const char *dir = repeat->dir;
    bool all_there = true, all_same = true, all_compared = true;
    dgm_err err = dgm_run_record_read(out, &record);
    for (int i = 0; i < 3 && err == DGM_OK; i++) {
        verdict v = SAME;
        err = open_result(repeat, record, out, &files[i]);
        if (err == DGM_OK) err = judge(&files[i], dir, out, &v);
        bool in_none = files[i].was[0] == '\0' && files[i].is[0] == '\0';
        if (err != DGM_OK || (in_none && i == 2 && files[i].lost == NULL)) continue; /* a trace that neither of them wrote */
        print_verdict(&files[i], dir, out, v);
        all_same = all_same && v != OTHER;
        all_compared = all_compared && !is_less(&files[i], v);
        all_there = all_there && (files[i].was_there || i == 2);
    }
    if (err == DGM_OK && !all_same) err = tell_where(dir, out, all_there);
    else if (err == DGM_OK)
        printf("identical%s: %s repeats %s\n", all_compared ? "" : " in all that is left to compare, as told above", out, dir);
    json_decref(record);
    return err;
}
