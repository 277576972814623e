/* The way from lines to scores. */
#include "dgm/scoring.h"

#include "dgm/log.h"

#include <stdlib.h>
#include <string.h>

dgm_err dgm_scoring_init(dgm_scoring *s, const dgm_metric_choice *choice, int n_refs)
{
    *s = (dgm_scoring){.choice = *choice, .n_refs = n_refs};
    for (int m = 0; m < choice->n_metrics; m++) {
        dgm_err err = dgm_metric_create(&choice->metric[m], n_refs, &s->metric[m]);
        if (err == DGM_OK) continue;
        dgm_scoring_fini(s);
        return err;
    }
    return DGM_OK;
}

void dgm_scoring_fini(dgm_scoring *s)
{
    for (int m = 0; m < s->choice.n_metrics; m++) dgm_metric_destroy(s->metric[m]);
    *s = (dgm_scoring){0};
}

void dgm_text_counts_fini(dgm_text_counts *counts)
{
    for (int m = 0; m < DGM_N_METRICS; m++) dgm_metric_counts_fini(&counts->counts[m]);
}

/* A hundred lines that end in " ." are hardly text as people write it; whoever asks for no tokenizer says that they are not. */
static void warn_if_tokenized(const dgm_scoring *s, const dgm_lines *hyp)
{
    bool bleu = false;
    int64_t n = 0;
    for (int m = 0; m < s->choice.n_metrics; m++)
        bleu |= s->choice.metric[m].kind == DGM_METRIC_BLEU && s->choice.metric[m].bleu.tokenizer != DGM_MT_TOKENIZER_NONE;
    if (!bleu || s->choice.force) return;
    for (int64_t i = 0; i < hyp->n; i++) {
        size_t bytes = hyp->line[i].n_bytes;
        n += bytes >= 2 && memcmp(hyp->line[i].text + bytes - 2, " .", 2) == 0;
    }
    if (n >= 100)
        dgm_log(DGM_LOG_WARN, "%s: %lld lines end in a full stop set apart (\" .\"): it looks tokenized, and its BLEU then compares with no "
                              "published one; detokenize it, or say --force if it is meant so", hyp->name, (long long)n);
}

dgm_err dgm_scoring_count(dgm_scoring *s, const dgm_lines *hyp, const dgm_lines *refs, bool keep_lines, dgm_text_counts *out)
{
    dgm_text_counts counts = {0};
    warn_if_tokenized(s, hyp);
    for (int m = 0; m < s->choice.n_metrics; m++) {
        dgm_err err = dgm_metric_count_lines(s->metric[m], hyp, refs, s->n_refs, keep_lines, &counts.counts[m]);
        if (err == DGM_OK) continue;
        dgm_text_counts_fini(&counts);
        return err;
    }
    *out = counts;
    return DGM_OK;
}

/* Puts the interval of each score where it belongs. */
static dgm_err add_intervals(const dgm_scoring *s, const dgm_text_counts *counts, dgm_metric_score *scores)
{
    int n = s->choice.n_metrics;
    int64_t n_resamples = s->choice.n_resamples;
    dgm_metric_sample samples[DGM_N_METRICS];
    char note[64];
    for (int m = 0; m < n; m++) samples[m] = (dgm_metric_sample){s->metric[m], &counts->counts[m]};
    double *resampled = malloc((size_t)n * (size_t)n_resamples * sizeof *resampled);
    if (resampled == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%lld resamples", (long long)n_resamples);
    dgm_err err = dgm_bootstrap_scores(samples, n, n_resamples, s->choice.seed, resampled);
    snprintf(note, sizeof note, "bs:%lld|seed:%llu", (long long)n_resamples, (unsigned long long)s->choice.seed);
    for (int m = 0; err == DGM_OK && m < n; m++) {
        dgm_interval interval = dgm_bootstrap_interval(resampled + m * n_resamples, n_resamples);
        scores[m].has_interval = true;
        scores[m].mean = interval.mean;
        scores[m].half_width = interval.half_width;
        dgm_metric_sign(&scores[m], note);
    }
    free(resampled);
    return err;
}

dgm_err dgm_scoring_report(const dgm_scoring *s, const dgm_text_counts *counts, dgm_metric_score *scores)
{
    for (int m = 0; m < s->choice.n_metrics; m++) dgm_metric_report(s->metric[m], counts->counts[m].sum, &scores[m]);
    return s->choice.n_resamples > 0 ? add_intervals(s, counts, scores) : DGM_OK;
}

void dgm_scoring_report_line(const dgm_scoring *s, const dgm_text_counts *counts, int64_t i, dgm_metric_score *scores)
{
    for (int m = 0; m < s->choice.n_metrics; m++) {
        const dgm_metric_counts *c = &counts->counts[m];
        dgm_metric_report(s->metric[m], c->counts + i * c->n_counts, &scores[m]);
    }
}
