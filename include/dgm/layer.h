/* What the layers of one model share during a pass: shapes of this rank's pieces, the arena of activations, scratch. */
#ifndef DGM_LAYER_H
#define DGM_LAYER_H

#include "dgm/coll.h"
#include "dgm/gemm.h"
#include "dgm/norm.h"
#include "dgm/sdpa.h"
#include "dgm/transformer.h"

typedef struct {
    const dgm_params *params;
    const dgm_grid *grid;
    dgm_arena *arena;      /* activations stay until the step's end; temporaries are rewound */
    int n_pieces;          /* of this rank */
    int first_piece;       /* global index of the first of them */
    int64_t heads_per_piece, d_head, width; /* width = heads_per_piece * d_head */
    int64_t *width_start;  /* [n_pieces + 1] multiples of width */
    int64_t *qkv_start;    /* multiples of 3 width */
    int64_t *cross_start;  /* multiples of 2 width * n_decoder_layers */
    int64_t *ff_start;     /* this rank's FFN columns, from 0 */
    int64_t *vocab_start;  /* this rank's target vocabulary, from 0 */
    int64_t ff_first, vocab_first, src_vocab_first; /* global index of this rank's first column or row */
    int64_t src_vocab;     /* this rank's rows of the source embedding */
    float *positions;      /* [n_positions, d_model], grown on demand */
    int64_t n_positions;
    dgm_rng dropout_rng;
    const dgm_pass *pass;
} dgm_layer_context;

dgm_err dgm_layer_context_init(const dgm_params *params, const dgm_grid *grid, dgm_layer_context *out);
void dgm_layer_context_fini(dgm_layer_context *ctx);

/* Says in a backward pass that n_final stages are final, or, with 0, only that there is a moment to spare. */
void dgm_layer_progress(const dgm_layer_context *ctx, int n_final);

/* Says in a forward pass that the parameters of a stage (params.h) are read from now on. */
dgm_err dgm_layer_need(const dgm_layer_context *ctx, int64_t stage);

/* Places whose random bits differ: one number per place and layer. */
typedef enum {
    DGM_SITE_SRC_EMBEDDING, DGM_SITE_TGT_EMBEDDING, DGM_SITE_SELF_SCORES, DGM_SITE_SELF_OUT, DGM_SITE_CROSS_SCORES, DGM_SITE_CROSS_OUT,
    DGM_SITE_FFN_INNER, DGM_SITE_FFN_OUT, DGM_SITE_N
} dgm_site;
/* Number of `site` in `layer` of the encoder or the decoder. */
uint32_t dgm_layer_site(dgm_site site, bool decoder, int64_t layer);

/* The dropout of a place in this pass. */
dgm_dropout dgm_layer_dropout(const dgm_layer_context *ctx, float rate, uint32_t site);

/* Mask bits for rows of `packed`, columns column0 .. column0 + d - 1; NULL when the rate is 0.  In the arena. */
uint16_t *dgm_layer_mask(const dgm_layer_context *ctx, const dgm_packed *packed, int64_t d, int64_t column0, float rate, uint32_t site);

/* ---- dense layers over the pieces of a rank (Shoeybi et al. 2019, "Megatron-LM", section 3) ----
 * "tree" means: as one sum in no fixed order when the pass has fast_sums. */

/* x[rows, n] <- the tree over the tp ranks of their sums.  Collective on grid->tp. */
dgm_err dgm_linear_sum_tp(const dgm_layer_context *ctx, int64_t rows, int64_t n, float *x);

/* y[rows, n_out] = x[rows, n_in] w[n_out, n_in]^T + bias[n_out]: a column-split layer; every rank has its own columns.
 * bias may be NULL.  Not collective. */
void dgm_linear_columns(const dgm_layer_context *ctx, int64_t rows, int64_t n_in, int64_t n_out, const float *x, const float *w,
                        const float *bias, float *y);

/* y[rows, n_out] = tree over all pieces of x[:, piece] w[piece, n_out]: a row-split layer, and the input gradient of a column-split
 * one.  start [n_pieces + 1] cuts the columns of x.  Collective on grid->tp. */
dgm_err dgm_linear_pieces(const dgm_layer_context *ctx, int64_t rows, int64_t n_out, const int64_t *start, const float *x, const float *w,
                          float *y);

/* x[rows, n_in] = dy[rows, n_out] w[n_in, n_out]^T: the input gradient of a row-split layer.  Not collective. */
void dgm_linear_rows_backward(const dgm_layer_context *ctx, int64_t rows, int64_t n_in, int64_t n_out, const float *dy, const float *w,
                              float *dx);

/* dw[m, n] = tree over leaves of a[leaf, m]^T b[leaf, n], lda and ldb row strides. Written, not added to. */
void dgm_linear_weight_grad(const dgm_layer_context *ctx, const int64_t *leaf, int n_leaves, int64_t m, int64_t n, const float *a,
                            const float *b, float *dw);

/* db[n] = tree over leaves of the column sums of dy. */
void dgm_linear_bias_grad(const dgm_layer_context *ctx, const int64_t *leaf, int n_leaves, int64_t n, const float *dy, float *db);

#endif
