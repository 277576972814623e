/* Squares of one step of opacity are one path: attention is sparse, and a page with dozens of maps stays small. */
#include "dgm/heat_map.h"

#include "dgm/unicode.h"

#include <math.h>
#include <string.h>

enum { STEPS = 16, GAP = 5 };
static const double CHARACTER = 7.2; /* pixels of a character of 11 pixels, in fonts that are rather wide */

/* How many bytes of a label are shown, and how wide they are; *cut: something is left out. */
static size_t shown_part(const char *label, double *width, bool *cut)
{
    size_t bytes = strlen(label), at = 0;
    int n = 0;
    *width = 0;
    *cut = false;
    while (at < bytes) {
        int32_t code;
        size_t length = dgm_unicode_next(label + at, bytes - at, &code);
        if (n++ == DGM_HEAT_MAP_LABEL) {
            *cut = true;
            *width += CHARACTER;
            break;
        }
        bool wide = length > 0 && ((code >= 0x1100 && code < 0x1160) || (code >= 0x2E80 && code < 0xA4D0) || (code >= 0xAC00 && code < 0xD7A4) ||
                                   (code >= 0xF900 && code < 0xFB00) || (code >= 0xFF00 && code < 0xFF61) || code >= 0x1F300);
        *width += length == 0 ? 4 * CHARACTER : wide || code == 0x2581 ? 11 : CHARACTER; /* \xHH */
        at += length > 0 ? length : 1;
    }
    return at;
}

static double widest(const char *const *labels, int64_t n)
{
    double most = 0, width;
    bool cut;
    for (int64_t i = 0; labels != NULL && i < n; i++) {
        shown_part(labels[i], &width, &cut);
        most = fmax(most, width);
    }
    return labels != NULL ? most + GAP : 0;
}

static void put_label(const char *label, const char *attributes, double x, double y, dgm_html *page)
{
    double width;
    bool cut;
    size_t n = shown_part(label, &width, &cut);
    dgm_html_putf(page, "<text x=\"%.1f\" y=\"%.1f\"%s>", x, y, attributes);
    dgm_html_line(page, label, n);
    dgm_html_put(page, cut ? "…</text>" : "</text>");
}

static int step_of(const dgm_heat_map *map, int64_t r, int64_t c)
{
    double full = map->full > 0 ? map->full : 1;
    return (int)lround(fmin(fmax(map->value[r * map->n_columns + c] / full, 0), 1) * STEPS);
}

/* All squares of one step, runs of neighbours in a row as one. */
static void put_step(const dgm_heat_map *map, int step, double left, double top, dgm_html *page)
{
    bool open = false;
    for (int64_t r = 0; r < map->n_rows; r++)
        for (int64_t c = 0; c < map->n_columns; c++) {
            int64_t from = c;
            while (c < map->n_columns && step_of(map, r, c) == step) c++;
            if (c == from) continue;
            if (!open) dgm_html_putf(page, "<path fill-opacity=\"%.3g\" d=\"", (double)step / STEPS);
            open = true;
            dgm_html_putf(page, "M%.0f %.0fh%lldv%dh-%lldz", left + (double)(from * map->cell), top + (double)(r * map->cell),
                          (long long)((c - from) * map->cell), map->cell, (long long)((c - from) * map->cell));
        }
    if (open) dgm_html_put(page, "\"/>");
}

void dgm_heat_map_write(const dgm_heat_map *map, dgm_html *page)
{
    double left = ceil(widest(map->row_label, map->n_rows)) + 1, top = ceil(widest(map->column_label, map->n_columns)) + 1;
    double width = (double)(map->n_columns * map->cell), height = (double)(map->n_rows * map->cell), baseline = map->cell / 2.0 + 3.8;
    dgm_html_putf(page, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"%.0f\" height=\"%.0f\"><title>", left + width + 1, top + height + 1);
    dgm_html_text(page, map->title);
    dgm_html_put(page, "</title>\n<g class=\"cells\">");
    for (int step = 1; step <= STEPS; step++) put_step(map, step, left, top, page);
    dgm_html_putf(page, "</g><rect class=\"edge\" x=\"%.1f\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\"/>\n", left - 0.5, top - 0.5, width + 1, height + 1);
    for (int64_t r = 0; map->row_label != NULL && r < map->n_rows; r++)
        put_label(map->row_label[r], " text-anchor=\"end\"", left - GAP, top + (double)(r * map->cell) + baseline, page);
    for (int64_t c = 0; map->column_label != NULL && c < map->n_columns; c++) {
        dgm_html_putf(page, "<g transform=\"translate(%.1f %.1f)rotate(-90)\">", left + (double)(c * map->cell) + baseline, top - GAP);
        put_label(map->column_label[c], "", 0, 0, page);
        dgm_html_put(page, "</g>");
    }
    dgm_html_put(page, "</svg>");
}
