/* Two sides read in step, or one file of pairs, and what disqualifies a pair before it has tokens. */
#include "dgm/audit.h"

#include "dgm/stop.h"
#include "dgm/unicode.h"

#include <stdlib.h>
#include <string.h>

struct dgm_audit {
    dgm_audit_rules rules;
    bool tsv;
    dgm_corpus *side[2]; /* source (or tsv) and target (or NULL) */
    int64_t n_read, n_cr;
    const char *last_file[2]; /* where each side was read last */
};

dgm_err dgm_audit_open(const dgm_audit_files *files, const dgm_audit_files *names, const dgm_audit_rules *rules, dgm_audit **out)
{
    dgm_err err;
    dgm_audit *a = calloc(1, sizeof *a);
    if (a == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "audit");
    a->rules = *rules;
    a->tsv = files->n_tsv > 0;
    if (a->tsv) {
        DGM_GOTO(dgm_corpus_open(files->tsv, names->tsv, files->n_tsv, &a->side[0]));
    } else {
        DGM_GOTO(dgm_corpus_open(files->src, names->src, files->n_src, &a->side[0]));
        DGM_GOTO(dgm_corpus_open(files->tgt, names->tgt, files->n_tgt, &a->side[1]));
    }
    *out = a;
    return DGM_OK;
fail:
    dgm_audit_close(a);
    return err;
}

void dgm_audit_close(dgm_audit *a)
{
    if (a == NULL) return;
    dgm_corpus_close(a->side[1]);
    dgm_corpus_close(a->side[0]);
    free(a);
}

const dgm_corpus *dgm_audit_corpus(const dgm_audit *a, int side) { return a->side[side]; }
int64_t dgm_audit_n_cr(const dgm_audit *a) { return a->n_cr; }

static const char advice[] = "mend the text, or leave such pairs out with --on-bad-line drop";

/* A bad line is an error or, if the rules say so, a verdict. */
static dgm_err bad_line(const dgm_audit *a, const dgm_line *line, dgm_audit_verdict *verdict)
{
    *verdict = DGM_AUDIT_BAD_LINE;
    dgm_err err = a->rules.drop_bad_lines ? DGM_OK : dgm_corpus_refuse(line);
    return err == DGM_OK ? DGM_OK : DGM_FAIL(err, "%s; %s", dgm_error_text(), advice);
}

/* A token never goes over a space, so there is one for each space and one for the line's beginning. */
static bool surely_too_long(const char *text, size_t n, int64_t max_length)
{
    if ((int64_t)n < max_length) return false;
    int64_t n_tokens = 1;
    for (size_t i = 0; i < n; i++) n_tokens += text[i] == ' ';
    return n_tokens > max_length;
}

static dgm_audit_verdict judge(const dgm_audit *a, const dgm_audit_pair *p)
{
    if (dgm_unicode_is_blank(p->src, p->src_bytes) || dgm_unicode_is_blank(p->tgt, p->tgt_bytes)) return DGM_AUDIT_EMPTY;
    if (surely_too_long(p->src, p->src_bytes, a->rules.max_length) || surely_too_long(p->tgt, p->tgt_bytes, a->rules.max_length))
        return DGM_AUDIT_TOO_LONG;
    return DGM_AUDIT_KEPT;
}

dgm_audit_verdict dgm_audit_lengths(const dgm_audit_rules *rules, int64_t n_src, int64_t n_tgt)
{
    if (n_src == 0 || n_tgt == 0) return DGM_AUDIT_EMPTY;
    int64_t longer = DGM_MAX(n_src, n_tgt), shorter = DGM_MIN(n_src, n_tgt);
    if (longer > rules->max_length) return DGM_AUDIT_TOO_LONG;
    return (double)longer > rules->max_ratio * (double)shorter ? DGM_AUDIT_LOPSIDED : DGM_AUDIT_KEPT;
}

/* The next line of one side, without what editors add. */
static dgm_err next_line(dgm_audit *a, int side, dgm_line *line, bool *has)
{
    DGM_TRY(dgm_corpus_next(a->side[side], line, has));
    if (*has && line->fault == DGM_LINE_GOOD) a->n_cr += dgm_corpus_strip(&line->text, &line->n_bytes, line->number == 1);
    return DGM_OK;
}

static dgm_err next_tsv(dgm_audit *a, dgm_audit_pair *pair, dgm_audit_verdict *verdict, bool *more)
{
    dgm_line line;
    DGM_TRY(next_line(a, 0, &line, more));
    if (!*more) return DGM_OK;
    if (line.fault != DGM_LINE_GOOD) return bad_line(a, &line, verdict);
    int64_t n_fields = 1;
    for (size_t i = 0; i < line.n_bytes; i++) n_fields += line.text[i] == '\t';
    if (n_fields != 2) {
        *verdict = DGM_AUDIT_BAD_LINE;
        if (a->rules.drop_bad_lines) return DGM_OK;
        return DGM_FAIL(DGM_ERR_INPUT, "%s, line %lld: %lld field%s, expected 2 with a tab between them; %s", line.file,
                        (long long)line.number, (long long)n_fields, n_fields == 1 ? "" : "s", advice);
    }
    const char *tab = memchr(line.text, '\t', line.n_bytes);
    pair->src = line.text;
    pair->src_bytes = (size_t)(tab - line.text);
    pair->tgt = tab + 1;
    pair->tgt_bytes = line.n_bytes - pair->src_bytes - 1;
    *verdict = judge(a, pair);
    return DGM_OK;
}

static dgm_err uneven(const dgm_audit *a, const dgm_line *line, int longer)
{
    static const char *const names[] = {"source", "target"};
    const char *last = a->last_file[!longer];
    return DGM_FAIL(DGM_ERR_INPUT, "the sides have different numbers of lines: the %s side ends after %lld (%s), the %s side goes on in %s, line %lld; "
                    "expected line n of one side to be the translation of line n of the other",
                    names[!longer], (long long)a->n_read, last != NULL ? last : "it is empty", names[longer], line->file,
                    (long long)line->number);
}

static dgm_err next_aligned(dgm_audit *a, dgm_audit_pair *pair, dgm_audit_verdict *verdict, bool *more)
{
    dgm_line line[2];
    bool has[2];
    for (int s = 0; s < 2; s++) {
        DGM_TRY(next_line(a, s, &line[s], &has[s]));
        if (has[s]) a->last_file[s] = line[s].file;
    }
    if (has[0] != has[1]) return uneven(a, &line[has[1]], has[1]);
    *more = has[0];
    if (!*more) return DGM_OK;
    for (int s = 0; s < 2; s++)
        if (line[s].fault != DGM_LINE_GOOD) return bad_line(a, &line[s], verdict);
    *pair = (dgm_audit_pair){line[0].text, line[1].text, line[0].n_bytes, line[1].n_bytes};
    *verdict = judge(a, pair);
    return DGM_OK;
}

dgm_err dgm_audit_next(dgm_audit *a, dgm_audit_pair *pair, dgm_audit_verdict *verdict, bool *more)
{
    DGM_TRY(dgm_stop_check());
    DGM_TRY(a->tsv ? next_tsv(a, pair, verdict, more) : next_aligned(a, pair, verdict, more));
    a->n_read += *more;
    return DGM_OK;
}
