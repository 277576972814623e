/* Sorting, and nothing that depends on anything but the numbers: equal translations are shown by equal lines. */
#include "dgm/sample_choice.h"

#include <stdlib.h>

typedef struct {
    double key;
    int64_t line;
} ranked;

/* By falling key; of equal ones the first line first. */
static int by_key(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

/* The lines that may be shown, by falling score or spread; the caller frees.  NULL: no memory. */
static ranked *rank_lines(const dgm_sample_line *lines, int64_t n, bool by_spread, int64_t *n_ranked)
{
    ranked *all = malloc((size_t)DGM_MAX(n, 1) * sizeof *all);
    *n_ranked = 0;
    for (int64_t i = 0; all != NULL && i < n; i++)
        if (lines[i].length > 0) all[(*n_ranked)++] = (ranked){by_spread ? lines[i].spread : lines[i].score, i};
    if (all != NULL) qsort(all, (size_t)*n_ranked, sizeof *all, by_key);
    return all;
}

int64_t dgm_sample_choose_spread(const dgm_sample_line *lines, int64_t n, int64_t wanted, int64_t *out)
{
    static const int place[] = {1, 5, 3, 0, 4, 2, 6}; /* in sevenths of the part, from its longest line on */
    int64_t n_ranked, n_out;
    ranked *all = rank_lines(lines, n, false, &n_ranked);
    if (all == NULL) return -1;
    n_out = DGM_MIN(wanted, n_ranked);
    for (int64_t k = 0; k < n_out; k++) {
        int64_t begin = k * n_ranked / n_out, size = (k + 1) * n_ranked / n_out - begin;
        for (int64_t i = 0; i < size; i++) all[begin + i].key = (double)lines[all[begin + i].line].length;
        qsort(all + begin, (size_t)size, sizeof *all, by_key);
        out[k] = all[begin + (2 * place[k % 7] + 1) * size / 14].line;
    }
    free(all);
    return n_out;
}

int64_t dgm_sample_choose_apart(const dgm_sample_line *lines, int64_t n, const int64_t *taken, int64_t n_taken, int64_t wanted, int64_t *out)
{
    int64_t n_ranked, n_out = 0;
    ranked *all = rank_lines(lines, n, true, &n_ranked);
    if (all == NULL) return -1;
    for (int64_t i = 0; i < n_ranked && n_out < wanted && all[i].key > 0; i++) {
        bool is_taken = false;
        for (int64_t k = 0; k < n_taken; k++) is_taken = is_taken || taken[k] == all[i].line;
        if (!is_taken) out[n_out++] = all[i].line;
    }
    free(all);
    return n_out;
}
