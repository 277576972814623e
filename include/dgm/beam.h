/* Beam search over one sentence, as in Wu et al. 2016 (section 7) and fairseq; it knows no model: whoever runs it scores the live
 * hypotheses and hands in the log-probabilities of their next tokens.
 *
 * A step takes, over all live hypotheses, the candidates (hypothesis, next token) in order of their summed log-probability; equal sums
 * go to </s> first, then to the lower token id, then to the earlier hypothesis.  Walking down that order, </s> finishes its hypothesis
 * when it stands among the first `beam` candidates; the first `beam` other candidates are the live hypotheses of the next step.  A
 * hypothesis of max_length tokens can only be finished; one that no token may follow can be finished whatever min_length is.  The search
 * ends when
 *   - `beam` hypotheses have finished (so beam 1 is greedy decoding), or
 *   - no live hypothesis can beat the n_best-th best finished one any more.  Log-probabilities are at most 0: a live hypothesis of sum s
 *     ends with a score of at most s / penalty(max_length + 1).
 * The second rule saves time and changes no result: asking for more of them gives the same ones first.
 *
 * Independent samples are hypotheses that never compete: each goes its own way until it ends (dgm_beam_extend). */
#ifndef DGM_BEAM_H
#define DGM_BEAM_H

#include "dgm/hypothesis.h"

typedef struct {
    int beam;                 /* hypotheses kept; 1: greedy */
    int n_best;               /* finished hypotheses wanted, at most beam */
    double length_penalty;    /* alpha >= 0 of dgm_hypothesis_penalty */
    dgm_length_kind length_kind;
    double max_length_factor; /* a sentence of n source tokens gets at most factor * n + plus tokens, and at least one */
    int64_t max_length_plus;
    int64_t min_length;       /* tokens before </s>; lowered to the maximum where it is larger */
} dgm_beam_options;

/* beam 5, n_best 1, alpha 0.6 of the paper's kind, at most 2 n + 20 tokens, at least 1. */
dgm_beam_options dgm_beam_defaults(void);

/* DGM_ERR_USAGE naming the setting, its value and what is expected. */
dgm_err dgm_beam_check(const dgm_beam_options *options);

typedef struct {
    dgm_beam_options options;
    int64_t max_length, min_length;
    int n_live;          /* 0: the search has ended */
    int64_t length;      /* tokens of each live hypothesis */
    int32_t *ids;        /* [beam, max_length] tokens of the live hypotheses */
    double *sum;         /* [beam] their summed log-probabilities */
    int *parent;         /* [beam] which live hypothesis of the step before each one grew from */
    int *number;         /* [beam] of each live hypothesis: the sample that it is */
    dgm_hypotheses done; /* finished ones, capacity beam */
    int n_done;          /* how many have finished, kept or not */
    int32_t *next_ids;   /* as ids and sum, of the step being made */
    double *next_sum;
    int *taken;          /* [beam] tokens of each live hypothesis' list that are used up */
    bool *may_end;       /* [beam] </s> of each live hypothesis is still to be taken */
} dgm_beam;

/* One live hypothesis without tokens.
 *   n_src     source tokens without </s>
 *   n_prefix  tokens that the caller will force at the beginning: no hypothesis ends before them, and max_length is at least that */
dgm_err dgm_beam_init(dgm_beam *beam, const dgm_beam_options *options, int64_t n_src, int64_t n_prefix);
void dgm_beam_fini(dgm_beam *beam); /* accepts a zeroed one */

/* One step.
 *   token    [n_live, beam]  in   most likely next tokens of each live hypothesis, best first, equal ones by lower id; without </s>
 *                                 and tokens that may not be produced; -1 fills up what is missing
 *   log_prob [n_live, beam]  in   theirs, nats, at most 0
 *   cost     [n_live, beam]  in   subtracted for the order of candidates alone, by which the lists are then sorted; NULL: nothing
 *   end      [n_live]        in   log-probability of </s>
 * Afterwards n_live, ids, sum and parent describe the new live hypotheses. */
dgm_err dgm_beam_advance(dgm_beam *beam, const int32_t *token, const double *log_prob, const double *cost, const double *end);

/* Makes `beam` live hypotheses out of the first one, which has no tokens: samples 0 .. beam - 1. */
void dgm_beam_split(dgm_beam *beam);

/* One step of hypotheses that go their own ways: token[n_live], `end` where the hypothesis ends, and log_prob[n_live]. */
dgm_err dgm_beam_extend(dgm_beam *beam, const int32_t *token, const double *log_prob, int32_t end);

/* Last token of live hypothesis i, `begin` when it has none. */
int32_t dgm_beam_last(const dgm_beam *beam, int i, int32_t begin);

#endif
