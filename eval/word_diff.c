/* The classic table of common subsequences; of several longest ones that which matches words of the line as early as it can. */
#include "dgm/word_diff.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    dgm_mt_span *word; /* [n] */
    int n;
} words;

static bool is_alone(int32_t c)
{
    bool ascii = c < 0x80 && !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
    return ascii || (c >= 0x2E80 && c < 0xA4D0) || (c >= 0xF900 && c < 0xFB00) || (c >= 0xFF00 && c < 0xFF66) || (c >= 0x20000 && c < 0x32000);
}

/* false when there are too many, or no memory. */
static bool split(dgm_mt_span line, words *out)
{
    bool inside = false;
    size_t width;
    *out = (words){malloc(DGM_WORD_DIFF_MAX * sizeof *out->word), 0};
    if (out->word == NULL) return false;
    for (size_t at = 0; at < line.n_bytes; at += width) {
        int32_t c = dgm_mt_code_point(line.text, line.n_bytes, at, &width);
        bool space = dgm_mt_is_white_space(c), alone = !space && is_alone(c);
        if (!space && (alone || !inside)) {
            if (out->n == DGM_WORD_DIFF_MAX) return false;
            out->word[out->n++] = (dgm_mt_span){line.text + at, 0};
        }
        if (!space) out->word[out->n - 1].n_bytes += width;
        inside = !space && !alone;
    }
    return true;
}

static bool equal(dgm_mt_span a, dgm_mt_span b) { return a.n_bytes == b.n_bytes && memcmp(a.text, b.text, a.n_bytes) == 0; }

/* common[i, j]: length of the longest common subsequence of a from i on and b from j on.  matched[a->n] out. */
static bool match(const words *a, const words *b, bool *matched)
{
    size_t columns = (size_t)b->n + 1;
    int16_t *common = calloc(((size_t)a->n + 1) * columns, sizeof *common);
    if (common == NULL) return false;
    for (int i = a->n - 1; i >= 0; i--)
        for (int j = b->n - 1; j >= 0; j--) {
            int16_t *here = &common[(size_t)i * columns + (size_t)j];
            *here = equal(a->word[i], b->word[j]) ? (int16_t)(here[columns + 1] + 1) : DGM_MAX(here[columns], here[1]);
        }
    for (int i = 0, j = 0; i < a->n && j < b->n;) {
        const int16_t *here = &common[(size_t)i * columns + (size_t)j];
        if (equal(a->word[i], b->word[j])) matched[i++] = true, j++;
        else if (here[columns] >= here[1]) i++;
        else j++;
    }
    free(common);
    return true;
}

/* Neighbouring words without a match share a mark, and what is between them. */
static void write_marked(dgm_html *html, dgm_mt_span line, const words *w, const bool *matched)
{
    const char *at = line.text;
    for (int i = 0; i < w->n; i++) {
        if (matched[i]) continue;
        int last = i;
        while (last + 1 < w->n && !matched[last + 1]) last++;
        const char *end = w->word[last].text + w->word[last].n_bytes;
        dgm_html_line(html, at, (size_t)(w->word[i].text - at));
        dgm_html_put(html, "<mark>");
        dgm_html_line(html, w->word[i].text, (size_t)(end - w->word[i].text));
        dgm_html_put(html, "</mark>");
        at = end;
        i = last;
    }
    dgm_html_line(html, at, line.n_bytes - (size_t)(at - line.text));
}

void dgm_word_diff_write(dgm_html *html, dgm_mt_span line, dgm_mt_span reference)
{
    words a, b = {0};
    bool matched[DGM_WORD_DIFF_MAX] = {false};
    if (split(line, &a) && split(reference, &b) && match(&a, &b, matched)) write_marked(html, line, &a, matched);
    else dgm_html_line(html, line.text, line.n_bytes);
    free(a.word);
    free(b.word);
}
