/* Tercom's greedy search for shifts, decision for decision as sacreBLEU makes it: its candidates, their order and its limits are
 * heuristics that scores depend on.  Positions follow the hypothesis as it is after the shifts made so far. */
#include "dgm/ter.h"

#include "dgm/beam_distance.h"
#include "dgm/word_ids.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_SHIFT_WORDS = 10,
    MAX_SHIFT_DISTANCE = 50,  /* between the places of a phrase in hypothesis and reference */
    MAX_CANDIDATES = 1000     /* in one sentence; the round that reaches it is not carried out */
};

typedef struct { int32_t gain, length, start, target; } shift;

struct dgm_ter {
    dgm_mt_tercom_options options;
    dgm_mt_tokens hyp, ref;
    dgm_word_ids words;
    dgm_id_list hyp_ids, ref_ids, current, shifted; /* of hypothesis words: as given, after shifts, with one shift more */
    dgm_beam_distance distance;
    int32_t cost;            /* of `current` */
    dgm_edit *edits;         /* [edits_room] */
    int32_t *aligned;        /* [n_ref] the last hypothesis word at or before each reference word; -1: none */
    bool *hyp_err, *ref_err; /* [n_hyp], [n_ref] the word is not kept */
    int64_t edits_room;
    int n_candidates;
};

dgm_err dgm_ter_create(const dgm_mt_tercom_options *options, dgm_ter **out)
{
    dgm_ter *t = calloc(1, sizeof *t);
    if (t == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "TER");
    t->options = *options;
    *out = t;
    return DGM_OK;
}

void dgm_ter_destroy(dgm_ter *t)
{
    if (t == NULL) return;
    dgm_mt_tokens_fini(&t->hyp);
    dgm_mt_tokens_fini(&t->ref);
    dgm_word_ids_fini(&t->words);
    dgm_id_list_fini(&t->hyp_ids);
    dgm_id_list_fini(&t->ref_ids);
    dgm_id_list_fini(&t->current);
    dgm_id_list_fini(&t->shifted);
    dgm_beam_distance_fini(&t->distance);
    free(t->edits);
    free(t->aligned);
    free(t->hyp_err);
    free(t->ref_err);
    free(t);
}

static dgm_err reserve(dgm_ter *t, int64_t n)
{
    if (n <= t->edits_room) return DGM_OK;
    int64_t room = DGM_MAX(n, 2 * t->edits_room);
    dgm_edit *edits = realloc(t->edits, (size_t)room * sizeof *edits);
    if (edits != NULL) t->edits = edits;
    int32_t *aligned = realloc(t->aligned, (size_t)room * sizeof *aligned);
    if (aligned != NULL) t->aligned = aligned;
    bool *hyp_err = realloc(t->hyp_err, (size_t)room * sizeof *hyp_err);
    if (hyp_err != NULL) t->hyp_err = hyp_err;
    bool *ref_err = realloc(t->ref_err, (size_t)room * sizeof *ref_err);
    if (ref_err != NULL) t->ref_err = ref_err;
    if (edits == NULL || aligned == NULL || hyp_err == NULL || ref_err == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "TER of %lld words", (long long)n);
    t->edits_room = room;
    return DGM_OK;
}

/* Where each word stands in the cheapest way from `current` to the reference. */
static void align(dgm_ter *t)
{
    int32_t n = dgm_beam_distance_trace(&t->distance, t->current.id, t->edits), i = -1, j = -1;
    while (n-- > 0) {
        dgm_edit edit = t->edits[n];
        if (edit != DGM_EDIT_INSERT) t->hyp_err[++i] = edit != DGM_EDIT_KEEP;
        if (edit == DGM_EDIT_DELETE) continue;
        t->ref_err[++j] = edit != DGM_EDIT_KEEP;
        t->aligned[j] = i;
    }
}

/* Writes `current` with `length` words from `start` moved before position `target`; a target inside or right behind the phrase moves it
 * `target - start` words further.  Returns how many words at the beginning stay as they are. */
static int32_t perform(const dgm_ter *t, int32_t start, int32_t length, int32_t target, int32_t *out)
{
    const int32_t *in = t->current.id;
    int32_t n = (int32_t)t->current.n, to = target; /* where the phrase begins afterwards */
    if (target > start + length) to = target - length;
    else if (target >= start) to = DGM_MIN(target, n - length);
    memcpy(out, in, (size_t)n * sizeof *out);
    if (to < start) memmove(out + to + length, in + to, (size_t)(start - to) * sizeof *out);
    else memmove(out + start, in + start + length, (size_t)(to - start) * sizeof *out);
    memcpy(out + to, in + start, (size_t)length * sizeof *out);
    return DGM_MIN(start, to);
}

/* Whether a comes before b: higher gain, then longer, then earlier start, then earlier target. */
static bool is_better(const shift *a, const shift *b)
{
    if (a->gain != b->gain) return a->gain > b->gain;
    if (a->length != b->length) return a->length > b->length;
    if (a->start != b->start) return a->start < b->start;
    return a->target < b->target;
}

/* Tries to put the phrase that stands at `start` in the hypothesis and at `at` in the reference before, between and behind the words
 * that its words in the reference are aligned with. */
static void try_targets(dgm_ter *t, int32_t start, int32_t at, int32_t length, bool *found, shift *best)
{
    int32_t last = -1;
    for (int32_t offset = -1; offset < length; offset++) {
        int32_t target = at + offset < 0 ? 0 : t->aligned[at + offset] + 1;
        if (target == last) continue;
        last = target;
        int32_t n_same = perform(t, start, length, target, t->shifted.id);
        shift s = {t->cost - dgm_beam_distance_try(&t->distance, t->shifted.id, n_same), length, start, target};
        t->n_candidates++;
        if (!*found || is_better(&s, best)) *best = s;
        *found = true;
    }
}

/* Looks at all phrases that begin at `start` in the hypothesis and at `at` in the reference.  False once there are enough. */
static bool try_phrases(dgm_ter *t, int32_t start, int32_t at, bool *found, shift *best)
{
    bool hyp_err = false, ref_err = false;
    const int32_t *hyp = t->current.id, *ref = t->ref_ids.id;
    for (int32_t n = 0; n < MAX_SHIFT_WORDS && start + n < t->current.n && at + n < t->ref_ids.n && hyp[start + n] == ref[at + n]; n++) {
        hyp_err |= t->hyp_err[start + n];
        ref_err |= t->ref_err[at + n];
        /* Only what is wrong where it stands and missing where it should stand, and not onto itself. */
        if (!hyp_err || !ref_err || (t->aligned[at] >= start && t->aligned[at] <= start + n)) continue;
        try_targets(t, start, at, n + 1, found, best);
        if (t->n_candidates >= MAX_CANDIDATES) return false;
    }
    return true;
}

static bool find_shift(dgm_ter *t, shift *best)
{
    bool found = false;
    align(t);
    for (int32_t start = 0; start < t->current.n; start++) {
        int32_t from = DGM_MAX(start - MAX_SHIFT_DISTANCE, 0), to = (int32_t)DGM_MIN(start + MAX_SHIFT_DISTANCE + 1, t->ref_ids.n);
        for (int32_t at = from; at < to; at++)
            if (t->current.id[start] == t->ref_ids.id[at] && !try_phrases(t, start, at, &found, best)) return found;
    }
    return found;
}

/* The edits between hyp_ids and ref_ids. */
static dgm_err count_edits(dgm_ter *t, int64_t *edits)
{
    int32_t n_hyp = (int32_t)t->hyp_ids.n, n_ref = (int32_t)t->ref_ids.n;
    int64_t n_shifts = 0;
    *edits = n_hyp;
    if (n_ref == 0) return DGM_OK;
    DGM_TRY(reserve(t, (int64_t)n_hyp + n_ref));
    DGM_TRY(dgm_id_list_reserve(&t->current, n_hyp));
    DGM_TRY(dgm_id_list_reserve(&t->shifted, n_hyp));
    if (n_hyp > 0) memcpy(t->current.id, t->hyp_ids.id, (size_t)n_hyp * sizeof *t->current.id);
    t->current.n = n_hyp;
    DGM_TRY(dgm_beam_distance_begin(&t->distance, n_hyp, t->ref_ids.id, n_ref));
    t->cost = dgm_beam_distance_set(&t->distance, t->current.id, 0);
    t->n_candidates = 0;
    for (shift best; t->cost > 0 && find_shift(t, &best) && t->n_candidates < MAX_CANDIDATES && best.gain > 0; n_shifts++) {
        int32_t n_same = perform(t, best.start, best.length, best.target, t->shifted.id), *swap = t->current.id;
        int64_t room = t->current.room;
        t->current.id = t->shifted.id, t->current.room = t->shifted.room;
        t->shifted.id = swap, t->shifted.room = room;
        t->cost = dgm_beam_distance_set(&t->distance, t->current.id, n_same);
    }
    *edits = n_shifts + t->cost;
    return DGM_OK;
}

dgm_err dgm_ter_count(dgm_ter *t, dgm_mt_span hyp, const dgm_mt_span *refs, int n_refs, dgm_ter_counts *out)
{
    DGM_ASSERT(n_refs >= 1);
    dgm_ter_counts counts = {.edits = INT64_MAX};
    DGM_TRY(dgm_mt_tokenize_tercom(&t->options, hyp.text, hyp.n_bytes, &t->hyp));
    for (int r = 0; r < n_refs; r++) {
        int64_t edits;
        DGM_TRY(dgm_mt_tokenize_tercom(&t->options, refs[r].text, refs[r].n_bytes, &t->ref));
        DGM_TRY(dgm_word_ids_clear(&t->words, t->hyp.n + t->ref.n));
        DGM_TRY(dgm_word_ids_list(&t->words, &t->hyp, &t->hyp_ids));
        DGM_TRY(dgm_word_ids_list(&t->words, &t->ref, &t->ref_ids));
        DGM_TRY(count_edits(t, &edits));
        counts.edits = DGM_MIN(counts.edits, edits);
        counts.ref_words += t->ref.n;
    }
    *out = counts;
    return DGM_OK;
}

double dgm_ter_compute(const dgm_ter_counts *c, int n_refs)
{
    if (c->ref_words > 0) return 100 * ((double)c->edits / ((double)c->ref_words / n_refs));
    return c->edits > 0 ? 100 : 0;
}

void dgm_ter_report(const dgm_mt_tercom_options *o, const dgm_ter_counts *c, int n_refs, dgm_metric_score *out)
{
    *out = (dgm_metric_score){.name = "TER", .score = dgm_ter_compute(c, n_refs)};
    snprintf(out->signature, sizeof out->signature, "nrefs:%d|case:%s|tok:tercom|norm:%s|punct:%s|asian:%s|version:%s", n_refs,
             o->case_sensitive ? "mixed" : "lc", o->normalized ? "yes" : "no", o->no_punct ? "no" : "yes", o->asian_support ? "yes" : "no",
             dgm_metric_version());
    double edits = (double)c->edits, ref_words = (double)c->ref_words / n_refs;
    dgm_metric_detail(out, "num_edits", true, 1, &edits);
    dgm_metric_detail(out, "ref_length", false, 1, &ref_words);
}
