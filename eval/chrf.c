/* Characters and words become numbers; their n-grams are counted by sorting (ngrams.h).
 *
 * The steps of the formula are sacreBLEU's, in its order: which of several references is best may hang on the last bit. */
#include "dgm/chrf.h"

#include "dgm/ngrams.h"

#include <stdlib.h>
#include <string.h>

enum { N_CODES = 0x110000 };

typedef struct {
    dgm_id_list characters, words;
    dgm_mt_tokens tokens;    /* words as white space parts them */
    dgm_mt_tokens parts;     /* the same with punctuation split off */
    dgm_mt_buffer lowercase;
} line_ids;

struct dgm_chrf {
    dgm_chrf_options options;
    line_ids hyp, *ref; /* [n_refs_room] */
    int n_refs_room;
    int32_t *number_of; /* [N_CODES] number + 1 of each character of these lines, else 0 */
    int32_t *met;       /* [met_room] the characters that have a number */
    int64_t met_room;
    int32_t n_met;
    dgm_word_ids word_ids;
    dgm_ngrams ngrams;
};

dgm_err dgm_chrf_create(const dgm_chrf_options *options, dgm_chrf **out)
{
    int order = options->char_order + options->word_order;
    if (options->char_order < 0 || options->word_order < 0 || order < 1 || order > DGM_CHRF_MAX_ORDER)
        return DGM_FAIL(DGM_ERR_USAGE, "chrF of characters up to order %d and words up to order %d: together expected 1 to %d", options->char_order,
                        options->word_order, DGM_CHRF_MAX_ORDER);
    dgm_chrf *c = calloc(1, sizeof *c);
    if (c != NULL) c->number_of = calloc(N_CODES, sizeof *c->number_of); /* pages that no character falls into cost nothing */
    if (c == NULL || c->number_of == NULL) {
        free(c);
        return DGM_FAIL(DGM_ERR_NOMEM, "chrF");
    }
    c->options = *options;
    *out = c;
    return DGM_OK;
}

static void line_fini(line_ids *line)
{
    dgm_id_list_fini(&line->characters);
    dgm_id_list_fini(&line->words);
    dgm_mt_tokens_fini(&line->tokens);
    dgm_mt_tokens_fini(&line->parts);
    dgm_mt_buffer_fini(&line->lowercase);
}

void dgm_chrf_destroy(dgm_chrf *c)
{
    if (c == NULL) return;
    line_fini(&c->hyp);
    for (int r = 0; r < c->n_refs_room; r++) line_fini(&c->ref[r]);
    free(c->ref);
    free(c->number_of);
    free(c->met);
    dgm_word_ids_fini(&c->word_ids);
    dgm_ngrams_fini(&c->ngrams);
    free(c);
}

/* ---- lines to numbers ---- */

static dgm_err number_characters(dgm_chrf *c, dgm_mt_span text, dgm_id_list *out)
{
    DGM_TRY(dgm_id_list_reserve(out, (int64_t)text.n_bytes));
    out->n = 0;
    for (size_t at = 0, width; at < text.n_bytes; at += width) {
        int32_t code = dgm_mt_code_point(text.text, text.n_bytes, at, &width), *number = &c->number_of[code];
        if (!c->options.whitespace && dgm_mt_is_white_space(code)) continue;
        if (*number == 0) {
            c->met[c->n_met++] = code;
            *number = c->n_met;
        }
        out->id[out->n++] = *number - 1;
    }
    return DGM_OK;
}

static bool is_ascii_punctuation(char c)
{
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

/* A word of two characters or more gives up its last one, if that is ASCII punctuation, else its first: "(hi)" is "(hi" and ")". */
static dgm_err split_words(dgm_mt_span text, line_ids *line)
{
    DGM_TRY(dgm_mt_split(text.text, text.n_bytes, &line->tokens));
    const dgm_mt_tokens *words = &line->tokens;
    dgm_mt_tokens *parts = &line->parts;
    if (parts->room < 2 * words->n) {
        dgm_mt_span *more = realloc(parts->token, (size_t)(2 * words->n) * sizeof *more);
        if (more == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld words", (long long)words->n);
        parts->token = more;
        parts->room = 2 * words->n;
    }
    parts->n = 0;
    for (int64_t i = 0; i < words->n; i++) {
        const char *w = words->token[i].text;
        size_t n = words->token[i].n_bytes, cut = 0, width; /* a single character can only be split when it has one byte */
        dgm_mt_code_point(w, n, 0, &width);
        if (width < n) cut = is_ascii_punctuation(w[n - 1]) ? n - 1 : is_ascii_punctuation(w[0]);
        if (cut > 0) parts->token[parts->n++] = (dgm_mt_span){w, cut};
        parts->token[parts->n++] = (dgm_mt_span){w + cut, n - cut};
    }
    return DGM_OK;
}

static dgm_err lower(const dgm_chrf *c, line_ids *line, dgm_mt_span *text)
{
    if (!c->options.lowercase) return DGM_OK;
    DGM_TRY(dgm_mt_lowercase(text->text, text->n_bytes, &line->lowercase));
    *text = (dgm_mt_span){line->lowercase.data, line->lowercase.n};
    return DGM_OK;
}

static dgm_err reserve(dgm_chrf *c, int n_refs, int64_t n_bytes)
{
    if (n_refs > c->n_refs_room) {
        line_ids *more = realloc(c->ref, (size_t)n_refs * sizeof *more);
        if (more == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d references", n_refs);
        memset(more + c->n_refs_room, 0, (size_t)(n_refs - c->n_refs_room) * sizeof *more);
        c->ref = more;
        c->n_refs_room = n_refs;
    }
    int64_t most = DGM_MIN(n_bytes, N_CODES);
    if (most > c->met_room) {
        int32_t *more = realloc(c->met, (size_t)most * sizeof *more);
        if (more == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld characters", (long long)most);
        c->met = more;
        c->met_room = most;
    }
    return DGM_OK;
}

static dgm_err take_lines(dgm_chrf *c, dgm_mt_span hyp, const dgm_mt_span *refs, int n_refs)
{
    int64_t n_bytes = (int64_t)hyp.n_bytes, n_words = 0;
    for (int r = 0; r < n_refs; r++) n_bytes += (int64_t)refs[r].n_bytes;
    DGM_TRY(reserve(c, n_refs, 2 * n_bytes)); /* twice: lower case may grow */
    for (int r = -1; r < n_refs; r++) {
        line_ids *line = r < 0 ? &c->hyp : &c->ref[r];
        dgm_mt_span text = r < 0 ? hyp : refs[r];
        DGM_TRY(lower(c, line, &text));
        DGM_TRY(number_characters(c, text, &line->characters));
        if (c->options.word_order > 0) DGM_TRY(split_words(text, line));
        n_words += line->parts.n;
    }
    if (c->options.word_order == 0) return DGM_OK;
    DGM_TRY(dgm_word_ids_clear(&c->word_ids, n_words));
    for (int r = -1; r < n_refs; r++) {
        line_ids *line = r < 0 ? &c->hyp : &c->ref[r];
        DGM_TRY(dgm_word_ids_list(&c->word_ids, &line->parts, &line->words));
    }
    return DGM_OK;
}

static void forget_characters(dgm_chrf *c)
{
    while (c->n_met > 0) c->number_of[c->met[--c->n_met]] = 0;
}

/* ---- counts ---- */

/* [n-grams of the hypothesis, of the reference, matches] of each order; n-grams of the hypothesis count only where the reference is
 * long enough to have any. */
static dgm_err count_pair(dgm_ngrams *ngrams, int order, int32_t n_ids, const dgm_id_list *hyp, const dgm_id_list *ref, int64_t *counts)
{
    int64_t match[DGM_CHRF_MAX_ORDER];
    if (order == 0) return DGM_OK;
    DGM_TRY(dgm_ngrams_match(ngrams, order, n_ids, hyp, ref, 1, match));
    for (int k = 0; k < order; k++) {
        int64_t in_ref = DGM_MAX(ref->n - k, 0);
        counts[3 * k] = in_ref > 0 ? DGM_MAX(hyp->n - k, 0) : 0;
        counts[3 * k + 1] = in_ref;
        counts[3 * k + 2] = match[k];
    }
    return DGM_OK;
}

static dgm_err count_best(dgm_chrf *c, int n_refs, int64_t *best)
{
    const dgm_chrf_options *o = &c->options;
    int64_t counts[3 * DGM_CHRF_MAX_ORDER];
    double best_score = -1;
    for (int r = 0; r < n_refs; r++) {
        DGM_TRY(count_pair(&c->ngrams, o->char_order, c->n_met, &c->hyp.characters, &c->ref[r].characters, counts));
        DGM_TRY(count_pair(&c->ngrams, o->word_order, c->word_ids.n, &c->hyp.words, &c->ref[r].words, counts + 3 * o->char_order));
        double score = n_refs > 1 ? dgm_chrf_compute(o, counts) : 0;
        if (!(score > best_score)) continue;
        best_score = score;
        memcpy(best, counts, (size_t)dgm_chrf_n_counts(o) * sizeof *best);
    }
    return DGM_OK;
}

dgm_err dgm_chrf_count(dgm_chrf *c, dgm_mt_span hyp, const dgm_mt_span *refs, int n_refs, int64_t *counts)
{
    DGM_ASSERT(n_refs >= 1);
    dgm_err err = take_lines(c, hyp, refs, n_refs);
    if (err == DGM_OK) err = count_best(c, n_refs, counts);
    forget_characters(c);
    return err;
}

double dgm_chrf_compute(const dgm_chrf_options *o, const int64_t *counts)
{
    const double eps = 1e-16, factor = (double)o->beta * o->beta;
    double precision = 0, recall = 0, f_sum = 0;
    int order = o->char_order + o->word_order, effective = 0;
    for (int k = 0; k < order; k++) {
        double n_hyp = (double)counts[3 * k], n_ref = (double)counts[3 * k + 1], n_match = (double)counts[3 * k + 2];
        double p = n_hyp > 0 ? n_match / n_hyp : eps, r = n_ref > 0 ? n_match / n_ref : eps, below = factor * p + r;
        f_sum += below > 0 ? (1 + factor) * p * r / below : eps;
        if (n_hyp > 0 && n_ref > 0) {
            precision += p;
            recall += r;
            effective++;
        }
    }
    if (o->eps_smoothing) return 100 * f_sum / order;
    if (effective > 0) precision /= effective, recall /= effective;
    if (precision + recall == 0) return 0;
    double score = (1 + factor) * precision * recall;
    return 100 * (score / (factor * precision + recall));
}

void dgm_chrf_report(const dgm_chrf_options *o, const int64_t *counts, int n_refs, dgm_metric_score *out)
{
    *out = (dgm_metric_score){.score = dgm_chrf_compute(o, counts), .higher_is_better = true};
    int n = snprintf(out->name, sizeof out->name, "chrF%d", o->beta);
    memset(out->name + n, '+', (size_t)o->word_order); /* chrF2++: words up to order 2 */
    snprintf(out->signature, sizeof out->signature, "nrefs:%d|case:%s|eff:%s|nc:%d|nw:%d|space:%s|version:%s", n_refs,
             o->lowercase ? "lc" : "mixed", o->eps_smoothing ? "no" : "yes", o->char_order, o->word_order, o->whitespace ? "yes" : "no",
             dgm_metric_version());
}
