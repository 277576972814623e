/* Words become numbers, n-grams are counted by sorting (ngrams.h), and the rest is the formula. */
#include "dgm/bleu.h"

#include "dgm/ngrams.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct dgm_bleu {
    dgm_bleu_options options;
    dgm_mt_tokens hyp, *ref; /* [n_refs_room] */
    dgm_id_list hyp_ids, *ref_ids;
    int n_refs_room;
    dgm_word_ids words;
    dgm_ngrams ngrams;
};

static const char *const smoothing_names[DGM_BLEU_N_SMOOTHINGS] = {"exp", "floor", "add-k", "none"};

dgm_err dgm_bleu_smoothing_find(const char *name, dgm_bleu_smoothing *out)
{
    for (int i = 0; i < DGM_BLEU_N_SMOOTHINGS; i++)
        if (strcmp(name, smoothing_names[i]) == 0) {
            *out = (dgm_bleu_smoothing)i;
            return DGM_OK;
        }
    return DGM_FAIL(DGM_ERR_USAGE, "no smoothing \"%s\"; there are " DGM_BLEU_SMOOTHING_NAMES, name);
}

dgm_err dgm_bleu_create(const dgm_bleu_options *options, dgm_bleu **out)
{
    dgm_bleu *b = calloc(1, sizeof *b);
    if (b == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "BLEU");
    b->options = *options;
    *out = b;
    return DGM_OK;
}

void dgm_bleu_destroy(dgm_bleu *b)
{
    if (b == NULL) return;
    dgm_mt_tokens_fini(&b->hyp);
    dgm_id_list_fini(&b->hyp_ids);
    for (int r = 0; r < b->n_refs_room; r++) {
        dgm_mt_tokens_fini(&b->ref[r]);
        dgm_id_list_fini(&b->ref_ids[r]);
    }
    free(b->ref);
    free(b->ref_ids);
    dgm_word_ids_fini(&b->words);
    dgm_ngrams_fini(&b->ngrams);
    free(b);
}

static int64_t closest_length(const dgm_bleu *b, int n_refs)
{
    int64_t closest = b->ref[0].n;
    for (int r = 1; r < n_refs; r++) {
        int64_t off = llabs(b->ref[r].n - b->hyp.n), best = llabs(closest - b->hyp.n);
        if (off < best || (off == best && b->ref[r].n < closest)) closest = b->ref[r].n;
    }
    return closest;
}

static dgm_err reserve_references(dgm_bleu *b, int n_refs)
{
    if (n_refs <= b->n_refs_room) return DGM_OK;
    dgm_mt_tokens *tokens = realloc(b->ref, (size_t)n_refs * sizeof *tokens);
    if (tokens != NULL) b->ref = tokens;
    dgm_id_list *ids = tokens != NULL ? realloc(b->ref_ids, (size_t)n_refs * sizeof *ids) : NULL;
    if (ids == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d references", n_refs);
    b->ref_ids = ids;
    for (; b->n_refs_room < n_refs; b->n_refs_room++) {
        tokens[b->n_refs_room] = (dgm_mt_tokens){0};
        ids[b->n_refs_room] = (dgm_id_list){0};
    }
    return DGM_OK;
}

/* Tokens and numbers of all lines. */
static dgm_err take_lines(dgm_bleu *b, dgm_mt_span hyp, const dgm_mt_span *refs, int n_refs)
{
    const dgm_bleu_options *o = &b->options;
    DGM_TRY(reserve_references(b, n_refs));
    DGM_TRY(dgm_mt_tokenize(o->tokenizer, o->lowercase, hyp.text, hyp.n_bytes, &b->hyp));
    int64_t n_tokens = b->hyp.n;
    for (int r = 0; r < n_refs; r++) {
        DGM_TRY(dgm_mt_tokenize(o->tokenizer, o->lowercase, refs[r].text, refs[r].n_bytes, &b->ref[r]));
        n_tokens += b->ref[r].n;
    }
    DGM_TRY(dgm_word_ids_clear(&b->words, n_tokens));
    DGM_TRY(dgm_word_ids_list(&b->words, &b->hyp, &b->hyp_ids));
    for (int r = 0; r < n_refs; r++) DGM_TRY(dgm_word_ids_list(&b->words, &b->ref[r], &b->ref_ids[r]));
    return DGM_OK;
}

dgm_err dgm_bleu_count(dgm_bleu *b, dgm_mt_span hyp, const dgm_mt_span *refs, int n_refs, dgm_bleu_counts *out)
{
    DGM_ASSERT(n_refs >= 1);
    dgm_bleu_counts counts = {0};
    DGM_TRY(take_lines(b, hyp, refs, n_refs));
    DGM_TRY(dgm_ngrams_match(&b->ngrams, DGM_BLEU_ORDER, b->words.n, &b->hyp_ids, b->ref_ids, n_refs, counts.correct));
    for (int n = 0; n < DGM_BLEU_ORDER; n++) counts.total[n] = DGM_MAX(b->hyp.n - n, 0);
    counts.hyp_len = b->hyp.n;
    counts.ref_len = closest_length(b, n_refs);
    *out = counts;
    return DGM_OK;
}

void dgm_bleu_add(dgm_bleu_counts *sum, const dgm_bleu_counts *counts)
{
    sum->hyp_len += counts->hyp_len;
    sum->ref_len += counts->ref_len;
    for (int n = 0; n < DGM_BLEU_ORDER; n++) {
        sum->correct[n] += counts->correct[n];
        sum->total[n] += counts->total[n];
    }
}

static double smooth_value(const dgm_bleu_options *options)
{
    if (options->smooth_value_given) return options->smooth_value;
    return options->smoothing == DGM_BLEU_SMOOTH_FLOOR ? 0.1 : 1;
}

static double brevity_penalty(const dgm_bleu_counts *c)
{
    if (c->hyp_len >= c->ref_len) return 1;
    return c->hyp_len > 0 ? exp(1 - (double)c->ref_len / (double)c->hyp_len) : 0;
}

/* The precisions, and how many of them the score is the mean of. */
static int precisions(const dgm_bleu_options *options, const dgm_bleu_counts *c, double *precision)
{
    int order = DGM_BLEU_ORDER;
    double zeros = 1;
    for (int n = 0; n < DGM_BLEU_ORDER; n++) {
        double correct = (double)c->correct[n], total = (double)c->total[n];
        if (options->smoothing == DGM_BLEU_SMOOTH_ADD_K && n > 0) {
            correct += smooth_value(options);
            total += smooth_value(options);
        }
        if (total == 0) break;
        if (options->effective_order) order = n + 1;
        if (correct > 0) precision[n] = 100 * correct / total;
        else if (options->smoothing == DGM_BLEU_SMOOTH_EXP) precision[n] = 100 / ((zeros *= 2) * total);
        else if (options->smoothing == DGM_BLEU_SMOOTH_FLOOR) precision[n] = 100 * smooth_value(options) / total;
    }
    return order;
}

void dgm_bleu_compute(const dgm_bleu_options *options, const dgm_bleu_counts *c, dgm_bleu_score *out)
{
    dgm_bleu_score s = {.brevity_penalty = brevity_penalty(c),
                        .ratio = c->ref_len > 0 ? (double)c->hyp_len / (double)c->ref_len : 0};
    bool any = false;
    for (int n = 0; n < DGM_BLEU_ORDER; n++) any |= c->correct[n] > 0;
    if (any) { /* without a match the score is 0 whatever the smoothing */
        int order = precisions(options, c, s.precision);
        double logs = 0;
        for (int n = 0; n < order; n++) logs += log(s.precision[n]); /* -infinity makes the score 0 */
        s.score = s.brevity_penalty * exp(logs / order);
    }
    *out = s;
}

void dgm_bleu_report(const dgm_bleu_options *options, const dgm_bleu_counts *c, int n_refs, dgm_metric_score *out)
{
    dgm_bleu_score s;
    dgm_bleu_compute(options, c, &s);
    char smooth[48];
    bool has_value = options->smoothing == DGM_BLEU_SMOOTH_FLOOR || options->smoothing == DGM_BLEU_SMOOTH_ADD_K;
    if (has_value) snprintf(smooth, sizeof smooth, "%s[%.2f]", smoothing_names[options->smoothing], smooth_value(options));
    else snprintf(smooth, sizeof smooth, "%s", smoothing_names[options->smoothing]);
    *out = (dgm_metric_score){.name = "BLEU", .score = s.score, .higher_is_better = true};
    snprintf(out->signature, sizeof out->signature, "nrefs:%d|case:%s|eff:%s|tok:%s|smooth:%s|version:%s", n_refs,
             options->lowercase ? "lc" : "mixed", options->effective_order ? "yes" : "no",
             dgm_mt_tokenizer_name(options->tokenizer), smooth, dgm_metric_version());
    snprintf(out->verbose, sizeof out->verbose, "%.1f/%.1f/%.1f/%.1f (BP = %.3f ratio = %.3f hyp_len = %lld ref_len = %lld)",
             s.precision[0], s.precision[1], s.precision[2], s.precision[3], s.brevity_penalty, s.ratio, (long long)c->hyp_len,
             (long long)c->ref_len);
    double correct[DGM_BLEU_ORDER], total[DGM_BLEU_ORDER], hyp_len = (double)c->hyp_len, ref_len = (double)c->ref_len;
    for (int n = 0; n < DGM_BLEU_ORDER; n++) correct[n] = (double)c->correct[n], total[n] = (double)c->total[n];
    dgm_metric_detail(out, "precisions", false, DGM_BLEU_ORDER, s.precision);
    dgm_metric_detail(out, "counts", true, DGM_BLEU_ORDER, correct);
    dgm_metric_detail(out, "totals", true, DGM_BLEU_ORDER, total);
    dgm_metric_detail(out, "bp", false, 1, &s.brevity_penalty);
    dgm_metric_detail(out, "ratio", false, 1, &s.ratio);
    dgm_metric_detail(out, "sys_len", true, 1, &hyp_len);
    dgm_metric_detail(out, "ref_len", true, 1, &ref_len);
}
