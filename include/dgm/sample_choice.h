/* Which lines of a test text a reader is shown: chosen by rule, not by eye, so that nobody can be suspected of picking the good ones. */
#ifndef DGM_SAMPLE_CHOICE_H
#define DGM_SAMPLE_CHOICE_H

#include "dgm/error.h"

typedef struct {
    double score;   /* of its translations, a mean over the systems */
    double spread;  /* best less worst system; 0 with one */
    int64_t length; /* of the source; 0: not to be shown */
} dgm_sample_line;

/* Lines over all qualities and lengths: the lines by falling score are cut into `wanted` equal parts, and of each part one is taken, in turn a short, a long
 * and a middling one (of equal ones the first).  out[wanted]; returns how many there are.  -1: no memory. */
int64_t dgm_sample_choose_spread(const dgm_sample_line *lines, int64_t n, int64_t wanted, int64_t *out);

/* Lines on which systems differ most, the largest spread first, without those of taken[n_taken] and those without a spread. */
int64_t dgm_sample_choose_apart(const dgm_sample_line *lines, int64_t n, const int64_t *taken, int64_t n_taken, int64_t wanted, int64_t *out);

#endif
