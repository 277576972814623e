/* The parameters of one rank: logical tensors, cut into units that lie in one flat block.
 *
 * A logical tensor is what a model file holds: Hugging Face's MarianMT names, matrices [out, in].  Each split tensor is cut into
 * virtual_tp pieces, along its rows (QKV, first FFN matrix, embedding) or its columns (output projection, second FFN matrix); tp rank
 * r holds pieces [r P / tp, (r + 1) P / tp).  A unit is one piece of one tensor (or a whole replicated tensor): a rectangle of the
 * logical tensor.  Column pieces are stored transposed, [in, out], so that the pieces of a rank lie end to end and merge into one product.
 * Parameters, gradients and optimizer moments are flat blocks of this same layout. */
#ifndef DGM_PARAMS_H
#define DGM_PARAMS_H

#include "dgm/hparams.h"

typedef enum { DGM_ROLE_EMBEDDING, DGM_ROLE_MATRIX, DGM_ROLE_BIAS, DGM_ROLE_NORM_WEIGHT, DGM_ROLE_NORM_BIAS } dgm_role;
typedef enum { DGM_SPLIT_NONE, DGM_SPLIT_ROWS, DGM_SPLIT_COLUMNS } dgm_split;

typedef struct {
    char name[80];
    int n_dims;         /* 1: shape [rows], cols is 1; 2: shape [rows, cols] */
    int64_t rows, cols;
    dgm_role role;
    dgm_split split;
} dgm_tensor;

typedef struct {
    int tensor;                     /* index of the logical tensor */
    int64_t row0, col0, rows, cols; /* rectangle of it */
    bool transposed;                /* stored as [cols, rows] */
    bool replicated;                /* held by every tp rank (split NONE) */
    int64_t offset;                 /* of its rows * cols floats in the flat block; units do not overlap, gaps are zero */
    int first_block;                /* of this layout */
    int global_block;               /* number of its first block among the blocks of all units of the whole model, the same in every layout */
} dgm_unit;

/* Blocks cut every unit into stretches of whole stored rows of at most 65,536 elements (or one row): the granules of sums over
 * parameters and of the slices of the sharded optimizer. */
typedef struct {
    int64_t lo, hi; /* floats of the flat block; hi - lo counts no gap */
    int unit;
} dgm_block;

/* A stretch of the flat block. */
typedef struct { int64_t lo, hi; } dgm_range;

/* Stages cut the flat block where the backward pass finishes one layer and goes on to the next: 0 the embeddings, then the encoder's
 * layers, then what lies between the stacks (the encoder's last norm, the keys and values of cross attention), then the decoder's layers.
 * Gradients become final in the order 0 (the output product), n_stages - 1, n_stages - 2, ..., 1. */
typedef struct {
    dgm_hparams hp;
    int tp_rank, tp_size;
    int n_tensors, n_units, n_blocks, n_global_blocks, n_stages;
    dgm_tensor *tensors; /* in the model's order; the same on all ranks */
    dgm_unit *units;     /* by offset */
    dgm_block *blocks;   /* by offset */
    int64_t *stage_start; /* [n_stages + 1] */
    int64_t n_floats;    /* of the flat block, gaps included; a multiple of 16 */
} dgm_params;

/* DGM_ERR_USAGE when tp_size does not divide virtual_tp.  Not collective. */
dgm_err dgm_params_create(const dgm_hparams *hp, int tp_rank, int tp_size, dgm_params **out);
void dgm_params_destroy(dgm_params *params); /* accepts NULL */

/* A zeroed, 64-byte aligned flat block of this layout; release with free(). */
dgm_err dgm_params_alloc(const dgm_params *params, float **out);

/* The numbers a new model starts with: matrices Xavier-uniform (Glorot and Bengio 2010), embeddings normal with deviation
 * d_model^-0.5, norm weights 1, the rest 0.  An element depends on (seed, tensor, its place in the logical tensor) alone. */
void dgm_params_init(const dgm_params *params, uint64_t seed, float *flat);

/* start[n_parts + 1]: the stretch [lo, hi) of the flat block, which begins at a block, cut at block edges into n_parts as even as they go; lo first,
 * hi last. */
void dgm_params_cut(const dgm_params *params, int64_t lo, int64_t hi, int n_parts, int64_t *start);

/* slice_start[n_slices + 1]: the flat block cut at block edges into n_slices parts as even as they go; 0 first, n_floats last. */
void dgm_params_slices(const dgm_params *params, int n_slices, int64_t *slice_start);

/* Index of the tensor of that name, -1 if there is none. */
int dgm_params_find(const dgm_params *params, const char *name);

/* Copies between a flat block and a dense rectangle: the unit's whole logical rectangle, row-major [rows, cols]. */
void dgm_params_unit_get(const dgm_unit *unit, const float *flat, float *dense);
void dgm_params_unit_set(const dgm_unit *unit, const float *dense, float *flat);

/* ---- named places in a flat block of parameters or gradients ---- */

typedef struct { /* multi-head attention of one layer; P local pieces of w = d_model / virtual_tp columns (whole heads) each */
    float *in_weight;  /* self: [P * 3w, d_model], per piece q rows, k rows, v rows; cross: [P * w, d_model], q only */
    float *in_bias;    /* as the rows of in_weight */
    float *out_weight; /* [P * w, d_model] (transposed: in, out) */
    float *out_bias;   /* [d_model] */
    float *norm_weight, *norm_bias; /* [d_model] */
} dgm_attention_weights;

typedef struct {
    float *in_weight;  /* [local d_ff, d_model] */
    float *in_bias;    /* [local d_ff] */
    float *out_weight; /* [local d_ff, d_model] (transposed) */
    float *out_bias;   /* [d_model] */
    float *norm_weight, *norm_bias;
} dgm_ffn_weights;

typedef struct {
    dgm_attention_weights self, cross; /* cross: decoder only */
    dgm_ffn_weights ffn;
} dgm_layer_weights;

typedef struct {
    float *embedding;     /* [local target vocabulary, d_model]; also the output matrix */
    float *src_embedding; /* the same place when the vocabulary is joint */
    dgm_layer_weights *encoder, *decoder;
    float *encoder_norm_weight, *encoder_norm_bias; /* pre-norm only, else NULL */
    float *decoder_norm_weight, *decoder_norm_bias;
    float *cross_kv_weight; /* keys and values of all decoder layers in one product: [P * n_decoder_layers * 2w, d_model],
                               per piece, per layer k rows then v rows */
    float *cross_kv_bias;
} dgm_weights;

/* Points *out into `flat`; *out owns only its layer arrays: release with dgm_weights_fini. */
dgm_err dgm_weights_init(const dgm_params *params, float *flat, dgm_weights *out);
void dgm_weights_fini(dgm_weights *weights);

#endif
