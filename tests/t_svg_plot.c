/* Drawings: well formed whatever the text and the numbers, each point where the axes say. */
#include "dgm/svg_plot.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dgm_text draw(const dgm_figure *f)
{
    dgm_text svg = {0};
    tap_err(dgm_svg_write(f, &svg), DGM_OK, "%s is drawn", f->title);
    return svg;
}

/* Tags balanced, attributes quoted, no bare & or <. */
static bool well_formed(const char *s)
{
    char stack[64][32];
    int depth = 0;
    while (*s != '\0') {
        if (*s == '&' && strncmp(s, "&lt;", 4) != 0 && strncmp(s, "&gt;", 4) != 0 && strncmp(s, "&amp;", 5) != 0 && strncmp(s, "&quot;", 6) != 0) return false;
        if (*s != '<') {
            if ((unsigned char)*s < 0x20 && *s != '\n') return false;
            s++;
            continue;
        }
        bool closing = s[1] == '/';
        char name[32];
        if (sscanf(s + 1 + closing, "%31[a-z]", name) != 1) return false;
        const char *end = s;
        for (bool quoted = false; *end != '\0' && (quoted || *end != '>'); end++) {
            if (*end == '"') quoted = !quoted;
            if (end > s && *end == '<') return false;
        }
        if (*end == '\0') return false;
        if (closing) {
            if (depth == 0 || strcmp(stack[--depth], name) != 0) return false;
        } else if (end[-1] != '/') {
            if (depth == 64) return false;
            memcpy(stack[depth++], name, sizeof name);
        }
        s = end + 1;
    }
    return depth == 0;
}

static int count(const char *s, const char *what)
{
    int n = 0;
    for (s = strstr(s, what); s != NULL; s = strstr(s + 1, what)) n++;
    return n;
}

static void test_places(void)
{
    const double x[] = {0, 5, 10}, y[] = {1, 10, 100};
    const dgm_plot_line line = {.label = "a", .x = x, .y = y, .n = 3};
    dgm_plot p = {.title = "p", .log_y = true, .lines = &line, .n_lines = 1};
    const dgm_figure f = {.title = "three points", .plots = &p, .n_plots = 1, .n_columns = 1};
    dgm_text svg = draw(&f);
    double frame[4] = {0}, at[6] = {0};
    const char *rect = strstr(svg.text, "height:auto"), *path = strstr(svg.text, "class=\"line c0\"");
    for (const char *r = svg.text; (r = strstr(r, "<rect x=")) != NULL; r++)
        if (sscanf(r, "<rect x=\"%lf\" y=\"%lf\" width=\"%lf\" height=\"%lf\" class=\"frame\"", &frame[0], &frame[1], &frame[2], &frame[3]) == 4) break;
    tap_ok(rect != NULL && path != NULL && sscanf(path, "class=\"line c0\" d=\"M%lf %lfL%lf %lfL%lf %lf", &at[0], &at[1], &at[2], &at[3], &at[4], &at[5]) == 6,
           "a line of three points");
    tap_near(at[0], frame[0], 0.11, "the first at the left edge");
    tap_near(at[2], frame[0] + frame[2] / 2, 0.11, "the second in the middle");
    tap_near(at[3], frame[1] + frame[3] / 2, 0.11, "on a logarithmic axis 10 lies between 1 and 100");
    tap_near(at[4], frame[0] + frame[2], 0.11, "the third at the right edge");
    tap_near(at[5], frame[1], 0.11, "and at the top");
    tap_ok(strstr(svg.text, ">10<") != NULL && strstr(svg.text, ">100<") != NULL, "decades are marked");
    dgm_text_fini(&svg);
    p.y_min = 10, p.y_max = 1000;
    svg = draw(&f);
    path = strstr(svg.text, "class=\"line c0\"");
    tap_ok(path != NULL && sscanf(path, "class=\"line c0\" d=\"M%lf %lfL%lf %lfL%lf %lf", &at[0], &at[1], &at[2], &at[3], &at[4], &at[5]) == 6, "with a range given");
    tap_near(at[1], frame[1] + frame[3], 0.11, "a point below it lies on the edge");
    tap_near(at[5], frame[1] + frame[3] / 2, 0.11, "100 in the middle");
    dgm_text_fini(&svg);
}

/* Ranges of a logarithmic axis, from within a decade to many: values can be read on each. */
static void test_log_ticks(void)
{
    static const double ends[][2] = {{0.9, 1.1}, {0.3, 1.4}, {2.1, 6.4}, {0.6, 4.9}, {0.11, 9.5}, {0.02, 1.9}, {0.15, 14}, {1e-3, 1e5}, {1e-9, 1}};
    for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
        const double x[] = {0, 1};
        const dgm_plot_line line = {.label = "a", .x = x, .y = ends[k], .n = 2};
        dgm_plot p = {.log_y = true, .lines = &line, .n_lines = 1};
        const dgm_figure f = {.title = "ticks", .plots = &p, .n_plots = 1, .n_columns = 1};
        dgm_text svg = draw(&f);
        int n = count(svg.text, "text-anchor=\"end\"");
        tap_ok(n >= 2 && n <= 12, "%g to %g: %d ticks", ends[k][0], ends[k][1], n);
        dgm_text_fini(&svg);
    }
}

/* Limits that differ in their last digit, as the mean of equal numbers may from the numbers: one value, and an end. */
static void test_no_range(void)
{
    const double x[] = {0, 1}, y[] = {4, nextafter(4, 5)};
    const dgm_plot_line line = {.label = "a", .x = x, .y = y, .n = 2};
    for (int is_log = 0; is_log < 2; is_log++) {
        dgm_plot p = {.log_y = is_log, .y_min = y[0], .y_max = y[1], .lines = &line, .n_lines = 1};
        const dgm_figure f = {.title = "flat", .plots = &p, .n_plots = 1, .n_columns = 1};
        dgm_text svg = draw(&f);
        int n = count(svg.text, "text-anchor=\"end\"");
        tap_ok(well_formed(svg.text) && n >= 2 && n <= 12, "limits one step of rounding apart: %d ticks", n);
        dgm_text_fini(&svg);
    }
}

static void test_odd_numbers(void)
{
    const double x[] = {0, 1, 2, 3, 4, 5}, y[] = {1, NAN, 2, INFINITY, -1, 0}, same[] = {7, 7, 7, 7, 7, 7}, none[] = {NAN, NAN, NAN, NAN, NAN, NAN};
    const dgm_plot_line lines[] = {{.label = "gaps", .x = x, .y = y, .n = 6},
                                   {.x = x, .y = same, .n = 6},
                                   {.label = "nothing", .x = x, .y = none, .n = 6},
                                   {.label = "empty"},
                                   {.label = "a point", .x = x, .y = y, .n = 1},
                                   {.label = "odd intervals", .x = x, .y = same, .n = 6, .y_lo = y, .y_hi = same, .marks = true},
                                   {.label = "no interval", .x = x, .y = same, .n = 6, .y_lo = none, .y_hi = none, .marks = true}};
    for (int l = 0; l < (int)(sizeof lines / sizeof *lines); l++)
        for (int is_log = 0; is_log < 2; is_log++) {
            dgm_plot p = {.log_y = is_log, .lines = &lines[l], .n_lines = 1};
            const dgm_figure f = {.title = lines[l].label == NULL ? "a constant" : lines[l].label, .plots = &p, .n_plots = 1, .n_columns = 2};
            dgm_text svg = draw(&f);
            tap_ok(well_formed(svg.text) && strstr(svg.text, "nan") == NULL && strstr(svg.text, "inf") == NULL, "well formed, and no number is not one (%s)",
                   is_log ? "logarithmic" : "linear");
            if (l == 0) tap_int(count(strstr(svg.text, "class=\"line"), "M"), is_log ? 2 : 3, "the line begins anew after each gap");
            dgm_text_fini(&svg);
        }
}

/* Two points with intervals, a gap, a point alone: a band, a bar, three dots. */
static void test_intervals(void)
{
    const double x[] = {1, 2, 2.5, 3}, y[] = {10, 14, NAN, 12}, lo[] = {8, 10, 1, 11}, hi[] = {12, 18, 99, 13};
    const dgm_plot_line line = {.label = "a", .x = x, .y = y, .n = 4, .y_lo = lo, .y_hi = hi, .marks = true};
    dgm_plot p = {.whole_x = true, .y_min = 8, .y_max = 18, .lines = &line, .n_lines = 1};
    const dgm_figure f = {.title = "intervals", .plots = &p, .n_plots = 1, .n_columns = 1};
    dgm_text svg = draw(&f);
    double frame[4] = {0}, at[8] = {0}, bar[3] = {0}, dot[2] = {0};
    for (const char *r = svg.text; (r = strstr(r, "<rect x=")) != NULL; r++)
        if (sscanf(r, "<rect x=\"%lf\" y=\"%lf\" width=\"%lf\" height=\"%lf\" class=\"frame\"", &frame[0], &frame[1], &frame[2], &frame[3]) == 4) break;
    const char *band = strstr(svg.text, "class=\"band b0\" d=\""), *only = strstr(svg.text, "class=\"bar c0\" d=\"");
    tap_ok(well_formed(svg.text), "intervals: well formed");
    tap_ok(band != NULL && only != NULL && count(svg.text, "class=\"band") == 1 && count(svg.text, "class=\"bar") == 1, "a band and a bar");
    tap_ok(band != NULL && sscanf(band, "class=\"band b0\" d=\"M%lf %lfL%lf %lfL%lf %lfL%lf %lfZ", &at[0], &at[1], &at[2], &at[3], &at[4], &at[5], &at[6],
                                  &at[7]) == 8, "the band has four corners");
    tap_near(at[0], frame[0], 0.11, "it begins at the first point");
    tap_near(at[1], frame[1] + 0.6 * frame[3], 0.11, "at the upper end of its interval");
    tap_near(at[3], frame[1], 0.11, "and goes to that of the second");
    tap_near(at[5], frame[1] + 0.8 * frame[3], 0.11, "then its lower end");
    tap_near(at[6], frame[0], 0.11, "and back to the first point");
    tap_near(at[7], frame[1] + frame[3], 0.11, "and the lower end of its interval");
    tap_ok(only != NULL && sscanf(only, "class=\"bar c0\" d=\"M%lf %lfV%lf", &bar[0], &bar[1], &bar[2]) == 3, "the bar is an upright line");
    tap_near(bar[0], frame[0] + frame[2], 0.11, "at the last point");
    tap_near(fabs(bar[2] - bar[1]), 0.2 * frame[3], 0.11, "as long as its interval");
    const char *dots = strstr(svg.text, "class=\"dot c0\" d=\"");
    tap_ok(dots != NULL && sscanf(dots, "class=\"dot c0\" d=\"M%lf %lf", &dot[0], &dot[1]) == 2, "there are dots");
    tap_near(dot[1], frame[1] + 0.8 * frame[3], 0.11, "the first at its value");
    tap_int(dots != NULL ? count(dots, "h0.1") : 0, 3, "one for each point");
    tap_ok(strstr(svg.text, ">1.5<") == NULL && strstr(svg.text, ">3<") != NULL, "only whole numbers are marked on the x axis");
    dgm_text_fini(&svg);
    p.y_min = p.y_max = 0;
    svg = draw(&f);
    band = strstr(svg.text, "class=\"band b0\" d=\"");
    tap_ok(band != NULL && sscanf(band, "class=\"band b0\" d=\"M%lf %lfL%lf %lf", &at[0], &at[1], &at[2], &at[3]) == 4 && at[3] > frame[1] + 0.11,
           "the axis has room for the intervals");
    dgm_text_fini(&svg);
}

static double height(const char *svg)
{
    double h = 0;
    const char *at = strstr(svg, " height=\"");
    return at != NULL && sscanf(at, " height=\"%lf", &h) == 1 ? h : 0;
}

static double lowest_text(const char *svg)
{
    double x, y, lowest = 0;
    for (; (svg = strstr(svg, "<text ")) != NULL; svg++)
        if (sscanf(svg, "<text x=\"%lf\" y=\"%lf\"", &x, &y) == 2) lowest = fmax(lowest, y);
    return lowest;
}

static void test_text(void)
{
    const double x[] = {0, 1}, y[] = {0, 1};
    const dgm_plot_line line = {.label = "a < b & \"c\"", .x = x, .y = y, .n = 2}, other = {.label = "größer", .x = x, .y = y, .n = 2};
    const char *const notes[] = {"a|b:1", "1 < 2", "\xff\xc3z"};
    const dgm_plot p[] = {{.title = "<script>", .x_label = "&amp;", .y_label = "\x01", .lines = &line, .n_lines = 1}, {.lines = &other, .n_lines = 1}};
    const dgm_figure f = {.title = "</svg>", .description = "a]]>b", .plots = p, .n_plots = 2, .n_columns = 2, .notes = notes, .n_notes = 3};
    dgm_text svg = draw(&f);
    tap_ok(well_formed(svg.text), "markup in titles and labels is text");
    tap_ok(strstr(svg.text, "<script") == NULL && strstr(svg.text, "&lt;script&gt;") != NULL, "a script is none");
    tap_ok(strstr(svg.text, "größer") != NULL, "UTF-8 stays");
    tap_ok(strstr(svg.text, "prefers-color-scheme:dark") != NULL, "there are colours for dark mode");
    tap_ok(strstr(svg.text, "http") == strstr(svg.text, "http://www.w3.org/2000/svg") && count(svg.text, "http") == 1 && strstr(svg.text, "url(") == NULL,
           "nothing is loaded from elsewhere");
    tap_int(count(svg.text, "class=\"key"), 2, "two labels, two keys");
    tap_ok(strstr(svg.text, ">a|b:1</text>") != NULL && strstr(svg.text, ">1 &lt; 2</text>") != NULL, "notes are text, too");
    tap_ok(strstr(svg.text, ">\xEF\xBF\xBD\xEF\xBF\xBDz</text>") != NULL, "bytes that are no UTF-8 are replaced");
    tap_ok(lowest_text(svg.text) < height(svg.text), "and stand inside of the drawing");
    dgm_text_fini(&svg);
    const dgm_figure nothing = {.title = "nothing", .n_columns = 1};
    svg = draw(&nothing);
    tap_ok(well_formed(svg.text), "a figure without plots");
    dgm_text_fini(&svg);
}

static void test_many(void)
{
    enum { N = 100000, LINES = 300 };
    double *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
    char (*label)[16] = calloc(LINES, sizeof *label);
    dgm_plot_line *lines = calloc(LINES, sizeof *lines);
    if (x == NULL || y == NULL || label == NULL || lines == NULL) abort();
    for (int i = 0; i < N; i++) x[i] = i, y[i] = exp(-1e-4 * i);
    for (int l = 0; l < LINES; l++) {
        snprintf(label[l], sizeof label[l], "layer %d", l);
        lines[l] = (dgm_plot_line){.label = label[l], .x = x, .y = y, .n = N};
    }
    const dgm_plot p = {.lines = lines, .n_lines = LINES};
    const dgm_figure f = {.title = "many lines", .plots = &p, .n_plots = 1, .n_columns = 1, .ordered = true};
    dgm_text svg = draw(&f), again = draw(&f);
    tap_ok(well_formed(svg.text) && svg.bytes < (size_t)LINES * 8000, "100,000 points a line stay at a few hundred: %zu bytes", svg.bytes);
    tap_same(svg.text, again.text, svg.bytes + 1, "the same figure again is the same file");
    tap_ok(strstr(svg.text, ".c0{stroke:#1b4fa0}") != NULL && strstr(svg.text, ".c255{stroke:#c92a2a}") != NULL, "ordered colours run from blue to red");
    dgm_text_fini(&svg);
    dgm_text_fini(&again);
    free(x);
    free(y);
    free(label);
    free(lines);
}

/* Part of a page: the plots alone, with the classes that the page gives colours. */
static void test_embedded(void)
{
    const double x[] = {0, 1}, y[] = {1, 2};
    const dgm_plot_line lines[] = {{.label = "absent", .x = x, .y = y, .n = 0}, {.label = "there", .x = x, .y = y, .n = 2, .marks = true}};
    const dgm_plot p = {.title = "p", .lines = lines, .n_lines = 2};
    const dgm_figure f = {.title = "the figure", .plots = &p, .n_plots = 1, .n_columns = 1, .embedded = true};
    dgm_text svg = draw(&f);
    tap_ok(well_formed(svg.text), "embedded: well formed");
    tap_ok(strstr(svg.text, "<style") == NULL && strstr(svg.text, "class=\"back\"") == NULL && strstr(svg.text, "class=\"key") == NULL, "neither style nor legend");
    tap_int(count(svg.text, "the figure"), 1, "its title for readers who do not see it, nowhere else");
    tap_int(count(svg.text, "class=\"line c1\"") + count(svg.text, "class=\"dot c1\""), 2, "a line without points keeps its colour for itself");
    tap_ok(strstr(svg.text, "viewBox=\"0 0 318 225\"") != NULL, "no margin");
    dgm_text_fini(&svg);
}

int main(void)
{
    test_places();
    test_embedded();
    test_log_ticks();
    test_no_range();
    test_odd_numbers();
    test_intervals();
    test_text();
    test_many();
    return tap_done();
}
