#include "dgm/pair_scores.h"

#include "dgm/io.h"
#include "dgm/vocab.h"

#include <jansson.h>
#include <stdlib.h>

dgm_err dgm_pair_scores_init(const char *line_path, const char *token_path, const dgm_sentence *refs, int64_t n, dgm_pair_scores *out)
{
    int64_t n_tokens = 0;
    for (int64_t i = 0; i < n; i++) n_tokens += refs[i].n + 1;
    *out = (dgm_pair_scores){.line_path = line_path, .token_path = token_path};
    if (line_path != NULL) out->lines = malloc((size_t)DGM_MAX(n, 1) * sizeof *out->lines);
    if (token_path != NULL) out->tokens = malloc((size_t)DGM_MAX(n_tokens, 1) * sizeof *out->tokens);
    if ((line_path == NULL || out->lines != NULL) && (token_path == NULL || out->tokens != NULL)) return DGM_OK;
    dgm_pair_scores_fini(out);
    return DGM_FAIL(DGM_ERR_NOMEM, "scores of %lld tokens", (long long)n_tokens);
}

void dgm_pair_scores_fini(dgm_pair_scores *scores)
{
    free(scores->lines);
    free(scores->tokens);
    *scores = (dgm_pair_scores){0};
}

static double log_prob(double nll) { return nll > 0 ? -nll : 0; } /* no -0 */

static dgm_err write_lines(const dgm_pair_scores *scores, int64_t n)
{
    dgm_text text = {0};
    dgm_err err = DGM_OK;
    for (int64_t i = 0; i < n && err == DGM_OK; i++)
        err = dgm_text_printf(&text, "%.6f\t%lld\n", log_prob(scores->lines[i].nll), (long long)scores->lines[i].n_tokens);
    if (err == DGM_OK) err = dgm_io_write_file(scores->line_path, text.text, text.bytes);
    dgm_text_fini(&text);
    return err;
}

/* One line of JSON: the tokens of `ref` and </s>, and their log-probabilities. */
static dgm_err append_tokens(dgm_text *text, const dgm_tokenizer *tokenizer, int64_t line, const dgm_sentence *ref, const double *nll)
{
    json_t *pieces = json_array(), *numbers = json_array();
    for (int64_t j = 0; j <= ref->n; j++) {
        json_array_append_new(pieces, json_string(dgm_tokenizer_piece(tokenizer, j < ref->n ? ref->ids[j] : DGM_TOKEN_END)));
        json_array_append_new(numbers, json_real(log_prob(nll[j])));
    }
    json_t *json = json_pack("{s:I, s:o, s:o}", "line", (json_int_t)line, "tokens", pieces, "log_probs", numbers);
    char *one = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(10)) : NULL;
    dgm_err err = one != NULL ? dgm_text_printf(text, "%s\n", one) : DGM_FAIL(DGM_ERR_NOMEM, "token scores");
    free(one);
    json_decref(json);
    return err;
}

static dgm_err write_tokens(const dgm_pair_scores *scores, const dgm_tokenizer *tokenizer, const dgm_sentence *refs, int64_t n)
{
    dgm_text text = {0};
    dgm_err err = DGM_OK;
    const double *nll = scores->tokens;
    for (int64_t i = 0; i < n && err == DGM_OK; nll += refs[i++].n + 1) err = append_tokens(&text, tokenizer, i + 1, &refs[i], nll);
    if (err == DGM_OK) err = dgm_io_write_file(scores->token_path, text.text, text.bytes);
    dgm_text_fini(&text);
    return err;
}

dgm_err dgm_pair_scores_write(const dgm_pair_scores *scores, const dgm_tokenizer *tokenizer, const dgm_sentence *refs, int64_t n)
{
    if (scores->lines != NULL) DGM_TRY(write_lines(scores, n));
    return scores->tokens != NULL ? write_tokens(scores, tokenizer, refs, n) : DGM_OK;
}
