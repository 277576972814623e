/* The page that `dragoman report` writes: one file of HTML without scripts, with nothing from elsewhere.  Equal runs and texts give equal bytes.
 *
 * Each section is a file report_NAME.c that writes its part of the page; none of them is collective. */
#ifndef DGM_REPORT_H
#define DGM_REPORT_H

#include "dgm/html.h"
#include "dgm/report_run.h"
#include "dgm/report_test.h"

enum { DGM_REPORT_MAX_RUNS = 26 }; /* a letter each */

typedef struct {
    int n_runs;
    const dgm_report_run *runs; /* [n_runs] */
    const dgm_report_test *test; /* what they make of a text; NULL: nothing was translated */
    const char *no_test;         /* why not; NULL with a test */
} dgm_report;

/* The whole page. */
dgm_err dgm_report_write(const dgm_report *report, dgm_html *page);

/* ---- sections, in the order of the page ---- */

void dgm_report_glance(const dgm_report *report, dgm_html *page);
void dgm_report_scores(const dgm_report *report, dgm_html *page);
void dgm_report_curves(const dgm_report *report, dgm_html *page);
void dgm_report_samples(const dgm_report *report, dgm_html *page);
void dgm_report_attention(const dgm_report *report, dgm_html *page);
void dgm_report_settings(const dgm_report *report, dgm_html *page);
void dgm_report_data(const dgm_report *report, dgm_html *page);

/* ---- what sections share ---- */

extern const char dgm_report_style[]; /* the style sheet */
enum { DGM_REPORT_N_COLOURS = 8 };    /* of runs, in turn */

/* The mark of a run: its letter in its colour; nothing where there is one run only. */
void dgm_report_tag(const dgm_report *report, int run, dgm_html *page);
/* The mark and the name. */
void dgm_report_name(const dgm_report *report, int run, dgm_html *page);
/* Begins a table with a column for each run, all of one width; `first` stands above the names of its rows.  And its end. */
void dgm_report_table_begin(const dgm_report *report, const char *first, dgm_html *page);
void dgm_report_table_end(dgm_html *page);

#endif
