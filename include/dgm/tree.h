/* The fixed binary tree over V leaves (or pieces), V a power of two: S(lo, n) = S(lo, n/2) + S(lo + n/2, n/2).
 *
 * Whoever computes which part, the additions are these and no others; that is why bits do not depend on the layout. */
#ifndef DGM_TREE_H
#define DGM_TREE_H

#include "dgm/error.h"

typedef struct { int lo, n; } dgm_tree_node; /* an aligned subtree: leaves lo .. lo + n - 1, n a power of two dividing lo */

enum { DGM_TREE_MAX_NODES = 64 };

/* Leaves [*lo, *hi) of part r of n_parts over V leaves: r V / n_parts to (r + 1) V / n_parts. */
void dgm_tree_range(int n_leaves, int part, int n_parts, int *lo, int *hi);

/* The maximal aligned subtrees that cover [lo, hi), from left to right; returns how many (at most DGM_TREE_MAX_NODES). */
int dgm_tree_cover(int lo, int hi, dgm_tree_node *nodes);

/* Adds buffers that arrive as aligned subtrees from left to right, joining two halves as soon as both are there.
 * After nodes covering [lo, hi) have been pushed, the buffers left are those of dgm_tree_cover(lo, hi), in order. */
typedef struct {
    int n;
    dgm_tree_node node[DGM_TREE_MAX_NODES];
} dgm_tree_stack;

static inline void dgm_tree_clear(dgm_tree_stack *s) { s->n = 0; }

/* Call after buffer s->n has been filled with the sum over `node`.  join(user, i) must add buffer i + 1 to buffer i. */
void dgm_tree_push(dgm_tree_stack *s, dgm_tree_node node, void (*join)(void *user, int i), void *user);

/* How many joins pushing `node` would make. */
int dgm_tree_joins(const dgm_tree_stack *s, dgm_tree_node node);

/* The sum of v[n], n a power of two, along the tree; v is overwritten. */
double dgm_tree_sum(double *v, int n);

#endif
