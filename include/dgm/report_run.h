/* What a report knows of one run: everything that its folder tells, finished or not. */
#ifndef DGM_REPORT_RUN_H
#define DGM_REPORT_RUN_H

#include "dgm/hparams.h"
#include "dgm/manifest.h"
#include "dgm/run_columns.h"

#include <jansson.h>

/* Columns of metrics.jsonl and of timing.jsonl. */
typedef enum {
    DGM_REPORT_NLL, DGM_REPORT_GRAD_NORM, DGM_REPORT_RATE, DGM_REPORT_EPOCH, DGM_REPORT_VALID_NLL, DGM_REPORT_VALID_BLEU, DGM_REPORT_N_METRICS
} dgm_report_metric;
typedef enum {
    DGM_REPORT_SPEED, DGM_REPORT_SHARE, DGM_REPORT_MEMORY, DGM_REPORT_DP, DGM_REPORT_TP,
    DGM_REPORT_REGIONS, /* the first of DGM_REPORT_N_REGIONS columns of seconds */
    DGM_REPORT_N_REGIONS = 8,
    DGM_REPORT_N_TIMING = DGM_REPORT_REGIONS + DGM_REPORT_N_REGIONS
} dgm_report_timing;
/* Columns of what `eval --each` says of a run's checkpoints; the interval NaN where there is none. */
typedef enum { DGM_REPORT_EACH_NLL, DGM_REPORT_EACH_BLEU, DGM_REPORT_EACH_LOW, DGM_REPORT_EACH_HIGH, DGM_REPORT_N_EACH } dgm_report_each_column;
extern const char *const dgm_report_region_names[DGM_REPORT_N_REGIONS]; /* for readers */

/* Which model a run has to show. */
typedef enum { DGM_REPORT_NO_MODEL, DGM_REPORT_RESULT, DGM_REPORT_BEST, DGM_REPORT_LAST } dgm_report_model;

typedef struct {
    const char *path;          /* as the user gave it; borrowed */
    char *name;                /* what the page calls it: the folder's name */
    json_t *record;            /* run.json; NULL: not there */
    dgm_run_columns metrics, timing; /* without lines where there is no file */
    bool has_metrics, has_timing;
    bool has_data;             /* the manifest is that of the DATA that the run was trained on */
    dgm_manifest manifest;
    char *data_path;           /* the folder of that manifest; NULL without */
    char *no_data;             /* why there is none; NULL with one */
    dgm_report_model model;
    char *model_path;          /* NULL without a model */
    char *checkpoint;          /* name of the checkpoint that it is, "step-00000500"; NULL for a result */
    dgm_run_columns each;      /* of eval --each, where its JSON is at hand */
    char *each_text;           /* the source text that these scores are of; NULL without */
    char *each_signature;      /* of its BLEU, "BLEU|nrefs:1|..." */
    int64_t each_lines, each_words; /* of that text, and of its references */
    bool each_complete;        /* false: eval --each has not come to the end */
    bool has_shape;
    dgm_hparams shape;         /* of the model */
} dgm_report_run;

/* Reads the folder.  DGM_ERR_INPUT when it is no run, or a file of it is damaged; what is not there is left out.  Not collective. */
dgm_err dgm_report_run_open(const char *path, dgm_report_run *out);
void dgm_report_run_fini(dgm_report_run *run); /* accepts {0} */

/* Reads the JSON of `eval --each` into the run that it is of.  DGM_ERR_INPUT when it is none, is damaged, has no BLEU, one that is computed otherwise than
 * another run's, or is of none of runs[n]; DGM_ERR_USAGE when that run has one. */
dgm_err dgm_report_each_read(const char *path, int n_runs, dgm_report_run *runs);

/* A setting as text, "" when it is unset or there is no run.json.  Valid as long as the run. */
const char *dgm_report_run_setting(const dgm_report_run *run, const char *name);

/* The hash of DATA, "" when not known. */
const char *dgm_report_run_data_hash(const dgm_report_run *run);

/* The last step that the logs know of; 0 without. */
int64_t dgm_report_run_last_step(const dgm_report_run *run);

/* The step at which training came to its end; -1 while it has not. */
int64_t dgm_report_run_ended(const dgm_report_run *run);

#endif
