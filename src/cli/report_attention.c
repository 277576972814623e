/* Attention of the last decoder layer, as a mean over the heads and, folded away, head by head. */
#include "dgm/heat_map.h"
#include "dgm/report.h"

#include <stdio.h>
#include <stdlib.h>

enum { CELL = 16, SMALL_CELL = 6 };

static double largest(const double *value, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = DGM_MAX(most, value[i]);
    return most;
}

static dgm_err put_mean(const dgm_report_picture *p, dgm_html *page)
{
    const dgm_attention_map *m = &p->map;
    int64_t n = m->n_tgt * m->n_src;
    double *mean = calloc((size_t)n, sizeof *mean);
    if (mean == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "mean of %lld heads", (long long)m->n_heads);
    for (int64_t h = 0; h < m->n_heads; h++)
        for (int64_t i = 0; i < n; i++) mean[i] += m->weight[h * n + i] / (double)m->n_heads;
    const dgm_heat_map map = {.title = "Attention of each piece of the translation (rows) to those of the source (columns)", .n_rows = m->n_tgt,
                              .n_columns = m->n_src, .value = mean, .full = largest(mean, n), .row_label = (const char *const *)p->tgt_piece,
                              .column_label = (const char *const *)p->src_piece, .cell = CELL};
    dgm_heat_map_write(&map, page);
    dgm_html_putf(page, "<p class=\"small\">full colour: %.2g</p>", map.full);
    free(mean);
    return DGM_OK;
}

static void put_heads(const dgm_report_picture *p, dgm_html *page)
{
    const dgm_attention_map *m = &p->map;
    dgm_html_putf(page, "<details><summary class=\"small\">Each of the %lld heads</summary><div class=\"maps\">", (long long)m->n_heads);
    for (int64_t h = 0; h < m->n_heads; h++) {
        char title[32];
        snprintf(title, sizeof title, "Head %lld", (long long)h + 1);
        const double *weight = m->weight + h * m->n_tgt * m->n_src;
        const dgm_heat_map map = {.title = title, .n_rows = m->n_tgt, .n_columns = m->n_src, .value = weight, .full = largest(weight, m->n_tgt * m->n_src),
                                  .cell = SMALL_CELL};
        dgm_html_putf(page, "<figure><figcaption>%s, full colour %.2g</figcaption>", title, map.full);
        dgm_heat_map_write(&map, page);
        dgm_html_put(page, "</figure>\n");
    }
    dgm_html_put(page, "</div></details>");
}

static void put_picture(const dgm_report *report, const dgm_report_picture *p, dgm_html *page)
{
    dgm_html_put(page, "<div class=\"map\"><figure>");
    if (report->n_runs > 1) {
        dgm_html_put(page, "<figcaption>");
        dgm_report_name(report, report->test->systems[p->system].run, page);
        dgm_html_put(page, "</figcaption>");
    }
    dgm_err err = put_mean(p, page);
    if (page->err == DGM_OK) page->err = err;
    dgm_html_put(page, "</figure>");
    if (p->map.n_heads > 1) put_heads(p, page);
    dgm_html_put(page, "</div>\n");
}

void dgm_report_attention(const dgm_report *report, dgm_html *page)
{
    const dgm_report_test *t = report->test;
    if (t->n_pictures == 0) {
        dgm_html_put(page, "<p>No picture: none was asked for, or no translation above is short enough for one.</p>\n");
        return;
    }
    dgm_html_put(page, "<p>Where the last decoder layer looks in the source (columns) while it says each piece of its own translation (rows): a mean over its "
                       "heads; the stronger the colour, the more, up to the largest weight of a picture, which stands below it; each row adds up to 1. ▁ begins a word. Attention says where information was taken from, not why.</p>\n");
    for (int i = 0; i < t->n_pictures; i++) {
        if (i % t->n_systems == 0) {
            dgm_html_put(page, "<h3>Line ");
            dgm_html_count(page, t->pictures[i].line + 1);
            dgm_html_put(page, "</h3>\n<div class=\"maps\">\n");
        }
        put_picture(report, &t->pictures[i], page);
        if ((i + 1) % t->n_systems == 0) dgm_html_put(page, "</div>\n");
    }
}
