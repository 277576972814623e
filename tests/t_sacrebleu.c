/* sacreBLEU's own scores of WMT systems and of hostile lines, where those files are at hand: every row, every metric. */
#include "dgm/io.h"
#include "dgm/metric.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REFS = 4 };

/* ---- what a signature states ---- */

static bool says(const char *signature, const char *part) { return strstr(signature, part) != NULL; }

static int number_behind(const char *signature, const char *key)
{
    const char *at = strstr(signature, key);
    return at != NULL ? atoi(at + strlen(key)) : -1;
}

static bool bleu_options(const char *signature, dgm_bleu_options *o)
{
    char tok[16] = "", smooth[16] = "";
    sscanf(strstr(signature, "|tok:"), "|tok:%15[^|]", tok);
    sscanf(strstr(signature, "|smooth:"), "|smooth:%15[^|[]", smooth);
    *o = (dgm_bleu_options){.lowercase = says(signature, "case:lc"), .effective_order = says(signature, "eff:yes")};
    return dgm_mt_tokenizer_find(tok, &o->tokenizer) == DGM_OK && dgm_bleu_smoothing_find(smooth, &o->smoothing) == DGM_OK;
}

static bool options_of(const char *metric, const char *signature, dgm_metric_options *o)
{
    *o = (dgm_metric_options){0};
    if (strcmp(metric, "BLEU") == 0) {
        o->kind = DGM_METRIC_BLEU;
        return bleu_options(signature, &o->bleu);
    }
    if (strncmp(metric, "chrF", 4) == 0) {
        o->kind = DGM_METRIC_CHRF;
        o->chrf = (dgm_chrf_options){.char_order = number_behind(signature, "|nc:"), .word_order = number_behind(signature, "|nw:"),
                                     .beta = atoi(metric + 4), .lowercase = says(signature, "case:lc"),
                                     .whitespace = says(signature, "space:yes"), .eps_smoothing = says(signature, "eff:no")};
        return o->chrf.char_order > 0 && o->chrf.word_order >= 0;
    }
    o->kind = DGM_METRIC_TER;
    o->ter = (dgm_mt_tercom_options){.normalized = says(signature, "norm:yes"), .no_punct = says(signature, "punct:no"),
                                     .asian_support = says(signature, "asian:yes"), .case_sensitive = says(signature, "case:mixed")};
    return strcmp(metric, "TER") == 0;
}

/* ---- scores ---- */

/* The score of n_lines lines from `from`, and whether name and signature, up to the version, are the wanted ones; NaN when something
 * failed. */
static double score(const dgm_metric_options *o, const dgm_lines *hyp, const dgm_lines *refs, int n_refs, int64_t from, int64_t n_lines,
                    const char *name, const char *signature)
{
    dgm_metric *metric = NULL;
    dgm_metric_counts counts = {0};
    dgm_metric_score s;
    dgm_lines part = {.name = hyp->name, .line = hyp->line + from, .n = n_lines}, ref[MAX_REFS];
    double result = NAN;
    for (int r = 0; r < n_refs; r++) ref[r] = (dgm_lines){.line = refs[r].line + from, .n = n_lines};
    if (dgm_metric_create(o, n_refs, &metric) == DGM_OK && dgm_metric_count_lines(metric, &part, ref, n_refs, false, &counts) == DGM_OK) {
        dgm_metric_report(metric, counts.sum, &s);
        result = s.score;
        size_t n = signature != NULL ? (size_t)(strstr(signature, "|version:") - signature) : 0;
        if (signature != NULL && (strcmp(s.name, name) != 0 || strncmp(s.signature, signature, n) != 0)) {
            tap_note("got %s|%s, want %s|%s", s.name, s.signature, name, signature);
            result = NAN;
        }
    } else {
        tap_note("%s", dgm_error_text());
    }
    dgm_metric_counts_fini(&counts);
    dgm_metric_destroy(metric);
    return result;
}

static dgm_err read_in(const char *dir, const char *name, dgm_lines *out)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    dgm_lines_fini(out);
    return dgm_lines_read(path, true, out);
}

static void row_text(const dgm_lines *table, int64_t i, char *row, size_t bytes)
{
    snprintf(row, bytes, "%.*s", (int)table->line[i].n_bytes, table->line[i].text);
}

/* Reads "A+C+D" as ref.A.de.zst and so on; "de" as ref.de.zst. */
static dgm_err read_refs(const char *dir, const char *refs, dgm_lines *out, int *n_refs)
{
    char list[64], name[96];
    snprintf(list, sizeof list, "%s", refs);
    *n_refs = 0;
    for (char *rest = list, *one; (one = strsep(&rest, "+")) != NULL;) {
        snprintf(name, sizeof name, strcmp(one, "de") == 0 ? "ref.%s.zst" : "ref.%s.de.zst", one);
        DGM_TRY(read_in(dir, name, &out[(*n_refs)++]));
    }
    return DGM_OK;
}

/* Rows: set, system, refs, metric, signature, score. */
static void test_wmt(const char *dir)
{
    dgm_lines table = {0}, hyp = {0}, refs[MAX_REFS] = {{0}};
    char seen[200] = "";
    int n_refs = 0, n_rows = 0;
    dgm_err err = read_in(dir, "sacrebleu-2.6.0.tsv", &table);
    for (int64_t i = 1; err == DGM_OK && i < table.n; i++) {
        char row[512], set[64], system[64], ref_names[64], metric[16], signature[128], key[200], where[2200];
        double want;
        dgm_metric_options o;
        row_text(&table, i, row, sizeof row);
        if (sscanf(row, "%63s %63s %63s %15s %127s %lf", set, system, ref_names, metric, signature, &want) != 6 ||
            !options_of(metric, signature, &o)) {
            tap_ok(false, "a row that the test can read: %s", row);
            continue;
        }
        snprintf(key, sizeof key, "%s %s %s", set, system, ref_names);
        if (strcmp(seen, key) != 0) {
            snprintf(where, sizeof where, "%s/%s", dir, set);
            char name[96];
            snprintf(name, sizeof name, "hyp.%s.de.zst", system);
            if ((err = read_in(where, name, &hyp)) != DGM_OK || (err = read_refs(where, ref_names, refs, &n_refs)) != DGM_OK) break;
            snprintf(seen, sizeof seen, "%s", key);
        }
        tap_near(score(&o, &hyp, refs, n_refs, 0, hyp.n, metric, signature), want, 1e-9, "%s %s|%s", key, metric, signature);
        n_rows++;
    }
    tap_err(err, DGM_OK, "reading the outputs of WMT systems");
    tap_int(n_rows, 168, "rows of sacrebleu-2.6.0.tsv");
    dgm_lines_fini(&table), dgm_lines_fini(&hyp);
    for (int r = 0; r < MAX_REFS; r++) dgm_lines_fini(&refs[r]);
}

/* Rows of scores.tsv: lines, refs, metric, signature, score. */
static void test_edge_corpora(const dgm_lines *table, const dgm_lines *hyp, const dgm_lines *refs)
{
    int n_rows = 0;
    for (int64_t i = 1; i < table->n; i++) {
        char row[256], ref_names[16], metric[16], signature[128];
        long long n_lines;
        double want;
        dgm_metric_options o;
        row_text(table, i, row, sizeof row);
        if (sscanf(row, "%lld %15s %15s %127s %lf", &n_lines, ref_names, metric, signature, &want) != 5 || !options_of(metric, signature, &o)) {
            tap_ok(false, "a row that the test can read: %s", row);
            continue;
        }
        tap_near(score(&o, hyp, refs, strcmp(ref_names, "ref") == 0 ? 1 : 2, 0, n_lines, metric, signature), want, 1e-9,
                 "%lld hostile lines, %s %s|%s", n_lines, ref_names, metric, signature);
        n_rows++;
    }
    tap_int(n_rows, 600, "rows of scores.tsv");
}

/* Rows of sentences.tsv: line, BLEU with effective order, chrF2, TER. */
static void test_edge_sentences(const dgm_lines *table, const dgm_lines *hyp, const dgm_lines *refs)
{
    static const dgm_metric_options kinds[] = {{.kind = DGM_METRIC_BLEU, .bleu = {.effective_order = true}},
                                               {.kind = DGM_METRIC_CHRF, .chrf = {.char_order = 6, .beta = 2}},
                                               {.kind = DGM_METRIC_TER}};
    int n_rows = 0;
    for (int64_t i = 1; i < table->n; i++) {
        long long number;
        double want[3];
        char row[256];
        row_text(table, i, row, sizeof row);
        if (sscanf(row, "%lld %lf %lf %lf", &number, &want[0], &want[1], &want[2]) != 4) continue;
        for (int k = 0; k < 3; k++)
            tap_near(score(&kinds[k], hyp, refs, 1, number - 1, 1, NULL, NULL), want[k], 1e-9, "hostile line %lld, %s", number,
                     dgm_metric_kind_name(kinds[k].kind));
        n_rows++;
    }
    tap_int(n_rows, 120, "rows of sentences.tsv");
}

static void test_edge(const char *dir)
{
    dgm_lines corpora = {0}, sentences = {0}, hyp = {0}, refs[2] = {{0}};
    dgm_err err = DGM_OK;
    if ((err = read_in(dir, "hyp.txt", &hyp)) == DGM_OK && (err = read_in(dir, "ref.txt", &refs[0])) == DGM_OK &&
        (err = read_in(dir, "ref2.txt", &refs[1])) == DGM_OK && (err = read_in(dir, "scores.tsv", &corpora)) == DGM_OK &&
        (err = read_in(dir, "sentences.tsv", &sentences)) == DGM_OK) {
        test_edge_corpora(&corpora, &hyp, refs);
        test_edge_sentences(&sentences, &hyp, refs);
    }
    tap_err(err, DGM_OK, "reading the hostile lines");
    dgm_lines_fini(&corpora), dgm_lines_fini(&sentences), dgm_lines_fini(&hyp);
    dgm_lines_fini(&refs[0]), dgm_lines_fini(&refs[1]);
}

int main(void)
{
    const char *shared = getenv("DGM_SHARED"), *source = getenv("DGM_SRCDIR");
    char dir[2048], edge[2064];
    if (shared != NULL) snprintf(dir, sizeof dir, "%s/data/bleu", shared);
    else snprintf(dir, sizeof dir, "%s/../shared/data/bleu", source != NULL ? source : ".");
    snprintf(edge, sizeof edge, "%s/edge", dir);
    if (dgm_io_is_dir(dir)) {
        test_wmt(dir);
        test_edge(edge);
    } else {
        tap_skip("sacreBLEU's scores", "the folder with WMT outputs is absent (DGM_SHARED names its place)");
    }
    return tap_done();
}
