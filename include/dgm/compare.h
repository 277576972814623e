/* Where two runs, or two models, part: by trace.jsonl (trace.h), metrics.jsonl, checkpoints and model files, and what run.json says of how they
 * came about.  Only files are read; nothing here is collective. */
#ifndef DGM_COMPARE_H
#define DGM_COMPARE_H

#include "dgm/error.h"

#include <jansson.h>
#include <stdio.h>

enum { DGM_COMPARE_NAME = 128, DGM_COMPARE_VERDICT = 4096, DGM_COMPARE_PATH = 384, DGM_COMPARE_LOGS = 4 };

/* ---- logs ---- */

/* Lines of a log that are damaged, or not where they belong; they are left out. */
typedef struct {
    int64_t n;
    char first[DGM_COMPARE_PATH + 128]; /* "RUN/metrics.jsonl: line 4 is of a step that ..." */
} dgm_log_damage;

void dgm_log_damage_note(dgm_log_damage *damage, const char *path, int64_t line, const char *what);

/* Where a log is. */
typedef struct {
    bool written_a, written_b; /* by what run.json says */
    bool in_a, in_b;           /* it is there */
    bool missing_a, missing_b; /* it is not, though it was written */
} dgm_log_presence;

/* Fills in the rest; always: every run writes one. */
void dgm_log_presence_find(dgm_log_presence *presence, bool in_a, bool in_b, bool always);

/* ---- traces ---- */

typedef struct {
    int64_t n_common;       /* lines of the same step that were looked at */
    int64_t last_a, last_b; /* the last step of each; -1: it has no line */
    int64_t step;           /* the first common one at which they part; -1: none */
    int64_t before;         /* the last common one before it, with nothing different; -1: none */
    bool other_tensors;     /* the models have other tensors; nothing else is looked at */
    bool exact;             /* no step lies between `before` and `step`: what differs first at `step` is what differed first */
    int n_tensors;          /* and at `step`: */
    bool has_gradients;     /* both lines have them: not those of weights that training began or went on with */
    int n_gradients, n_weights;                 /* tensors whose gradient, weight differs */
    char first_gradient[DGM_COMPARE_NAME];      /* in the model's order: the farthest from the loss */
    char last_gradient[DGM_COMPARE_NAME];       /* the nearest to the loss: in the backward pass it comes first */
    char first_weight[DGM_COMPARE_NAME];        /* in the model's order */
    dgm_log_damage damage_a, damage_b;
} dgm_trace_difference;

/* Lines that are none of a trace, or not where they belong, count as damage.  DGM_ERR_INPUT when one is of another version.  An empty one, of a run that was killed early, has nothing in common with another. */
dgm_err dgm_compare_traces(const char *a, const char *b, dgm_trace_difference *out);

/* "gradients of 69, weights of 68 of 69 tensors differ" */
void dgm_trace_difference_tell(const dgm_trace_difference *difference, char *text, size_t bytes);

/* ---- metrics ---- */

typedef struct {
    int64_t n_common;           /* updates and validations that are in both */
    int64_t n_only_a, n_only_b; /* in one alone, up to where the shorter ends: logged at other steps */
    int64_t last_a, last_b;     /* last step; -1: it has no line */
    int64_t step;               /* the first at which a number differs; -1: none */
    int64_t before;             /* of the last common line before it, with nothing different; -1: none */
    bool validation;
    bool other_batch;           /* the counts of tokens or sentences are among what differs */
    char field[DGM_COMPARE_NAME], value_a[32], value_b[32]; /* the first field that differs */
    char others[DGM_COMPARE_NAME];                          /* the rest of them, "nll, grad_norm" */
    dgm_log_damage damage_a, damage_b;
} dgm_metrics_difference;

dgm_err dgm_compare_metrics(const char *a, const char *b, dgm_metrics_difference *out);

/* ---- models ---- */

typedef struct {
    char name[DGM_COMPARE_NAME];
    int64_t n_elements, n_different; /* different bits */
    double max_difference;           /* of the numbers; infinite where one is not finite */
    bool is_noise;                   /* a bias of keys: rounding noise in any training, without effect on what the model says */
} dgm_tensor_difference;

typedef struct {
    bool same;            /* nothing differs, metadata included */
    int n_tensors;        /* that both have in one shape */
    int n_only_a, n_only_b, n_shapes;      /* that one alone has; of unequal shapes */
    char missing[DGM_COMPARE_NAME];        /* the first of these */
    char strings[DGM_COMPARE_NAME];        /* metadata that differ, "tokenizer, training" */
    dgm_tensor_difference *tensors;        /* [n_different] that differ, in the order of the file */
    int n_different;
    int64_t n_elements, n_different_elements; /* of all common tensors */
    int largest;          /* index in tensors of the largest difference; one of noise only when no other tensor differs */
    double largest_noise; /* the largest difference of those that are noise */
} dgm_model_difference;

/* Two safetensors files of F32.  Release with dgm_model_difference_fini. */
dgm_err dgm_compare_models(const char *a, const char *b, dgm_model_difference *out);
void dgm_model_difference_fini(dgm_model_difference *difference);
bool dgm_model_difference_none(const dgm_model_difference *difference); /* all weights equal, in number and bits */
bool dgm_model_difference_noise_is_larger(const dgm_model_difference *difference); /* than the largest of the others */

/* ---- what is written down about them ---- */

/* An array of {name, a, b, effect} of what differs in two run.json or two state.json; effect: "bits" (may change what is learned), "record" (what
 * is logged, when training ends, which checkpoint is the result), "none".  A new reference; NULL when memory ends. */
json_t *dgm_compare_records(const json_t *a, const json_t *b);

/* What earlier starts of a run did otherwise than its last one, which the rest of run.json is about: an array of {after_step, until, from,
 * differences}, of updates after_step + 1 to until (absent: of the last start, which is here when it has a `from`).  from: the checkpoint that a
 * start went on from, if of another folder.  differences: of {name, then, last, effect} as above; null: nothing is known.  A new reference; NULL
 * when memory ends. */
json_t *dgm_compare_starts(const json_t *record);

/* ---- all of it ---- */

typedef struct {
    char *a, *b;
    bool runs;      /* run folders; else models or checkpoints */
    json_t *record; /* as of dgm_compare_records; NULL: not both have one */
    json_t *starts_a, *starts_b; /* of runs, as of dgm_compare_starts; NULL: it has no run.json */
    bool has_trace, has_metrics, has_model, has_optimizer;
    dgm_log_presence trace_in, metrics_in;
    int only;       /* a result, of checkpoints moments, that one alone has: 1 a, 2 b, 0 neither */
    dgm_trace_difference trace;
    dgm_metrics_difference metrics;
    dgm_model_difference model, optimizer;
    /* Checkpoints of both of steps that traces do not cover, as long as these do not differ: */
    int n_checkpoints;                            /* looked at */
    int n_passed_over;                            /* because one of the two is damaged, as going on passes it over */
    char passed_over[512];                        /* why, of the first */
    int64_t equal_checkpoint, other_checkpoint;   /* steps: the last before, and the first with other weights; -1: none */
    int64_t last_checkpoint_a, last_checkpoint_b; /* steps; -1: none */
} dgm_comparison;

/* a, b: run folders; or model files and checkpoints (a run then stands for its result).  DGM_ERR_INPUT when one cannot be read.  Release with
 * dgm_comparison_fini. */
dgm_err dgm_compare(const char *a, const char *b, dgm_comparison *out);
void dgm_comparison_fini(dgm_comparison *comparison);

/* Something that both have was looked at.  If not, nothing is known: they are neither identical nor different. */
bool dgm_comparison_possible(const dgm_comparison *comparison);

/* Whether there is damage in a log; out: of all. */
bool dgm_comparison_damage(const dgm_comparison *comparison, const dgm_log_damage *out[DGM_COMPARE_LOGS]);

/* The paths of the logs that are missing, and how many these are. */
int dgm_comparison_missing(const dgm_comparison *comparison, char path[DGM_COMPARE_LOGS][DGM_COMPARE_PATH]);

/* No number that both have differs, both go equally far and that far was looked, both have a result or neither, and no log is damaged. */
bool dgm_comparison_identical(const dgm_comparison *comparison);

/* The answer in a sentence, of at most DGM_COMPARE_VERDICT bytes: where they part first, by what is most exact; "between steps" where those between
 * were not looked at; what "nothing differs" is about; or that nothing could be compared, and what to do. */
void dgm_comparison_verdict(const dgm_comparison *comparison, char *text, size_t bytes);

void dgm_comparison_print(const dgm_comparison *comparison, FILE *out);
json_t *dgm_comparison_to_json(const dgm_comparison *comparison); /* a new reference; NULL when memory ends */

#endif
