/* Pure integer bookkeeping: which subtrees a range of leaves is made of, and when two halves meet. */
#include "dgm/tree.h"

void dgm_tree_range(int n_leaves, int part, int n_parts, int *lo, int *hi)
{
    *lo = (int)((int64_t)n_leaves * part / n_parts);
    *hi = (int)((int64_t)n_leaves * (part + 1) / n_parts);
}

int dgm_tree_cover(int lo, int hi, dgm_tree_node *nodes)
{
    int count = 0;
    while (lo < hi) {
        int n = lo == 0 ? 1 << 30 : lo & -lo; /* the largest aligned block that may begin here */
        while (n > hi - lo) n /= 2;
        DGM_ASSERT(count < DGM_TREE_MAX_NODES);
        nodes[count++] = (dgm_tree_node){lo, n};
        lo += n;
    }
    return count;
}

static bool are_halves(dgm_tree_node a, dgm_tree_node b) { return a.n == b.n && a.lo + a.n == b.lo && a.lo % (2 * a.n) == 0; }

int dgm_tree_joins(const dgm_tree_stack *s, dgm_tree_node node)
{
    int n = 0;
    while (n < s->n && are_halves(s->node[s->n - 1 - n], node)) {
        node = (dgm_tree_node){s->node[s->n - 1 - n].lo, 2 * node.n};
        n++;
    }
    return n;
}

void dgm_tree_push(dgm_tree_stack *s, dgm_tree_node node, void (*join)(void *user, int i), void *user)
{
    DGM_ASSERT(s->n < DGM_TREE_MAX_NODES && node.n > 0 && node.lo % node.n == 0);
    s->node[s->n++] = node;
    while (s->n >= 2) {
        if (!are_halves(s->node[s->n - 2], s->node[s->n - 1])) break;
        s->n--;
        s->node[s->n - 1].n *= 2;
        join(user, s->n - 1);
    }
}

double dgm_tree_sum(double *v, int n)
{
    for (int step = 1; step < n; step *= 2)
        for (int i = 0; i + step < n; i += 2 * step) v[i] += v[i + step];
    return v[0];
}
