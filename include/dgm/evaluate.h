/* What a model is worth on sentence pairs: the loss of the references, and the scores of its translations. */
#ifndef DGM_EVALUATE_H
#define DGM_EVALUATE_H

#include "dgm/eval_pairs.h"
#include "dgm/metric_options.h"
#include "dgm/metric_score.h"
#include "dgm/score_pairs.h"

typedef struct {
    double label_smoothing;
    dgm_translate_options translate;
    dgm_metric_choice metrics;
    int width;                                         /* decimals of the text of intervals in JSON */
    const char *hyp_out, *line_scores, *token_scores;  /* files to write; NULL: not wanted */
} dgm_evaluate_options;

typedef struct {
    int64_t n_lines, n_src_tokens, n_ref_tokens; /* </s> counted */
    int64_t n_ref_words;
    double label_smoothing;
    double loss, nll;                       /* nats per target token, with label smoothing and without */
    double perplexity, perplexity_per_word; /* infinite where there are no words */
    double translate_s;                     /* how long translating took */
    int n_scores;
    dgm_metric_score score[DGM_N_METRICS];  /* in the order of options->metrics */
    const char *score_name[DGM_N_METRICS];  /* "bleu", ... */
} dgm_evaluation;

/* Everything of *out is set on rank 0; on the others the counts and words of text and the scores are not.  The files appear whole, or none of them
 * when something fails before.  DGM_ERR_INPUT as dgm_eval_pairs_encode; DGM_ERR_NUMERIC when a loss is not finite.
 * Collective on grid->world: an error is every rank's.  The same numbers on any number of ranks. */
dgm_err dgm_evaluate(const dgm_translator *translator, const dgm_eval_pairs *pairs, const dgm_evaluate_options *options, const dgm_grid *grid,
                     dgm_evaluation *out);

/* The loss alone that the model (of an ensemble the first one) gives references ref for src, both [n] and on all ranks, summed over all of them;
 * `lines` and `tokens` as for dgm_score_pairs, as are the errors.  Collective on grid->world: everything equal on all ranks. */
dgm_err dgm_evaluate_loss(const dgm_translator *translator, const dgm_sentence_list *src, const dgm_sentence_list *ref, double label_smoothing,
                          const dgm_grid *grid, dgm_pair_loss *total, dgm_pair_loss *lines, double *tokens);

/* Adds the fields to a JSON object, in the order in which `eval --json` has them; null where a number is infinite. */
dgm_err dgm_evaluation_json(const dgm_evaluation *evaluation, int width, json_t *object);

#endif
