/* The singular values of a model's matrices: how far each is from losing rank, and how evenly it uses its dimensions. */
#ifndef DGM_SPECTRA_H
#define DGM_SPECTRA_H

#include "dgm/grid.h"

#include <stdio.h>

typedef struct {
    char name[80];
    int64_t rows, cols, n;  /* n = min(rows, cols) values */
    float *value;           /* [n], largest first */
    double norm;            /* Frobenius: root of the sum of squares of the elements */
} dgm_spectrum;

typedef struct {
    const char *model; /* as given; borrowed */
    int n;
    dgm_spectrum *matrix; /* [n] from the input on: embeddings and weight matrices, no biases or norms */
} dgm_spectra;

/* Reads a model file, checkpoint or run folder a matrix at a time, every rank its rows, and finds the values with ScaLAPACK over all ranks
 * of grid->world.  Memory: a rank's share of the largest matrix, about three times.  All ranks get the result.
 * DGM_ERR_INPUT as for any model file; DGM_ERR_NUMERIC, naming the matrix, when it holds NaN or infinity. */
dgm_err dgm_spectra_measure(const dgm_grid *grid, const char *model, dgm_spectra **out);
void dgm_spectra_destroy(dgm_spectra *spectra); /* accepts NULL */

double dgm_spectrum_stable_rank(const dgm_spectrum *s); /* norm^2 / largest^2; 0 for a matrix of zeros */
/* largest / smallest; INFINITY when the smallest is below 2^-20 of the largest: fp32 does not tell it from 0. */
double dgm_spectrum_condition(const dgm_spectrum *s);

/* Not collective; for rank 0. */
dgm_err dgm_spectra_print(const dgm_spectra *spectra, FILE *out);      /* a line each */
dgm_err dgm_spectra_print_json(const dgm_spectra *spectra, FILE *out); /* with all values */
/* The decay of the values, value over largest by place, a plot for each kind of matrix with a line for each layer. */
dgm_err dgm_spectra_save_svg(const dgm_spectra *spectra, const char *path);

#endif
