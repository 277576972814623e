/* What the decoder looks at while it says a translation: cross attention of one sentence pair, for pictures. */
#ifndef DGM_ATTENTION_MAP_H
#define DGM_ATTENTION_MAP_H

#include "dgm/transformer.h"

typedef struct {
    int64_t n_heads;
    int64_t n_src, n_tgt; /* tokens, </s> included */
    double *weight;       /* [n_heads, n_tgt, n_src]: where the position that says target token t looks; each row sums to 1 */
} dgm_attention_map;

/* Of decoder layer `layer` for source ids src[n_src] and a translation tgt[n_tgt], both without </s>, which is added.  The transformer is of tp size 1,
 * made with dgm_grid_single().  Release with dgm_attention_map_fini.  DGM_ERR_SHAPE for a layer that there is not.  Not collective. */
dgm_err dgm_attention_map_make(dgm_transformer *transformer, const dgm_params *params, const dgm_weights *weights, int64_t layer, const int32_t *src,
                               int64_t n_src, const int32_t *tgt, int64_t n_tgt, dgm_attention_map *out);
void dgm_attention_map_fini(dgm_attention_map *map); /* accepts {0} */

#endif
