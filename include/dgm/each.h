/* Every checkpoint of a run evaluated on the same pairs, and its result: how a model became what it is.
 *
 * Checkpoints come in the order of their steps, then RUN/model.safetensors.  One that is damaged, or whose loss is not finite, is named in
 * a warning and left out; the rest is scored all the same.  Nothing in RUN is changed, so the run may still be trained meanwhile: a
 * checkpoint that training removes before its turn comes is left out without a complaint. */
#ifndef DGM_EACH_H
#define DGM_EACH_H

#include "dgm/evaluate.h"

#include <stdio.h>

enum { DGM_EACH_NAME = 48 };

typedef struct {
    char name[DGM_EACH_NAME]; /* in RUN: "checkpoints/step-00000500", "model.safetensors" */
    bool is_result;
    int64_t step;             /* updates made; of a mean of checkpoints those of the last one; -1: the result does not say */
    char digest[17];          /* of the model file, 16 hex digits */
    dgm_evaluation evaluation;
} dgm_each_model;

typedef struct {
    const char *run;            /* as given */
    const dgm_eval_pairs *pairs;
    const dgm_evaluate_options *options;
    dgm_each_model *model;      /* [n] */
    int n, n_found;             /* models scored so far, and to be scored in all */
    char (*skipped)[DGM_EACH_NAME]; /* [n_skipped] names of those left out because of what they hold */
    int n_skipped;
    bool complete;              /* every model has had its turn */
} dgm_each;

typedef struct {
    FILE *table;      /* a line for each model as soon as it is scored; NULL: not wanted */
    FILE *json;       /* everything as JSON at the end; NULL: not wanted */
    const char *json_path, *svg_path; /* files, written anew whole after each model; NULL: not wanted */
} dgm_each_output;

/* DGM_ERR_INPUT, saying what was expected, unless `run` is a folder that has checkpoints.  Collective on grid->world. */
dgm_err dgm_each_check(const char *run, const dgm_grid *grid);

/* Scores all of them.  Everything is written on rank 0 and is the same on any number of ranks.  When models were left out: DGM_ERR_INPUT, or
 * DGM_ERR_NUMERIC if a loss was not finite, after all else is done and written.
 * Collective on grid->world: an error is every rank's. */
dgm_err dgm_each_run(const char *run, const dgm_eval_pairs *pairs, const dgm_evaluate_options *options, const dgm_grid *grid,
                     const dgm_each_output *output);

/* What is shown of it; not collective, for rank 0.  docs/files.md describes the JSON. */
dgm_err dgm_each_print_head(const dgm_each *each, FILE *out);
dgm_err dgm_each_print_model(const dgm_each *each, const dgm_each_model *model, FILE *out);
dgm_err dgm_each_print_signatures(const dgm_each *each, FILE *out);
dgm_err dgm_each_json(const dgm_each *each, dgm_text *out);
dgm_err dgm_each_svg(const dgm_each *each, dgm_text *out);

#endif
