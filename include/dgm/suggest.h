/* "Did you mean ...?": the name nearest to a mistyped one. */
#ifndef DGM_SUGGEST_H
#define DGM_SUGGEST_H

/* The one of `names` that `word` most likely stands for: fewest edits (a swap of neighbours is one), at most a third of the
 * word's length, or one begins with the other.  '-' and '_' count as the same.  NULL when none is near.  Not collective. */
const char *dgm_suggest(const char *word, const char *const *names, int n_names);

#endif
