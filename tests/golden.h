/* A reference model from a fixture: inputs packed as the model wants them, weights in its flat block. */
#ifndef DGM_GOLDEN_H
#define DGM_GOLDEN_H

#include "dgm/batch.h"
#include "dgm/params.h"
#include "dgm/safetensors.h"

typedef struct {
    dgm_safetensors *file;
    dgm_hparams hp;
    int64_t n_sent, src_width, tgt_width; /* padded sizes of the reference */
    int64_t *src_len, *tgt_len;           /* [n_sent], end token counted */
    int32_t *ids;                         /* token ids the pairs point into */
    dgm_pair *pairs;                      /* [n_sent], without begin and end tokens */
} golden;

/* Ends the program with a message when the fixture `name` of tests/fixtures cannot be read: it is part of the sources. */
golden golden_open(const char *name);
void golden_close(golden *g);

/* The tensor "PREFIX.NAME" in full; caller frees. */
double *golden_tensor(const golden *g, const char *prefix, const char *name, int64_t *n);
double golden_number(const golden *g, const char *name);

/* The parameters of layout p, from tensors "param.NAME". */
void golden_params(const golden *g, const dgm_params *p, float *flat);

#endif
