/* The frame of the page.  The policy in its head lets a browser load and run nothing, whatever the text in it says. */
#include "build_config.h"

#include "dgm/report.h"

#include <string.h>

void dgm_report_tag(const dgm_report *report, int run, dgm_html *page)
{
    if (report->n_runs > 1) dgm_html_putf(page, "<b class=\"tag s%d\">%c</b>", run % DGM_REPORT_N_COLOURS, 'A' + run);
}

void dgm_report_name(const dgm_report *report, int run, dgm_html *page)
{
    dgm_report_tag(report, run, page);
    dgm_html_put(page, report->n_runs > 1 ? " <span class=\"name\" dir=\"auto\">" : "<span class=\"name\" dir=\"auto\">");
    dgm_html_text(page, report->runs[run].name);
    dgm_html_put(page, "</span>");
}

void dgm_report_table_begin(const dgm_report *report, const char *first, dgm_html *page)
{
    dgm_html_putf(page, "<div class=\"wide\"><table class=\"each\" style=\"min-width:%dem\"><thead><tr><th scope=\"col\">%s</th>", 9 + 7 * report->n_runs, first);
    for (int r = 0; r < report->n_runs; r++) {
        dgm_html_put(page, "<th scope=\"col\">");
        dgm_report_name(report, r, page);
        dgm_html_put(page, "</th>");
    }
    dgm_html_put(page, "</tr></thead>\n<tbody>\n");
}

void dgm_report_table_end(dgm_html *page) { dgm_html_put(page, "</tbody></table></div>\n"); }

typedef struct {
    const char *id, *title;
    void (*write)(const dgm_report *report, dgm_html *page);
    bool needs_test;
} section;

static const section sections[] = {
    {"glance", "At a glance", dgm_report_glance, false},
    {"scores", "Scores", dgm_report_scores, false},
    {"curves", "Curves", dgm_report_curves, false},
    {"translations", "Translations", dgm_report_samples, true},
    {"attention", "Attention", dgm_report_attention, true},
    {"settings", "Settings", dgm_report_settings, false},
    {"data", "Data", dgm_report_data, false},
};
enum { N_SECTIONS = sizeof sections / sizeof *sections };

static bool shown(const dgm_report *report, const section *s) { return report->test != NULL || !s->needs_test; }

static void put_title(const dgm_report *report, dgm_html *page)
{
    for (int r = 0; r < report->n_runs; r++) {
        if (r > 0) dgm_html_put(page, ", ");
        dgm_html_text(page, report->runs[r].name);
    }
}

static void put_head(const dgm_report *report, dgm_html *page)
{
    dgm_html_put(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
                       "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
                       "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"/>\n"
                       "<meta name=\"generator\" content=\"" PACKAGE_STRING "\"/>\n"
                       "<link rel=\"icon\" href=\"data:,\"/>\n<title>Training report: ");
    put_title(report, page);
    dgm_html_put(page, "</title>\n<style>\n");
    dgm_html_put(page, dgm_report_style);
    dgm_html_put(page, "</style>\n</head>\n<body>\n");
}

static void put_header(const dgm_report *report, dgm_html *page)
{
    dgm_html_put(page, "<header><h1>Training report</h1>\n<p class=\"runs\">");
    for (int r = 0; r < report->n_runs; r++) {
        dgm_html_put(page, "<span class=\"pair\">");
        dgm_report_name(report, r, page);
        dgm_html_put(page, "</span> ");
    }
    dgm_html_put(page, "</p>\n<nav>");
    for (int i = 0; i < N_SECTIONS; i++)
        if (shown(report, &sections[i])) dgm_html_putf(page, "<a href=\"#%s\">%s</a> ", sections[i].id, sections[i].title);
    dgm_html_put(page, "</nav></header>\n");
}

dgm_err dgm_report_write(const dgm_report *report, dgm_html *page)
{
    put_head(report, page);
    put_header(report, page);
    dgm_html_put(page, "<main>\n");
    for (int i = 0; i < N_SECTIONS; i++) {
        if (!shown(report, &sections[i])) continue;
        dgm_html_putf(page, "<section id=\"%s\">\n<h2>%s</h2>\n", sections[i].id, sections[i].title);
        sections[i].write(report, page);
        dgm_html_put(page, "</section>\n");
    }
    dgm_html_put(page, "</main>\n<footer><p>Written by " PACKAGE_STRING ". Everything is in this file: it loads nothing and runs no script.</p></footer>\n"
                       "</body>\n</html>\n");
    return page->err;
}
