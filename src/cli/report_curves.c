/* How training went: a small plot for each quantity, a line for each run, and where the time of the updates went.
 *
 * A long run has more logged updates than a plot has pixels: neighbours are drawn as their mean. */
#include "dgm/report.h"
#include "dgm/svg_plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_POINTS = 260 };

/* The points of one line, and the memory they are in. */
typedef struct {
    double *x, *y;     /* y behind x */
    double *low, *high; /* behind y; NULL: no intervals */
    int64_t n;
} points;

/* The points of a column that are there, neighbours put together. */
static dgm_err collect(const dgm_run_columns *c, int field, points *out)
{
    int64_t n_there = 0, turn, k = 0;
    const double *v = c->n > 0 ? dgm_run_column(c, field) : NULL;
    for (int64_t i = 0; i < c->n; i++) n_there += isfinite(v[i]);
    turn = (n_there + MAX_POINTS - 1) / MAX_POINTS;
    points p = {.x = calloc(2 * MAX_POINTS, sizeof *p.x)};
    if (p.x == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "points of a curve");
    p.y = p.x + MAX_POINTS;
    for (int64_t i = 0; i < c->n; i++) {
        if (!isfinite(v[i])) continue;
        p.x[k / turn] += c->step[i], p.y[k / turn] += v[i];
        k++;
    }
    p.n = turn > 0 ? (k + turn - 1) / turn : 0;
    for (int64_t i = 0; i < p.n; i++) {
        double in_it = (double)DGM_MIN(turn, k - i * turn);
        p.x[i] /= in_it, p.y[i] /= in_it;
    }
    *out = p;
    return DGM_OK;
}

/* The scores of a run's checkpoints with their intervals, of very many some. */
static dgm_err collect_each(const dgm_run_columns *c, points *out)
{
    int64_t every = (c->n + MAX_POINTS - 1) / MAX_POINTS;
    points p = {.x = calloc(4 * MAX_POINTS, sizeof *p.x)};
    if (p.x == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "points of a curve");
    p.y = p.x + MAX_POINTS, p.low = p.y + MAX_POINTS, p.high = p.low + MAX_POINTS;
    for (int64_t i = 0; i < c->n; i += every) {
        p.x[p.n] = c->step[i], p.y[p.n] = dgm_run_column(c, DGM_REPORT_EACH_BLEU)[i];
        p.low[p.n] = dgm_run_column(c, DGM_REPORT_EACH_LOW)[i], p.high[p.n] = dgm_run_column(c, DGM_REPORT_EACH_HIGH)[i];
        p.n++;
    }
    *out = p;
    return DGM_OK;
}

/* Where the axis of a loss ends: the fall of the first twentieth of the updates would leave no room for the rest. */
static double loss_ceiling(const points *p, int n)
{
    double ceiling = -INFINITY;
    for (int r = 0; r < n; r++)
        for (int64_t i = 0; i < p[r].n; i++)
            if (p[r].x[i] >= 0.05 * p[r].x[p[r].n - 1] || i == p[r].n - 1) ceiling = fmax(ceiling, p[r].y[i]);
    return ceiling;
}

typedef enum { AXIS_FREE, AXIS_FROM_ZERO, AXIS_LOSS, AXIS_LOG } axis_kind;

typedef struct {
    const char *title, *description, *note; /* note: NULL without */
    enum { OF_METRICS, OF_TIMING, OF_EACH } source;
    int field;
    axis_kind axis;
} curve;

static const curve curves[] = {
    {"Training loss, nats per token", "Negative log-likelihood of the training batches, without label smoothing, over the updates.",
     "Without label smoothing. Lines begin where they enter the frame.", OF_METRICS, DGM_REPORT_NLL, AXIS_LOSS},
    {"Validation loss, nats per token", "Negative log-likelihood of the validation part over the updates.", NULL, OF_METRICS, DGM_REPORT_VALID_NLL, AXIS_LOSS},
    {"Validation BLEU", "BLEU of the validation part over the updates.", NULL, OF_METRICS, DGM_REPORT_VALID_BLEU, AXIS_FREE},
    {"BLEU of the checkpoints", "BLEU of each checkpoint over the updates; bands are 95 % intervals.", NULL, OF_EACH,
     DGM_REPORT_EACH_BLEU, AXIS_FREE},
    {"Learning rate", "Learning rate over the updates.", NULL, OF_METRICS, DGM_REPORT_RATE, AXIS_FROM_ZERO},
    {"Gradient norm, logarithmic", "2-norm of the gradient before clipping, over the updates.", NULL, OF_METRICS, DGM_REPORT_GRAD_NORM, AXIS_LOG},
    {"Speed, target tokens per second", "Target tokens per second over the updates, without validations and checkpoints.", NULL, OF_TIMING, DGM_REPORT_SPEED,
     AXIS_FROM_ZERO},
};

static void set_axis(dgm_plot *plot, axis_kind kind, points *p, int n)
{
    double lo = INFINITY, hi = -INFINITY;
    for (int r = 0; r < n; r++)
        for (int64_t i = 0; i < p[r].n; i++) lo = fmin(lo, p[r].y[i]), hi = fmax(hi, p[r].y[i]);
    if (kind == AXIS_FROM_ZERO && hi > 0) plot->y_max = 1.06 * hi;
    plot->log_y = kind == AXIS_LOG;
    if (kind != AXIS_LOSS) return;
    double ceiling = loss_ceiling(p, n);
    if (!(ceiling > lo)) return;
    plot->y_min = lo - 0.04 * (ceiling - lo), plot->y_max = ceiling + 0.04 * (ceiling - lo);
    for (int r = 0; r < n; r++)
        for (int64_t i = 0; i < p[r].n; i++)
            if (p[r].y[i] > plot->y_max) p[r].y[i] = NAN; /* a gap: outside of the frame */
}

static dgm_err draw(const dgm_report *report, const curve *c, points *p, dgm_html *page)
{
    dgm_plot_line lines[DGM_REPORT_MAX_RUNS];
    char label[DGM_REPORT_MAX_RUNS][8];
    dgm_plot plot = {.title = c->title, .x_label = "update", .whole_x = true, .lines = lines, .n_lines = report->n_runs};
    set_axis(&plot, c->axis, p, report->n_runs);
    for (int r = 0; r < report->n_runs; r++) {
        label[r][0] = (char)('A' + r), label[r][1] = '\0';
        lines[r] = (dgm_plot_line){.label = label[r], .x = p[r].x, .y = p[r].y, .n = p[r].n, .y_lo = p[r].low, .y_hi = p[r].high,
                                   .marks = c->source == OF_EACH || c->field == DGM_REPORT_VALID_NLL || c->field == DGM_REPORT_VALID_BLEU};
    }
    const dgm_figure figure = {.title = c->title, .description = c->description, .plots = &plot, .n_plots = 1, .n_columns = 1, .embedded = true};
    return dgm_svg_write(&figure, &page->text);
}

static bool same_each_text(const dgm_report_run *a, const dgm_report_run *b)
{
    return strcmp(a->each_text, b->each_text) == 0 && a->each_lines == b->each_lines && a->each_words == b->each_words;
}

/* Which text the checkpoints were scored on, and how. */
static void put_each_note(const dgm_report *report, dgm_html *page)
{
    const dgm_report_run *first = NULL;
    bool bands = false;
    dgm_html_put(page, "<figcaption class=\"small\">From eval --each on ");
    for (int r = 0; r < report->n_runs; r++) {
        const dgm_report_run *run = &report->runs[r];
        if (run->each_text == NULL) continue;
        for (int64_t i = 0; i < run->each.n; i++) bands = bands || isfinite(dgm_run_column(&run->each, DGM_REPORT_EACH_LOW)[i]);
        if (first != NULL && same_each_text(run, first)) continue;
        if (first != NULL) dgm_html_put(page, " and, on another text, ");
        dgm_html_text(page, run->each_text);
        if (run->each_lines > 0) {
            dgm_html_put(page, ", ");
            dgm_html_count(page, run->each_lines);
            dgm_html_put(page, run->each_lines == 1 ? " line" : " lines");
        }
        first = first != NULL ? first : run;
    }
    dgm_html_put(page, bands ? ". Bands are 95 % intervals." : ".");
    for (int r = 0; r < report->n_runs; r++)
        if (report->runs[r].each_text != NULL && !report->runs[r].each_complete) {
            dgm_html_put(page, " Not all checkpoints of ");
            dgm_html_text(page, report->runs[r].name);
            dgm_html_put(page, " were scored yet.");
        }
    dgm_html_put(page, "<br/><code>");
    dgm_html_text(page, first != NULL ? first->each_signature : "");
    dgm_html_put(page, "</code></figcaption>");
}

/* The figure of one quantity; nothing where no run has it. */
static dgm_err put_curve(const dgm_report *report, const curve *c, dgm_html *page)
{
    points p[DGM_REPORT_MAX_RUNS] = {{0}};
    int64_t n = 0;
    dgm_err err = DGM_OK;
    for (int r = 0; err == DGM_OK && r < report->n_runs; r++) {
        const dgm_report_run *run = &report->runs[r];
        if (c->source == OF_EACH) err = collect_each(&run->each, &p[r]);
        else err = collect(c->source == OF_TIMING ? &run->timing : &run->metrics, c->field, &p[r]);
        n += p[r].n;
    }
    if (err == DGM_OK && n > 0) {
        dgm_html_put(page, "<figure class=\"chart\">");
        err = draw(report, c, p, page);
        if (c->source == OF_EACH) put_each_note(report, page);
        else if (c->note != NULL) dgm_html_putf(page, "<figcaption class=\"small\">%s</figcaption>", c->note);
        dgm_html_put(page, "</figure>\n");
    }
    for (int r = 0; r < report->n_runs; r++) free(p[r].x);
    return err;
}

static void put_legend(const dgm_report *report, dgm_html *page)
{
    if (report->n_runs < 2) return;
    dgm_html_put(page, "<p class=\"legend\">");
    for (int r = 0; r < report->n_runs; r++) {
        dgm_html_putf(page, "<span><svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"10\" aria-hidden=\"true\">"
                            "<path class=\"line c%d\" style=\"stroke-width:2.4\" d=\"M1 5h38\"/></svg> ", r % DGM_REPORT_N_COLOURS);
        dgm_report_name(report, r, page);
        dgm_html_put(page, "</span> ");
    }
    dgm_html_put(page, "</p>\n");
}

/* ---- where the time went ---- */

static double seconds_in(const dgm_report_run *run, int region)
{
    double sum = 0;
    for (int64_t i = 0; i < run->timing.n; i++) {
        double v = dgm_run_column(&run->timing, DGM_REPORT_REGIONS + region)[i];
        if (isfinite(v)) sum += v;
    }
    return sum;
}

static void put_share(int run, double share, dgm_html *page)
{
    if (!isfinite(share)) dgm_html_put(page, "<td>not recorded</td>");
    else
        dgm_html_putf(page, "<td>%.1f %%<span class=\"share s%d\" style=\"width:%.1f%%\"></span></td>", 100 * share, run % DGM_REPORT_N_COLOURS,
                      100 * share);
}

static void put_time(const dgm_report *report, dgm_html *page)
{
    double total[DGM_REPORT_MAX_RUNS] = {0}, all = 0;
    for (int r = 0; r < report->n_runs; r++) {
        for (int k = 0; k < DGM_REPORT_N_REGIONS; k++) total[r] += seconds_in(&report->runs[r], k);
        all += total[r];
    }
    if (!(all > 0)) return;
    dgm_html_put(page, "<h3>Where the time of the updates went</h3>\n");
    dgm_report_table_begin(report, "", page);
    for (int k = 0; k < DGM_REPORT_N_REGIONS; k++) {
        dgm_html_putf(page, "<tr><th scope=\"row\">%s</th>", dgm_report_region_names[k]);
        for (int r = 0; r < report->n_runs; r++) put_share(r, total[r] > 0 ? seconds_in(&report->runs[r], k) / total[r] : NAN, page);
        dgm_html_put(page, "</tr>\n");
    }
    dgm_report_table_end(page);
    dgm_html_put(page, "<p class=\"small\">Mean over the ranks; validations and checkpoints are left out.</p>\n");
}

/* Losses per token are comparable only between runs that cut text into the same tokens. */
static void put_warning(const dgm_report *report, dgm_html *page)
{
    bool apart = false;
    for (int r = 1; r < report->n_runs; r++)
        apart = apart || strcmp(dgm_report_run_data_hash(&report->runs[0]), dgm_report_run_data_hash(&report->runs[r])) != 0;
    if (apart)
        dgm_html_put(page, "<p class=\"warn\">These runs were not all trained on the same data. Losses are per token and of each run’s own validation part: "
                           "compare them only where tokenizers and validation parts are the same.</p>\n");
}

void dgm_report_curves(const dgm_report *report, dgm_html *page)
{
    bool any = false;
    for (int r = 0; r < report->n_runs; r++) any = any || report->runs[r].metrics.n > 0 || report->runs[r].timing.n > 0;
    if (!any) {
        dgm_html_put(page, "<p>Nothing has been logged yet.</p>\n");
        return;
    }
    put_warning(report, page);
    put_legend(report, page);
    dgm_html_put(page, "<div class=\"charts\">\n");
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) {
        dgm_err err = put_curve(report, &curves[i], page);
        if (page->err == DGM_OK) page->err = err;
    }
    dgm_html_put(page, "</div>\n");
    put_time(report, page);
}
