/* Finished translations of one sentence and their scores. */
#ifndef DGM_HYPOTHESIS_H
#define DGM_HYPOTHESIS_H

#include "dgm/error.h"

typedef struct {
    int32_t *ids;    /* [n], without <s> and </s> */
    int64_t n;
    double log_prob; /* sum of the log-probabilities of its tokens and of </s>, nats */
    double score;    /* log_prob / dgm_hypothesis_penalty(kind, alpha, n + 1) */
} dgm_hypothesis;

/* The best `capacity` of the hypotheses added, best first; of equal scores the one added first stands first. */
typedef struct {
    int n, capacity;
    dgm_hypothesis *best; /* [capacity]; entries own their ids */
} dgm_hypotheses;

typedef enum { DGM_LENGTH_PAPER, DGM_LENGTH_AVERAGE } dgm_length_kind;

/* What a log-probability is divided by for the score; </s> counts as a token of the length.
 *   DGM_LENGTH_PAPER    ((5 + length) / 6)^alpha: Wu et al. 2016, eq. 14, without coverage; Vaswani et al. 2017, section 6.1
 *   DGM_LENGTH_AVERAGE  length^alpha: alpha 1 is the mean over the tokens (Koehn and Knowles 2017, section 3.6) */
double dgm_hypothesis_penalty(dgm_length_kind kind, double alpha, int64_t length);

/* capacity >= 1. */
dgm_err dgm_hypotheses_init(dgm_hypotheses *list, int capacity);
void dgm_hypotheses_fini(dgm_hypotheses *list); /* leaves it empty, of capacity 0; accepts a zeroed list */

/* Adds a copy of ids[n] unless `capacity` better ones are there. */
dgm_err dgm_hypotheses_add(dgm_hypotheses *list, const int32_t *ids, int64_t n, double log_prob, double score);

#endif
