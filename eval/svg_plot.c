/* Plots are laid out in a fixed coordinate system of one unit per CSS pixel; the reader scales it.  Colours are classes, defined once for light
 * and once for dark mode. */
#include "dgm/svg_plot.h"

#include "dgm/mt_text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    PLOT_WIDTH = 318, PLOT_HEIGHT = 225,           /* of one plot with what is around it */
    LEFT = 62, RIGHT = 12, TOP = 30, BOTTOM = 40,  /* around the axes' frame */
    MARGIN = 12, TITLE_HEIGHT = 34, LEGEND_HEIGHT = 20, NOTE_HEIGHT = 15,
    MAX_LABELS = 256
};

static const char *const palette_light[] = {"3366cc", "d9480f", "2b8a3e", "9c36b5", "0b7285", "c2255c", "5f3dc4", "846200"};
static const char *const palette_dark[] = {"7aa2ff", "ffa45c", "69db7c", "da9cf0", "4fd1e0", "ff8fb3", "b197fc", "e6c24a"};
/* Stops of the ordered colours. */
static const int ramp_light[][3] = {{27, 79, 160}, {15, 138, 138}, {90, 158, 47}, {217, 130, 15}, {201, 42, 42}};
static const int ramp_dark[][3] = {{110, 163, 255}, {60, 207, 207}, {155, 229, 100}, {255, 184, 77}, {255, 123, 123}};

typedef struct {
    dgm_text *svg;
    dgm_err err; /* the first; nothing is written after it */
    const char *label[MAX_LABELS];
    int n_labels;
    int width, legend_rows;
    bool bands; /* there is an interval in the figure */
} canvas;

static void put(canvas *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(canvas *c, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    DGM_ASSERT(n >= 0 && n < (int)sizeof text);
    if (c->err == DGM_OK) c->err = dgm_text_append(c->svg, text, (size_t)n);
}

/* Text from elsewhere: what has a meaning in XML is written as an entity, control characters as spaces, bytes that are no UTF-8 (paths may
 * have them) as U+FFFD. */
static void put_text(canvas *c, const char *text)
{
    size_t n = text != NULL ? strlen(text) : 0, width;
    for (size_t at = 0; at < n && c->err == DGM_OK; at += width) {
        int32_t ch = dgm_mt_code_point(text, n, at, &width);
        if (ch == '<') put(c, "&lt;");
        else if (ch == '>') put(c, "&gt;");
        else if (ch == '&') put(c, "&amp;");
        else if (ch == '"') put(c, "&quot;");
        else if (ch < 0x20) put(c, " ");
        else if (ch >= 0x80 && width == 1) put(c, "\xEF\xBF\xBD");
        else c->err = dgm_text_append(c->svg, text + at, width);
    }
}

static void put_label(canvas *c, double x, double y, const char *anchor, const char *class, const char *text)
{
    if (text == NULL) return;
    put(c, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, class);
    put_text(c, text);
    put(c, "</text>\n");
}

/* ---- colours ---- */

static int label_index(const canvas *c, const char *label)
{
    for (int i = 0; label != NULL && i < c->n_labels; i++)
        if (strcmp(c->label[i], label) == 0) return i;
    return -1;
}

static void collect_labels(canvas *c, const dgm_figure *f)
{
    for (int p = 0; p < f->n_plots; p++)
        for (int l = 0; l < f->plots[p].n_lines; l++) {
            const char *label = f->plots[p].lines[l].label;
            c->bands |= f->plots[p].lines[l].y_lo != NULL;
            if (label != NULL && label_index(c, label) < 0 && c->n_labels < MAX_LABELS) c->label[c->n_labels++] = label;
        }
}

static void put_colour(canvas *c, int i, const char *hex)
{
    put(c, ".c%d{stroke:#%s}\n", i, hex);
    if (c->bands) put(c, ".b%d{fill:#%s}\n", i, hex);
}

static void put_colours(canvas *c, bool ordered, bool dark)
{
    enum { N_PALETTE = sizeof palette_light / sizeof *palette_light, N_STOPS = sizeof ramp_light / sizeof *ramp_light };
    const int(*ramp)[3] = dark ? ramp_dark : ramp_light;
    for (int i = 0; i < DGM_MAX(c->n_labels, 1); i++) {
        if (!ordered) {
            put_colour(c, i, (dark ? palette_dark : palette_light)[i % N_PALETTE]);
            continue;
        }
        double at = c->n_labels > 1 ? (double)i * (N_STOPS - 1) / (c->n_labels - 1) : 0;
        int stop = DGM_MIN((int)at, N_STOPS - 2);
        int rgb[3];
        char hex[16];
        for (int k = 0; k < 3; k++) rgb[k] = (int)lround(ramp[stop][k] + (at - stop) * (ramp[stop + 1][k] - ramp[stop][k]));
        snprintf(hex, sizeof hex, "%02x%02x%02x", (unsigned)rgb[0] & 255, (unsigned)rgb[1] & 255, (unsigned)rgb[2] & 255);
        put_colour(c, i, hex);
    }
}

static void put_style(canvas *c, const dgm_figure *f)
{
    put(c, "<style>\n"
           "text{font-family:system-ui,sans-serif;font-size:11px;fill:#333}\n"
           ".title{font-size:17px;font-weight:600;fill:#111}.plot{font-size:12.5px;font-weight:600;fill:#111}\n"
           ".back{fill:#fff}.frame{fill:none;stroke:#888}.grid{stroke:#e4e4e4}\n"
           ".line{fill:none;stroke-width:1.4;stroke-linejoin:round;stroke-linecap:round}.key{stroke-width:3}\n");
    put(c, ".band{stroke:none;fill-opacity:.2}.bar{fill:none;stroke-width:3;stroke-opacity:.45}.dot{fill:none;stroke-width:5;stroke-linecap:round}\n"
           "text.note{font-size:10px}\n");
    put_colours(c, f->ordered, false);
    put(c, "@media(prefers-color-scheme:dark){\n"
           "text{fill:#c8ccd0}.title,.plot{fill:#f2f4f6}.back{fill:#15181c}.frame{stroke:#777}.grid{stroke:#2c3137}\n");
    put_colours(c, f->ordered, true);
    put(c, "}\n</style>\n");
}

/* Draws the legend, or only counts its rows. */
static int legend(canvas *c, bool draw)
{
    double x = MARGIN;
    int row = 0;
    for (int i = 0; i < c->n_labels; i++) {
        double width = 34 + 6.2 * (double)strlen(c->label[i]);
        if (x + width > c->width - MARGIN && x > MARGIN) x = MARGIN, row++;
        double y = TITLE_HEIGHT + row * LEGEND_HEIGHT + 10;
        if (draw) {
            put(c, "<path d=\"M%.1f %.1fh16\" class=\"key c%d\"/>", x, y - 4, i);
            put_label(c, x + 21, y, "start", "legend", c->label[i]);
        }
        x += width;
    }
    return c->n_labels > 1 ? row + 1 : 0;
}

/* ---- axes ---- */

typedef struct {
    double lo, hi;
    bool is_log;
    double at, length; /* in the drawing; length is negative upwards */
} axis;

static bool usable(double v, bool is_log) { return isfinite(v) && (!is_log || v > 0); }

/* Whether point i can be shown at all, and whether its interval can. */
static bool has_point(const dgm_plot *p, const dgm_plot_line *line, int64_t i)
{
    return usable(line->x[i], false) && usable(line->y[i], p->log_y);
}

static bool has_interval(const dgm_plot *p, const dgm_plot_line *line, int64_t i)
{
    return line->y_lo != NULL && line->y_hi != NULL && has_point(p, line, i) && usable(line->y_lo[i], p->log_y) && usable(line->y_hi[i], p->log_y);
}

/* What differs in its last digits alone is one value, to which ticks cannot be put. */
static bool is_range(double lo, double hi) { return hi - lo > 1e-9 * fmax(fabs(lo), fabs(hi)); }

static axis make_axis(const dgm_plot *p, bool of_y, double at, double length)
{
    axis a = {of_y ? p->y_min : p->x_min, of_y ? p->y_max : p->x_max, of_y && p->log_y, at, length};
    if (usable(a.lo, a.is_log) && usable(a.hi, a.is_log) && is_range(a.lo, a.hi)) return a;
    a.lo = INFINITY, a.hi = -INFINITY;
    for (int l = 0; l < p->n_lines; l++)
        for (int64_t i = 0; i < p->lines[l].n; i++) {
            if (!has_point(p, &p->lines[l], i)) continue;
            double v = of_y ? p->lines[l].y[i] : p->lines[l].x[i];
            a.lo = fmin(a.lo, v), a.hi = fmax(a.hi, v);
            if (of_y && has_interval(p, &p->lines[l], i)) a.lo = fmin(a.lo, p->lines[l].y_lo[i]), a.hi = fmax(a.hi, p->lines[l].y_hi[i]);
        }
    if (!(a.lo <= a.hi)) a.lo = 1, a.hi = 10; /* nothing to show */
    if (a.is_log && !(a.hi / a.lo > 1.01)) a.lo /= 2, a.hi *= 2;
    double spread = a.hi - a.lo, size = fmax(fabs(a.lo), fabs(a.hi));
    if (!a.is_log && !is_range(a.lo, a.hi)) a.lo -= size > 0 ? size / 2 : 0.5, a.hi += size > 0 ? size / 2 : 0.5;
    else if (!a.is_log && of_y) a.lo -= 0.04 * spread, a.hi += 0.04 * spread;
    return a;
}

static double place(const axis *a, double v)
{
    double share = a->is_log ? log(v / a->lo) / log(a->hi / a->lo) : (v - a->lo) / (a->hi - a->lo);
    return a->at + a->length * fmin(fmax(share, 0), 1);
}

static void put_tick(canvas *c, const axis *a, bool of_y, double v, double left, double bottom, double extent)
{
    double at = place(a, v);
    char text[32];
    snprintf(text, sizeof text, "%g", v);
    if (of_y) {
        put(c, "<path d=\"M%.1f %.1fh%.1f\" class=\"grid\"/>", left, at, extent);
        put_label(c, left - 6, at + 4, "end", "tick", text);
    } else {
        put(c, "<path d=\"M%.1f %.1fv%.1f\" class=\"grid\"/>", at, bottom, -extent);
        put_label(c, at, bottom + 15, "middle", "tick", text);
    }
}

/* 1, 2 or 5 times a power of ten, so that about n steps make up the range. */
static double nice_step(double range, int n)
{
    double raw = range / n, power = pow(10, floor(log10(raw))), lead = raw / power;
    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

enum { MOST_TICKS = 20 };

static void put_ticks(canvas *c, const axis *a, bool of_y, bool whole, double left, double bottom, double extent)
{
    double decades = a->is_log ? log10(a->hi / a->lo) : 0;
    if (!a->is_log || decades < 1) { /* within a decade powers of ten alone would leave one tick, or none */
        double step = nice_step(a->hi - a->lo, 4);
        if (whole) step = fmax(step, 1);
        double first = ceil(a->lo / step - 1e-9);
        for (int k = 0; k <= MOST_TICKS && (first + k) * step <= a->hi + 1e-9 * step; k++)
            put_tick(c, a, of_y, first + k == 0 ? 0 : (first + k) * step, left, bottom, extent);
        return;
    }
    static const int fine[] = {1, 2, 5}, coarse[] = {1};
    const int *leads = decades < 2 ? fine : coarse;
    int n_leads = decades < 2 ? 3 : 1, every = decades > 6 ? 2 : 1;
    for (int e = (int)floor(log10(a->lo)); e <= (int)ceil(log10(a->hi)); e++)
        for (int k = 0; k < n_leads; k++) {
            double v = leads[k] * pow(10, e);
            if (e % every == 0 && v >= a->lo * (1 - 1e-9) && v <= a->hi * (1 + 1e-9)) put_tick(c, a, of_y, v, left, bottom, extent);
        }
}

/* ---- lines ---- */

static void put_line(canvas *c, const dgm_plot *p, const dgm_plot_line *line, const axis *ax, const axis *ay)
{
    bool drawing = false, open = false;
    double last_x = 0, last_y = 0;
    for (int64_t i = 0; i < line->n && c->err == DGM_OK; i++) {
        if (!has_point(p, line, i)) {
            drawing = false;
            continue;
        }
        double x = place(ax, line->x[i]), y = place(ay, line->y[i]);
        bool ends = i + 1 == line->n || !has_point(p, line, i + 1);
        if (drawing && !ends && fabs(x - last_x) < 0.8 && fabs(y - last_y) < 0.8) continue;
        if (!open) put(c, "<path class=\"line c%d\" d=\"", DGM_MAX(0, label_index(c, line->label)));
        open = true;
        put(c, "%s%.1f %.1f", drawing ? "L" : "M", x, y);
        if (ends && !drawing) put(c, "h0.1"); /* a single point */
        drawing = true, last_x = x, last_y = y;
    }
    if (!open) return;
    put(c, "\"/>\n");
}

static void put_dots(canvas *c, const dgm_plot *p, const dgm_plot_line *line, const axis *ax, const axis *ay)
{
    bool open = false;
    for (int64_t i = 0; i < line->n && c->err == DGM_OK; i++) {
        if (!has_point(p, line, i)) continue;
        if (!open) put(c, "<path class=\"dot c%d\" d=\"", DGM_MAX(0, label_index(c, line->label)));
        open = true;
        put(c, "M%.1f %.1fh0.1", place(ax, line->x[i]), place(ay, line->y[i]));
    }
    if (open) put(c, "\"/>\n");
}

/* The intervals of points first .. last: there along the upper ends, back along the lower ones. */
static void put_band(canvas *c, const dgm_plot_line *line, int64_t first, int64_t last, const axis *ax, const axis *ay)
{
    int colour = DGM_MAX(0, label_index(c, line->label));
    if (first == last) {
        put(c, "<path class=\"bar c%d\" d=\"M%.1f %.1fV%.1f\"/>\n", colour, place(ax, line->x[first]), place(ay, line->y_lo[first]),
            place(ay, line->y_hi[first]));
        return;
    }
    put(c, "<path class=\"band b%d\" d=\"", colour);
    for (int64_t i = first; i <= last && c->err == DGM_OK; i++)
        put(c, "%s%.1f %.1f", i == first ? "M" : "L", place(ax, line->x[i]), place(ay, line->y_hi[i]));
    for (int64_t i = last; i >= first && c->err == DGM_OK; i--) put(c, "L%.1f %.1f", place(ax, line->x[i]), place(ay, line->y_lo[i]));
    put(c, "Z\"/>\n");
}

static void put_bands(canvas *c, const dgm_plot *p, const dgm_plot_line *line, const axis *ax, const axis *ay)
{
    for (int64_t i = 0; i < line->n; i++) {
        if (!has_interval(p, line, i)) continue;
        int64_t first = i;
        while (i + 1 < line->n && has_interval(p, line, i + 1)) i++;
        put_band(c, line, first, i, ax, ay);
    }
}

static void put_plot(canvas *c, const dgm_plot *p, double x, double y)
{
    double left = x + LEFT, top = y + TOP, width = PLOT_WIDTH - LEFT - RIGHT, height = PLOT_HEIGHT - TOP - BOTTOM, bottom = top + height;
    axis ax = make_axis(p, false, left, width), ay = make_axis(p, true, bottom, -height);
    put_label(c, left, top - 9, "start", "plot", p->title);
    put_ticks(c, &ax, false, p->whole_x, left, bottom, height);
    put_ticks(c, &ay, true, false, left, bottom, width);
    put(c, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"frame\"/>\n", left, top, width, height);
    for (int l = 0; l < p->n_lines; l++) put_bands(c, p, &p->lines[l], &ax, &ay);
    for (int l = 0; l < p->n_lines; l++) put_line(c, p, &p->lines[l], &ax, &ay);
    for (int l = 0; l < p->n_lines; l++)
        if (p->lines[l].marks) put_dots(c, p, &p->lines[l], &ax, &ay);
    put_label(c, left + width / 2, bottom + 31, "middle", "axis", p->x_label);
    if (p->y_label != NULL) {
        put(c, "<g transform=\"translate(%.1f %.1f)rotate(-90)\">", x + 12, top + height / 2);
        put_label(c, 0, 0, "middle", "axis", p->y_label);
        put(c, "</g>\n");
    }
}

/* What stands around the plots unless a page has it. */
static void put_surroundings(canvas *c, const dgm_figure *f, int height)
{
    put_style(c, f);
    put(c, "<rect width=\"%d\" height=\"%d\" class=\"back\"/>\n", c->width, height);
    put_label(c, MARGIN, 23, "start", "title", f->title);
    if (c->legend_rows > 0) legend(c, true);
}

dgm_err dgm_svg_write(const dgm_figure *f, dgm_text *svg)
{
    canvas c = {.svg = svg, .err = DGM_OK};
    DGM_ASSERT(f->n_columns >= 1);
    int columns = DGM_MAX(1, DGM_MIN(f->n_columns, f->n_plots)), rows = (f->n_plots + columns - 1) / columns;
    int margin = f->embedded ? 0 : MARGIN;
    collect_labels(&c, f);
    c.width = DGM_MAX(columns * PLOT_WIDTH, PLOT_WIDTH) + 2 * margin;
    c.legend_rows = legend(&c, false);
    int head = f->embedded ? 0 : TITLE_HEIGHT + c.legend_rows * LEGEND_HEIGHT, foot = head + rows * PLOT_HEIGHT;
    int height = foot + f->n_notes * NOTE_HEIGHT + margin;
    put(&c, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" style=\"max-width:100%%;height:auto\">\n",
        c.width, height, c.width, height);
    put(&c, "<title>");
    put_text(&c, f->title);
    put(&c, "</title>\n<desc>");
    put_text(&c, f->description);
    put(&c, "</desc>\n");
    if (!f->embedded) put_surroundings(&c, f, height);
    for (int i = 0; i < f->n_plots; i++)
        put_plot(&c, &f->plots[i], margin + (double)(i % columns) * PLOT_WIDTH, head + (double)(i / columns) * PLOT_HEIGHT);
    for (int i = 0; i < f->n_notes; i++) put_label(&c, MARGIN, foot + i * NOTE_HEIGHT + 11, "start", "note", f->notes[i]);
    put(&c, "</svg>\n");
    return c.err;
}
