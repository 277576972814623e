/* Settings of the runs side by side: first those that differ, with what that can change, then all of them, in the order of `train --help`. */
#include "dgm/prepare.h"
#include "dgm/report.h"
#include "dgm/train_options.h"

#include <stdio.h>
#include <string.h>

static const struct { const dgm_option *table; const char *title; } groups[] = {
    {dgm_train_model_options, "Model"}, {dgm_train_update_options, "Updates"}, {dgm_train_run_options, "Run"}, {dgm_prepare_option_table, "Preparation of the data"}};
enum { N_GROUPS = sizeof groups / sizeof *groups };

static const char *value_of(const dgm_report_run *run, const char *name)
{
    const char *value = dgm_report_run_setting(run, name);
    return *value == '\0' && run->record != NULL ? dgm_train_setting_unwritten(name) : value;
}

static bool is_set(const dgm_report *report, const char *name)
{
    for (int r = 0; r < report->n_runs; r++)
        if (*value_of(&report->runs[r], name) != '\0') return true;
    return false;
}

static bool differs(const dgm_report *report, const char *name)
{
    const char *first = NULL;
    for (int r = 0; r < report->n_runs; r++) {
        if (report->runs[r].record == NULL) continue; /* not known */
        const char *value = value_of(&report->runs[r], name);
        if (first != NULL && strcmp(first, value) != 0) return true;
        if (first == NULL) first = value;
    }
    return false;
}

/* Names of the run itself, which differ always. */
static bool is_own(const char *name)
{
    static const char *const names[] = {"out", "resume", "config"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static const char *effect(const dgm_report *report, const char *name)
{
    dgm_circumstances in = {0};
    for (int r = 0; r < report->n_runs; r++) {
        in.cosine = in.cosine || strcmp(dgm_report_run_setting(&report->runs[r], "schedule"), "cosine") == 0;
        in.fast = in.fast || strcmp(dgm_report_run_setting(&report->runs[r], "reduction"), "fast") == 0;
    }
    switch (dgm_train_setting_effect(name, in)) {
    case DGM_EFFECT_NONE: return "nothing that is learned";
    case DGM_EFFECT_RECORD: return "what is logged, when it ends, which checkpoint counts";
    case DGM_EFFECT_BITS: break;
    }
    return "what is learned";
}

static void put_values(const dgm_report *report, const char *name, dgm_html *page)
{
    for (int r = 0; r < report->n_runs; r++) {
        const char *value = value_of(&report->runs[r], name);
        dgm_html_put(page, "<td class=\"code\">");
        if (*value != '\0') dgm_html_text(page, value);
        else dgm_html_put(page, report->runs[r].record != NULL ? "–" : "not known");
        dgm_html_put(page, "</td>");
    }
}

/* ---- those that differ ---- */

typedef struct {
    const char *shown, *object, *field; /* object: NULL for the record itself */
} fact;

/* Of run.json, besides the settings. */
static const fact facts[] = {{"data", NULL, "data"}, {"model of --init", "init", "sha256"}, {"version", NULL, "version"}, {"gemm kernels", NULL, "gemm"},
                             {"bf16 kernel", NULL, "gemm_bf16"}, {"compiler", NULL, "compiler"}, {"executable", NULL, "executable"}};

static const char *fact_of(const dgm_report_run *run, const fact *f)
{
    const char *text = json_string_value(json_object_get(f->object != NULL ? json_object_get(run->record, f->object) : run->record, f->field));
    return text != NULL ? text : "";
}

static bool fact_differs(const dgm_report *report, const fact *f)
{
    for (int r = 1; r < report->n_runs; r++)
        if (strcmp(fact_of(&report->runs[0], f), fact_of(&report->runs[r], f)) != 0) return true;
    return false;
}

/* A hash by its beginning. */
static void put_fact(const char *text, dgm_html *page)
{
    size_t n = strlen(text);
    dgm_html_put(page, "<td class=\"code\">");
    dgm_html_line(page, text, n == 64 ? 12 : n);
    dgm_html_put(page, n == 64 ? "…</td>" : n == 0 ? "–</td>" : "</td>");
}

static int put_differences(const dgm_report *report, dgm_html *page)
{
    int n = 0;
    for (int g = 0; g < N_GROUPS; g++)
        for (const dgm_option *o = groups[g].table; o->name != NULL; o++) {
            if (is_own(o->name) || !differs(report, o->name)) continue;
            dgm_html_putf(page, "<tr><th scope=\"row\" class=\"code\">%s</th>", o->name);
            put_values(report, o->name, page);
            dgm_html_putf(page, "<td class=\"small\">%s</td></tr>\n", effect(report, o->name));
            n++;
        }
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        if (!fact_differs(report, &facts[i])) continue;
        dgm_html_putf(page, "<tr><th scope=\"row\">%s</th>", facts[i].shown);
        for (int r = 0; r < report->n_runs; r++) put_fact(fact_of(&report->runs[r], &facts[i]), page);
        dgm_html_put(page, "<td class=\"small\">what is learned</td></tr>\n");
        n++;
    }
    return n;
}

static void put_apart(const dgm_report *report, dgm_html *page)
{
    dgm_html rows = {0};
    dgm_html_put(page, "<h3>How the runs differ</h3>\n");
    int n = put_differences(report, &rows);
    if (page->err == DGM_OK) page->err = rows.err;
    if (n == 0) {
        dgm_html_put(page, "<p>In no setting, and in neither data nor version.</p>\n");
    } else {
        dgm_html_put(page, "<div class=\"wide\"><table><thead><tr><th scope=\"col\">Setting</th>");
        for (int r = 0; r < report->n_runs; r++) {
            dgm_html_put(page, "<th scope=\"col\">");
            dgm_report_name(report, r, page);
            dgm_html_put(page, "</th>");
        }
        dgm_html_put(page, "<th scope=\"col\">Can change</th></tr></thead><tbody>\n");
        dgm_html_put(page, rows.text.text != NULL ? rows.text.text : "");
        dgm_html_put(page, "</tbody></table></div>\n");
    }
    dgm_html_fini(&rows);
}

/* ---- all of them ---- */

static void put_group(const dgm_report *report, int g, dgm_html *page)
{
    bool begun = false;
    for (const dgm_option *o = groups[g].table; o->name != NULL; o++) {
        if (!is_set(report, o->name)) continue;
        if (!begun) dgm_html_putf(page, "<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"%d\">%s</th></tr>\n", report->n_runs + 1, groups[g].title);
        begun = true;
        dgm_html_putf(page, "<tr%s><th scope=\"row\" class=\"code\">%s</th>", differs(report, o->name) && !is_own(o->name) ? " class=\"apart\"" : "", o->name);
        put_values(report, o->name, page);
        dgm_html_put(page, "</tr>\n");
    }
}

static void put_versions(const dgm_report *report, dgm_html *page)
{
    static const fact shown[] = {{"version", NULL, "version"}, {"compiler", NULL, "compiler"}, {"kernels", NULL, "kernels"}, {"gemm", NULL, "gemm"},
                                 {"libraries.blis", "libraries", "blis"}, {"libraries.mpi", "libraries", "mpi"}, {"libraries.libc", "libraries", "libc"},
                                 {"executable", NULL, "executable"}, {"result.model", "result", "model"}};
    dgm_html_putf(page, "<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"%d\">Versions and hashes</th></tr>\n", report->n_runs + 1);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        dgm_html_putf(page, "<tr><th scope=\"row\" class=\"code\">%s</th>", shown[i].shown);
        for (int r = 0; r < report->n_runs; r++) {
            const char *text = fact_of(&report->runs[r], &shown[i]);
            dgm_html_put(page, "<td class=\"code\">");
            dgm_html_text(page, *text != '\0' ? text : "–");
            dgm_html_put(page, "</td>");
        }
        dgm_html_put(page, "</tr>\n");
    }
}

void dgm_report_settings(const dgm_report *report, dgm_html *page)
{
    bool any = false;
    for (int r = 0; r < report->n_runs; r++) any = any || report->runs[r].record != NULL;
    if (!any) {
        dgm_html_put(page, "<p>There is no run.json: settings are not known.</p>\n");
        return;
    }
    if (report->n_runs > 1) put_apart(report, page);
    dgm_html_put(page, "<details><summary>All settings</summary>\n");
    dgm_report_table_begin(report, "Setting", page);
    for (int g = 0; g < N_GROUPS; g++) put_group(report, g, page);
    put_versions(report, page);
    dgm_report_table_end(page);
    dgm_html_put(page, "</details>\n");
}
