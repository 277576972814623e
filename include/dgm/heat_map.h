/* A matrix of numbers from 0 to 1 as squares of more or less colour, in SVG that is part of a page: which paper has the colours is the page's affair. */
#ifndef DGM_HEAT_MAP_H
#define DGM_HEAT_MAP_H

#include "dgm/html.h"

typedef struct {
    const char *title;                 /* for readers who do not see it */
    int64_t n_rows, n_columns;
    const double *value;               /* [n_rows, n_columns] */
    double full;                       /* the value, and all above it, that has full colour; 0: 1 */
    const char *const *row_label, *const *column_label; /* any text; NULL: none */
    int cell;                          /* pixels of a square */
} dgm_heat_map;

/* Classes: text for labels, `cells` for the squares (fill), `edge` for the frame (stroke).  Values are drawn in 16 steps of opacity up to full colour.  Labels are cut after
 * DGM_HEAT_MAP_LABEL characters. */
enum { DGM_HEAT_MAP_LABEL = 14 };
void dgm_heat_map_write(const dgm_heat_map *map, dgm_html *page);

#endif
