/* BLEU (Papineni et al. 2002) as sacreBLEU computes it (Post 2018), corpus and sentence.
 *
 *   score = BP * exp(1/4 * sum over n = 1..4 of log precision_n),   BP = exp(1 - ref_len / hyp_len) where hyp_len < ref_len, else 1
 *
 * What is counted per sentence are integers that add up: the sums over a corpus are exact in any order, over any split of it
 * between ranks or threads, and a resampled corpus is a sum of the same numbers. */
#ifndef DGM_BLEU_H
#define DGM_BLEU_H

#include "dgm/metric_score.h"
#include "dgm/mt_tokenize.h"

#define DGM_BLEU_ORDER 4

/* What to do with a precision of 0 (Chen and Cherry 2014; the numbers are theirs). */
typedef enum {
    DGM_BLEU_SMOOTH_EXP,   /* method 3: the k-th zero counts as 1 / 2^k matches */
    DGM_BLEU_SMOOTH_FLOOR, /* method 1: as smooth_value matches (0.1) */
    DGM_BLEU_SMOOTH_ADD_K, /* method 2: smooth_value (1) is added to matches and n-grams of orders above 1 */
    DGM_BLEU_SMOOTH_NONE,  /* the score is 0 */
    DGM_BLEU_N_SMOOTHINGS
} dgm_bleu_smoothing;

#define DGM_BLEU_SMOOTHING_NAMES "exp|floor|add-k|none"

/* DGM_ERR_USAGE for an unknown name. */
dgm_err dgm_bleu_smoothing_find(const char *name, dgm_bleu_smoothing *out);

typedef struct { /* {0} is the standard: 13a, cased, exp */
    dgm_mt_tokenizer tokenizer;
    bool lowercase;
    dgm_bleu_smoothing smoothing;
    bool smooth_value_given; /* else the smoothing's own */
    double smooth_value;
    bool effective_order; /* orders that the hypothesis is too short for are left out: for single sentences */
} dgm_bleu_options;

/* Counts of a sentence or of any sum of sentences: int64_t alone, so that it can be summed as an array of DGM_BLEU_N_COUNTS. */
typedef struct {
    int64_t hyp_len, ref_len;        /* tokens; of several references the closest in length, the shorter of two as close */
    int64_t correct[DGM_BLEU_ORDER]; /* n-grams of the hypothesis found in a reference, no more often than in any one */
    int64_t total[DGM_BLEU_ORDER];   /* n-grams of the hypothesis */
} dgm_bleu_counts;

#define DGM_BLEU_N_COUNTS ((int64_t)(sizeof(dgm_bleu_counts) / sizeof(int64_t)))

typedef struct {
    double score;                     /* 0..100 */
    double precision[DGM_BLEU_ORDER]; /* 0..100, smoothed */
    double brevity_penalty;           /* 0..1 */
    double ratio;                     /* hyp_len / ref_len, 0 when ref_len is 0 */
} dgm_bleu_score;

/* Counts sentences one after another; holds the memory for it.  Not to be shared between threads. */
typedef struct dgm_bleu dgm_bleu;

dgm_err dgm_bleu_create(const dgm_bleu_options *options, dgm_bleu **out);
void dgm_bleu_destroy(dgm_bleu *bleu); /* accepts NULL */

/* Counts one hypothesis against its n_refs >= 1 references.  DGM_ERR_NOMEM. */
dgm_err dgm_bleu_count(dgm_bleu *bleu, dgm_mt_span hyp, const dgm_mt_span *refs, int n_refs, dgm_bleu_counts *out);

void dgm_bleu_add(dgm_bleu_counts *sum, const dgm_bleu_counts *counts);

/* The score of counted sentences, by sacreBLEU's formulas. */
void dgm_bleu_compute(const dgm_bleu_options *options, const dgm_bleu_counts *counts, dgm_bleu_score *out);

/* The score with its signature and the line that sacreBLEU prints, ready for dgm_metric_print and dgm_metric_json:
 *   signature  nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:dragoman-0.1
 *   verbose    58.9/32.3/20.1/13.0 (BP = 1.000 ratio = 1.020 hyp_len = 62496 ref_len = 61287) */
void dgm_bleu_report(const dgm_bleu_options *options, const dgm_bleu_counts *counts, int n_refs, dgm_metric_score *out);

#endif
