/* Which function of which metric: the only place that knows them all. */
#include "dgm/metric.h"

#include <stdlib.h>
#include <string.h>

struct dgm_metric {
    dgm_metric_options options;
    int n_refs;
    union { /* by options.kind */
        dgm_bleu *bleu;
        dgm_chrf *chrf;
        dgm_ter *ter;
    };
};

const char *dgm_metric_kind_name(dgm_metric_kind kind)
{
    static const char *const names[DGM_N_METRICS] = {"bleu", "chrf", "ter"};
    return names[kind];
}

dgm_err dgm_metric_create(const dgm_metric_options *options, int n_refs, dgm_metric **out)
{
    DGM_ASSERT(n_refs >= 1);
    dgm_err err = DGM_OK;
    dgm_metric *m = calloc(1, sizeof *m);
    if (m == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "a metric");
    m->options = *options;
    m->n_refs = n_refs;
    switch (options->kind) {
    case DGM_METRIC_BLEU: err = dgm_bleu_create(&options->bleu, &m->bleu); break;
    case DGM_METRIC_CHRF: err = dgm_chrf_create(&options->chrf, &m->chrf); break;
    default: err = dgm_ter_create(&options->ter, &m->ter); break;
    }
    if (err == DGM_OK) *out = m;
    else free(m);
    return err;
}

void dgm_metric_destroy(dgm_metric *m)
{
    if (m == NULL) return;
    switch (m->options.kind) {
    case DGM_METRIC_BLEU: dgm_bleu_destroy(m->bleu); break;
    case DGM_METRIC_CHRF: dgm_chrf_destroy(m->chrf); break;
    default: dgm_ter_destroy(m->ter); break;
    }
    free(m);
}

const dgm_metric_options *dgm_metric_options_of(const dgm_metric *m) { return &m->options; }

int dgm_metric_n_counts(const dgm_metric *m)
{
    switch (m->options.kind) {
    case DGM_METRIC_BLEU: return (int)DGM_BLEU_N_COUNTS;
    case DGM_METRIC_CHRF: return dgm_chrf_n_counts(&m->options.chrf);
    default: return DGM_TER_N_COUNTS;
    }
}

/* The structs of BLEU and TER are arrays of int64_t: they are copied, not cast. */

dgm_err dgm_metric_count(dgm_metric *m, dgm_mt_span hyp, const dgm_mt_span *refs, int64_t *counts)
{
    dgm_bleu_counts bleu;
    dgm_ter_counts ter;
    switch (m->options.kind) {
    case DGM_METRIC_BLEU:
        DGM_TRY(dgm_bleu_count(m->bleu, hyp, refs, m->n_refs, &bleu));
        memcpy(counts, &bleu, sizeof bleu);
        return DGM_OK;
    case DGM_METRIC_CHRF: return dgm_chrf_count(m->chrf, hyp, refs, m->n_refs, counts);
    default:
        DGM_TRY(dgm_ter_count(m->ter, hyp, refs, m->n_refs, &ter));
        memcpy(counts, &ter, sizeof ter);
        return DGM_OK;
    }
}

double dgm_metric_compute(const dgm_metric *m, const int64_t *counts)
{
    dgm_bleu_counts bleu;
    dgm_bleu_score score;
    dgm_ter_counts ter;
    switch (m->options.kind) {
    case DGM_METRIC_BLEU:
        memcpy(&bleu, counts, sizeof bleu);
        dgm_bleu_compute(&m->options.bleu, &bleu, &score);
        return score.score;
    case DGM_METRIC_CHRF: return dgm_chrf_compute(&m->options.chrf, counts);
    default: memcpy(&ter, counts, sizeof ter); return dgm_ter_compute(&ter, m->n_refs);
    }
}

void dgm_metric_report(const dgm_metric *m, const int64_t *counts, dgm_metric_score *out)
{
    dgm_bleu_counts bleu;
    dgm_ter_counts ter;
    switch (m->options.kind) {
    case DGM_METRIC_BLEU:
        memcpy(&bleu, counts, sizeof bleu);
        dgm_bleu_report(&m->options.bleu, &bleu, m->n_refs, out);
        break;
    case DGM_METRIC_CHRF: dgm_chrf_report(&m->options.chrf, counts, m->n_refs, out); break;
    default:
        memcpy(&ter, counts, sizeof ter);
        dgm_ter_report(&m->options.ter, &ter, m->n_refs, out);
        break;
    }
}

void dgm_metric_counts_fini(dgm_metric_counts *counts)
{
    free(counts->counts);
    free(counts->sum);
    *counts = (dgm_metric_counts){0};
}

dgm_err dgm_metric_count_lines(dgm_metric *m, const dgm_lines *hyp, const dgm_lines *refs, int n_refs, bool keep_lines,
                               dgm_metric_counts *out)
{
    DGM_ASSERT(n_refs == m->n_refs);
    dgm_err err = DGM_OK;
    dgm_metric_counts all = {.n_lines = hyp->n, .n_counts = dgm_metric_n_counts(m)};
    dgm_mt_span *ref = calloc((size_t)n_refs, sizeof *ref);
    all.counts = malloc((size_t)(keep_lines ? DGM_MAX(hyp->n, 1) : 1) * (size_t)all.n_counts * sizeof *all.counts);
    all.sum = calloc((size_t)all.n_counts, sizeof *all.sum);
    if (ref == NULL || all.counts == NULL || all.sum == NULL) {
        err = DGM_FAIL(DGM_ERR_NOMEM, "counts of %lld lines", (long long)hyp->n);
        goto fail;
    }
    for (int64_t i = 0; i < hyp->n; i++) {
        int64_t *counts = all.counts + (keep_lines ? i * all.n_counts : 0);
        for (int r = 0; r < n_refs; r++) ref[r] = refs[r].line[i];
        if ((err = dgm_metric_count(m, hyp->line[i], ref, counts)) != DGM_OK) {
            err = dgm_error_context(err, "%s, line %lld", hyp->name, (long long)i + 1);
            goto fail;
        }
        for (int k = 0; k < all.n_counts; k++) all.sum[k] += counts[k];
    }
    if (!keep_lines) {
        free(all.counts);
        all.counts = NULL;
    }
    free(ref);
    *out = all;
    return DGM_OK;
fail:
    free(ref);
    dgm_metric_counts_fini(&all);
    return err;
}
