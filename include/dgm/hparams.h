/* The architecture of a model: what its file says of itself, and nothing about how it was trained. */
#ifndef DGM_HPARAMS_H
#define DGM_HPARAMS_H

#include "dgm/elem.h"
#include "dgm/error.h"

#include <jansson.h>

typedef enum { DGM_NORM_POST, DGM_NORM_PRE } dgm_norm_place;

typedef struct {
    int64_t d_model, d_ff, n_heads, n_encoder_layers, n_decoder_layers;
    int64_t src_vocab_size, tgt_vocab_size; /* equal when joint_vocab */
    bool joint_vocab;                       /* one tokenizer, one embedding for source, target and output */
    dgm_norm_place norm;                    /* post: Vaswani et al. 2017; pre: with a final norm on each stack */
    dgm_activation activation;
    int64_t virtual_tp; /* pieces the heads, FFN columns and vocabulary are cut into: part of the experiment, not of the layout */
    float norm_eps;
} dgm_hparams;

/* The largest power of two, at most 8, that divides n_heads. */
int64_t dgm_hparams_default_virtual_tp(int64_t n_heads);

/* DGM_ERR_USAGE naming the setting, its value and what is expected. */
dgm_err dgm_hparams_check(const dgm_hparams *hp);

/* As JSON (a new reference; NULL when memory ends), and back: DGM_ERR_INPUT names the missing or wrong field; the result is checked. */
json_t *dgm_hparams_to_json(const dgm_hparams *hp);
dgm_err dgm_hparams_from_json(const json_t *json, const char *where, dgm_hparams *out);

/* DGM_ERR_INPUT naming the first field of `hp`, which `where` has, that is not as in `want`. */
dgm_err dgm_hparams_check_same(const dgm_hparams *hp, const dgm_hparams *want, const char *where);

int64_t dgm_hparams_n_parameters(const dgm_hparams *hp); /* elements of all logical tensors */

/* Floating-point operations of the model's matrix products for one update: 2 per multiply-add, forward and backward (3 products
 * per weight matrix), attention scores left out, nothing for padding or recomputation. */
double dgm_hparams_flops(const dgm_hparams *hp, int64_t n_src_tokens, int64_t n_tgt_tokens);

/* Piece p of n_pieces of a dimension of n: begins at p n / n_pieces. */
static inline int64_t dgm_piece_start(int64_t n, int64_t p, int64_t n_pieces) { return p * n / n_pieces; }

#endif
