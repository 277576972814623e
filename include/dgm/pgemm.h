/* Distributed matrices through ScaLAPACK: moving one between block-cyclic distributions, singular values.
 *
 * ScaLAPACK is column-major and counts in int.  Here everything is row-major: a matrix is handed over as its transpose, and sizes that
 * do not fit are refused with a message. */
#ifndef DGM_PGEMM_H
#define DGM_PGEMM_H

#include "dgm/coll.h"
#include "dgm/dist.h"

/* The ranks of one axis of a grid as ScaLAPACK knows them: a BLACS system context on a duplicate of its communicator, and the process
 * grids made so far.  The duplicate ends the program when a rank is lost, because BLACS does not look at MPI's answers. */
typedef struct dgm_blacs dgm_blacs;

/* Collective on the axis.  MPI must be running, on a single rank too. */
dgm_err dgm_blacs_create(const dgm_grid *grid, dgm_axis axis, dgm_blacs **out);
void dgm_blacs_destroy(dgm_blacs *blacs); /* collective; releases all contexts; accepts NULL */

/* Moves a matrix from one distribution to another by ScaLAPACK's psgemr2d.
 *   src  [local rows, local cols of `from`]  this rank's part, row-major and dense; may be NULL without elements
 *   dst  the same of `to`; must not overlap src
 * psgemr2d copies the whole local part twice on its way, and counts bytes in int: the matrix goes in bands of rows, so that the buffers
 * stay within a few MiB.  Collective on the axis of `blacs`; both distributions equal on all ranks.  DGM_ERR_SHAPE when they differ in size,
 * need more ranks than there are, or a part is too large for ScaLAPACK's int (2^31 elements on a rank, 10^8 rows or columns). */
dgm_err dgm_pgemm_move(dgm_blacs *blacs, const dgm_cyclic *from, const float *src, const dgm_cyclic *to, float *dst);

/* The singular values of a matrix, largest first, on all ranks of the axis (psgesvd, in fp32; a matrix that is longer than wide is brought
 * to a triangle first).  They carry an error of a few 2^-24 times the largest, and depend in their last bits on the number of ranks.
 *   part    [local rows, local cols]  this rank's part in the distribution `c`, finite numbers; overwritten
 *   values  [min(rows, cols)]  out
 * Collective on the axis.  DGM_ERR_SHAPE as for dgm_pgemm_move, and unless blocks are square and the grid begins at rank 0;
 * DGM_ERR_NUMERIC when the iteration does not converge. */
dgm_err dgm_psvd_values(dgm_blacs *blacs, const dgm_cyclic *c, float *part, float *values);

#endif
