/* The fixed tree: ranges, covers, and that sums over any division are the same additions. */
#include "dgm/rng.h"
#include "dgm/tree.h"
#include "tap.h"

#include <math.h>
#include <string.h>

static void test_ranges(void)
{
    int bad = 0;
    for (int v = 1; v <= 64; v *= 2)
        for (int n = 1; n <= v; n++) {
            int expect = 0;
            for (int r = 0; r < n; r++) {
                int lo, hi;
                dgm_tree_range(v, r, n, &lo, &hi);
                bad += lo != expect || hi <= lo;
                expect = hi;
            }
            bad += expect != v;
        }
    tap_int(bad, 0, "ranges of 1 to V parts lie end to end, none is empty, V = 1 to 64");
}

static void test_covers(void)
{
    int bad = 0, mergeable = 0;
    dgm_tree_node node[DGM_TREE_MAX_NODES];
    for (int lo = 0; lo <= 64; lo++)
        for (int hi = lo; hi <= 64; hi++) {
            int n = dgm_tree_cover(lo, hi, node), at = lo;
            for (int k = 0; k < n; k++) {
                bad += node[k].lo != at || node[k].lo % node[k].n != 0 || (node[k].n & (node[k].n - 1)) != 0;
                at += node[k].n;
                if (k > 0) mergeable += node[k].n == node[k - 1].n && node[k - 1].lo % (2 * node[k].n) == 0;
            }
            bad += at != hi;
        }
    tap_int(bad, 0, "covers are aligned subtrees lying end to end, all ranges within 64 leaves");
    tap_int(mergeable, 0, "no two neighbours of a cover make a larger subtree");
    tap_int(dgm_tree_cover(5, 5, node), 0, "an empty range has an empty cover");
    tap_int(dgm_tree_cover(2, 5, node), 2, "[2, 5) is two subtrees");
    tap_ok(node[0].lo == 2 && node[0].n == 2 && node[1].lo == 4 && node[1].n == 1, "namely 2-3 and 4");
}

/* Values over 8 binary orders of magnitude: most changes of order change the last bits of a sum of 8 or more. */
static double wide(int64_t i)
{
    dgm_rng rng = dgm_rng_make(1, DGM_RNG_TEST);
    return ldexp(dgm_rng_uniform(rng, (uint64_t)i, 0) - 0.5, (int)dgm_rng_below(rng, 8, (uint64_t)i, 1));
}

static void join(void *user, int i)
{
    double *v = user;
    v[i] += v[i + 1];
}

/* The sum of leaves 0..n_leaves - 1 when n_parts parts first add their own subtrees. */
static double divided_sum(int n_leaves, int n_parts, int64_t seed)
{
    double whole[DGM_TREE_MAX_NODES];
    dgm_tree_stack all;
    dgm_tree_clear(&all);
    for (int r = 0; r < n_parts; r++) {
        int lo, hi;
        dgm_tree_range(n_leaves, r, n_parts, &lo, &hi);
        double part[DGM_TREE_MAX_NODES];
        dgm_tree_stack own;
        dgm_tree_clear(&own);
        for (int leaf = lo; leaf < hi; leaf++) {
            part[own.n] = wide(seed + leaf);
            dgm_tree_push(&own, (dgm_tree_node){leaf, 1}, join, part);
        }
        dgm_tree_node cover[DGM_TREE_MAX_NODES];
        int n_cover = dgm_tree_cover(lo, hi, cover);
        if (own.n != n_cover || memcmp(cover, own.node, (size_t)n_cover * sizeof *cover) != 0) return NAN;
        for (int k = 0; k < own.n; k++) {
            whole[all.n] = part[k];
            dgm_tree_push(&all, cover[k], join, whole);
        }
    }
    return all.n == 1 ? whole[0] : NAN;
}

static void test_sums(void)
{
    enum { ROUNDS = 10 };
    int bad = 0, large = 0, plain_differs = 0;
    for (int v = 1; v <= 64; v *= 2)
        for (int n = 1; n <= v; n++)
            for (int round = 0; round < ROUNDS; round++) {
                double leaf[64], plain = 0;
                int64_t seed = (v * 64 + n) * 1000 + round * 64;
                for (int i = 0; i < v; i++) plain += leaf[i] = wide(seed + i);
                double tree = dgm_tree_sum(leaf, v);
                bad += !(divided_sum(v, n, seed) == tree);
                large += v >= 8;
                plain_differs += v >= 8 && plain != tree;
            }
    tap_int(bad, 0, "sums of 1 to V parts, joined along the tree, equal the whole tree's bit for bit, V = 1 to 64");
    tap_ok(plain_differs * 2 > large, "summing from left to right gives other bits in %d of %d sums: the data can tell", plain_differs,
           large);
}

int main(void)
{
    test_ranges();
    test_covers();
    test_sums();
    return tap_done();
}
