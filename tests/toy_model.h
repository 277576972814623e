/* A small model with random weights everywhere, biases and norms included, for the tests of decoding. */
#ifndef DGM_TOY_MODEL_H
#define DGM_TOY_MODEL_H

#include "dgm/batch.h"
#include "dgm/params.h"

typedef struct {
    dgm_hparams hp;
    dgm_params *params;
    float *flat;
    dgm_weights weights;
} toy_model;

/* d_model 32, d_ff 64, 4 heads in 2 pieces, 2 + 2 layers; ends the process when memory ends. */
void toy_model_init(toy_model *m, dgm_norm_place norm, dgm_activation activation, bool joint_vocab, int64_t vocab_size, uint64_t seed);
void toy_model_fini(toy_model *m);

/* n token ids below vocab_size, special ones left out, a function of (seed, which). */
void toy_sentence(uint64_t seed, uint64_t which, int64_t vocab_size, int64_t n, int32_t *ids);

/* One sentence as the passes over whole sentences take it: behind <s> (begin), or in front of </s>.  n < TOY_PACKED. */
enum { TOY_PACKED = 65 };
typedef struct {
    dgm_packed packed;
    int64_t bounds[2];
    int32_t ids[TOY_PACKED];
    uint32_t sentence[TOY_PACKED], position[TOY_PACKED];
} toy_packed;
const dgm_packed *toy_pack(toy_packed *p, const int32_t *ids, int64_t n, bool begin);

#endif
