/* Attention is computed for a few short lines only, after they are chosen: the models are loaded once more, on rank 0 alone. */
#include "dgm/report_test.h"
#include "dgm/translator.h"
#include "dgm/vocab.h"

#include <stdlib.h>
#include <string.h>

enum { FEWEST_PIECES = 4, MOST_PIECES = 30, MOST_BYTES = 140 }; /* of a translation, and of a source, that can be read as a picture */

/* A copy of the pieces of ids[n] and of </s>. */
static char **copy_pieces(const dgm_tokenizer *tokenizer, const int32_t *ids, int64_t n)
{
    char **piece = calloc((size_t)n + 1, sizeof *piece);
    for (int64_t i = 0; piece != NULL && i <= n; i++) piece[i] = strdup(dgm_tokenizer_piece(tokenizer, i < n ? ids[i] : DGM_TOKEN_END));
    return piece;
}

static bool complete(char *const *piece, int64_t n)
{
    for (int64_t i = 0; piece != NULL && i < n; i++)
        if (piece[i] == NULL) return false;
    return piece != NULL;
}

/* The samples whose translations are short enough, in their order; lines[wanted]. */
static int64_t choose(const dgm_report_test *test, int64_t wanted, int64_t *lines)
{
    int64_t n = 0;
    for (int64_t i = 0; i < test->n_samples && n < wanted; i++) {
        int64_t line = test->sample[i];
        bool fits = test->src.line[line].n_bytes <= MOST_BYTES;
        for (int s = 0; s < test->n_systems; s++) {
            int64_t pieces = test->systems[s].start[line + 1] - test->systems[s].start[line] + 1;
            fits = fits && pieces >= FEWEST_PIECES && pieces <= MOST_PIECES;
        }
        if (fits) lines[n++] = line;
    }
    return n;
}

static dgm_err make_picture(const dgm_translator *t, dgm_transformer *transformer, const dgm_report_test *test, int64_t line, int system, dgm_ids *src,
                            dgm_tokenizer_state *state, dgm_report_picture *out)
{
    const dgm_report_system *s = &test->systems[system];
    const dgm_translator_model *model = &t->models[0];
    const int32_t *tgt = s->ids.ids + s->start[line];
    int64_t n_tgt = s->start[line + 1] - s->start[line];
    dgm_mt_span text = test->src.line[line];
    dgm_ids_clear(src);
    dgm_translate_text_of(&text.text, &text.n_bytes, line + 1);
    DGM_TRY(dgm_tokenizer_encode(state, text.text, text.n_bytes, src));
    out->system = system;
    out->line = line;
    DGM_TRY(dgm_attention_map_make(transformer, model->params, &model->weights, model->params->hp.n_decoder_layers - 1, src->ids, src->n, tgt, n_tgt, &out->map));
    out->src_piece = copy_pieces(t->src_tokenizer, src->ids, src->n);
    out->tgt_piece = copy_pieces(t->tgt_tokenizer, tgt, n_tgt);
    return complete(out->src_piece, out->map.n_src) && complete(out->tgt_piece, out->map.n_tgt) ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "pieces of a line");
}

/* The pictures of one system stand at [k * n_systems + system]. */
static dgm_err make_system(dgm_report_test *test, const char *path, const int64_t *lines, int64_t n, int system)
{
    dgm_translator *translator = NULL;
    dgm_transformer *transformer = NULL;
    dgm_tokenizer_state *state = NULL;
    dgm_ids src = {0};
    dgm_err err = dgm_translator_open(path, dgm_grid_single(), &translator);
    if (err == DGM_OK) err = dgm_transformer_create(translator->models[0].params, dgm_grid_single(), &transformer);
    if (err == DGM_OK) err = dgm_tokenizer_state_create(translator->src_tokenizer, &state);
    for (int64_t k = 0; err == DGM_OK && k < n; k++)
        err = make_picture(translator, transformer, test, lines[k], system, &src, state, &test->pictures[k * test->n_systems + system]);
    dgm_ids_fini(&src);
    dgm_tokenizer_state_destroy(state);
    dgm_transformer_destroy(transformer);
    dgm_translator_close(translator);
    return err;
}

dgm_err dgm_report_pictures_make(dgm_report_test *test, const dgm_report_run *runs, int64_t wanted)
{
    int64_t *lines = calloc((size_t)DGM_MAX(wanted, 1), sizeof *lines);
    int64_t n = lines != NULL ? choose(test, wanted, lines) : 0;
    dgm_err err = DGM_OK;
    test->pictures = calloc((size_t)DGM_MAX(n * test->n_systems, 1), sizeof *test->pictures);
    if (lines == NULL || test->pictures == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "pictures of attention");
    else test->n_pictures = (int)(n * test->n_systems);
    for (int s = 0; err == DGM_OK && n > 0 && s < test->n_systems; s++) err = make_system(test, runs[test->systems[s].run].model_path, lines, n, s);
    free(lines);
    return err;
}
