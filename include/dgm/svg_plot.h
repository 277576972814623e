/* Line plots as one self-contained SVG: no script, no font or file from elsewhere; colours follow the reader's light or dark mode.
 *
 *     const dgm_plot_line lines[] = {{.label = "run 1", .x = step, .y = bleu, .n = 12, .y_lo = low, .y_hi = high, .marks = true}, ...};
 *     const dgm_plot plot = {.title = "validation", .x_label = "step", .y_label = "BLEU", .whole_x = true, .lines = lines, .n_lines = 2};
 *     const dgm_figure figure = {.title = "run 1", .plots = &plot, .n_plots = 1, .n_columns = 1};
 *     dgm_text svg = {0};
 *     DGM_TRY(dgm_svg_write(&figure, &svg)); */
#ifndef DGM_SVG_PLOT_H
#define DGM_SVG_PLOT_H

#include "dgm/buffer.h"

typedef struct {
    const char *label;   /* in the legend; lines of one label have one colour in all plots of a figure; NULL: none */
    const double *x, *y; /* [n], x ascending; where one is not finite, or not above 0 on a logarithmic axis, the line has a gap */
    int64_t n;
    const double *y_lo, *y_hi; /* [n] an interval at each point, shown as a band behind the line, for a point alone as a bar; NULL: none */
    bool marks;                /* a dot at each point */
} dgm_plot_line;

typedef struct {
    const char *title, *x_label, *y_label; /* NULL: none */
    bool log_y;
    bool whole_x; /* x counts something: marks at whole numbers only */
    double x_min, x_max, y_min, y_max; /* both of a pair equal (0 and 0, say): from the lines; points outside are drawn on the edge */
    const dgm_plot_line *lines;
    int n_lines;
} dgm_plot;

typedef struct {
    const char *title;
    const char *description; /* for readers who do not see it; NULL: none */
    const dgm_plot *plots;   /* row by row */
    int n_plots, n_columns;
    bool ordered;            /* labels are steps of one thing (layers): their colours run from blue to red */
    const char *const *notes; /* [n_notes] lines of small text below the plots */
    int n_notes;
    bool embedded;           /* part of a page that has the colours and fonts of the classes below, the title and the legend: the plots alone */
} dgm_figure;

/* Classes of an embedded figure: text with plot (its title), tick, axis, note; grid and frame; for the k-th label that comes `line ck`, `dot ck`, `bar ck`
 * (strokes) and `band bk` (filled). */

/* Appends the figure to *svg.  Points closer together than about a pixel are left out; equal input gives equal bytes. */
dgm_err dgm_svg_write(const dgm_figure *figure, dgm_text *svg);

#endif
