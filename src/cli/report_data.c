/* What the runs were trained on, as the audit of `prepare` counted it: each DATA once, with the runs that share it. */
#include "dgm/report.h"

#include <string.h>

static bool same_data(const dgm_report_run *a, const dgm_report_run *b)
{
    return a->has_data && b->has_data && strcmp(dgm_report_run_data_hash(a), dgm_report_run_data_hash(b)) == 0;
}

static void put_two(const char *name, int64_t train, int64_t valid, dgm_html *page)
{
    dgm_html_putf(page, "<tr><th scope=\"row\">%s</th><td class=\"num\">", name);
    dgm_html_count(page, train);
    dgm_html_put(page, "</td><td class=\"num\">");
    dgm_html_count(page, valid);
    dgm_html_put(page, "</td></tr>\n");
}

static dgm_shard_totals totals_of(const dgm_manifest_part *part)
{
    dgm_shard_totals sum = {0};
    for (int i = 0; i < part->n_shards; i++) {
        sum.n_pairs += part->shards[i].totals.n_pairs;
        sum.n_src_tokens += part->shards[i].totals.n_src_tokens;
        sum.n_tgt_tokens += part->shards[i].totals.n_tgt_tokens;
    }
    return sum;
}

static void put_lengths(const char *name, double train, double valid, dgm_html *page)
{
    dgm_html_putf(page, "<tr><th scope=\"row\">%s</th><td class=\"num\">%.1f</td><td class=\"num\">%.1f</td></tr>\n", name, train, valid);
}

static double per(int64_t n, int64_t of) { return of > 0 ? (double)n / (double)of : 0; }

static void put_audit(const dgm_manifest *m, dgm_html *page)
{
    static const struct { dgm_audit_verdict verdict; const char *name; } dropped[] = {
        {DGM_AUDIT_BAD_LINE, "dropped: not a line of text"}, {DGM_AUDIT_EMPTY, "dropped: a side is empty"}, {DGM_AUDIT_TOO_LONG, "dropped: too long"},
        {DGM_AUDIT_LOPSIDED, "dropped: lengths too unequal"}};
    dgm_shard_totals train = totals_of(&m->train), valid = totals_of(&m->valid);
    dgm_html_put(page, "<div class=\"wide\"><table><thead><tr><th scope=\"col\">Sentence pairs</th><th scope=\"col\" class=\"num\">Training</th>"
                       "<th scope=\"col\" class=\"num\">Validation</th></tr></thead><tbody>\n");
    put_two("read", m->train.audit.n_read, m->valid.audit.n_read, page);
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
        put_two(dropped[i].name, m->train.audit.n[dropped[i].verdict], m->valid.audit.n[dropped[i].verdict], page);
    put_two("<span class=\"strong\">kept</span>", m->train.audit.n[DGM_AUDIT_KEPT], m->valid.audit.n[DGM_AUDIT_KEPT], page);
    put_two("source tokens", train.n_src_tokens, valid.n_src_tokens, page);
    put_two("target tokens", train.n_tgt_tokens, valid.n_tgt_tokens, page);
    put_lengths("source tokens per sentence", per(train.n_src_tokens, train.n_pairs), per(valid.n_src_tokens, valid.n_pairs), page);
    put_lengths("target tokens per sentence", per(train.n_tgt_tokens, train.n_pairs), per(valid.n_tgt_tokens, valid.n_pairs), page);
    dgm_html_put(page, "</tbody></table></div>\n");
    dgm_html_putf(page, "<p class=\"small\">Dropped were pairs with more than %lld tokens on a side or more than %g times the tokens of the other side%s. ",
                  (long long)m->rules.max_length, m->rules.max_ratio, m->rules.drop_bad_lines ? ", and lines that are no valid text" : "");
    if (m->joint_vocab) dgm_html_putf(page, "One tokenizer of %lld pieces for both sides.</p>\n", (long long)m->src.vocab_size);
    else dgm_html_putf(page, "Tokenizers of %lld pieces for the source and %lld for the target.</p>\n", (long long)m->src.vocab_size, (long long)m->tgt.vocab_size);
}

static void put_sources(const dgm_manifest_part *part, const char *part_name, dgm_html *page)
{
    static const char *const sides[DGM_MANIFEST_N_LISTS] = {"source", "target", "both sides"};
    for (int k = 0; k < DGM_MANIFEST_N_LISTS; k++)
        for (int i = 0; i < part->n_sources[k]; i++) {
            const dgm_corpus_file *f = &part->sources[k][i];
            dgm_html_putf(page, "<tr><td>%s, %s</td><td class=\"num\">", part_name, sides[k]);
            dgm_html_count(page, f->n_lines);
            dgm_html_put(page, "</td><td class=\"num\">");
            dgm_html_count(page, f->n_bytes);
            dgm_html_putf(page, "</td><td class=\"code\">%s</td></tr>\n", f->sha256);
        }
}

static void put_files(const dgm_manifest *m, const char *hash, dgm_html *page)
{
    dgm_html_put(page, "<details><summary>Files and hashes</summary>\n<div class=\"wide\"><table><thead><tr><th scope=\"col\">File</th>"
                       "<th scope=\"col\" class=\"num\">Lines</th><th scope=\"col\" class=\"num\">Bytes</th><th scope=\"col\">SHA-256</th></tr></thead><tbody>\n");
    put_sources(&m->train, "training", page);
    put_sources(&m->valid, "validation", page);
    dgm_html_putf(page, "</tbody></table></div>\n<p class=\"small\">Hashes are of the decompressed text; that of the manifest, by which runs know their data, is "
                        "<code>%s</code>.</p>\n</details>\n", hash);
}

void dgm_report_data(const dgm_report *report, dgm_html *page)
{
    for (int r = 0; r < report->n_runs; r++) {
        const dgm_report_run *run = &report->runs[r];
        bool told = false;
        for (int before = 0; before < r; before++) told = told || same_data(&report->runs[before], run);
        if (told) continue;
        if (report->n_runs > 1) {
            dgm_html_put(page, "<h3>");
            for (int other = r; other < report->n_runs; other++)
                if (other == r || same_data(&report->runs[other], run)) {
                    dgm_report_name(report, other, page);
                    dgm_html_put(page, " ");
                }
            dgm_html_put(page, "</h3>\n");
        }
        if (run->has_data) {
            put_audit(&run->manifest, page);
            put_files(&run->manifest, dgm_report_run_data_hash(run), page);
            continue;
        }
        dgm_html_put(page, "<p>The data is not at hand. ");
        dgm_html_text(page, run->no_data);
        dgm_html_put(page, "</p>\n");
        if (*dgm_report_run_data_hash(run) == '\0') continue;
        dgm_html_put(page, "<p class=\"small\">SHA-256 of its manifest: <code>");
        dgm_html_text(page, dgm_report_run_data_hash(run));
        dgm_html_put(page, "</code></p>\n");
    }
}
