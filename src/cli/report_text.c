/* Which text the runs are tried on: the user's, or else the validation part of the DATA that all of them were trained on. */
#include "dgm/dataset.h"
#include "dgm/report_test.h"

#include <stdlib.h>
#include <string.h>

/* ---- files ---- */

static dgm_err read_files(const dgm_config *config, dgm_report_test *test)
{
    int n = dgm_config_count(config, "ref"), n_stdin = strcmp(dgm_config_text(config, "src"), "-") == 0;
    for (int i = 0; i < n; i++) n_stdin += strcmp(dgm_config_item(config, "ref", i), "-") == 0;
    if (n_stdin > 1) return DGM_FAIL(DGM_ERR_USAGE, "standard input (-) can be read once, not %d times", n_stdin);
    test->refs = calloc((size_t)n, sizeof *test->refs);
    if (test->refs == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d references", n);
    DGM_TRY(dgm_lines_read(dgm_config_text(config, "src"), false, &test->src));
    for (int i = 0; i < n; i++) {
        DGM_TRY(dgm_lines_read(dgm_config_item(config, "ref", i), false, &test->refs[i]));
        test->n_refs++;
        DGM_TRY(dgm_lines_check_aligned(&test->src, &test->refs[i]));
    }
    return test->src.n > 0 ? DGM_OK : DGM_FAIL(DGM_ERR_INPUT, "%s is empty: there is nothing to translate", test->src.name);
}

/* ---- the validation part ---- */

/* Appends the text of ids as a line; its span has no place yet. */
static dgm_err append_ids(const dgm_tokenizer *tokenizer, const int32_t *ids, int64_t n, dgm_text *scratch, dgm_lines *lines)
{
    dgm_text_clear(scratch);
    DGM_TRY(dgm_tokenizer_decode(tokenizer, ids, n, scratch));
    for (size_t i = 0; i < scratch->bytes; i++)
        if (scratch->text[i] == '\n' || scratch->text[i] == '\0') scratch->text[i] = ' ';
    lines->line[lines->n++].n_bytes = scratch->bytes;
    return dgm_mt_buffer_append(&lines->text, scratch->bytes > 0 ? scratch->text : "", scratch->bytes);
}

/* One side of the pairs as text. */
static dgm_err decode_side(const dgm_dataset *data, dgm_side side, const dgm_pair *pairs, int64_t n, dgm_lines *out)
{
    dgm_text scratch = {0};
    *out = (dgm_lines){.name = strdup(side == DGM_SIDE_SRC ? "validation sources" : "validation references"),
                       .line = calloc((size_t)DGM_MAX(n, 1), sizeof *out->line)};
    dgm_err err = out->name != NULL && out->line != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld lines", (long long)n);
    for (int64_t i = 0; err == DGM_OK && i < n; i++) {
        bool src = side == DGM_SIDE_SRC;
        err = append_ids(dgm_dataset_tokenizer(data, side), src ? pairs[i].src : pairs[i].tgt, src ? pairs[i].n_src : pairs[i].n_tgt, &scratch, out);
    }
    dgm_text_fini(&scratch);
    const char *at = out->text.data != NULL ? out->text.data : "";
    for (int64_t i = 0; err == DGM_OK && i < out->n; at += out->line[i++].n_bytes) out->line[i].text = at;
    return err;
}

static dgm_err read_validation(const char *path, dgm_report_test *test)
{
    dgm_dataset *data = NULL;
    const dgm_pair *pairs;
    int64_t n;
    test->is_validation = true;
    test->refs = calloc(1, sizeof *test->refs);
    dgm_err err = test->refs != NULL ? dgm_dataset_open(path, &data) : DGM_FAIL(DGM_ERR_NOMEM, "references");
    if (err == DGM_OK) err = dgm_dataset_valid(data, &pairs, &n);
    if (err == DGM_OK) err = decode_side(data, DGM_SIDE_SRC, pairs, n, &test->src);
    if (err == DGM_OK) {
        test->n_refs = 1; /* which holds memory from here on */
        err = decode_side(data, DGM_SIDE_TGT, pairs, n, &test->refs[0]);
    }
    dgm_dataset_close(data);
    return err;
}

/* The folder of the DATA of all runs that have a model; NULL, and *why, without. */
static const char *common_data(const dgm_report_run *runs, int n_runs, const char **why)
{
    const dgm_report_run *first = NULL;
    for (int r = 0; r < n_runs; r++) {
        if (runs[r].model == DGM_REPORT_NO_MODEL) continue;
        if (!runs[r].has_data) {
            *why = "The data of a run is not at hand, and with it its validation part: give a text with --src and --ref.";
            return NULL;
        }
        if (first == NULL) first = &runs[r];
        if (strcmp(dgm_report_run_data_hash(first), dgm_report_run_data_hash(&runs[r])) != 0) {
            *why = "The runs were trained on different data and have no validation part in common: give a text with --src and --ref.";
            return NULL;
        }
    }
    return first->data_path;
}

static dgm_err say(const char *text, char **why)
{
    *why = strdup(text);
    return *why != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "a note");
}

dgm_err dgm_report_text_read(const dgm_config *config, const dgm_report_run *runs, int n_runs, dgm_report_test *test, char **why, bool *there)
{
    bool any = false;
    const char *reason = NULL;
    *there = false;
    for (int r = 0; r < n_runs; r++) any = any || runs[r].model != DGM_REPORT_NO_MODEL;
    if (!dgm_config_flag(config, "translations")) return say("Translations were not asked for (--no-translations).", why);
    if (dgm_config_has(config, "src")) DGM_TRY(read_files(config, test)); /* a file that is not there is an error, model or none */
    if (!any) return say(n_runs == 1 ? "The run has neither a result nor a checkpoint yet." : "No run has a result or a checkpoint yet.", why);
    *there = dgm_config_has(config, "src");
    if (*there) return DGM_OK;
    const char *data = common_data(runs, n_runs, &reason);
    if (data == NULL) return say(reason, why);
    dgm_err err = read_validation(data, test);
    *there = err == DGM_OK && test->src.n > 0;
    if (*there) return DGM_OK;
    dgm_text note = {0};
    if (err != DGM_OK) err = dgm_text_printf(&note, "The validation part cannot be read: %s.", dgm_error_text());
    else err = dgm_text_printf(&note, "The validation part is empty.");
    *why = note.text;
    return err;
}
