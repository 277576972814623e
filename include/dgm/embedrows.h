/* The sparse gradient of an embedding table over the replicas: every row goes to the rank whose slice holds it, and is added there in
 * the order of leaves. */
#ifndef DGM_EMBEDROWS_H
#define DGM_EMBEDROWS_H

#include "dgm/coll.h"
#include "dgm/transformer.h"

typedef struct dgm_embedrows dgm_embedrows;

dgm_err dgm_embedrows_create(int64_t d, dgm_embedrows **out);
void dgm_embedrows_destroy(dgm_embedrows *rows); /* accepts NULL */

/* Adds the rows of all replicas to their places in the slices.
 *   grad     in     this replica's rows: leaves ascending, within a leaf and token in a fixed order
 *   offset          of the table in the flat block; row `first_id` lies there
 *   part_start [dp_size + 1]  which stretch of the flat block each replica owns; whole rows
 *   flat     in/out the flat block, of which this rank's part changes
 * Collective on grid->dp. */
dgm_err dgm_embedrows_add(dgm_embedrows *rows, const dgm_grid *grid, const dgm_embedding_grad *grad, int64_t offset, int64_t first_id,
                          const int64_t *part_start, float *flat);

#endif
