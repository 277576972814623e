/* Edit distance between two sequences of words, looking only at a band around the diagonal, for hypotheses that differ little from one
 * another: rows that a changed hypothesis shares with the one before it are not computed again.
 *
 * The band is part of TER's definition (Tercom's beam): row i, after i words of the hypothesis, covers the reference positions within
 * 25 of i * n_ref / n_hyp (more where the lengths differ much), and so the last one the end; outside of it nothing is reachable. */
#ifndef DGM_BEAM_DISTANCE_H
#define DGM_BEAM_DISTANCE_H

#include "dgm/error.h"

typedef enum { DGM_EDIT_KEEP, DGM_EDIT_SUBSTITUTE, DGM_EDIT_INSERT, DGM_EDIT_DELETE } dgm_edit;

/* Costs after i words of the hypothesis, for reference positions [lo, hi). */
typedef struct {
    int32_t lo, hi;
    int64_t at; /* in `cost`: position j is at + 1 + j - lo; what is at `at` is out of reach */
} dgm_distance_row;

/* Memory used again from pair to pair.  Starts as {0}. */
typedef struct {
    int32_t n_hyp, n_ref;
    const int32_t *ref;    /* [n_ref], borrowed */
    dgm_distance_row *row; /* [n_hyp + 1] */
    int64_t widest;        /* cells of the widest row but the first */
    int32_t *cost;         /* of the hypothesis that was set */
    int32_t *trial;        /* [2, widest] of one that is tried */
    int64_t rows_room, cost_room, trial_room;
} dgm_beam_distance;

void dgm_beam_distance_fini(dgm_beam_distance *distance);

/* Prepares for hypotheses of n_hyp words against ref[n_ref], which must stay until the next begin.  DGM_ERR_NOMEM. */
dgm_err dgm_beam_distance_begin(dgm_beam_distance *distance, int32_t n_hyp, const int32_t *ref, int32_t n_ref);

/* The distance of hyp[n_hyp]; it becomes the one that others are compared with.  Its first n_same words are those of the last one
 * that was set (0 the first time). */
int32_t dgm_beam_distance_set(dgm_beam_distance *distance, const int32_t *hyp, int32_t n_same);

/* The distance of a hypothesis whose first n_same words are those of the one that was set. */
int32_t dgm_beam_distance_try(dgm_beam_distance *distance, const int32_t *hyp, int32_t n_same);

/* The edits that turn the hypothesis that was set into the reference, the last edit first: returns how many, at most n_hyp + n_ref.
 * DELETE drops a word of the hypothesis, INSERT adds one of the reference.  Of equally cheap ones keeping and substituting come before
 * deleting, deleting before inserting. */
int32_t dgm_beam_distance_trace(const dgm_beam_distance *distance, const int32_t *hyp, dgm_edit *edits);

#endif
