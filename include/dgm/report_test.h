/* What the runs of a report make of a text: translations, scores, and what of them is shown. */
#ifndef DGM_REPORT_TEST_H
#define DGM_REPORT_TEST_H

#include "dgm/attention_map.h"
#include "dgm/config.h"
#include "dgm/paired_report.h"
#include "dgm/report_run.h"
#include "dgm/score_pairs.h"
#include "dgm/translate.h"

/* The model of one run. */
typedef struct {
    int run;          /* which */
    dgm_pair_loss loss; /* of the first reference */
    dgm_text text;    /* its translations, a line each */
    dgm_lines hyp;    /* these lines; name and text are not its own */
    dgm_ids ids;      /* their tokens, end to end, without </s> */
    int64_t *start;   /* [lines + 1] where those of each line begin in ids */
    double *sentence; /* [lines] BLEU of each line by itself, with effective order */
} dgm_report_system;

/* Attention of one system for one line: last decoder layer. */
typedef struct {
    int system;
    int64_t line;
    dgm_attention_map map;
    char **src_piece, **tgt_piece; /* [map.n_src], [map.n_tgt] */
} dgm_report_picture;

typedef struct {
    bool is_validation;           /* the validation part of the runs' DATA; else files */
    dgm_lines src, *refs;
    int n_refs;
    int64_t n_ref_words;          /* of the first reference: what white space parts */
    int n_systems;                /* runs with a model, in the order of the runs */
    dgm_report_system *systems;
    dgm_scoring scoring;
    dgm_text_counts *counts;      /* [n_systems] */
    dgm_metric_score *scores;     /* [n_systems, n_metrics], with intervals */
    int64_t *sample;              /* lines that are shown: first those over all qualities, then those on which systems differ most */
    int64_t n_spread, n_samples;
    dgm_report_picture *pictures; /* by line, then system */
    int n_pictures;
    dgm_text search;              /* how they were translated (dgm_translate_describe) */
} dgm_report_test;

/* The options of all this: src, ref, translations, samples, attention. */
extern const dgm_option dgm_report_test_options[];

/* Translates, scores and chooses.  `runs` is looked at on rank 0 alone, where *out is made, or NULL with *why, the reason that the page gives, for memory the
 * caller frees.  On other ranks both are NULL.  The config has the options above and those of dgm_metric_option_table and dgm_translate_option_table.
 * Collective on grid->world: an error is every rank's. */
dgm_err dgm_report_test_make(const dgm_grid *grid, const dgm_config *config, const dgm_report_run *runs, int n_runs, dgm_report_test **out, char **why);
void dgm_report_test_destroy(dgm_report_test *test); /* accepts NULL */

/* The system of a run, -1 without; the score of a system by a metric. */
int dgm_report_test_system(const dgm_report_test *test, int run);
const dgm_metric_score *dgm_report_test_score(const dgm_report_test *test, int system, int metric);

/* ---- parts of it, on rank 0 ---- */

/* Reads the text: files, or the validation part.  False, with *why, when there is none. */
dgm_err dgm_report_text_read(const dgm_config *config, const dgm_report_run *runs, int n_runs, dgm_report_test *test, char **why, bool *there);

/* Chooses the lines that are shown. */
dgm_err dgm_report_choose(dgm_report_test *test, int64_t wanted);

/* Makes the pictures of at most `wanted` of these lines. */
dgm_err dgm_report_pictures_make(dgm_report_test *test, const dgm_report_run *runs, int64_t wanted);

#endif
