/* Edit distance in the restricted form of Damerau 1964 (insert, delete, replace, swap neighbours): the four slips of a typist. */
#include "dgm/suggest.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { MAX_LENGTH = 63 }; /* longer words are nobody's slip */

static bool same_letter(char a, char b)
{
    if (a == '-') a = '_';
    if (b == '-') b = '_';
    return a == b;
}

static int least(int a, int b) { return a < b ? a : b; }

static int edits(const char *a, int n_a, const char *b, int n_b)
{
    int d[MAX_LENGTH + 1][MAX_LENGTH + 1];
    for (int i = 0; i <= n_a; i++) d[i][0] = i;
    for (int j = 0; j <= n_b; j++) d[0][j] = j;
    for (int i = 1; i <= n_a; i++) {
        for (int j = 1; j <= n_b; j++) {
            int replaced = d[i - 1][j - 1] + !same_letter(a[i - 1], b[j - 1]);
            d[i][j] = least(replaced, least(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]))
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[n_a][n_b];
}

static bool begins_with(const char *name, const char *word, int n)
{
    for (int i = 0; i < n; i++)
        if (name[i] == '\0' || !same_letter(name[i], word[i])) return false;
    return true;
}

const char *dgm_suggest(const char *word, const char *const *names, int n_names)
{
    size_t length = strlen(word);
    if (length == 0 || length > MAX_LENGTH) return NULL;
    int n = (int)length, best = n / 3 > 1 ? n / 3 + 1 : 2; /* one more than the most edits allowed */
    const char *nearest = NULL;
    for (int i = 0; i < n_names; i++) {
        size_t n_name = strlen(names[i]);
        if (n_name > MAX_LENGTH) continue;
        int d = edits(word, n, names[i], (int)n_name);
        if (d < best) best = d, nearest = names[i];
    }
    for (int i = 0; nearest == NULL && n >= 3 && i < n_names; i++)
        if (begins_with(names[i], word, n) || begins_with(word, names[i], (int)strlen(names[i]))) nearest = names[i];
    return nearest;
}
