/* What a search takes out of, or moves down in, the list of tokens that may follow a hypothesis. */
#ifndef DGM_CANDIDATES_H
#define DGM_CANDIDATES_H

#include <stdint.h>

/* Tokens that would repeat a run of n_gram tokens of ids[n]: each w such that ids[n - n_gram + 1 .. n) w stands in ids already.
 *   banned [n]  out  in the order of their places, perhaps several times; returns how many */
int64_t dgm_candidates_banned(const int32_t *ids, int64_t n, int n_gram, int32_t *banned);

/* Sets of tokens with a cost each. */
typedef struct { int32_t token; double cost; } dgm_candidate_cost;

/* The `keep` best of a list of n, banned ones left out, by log_prob less cost; of equal ones that which stood first.
 *   token, log_prob [n]               in   best first; -1 where there are no more
 *   out_token, out_log_prob, out_cost [keep]  out  filled up with -1
 * n - n_banned - n_costs must be at least `keep`, or the list all that there are: costs are >= 0, so nothing beyond it could come in. */
void dgm_candidates_filter(int n, const int32_t *token, const double *log_prob, int64_t n_banned, const int32_t *banned, int n_costs,
                           const dgm_candidate_cost *costs, int keep, int32_t *out_token, double *out_log_prob, double *out_cost);

#endif
