#include "dgm/candidates.h"

#include <stdbool.h>
#include <string.h>

int64_t dgm_candidates_banned(const int32_t *ids, int64_t n, int n_gram, int32_t *banned)
{
    int64_t n_banned = 0, before = n_gram - 1;
    if (n_gram < 1 || n < n_gram) return 0;
    const int32_t *last = ids + n - before;
    for (int64_t i = 0; i + before < n; i++)
        if (memcmp(ids + i, last, (size_t)before * sizeof *ids) == 0) banned[n_banned++] = ids[i + before];
    return n_banned;
}

static bool is_banned(int64_t n, const int32_t *banned, int32_t token)
{
    for (int64_t i = 0; i < n; i++)
        if (banned[i] == token) return true;
    return false;
}

static double cost_of(int n, const dgm_candidate_cost *costs, int32_t token)
{
    for (int i = 0; i < n; i++)
        if (costs[i].token == token) return costs[i].cost;
    return 0;
}

void dgm_candidates_filter(int n, const int32_t *token, const double *log_prob, int64_t n_banned, const int32_t *banned, int n_costs,
                           const dgm_candidate_cost *costs, int keep, int32_t *out_token, double *out_log_prob, double *out_cost)
{
    int kept = 0;
    for (int i = 0; i < n && token[i] >= 0; i++) {
        if (is_banned(n_banned, banned, token[i])) continue;
        double cost = cost_of(n_costs, costs, token[i]);
        int at = kept;
        while (at > 0 && out_log_prob[at - 1] - out_cost[at - 1] < log_prob[i] - cost) at--;
        if (at == keep) continue;
        if (kept < keep) kept++;
        for (int j = kept - 1; j > at; j--)
            out_token[j] = out_token[j - 1], out_log_prob[j] = out_log_prob[j - 1], out_cost[j] = out_cost[j - 1];
        out_token[at] = token[i], out_log_prob[at] = log_prob[i], out_cost[at] = cost;
    }
    for (int i = kept; i < keep; i++) out_token[i] = -1, out_log_prob[i] = 0, out_cost[i] = 0;
}
