/* BLEU's counting, exact: the n-grams of a sentence are paths in a trie, so an n-gram is one node and no two share a number.
 *
 * The references build the trie; the hypothesis only walks it, and stops at the first token that no reference continues with.
 * All memory is kept from sentence to sentence. */
#include "dgm/bleu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

typedef struct {
    int32_t parent, token; /* the n-gram is its parent's followed by this token; parent 0 is the empty n-gram */
    int32_t in_refs;       /* most often in any one reference */
    int32_t in_this_ref, ref; /* how often in reference number `ref` */
    int32_t in_hyp;
} ngram;

typedef struct { /* open addressing; slots hold index + 1, 0 is free */
    int32_t *slot;
    size_t n_slots, room; /* n_slots: a power of two, in use for this sentence */
} hash_table;

struct dgm_bleu {
    dgm_bleu_options options;
    dgm_mt_tokens hyp, *ref;
    int n_refs_room;
    dgm_mt_span *word; /* distinct tokens of the references */
    ngram *node;        /* node[0] is the empty n-gram */
    int32_t n_words, n_nodes;
    int64_t words_room, nodes_room;
    hash_table words, nodes;
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
    for (int r = 0; r < b->n_refs_room; r++) dgm_mt_tokens_fini(&b->ref[r]);
    free(b->ref);
    free(b->word);
    free(b->node);
    free(b->words.slot);
    free(b->nodes.slot);
    free(b);
}

/* Empties a table and makes it at least twice as large as the n entries it may come to hold; it shrinks again after a long line,
 * or emptying it would cost every later one. */
static dgm_err table_clear(hash_table *table, int64_t n)
{
    size_t need = 64;
    while (need < 2 * (size_t)n) need *= 2;
    if (need > table->room) {
        int32_t *slot = realloc(table->slot, need * sizeof *slot);
        if (slot == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "table of %zu n-grams", need);
        table->slot = slot;
        table->room = need;
    }
    table->n_slots = need;
    memset(table->slot, 0, need * sizeof *table->slot);
    return DGM_OK;
}

/* Room for what references of n_tokens altogether can bring. */
static dgm_err clear_for(dgm_bleu *b, int64_t n_tokens)
{
    int64_t n_nodes = n_tokens * DGM_BLEU_ORDER + 1;
    if (n_nodes > INT32_MAX / 4) return DGM_FAIL(DGM_ERR_INPUT, "a reference of %lld tokens is too long for BLEU", (long long)n_tokens);
    if (n_tokens > b->words_room) {
        dgm_mt_span *word = realloc(b->word, (size_t)n_tokens * sizeof *word);
        if (word == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld tokens", (long long)n_tokens);
        b->word = word;
        b->words_room = n_tokens;
    }
    if (n_nodes > b->nodes_room) {
        ngram *node = realloc(b->node, (size_t)n_nodes * sizeof *node);
        if (node == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld n-grams", (long long)n_nodes);
        b->node = node;
        b->nodes_room = n_nodes;
    }
    b->n_words = 0;
    b->n_nodes = 1;
    DGM_TRY(table_clear(&b->words, n_tokens));
    return table_clear(&b->nodes, n_nodes);
}

/* The number of a token, -1 when it is not there and `add` is false. */
static int32_t word_id(dgm_bleu *b, dgm_mt_span token, bool add)
{
    size_t mask = b->words.n_slots - 1, at = XXH3_64bits(token.text, token.n_bytes) & mask;
    for (; b->words.slot[at] != 0; at = (at + 1) & mask) {
        int32_t id = b->words.slot[at] - 1;
        if (b->word[id].n_bytes == token.n_bytes && memcmp(b->word[id].text, token.text, token.n_bytes) == 0) return id;
    }
    if (!add) return -1;
    b->word[b->n_words] = token;
    b->words.slot[at] = b->n_words + 1;
    return b->n_words++;
}

/* The n-gram `parent` followed by `token`, 0 when it is not there and `add` is false. */
static int32_t child(dgm_bleu *b, int32_t parent, int32_t token, bool add)
{
    uint64_t key = (uint64_t)(uint32_t)parent << 32 | (uint32_t)token;
    size_t mask = b->nodes.n_slots - 1, at = (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;
    for (; b->nodes.slot[at] != 0; at = (at + 1) & mask) {
        int32_t i = b->nodes.slot[at] - 1;
        if (b->node[i].parent == parent && b->node[i].token == token) return i;
    }
    if (!add) return 0;
    b->node[b->n_nodes] = (ngram){.parent = parent, .token = token, .ref = -1};
    b->nodes.slot[at] = b->n_nodes + 1;
    return b->n_nodes++;
}

/* Adds the n-grams of reference r. */
static void add_reference(dgm_bleu *b, int r)
{
    const dgm_mt_tokens *ref = &b->ref[r];
    for (int64_t from = 0; from < ref->n; from++) {
        int32_t at = 0;
        for (int64_t i = from; i < ref->n && i < from + DGM_BLEU_ORDER; i++) {
            at = child(b, at, word_id(b, ref->token[i], true), true);
            ngram *g = &b->node[at];
            if (g->ref != r) g->ref = r, g->in_this_ref = 0;
            g->in_this_ref++;
            g->in_refs = DGM_MAX(g->in_refs, g->in_this_ref);
        }
    }
}

static void match_hypothesis(dgm_bleu *b, dgm_bleu_counts *counts)
{
    for (int64_t from = 0; from < b->hyp.n; from++) {
        int32_t at = 0;
        for (int n = 0; n < DGM_BLEU_ORDER && from + n < b->hyp.n; n++) {
            int32_t token = word_id(b, b->hyp.token[from + n], false);
            if (token < 0 || (at = child(b, at, token, false)) == 0) break;
            counts->correct[n] += b->node[at].in_hyp < b->node[at].in_refs;
            b->node[at].in_hyp++;
        }
    }
    for (int n = 0; n < DGM_BLEU_ORDER; n++) counts->total[n] = DGM_MAX(b->hyp.n - n, 0);
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

static dgm_err tokenize_references(dgm_bleu *b, const dgm_mt_span *refs, int n_refs, int64_t *n_tokens)
{
    if (n_refs > b->n_refs_room) {
        dgm_mt_tokens *more = realloc(b->ref, (size_t)n_refs * sizeof *more);
        if (more == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d references", n_refs);
        memset(more + b->n_refs_room, 0, (size_t)(n_refs - b->n_refs_room) * sizeof *more);
        b->ref = more;
        b->n_refs_room = n_refs;
    }
    *n_tokens = 0;
    for (int r = 0; r < n_refs; r++) {
        DGM_TRY(dgm_mt_tokenize(b->options.tokenizer, b->options.lowercase, refs[r].text, refs[r].n_bytes, &b->ref[r]));
        *n_tokens += b->ref[r].n;
    }
    return DGM_OK;
}

dgm_err dgm_bleu_count(dgm_bleu *b, dgm_mt_span hyp, const dgm_mt_span *refs, int n_refs, dgm_bleu_counts *out)
{
    DGM_ASSERT(n_refs >= 1);
    int64_t n_tokens = 0;
    dgm_bleu_counts counts = {0};
    DGM_TRY(tokenize_references(b, refs, n_refs, &n_tokens));
    DGM_TRY(dgm_mt_tokenize(b->options.tokenizer, b->options.lowercase, hyp.text, hyp.n_bytes, &b->hyp));
    DGM_TRY(clear_for(b, n_tokens));
    for (int r = 0; r < n_refs; r++) add_reference(b, r);
    match_hypothesis(b, &counts);
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
    *out = (dgm_metric_score){.name = "BLEU", .score = s.score};
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
