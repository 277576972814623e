/* metrics.jsonl and timing.jsonl as columns of numbers, for drawing and for tables. */
#ifndef DGM_RUN_COLUMNS_H
#define DGM_RUN_COLUMNS_H

#include "dgm/error.h"

/* Zero-initialise; release with dgm_run_columns_fini. */
typedef struct {
    int64_t n;     /* lines */
    int n_fields;
    double *step;  /* [n], never falling */
    double *value; /* [n_fields, n]; NaN where a line has null or no such field */
} dgm_run_columns;
void dgm_run_columns_fini(dgm_run_columns *columns); /* leaves it empty */

/* Reads the fields of all lines; "a.b" is field b of the object a.  A last line without its end, which a killed or running training leaves, does not
 * count.  DGM_ERR_INPUT, naming file and line, for a line that is no JSON object, has no step, or a field of which is no number. */
dgm_err dgm_run_columns_read(const char *path, const char *const *fields, int n_fields, dgm_run_columns *out);

static inline const double *dgm_run_column(const dgm_run_columns *columns, int field) { return columns->value + field * columns->n; }

#endif
