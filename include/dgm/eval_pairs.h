/* Sentence pairs that models are evaluated on: text, or the validation part of DATA. */
#ifndef DGM_EVAL_PAIRS_H
#define DGM_EVAL_PAIRS_H

#include "dgm/config.h"
#include "dgm/dataset.h"
#include "dgm/lines.h"
#include "dgm/translator.h"

typedef struct {
    int64_t n;            /* pairs, >= 1 */
    dgm_lines src, *refs; /* [n_refs] on rank 0; of DATA src has a name alone */
    int n_refs;
    int64_t n_words;      /* of the first reference, on rank 0: what white space parts */
    dgm_dataset *dataset; /* NULL: text */
    const dgm_pair *valid; /* [n] with a dataset */
} dgm_eval_pairs;

/* The files that --src and --ref name.  DGM_ERR_INPUT when one cannot be read, their lines do not match or there are none.
 * *out: {0} before; release with dgm_eval_pairs_fini, also after an error.  Collective on grid->world: an error is every rank's. */
dgm_err dgm_eval_pairs_read(const dgm_config *config, const dgm_grid *grid, dgm_eval_pairs *out);

/* The validation part of a DATA folder; the reference is what the tokenizer gives back, as for validation BLEU.  As above. */
dgm_err dgm_eval_pairs_open(const char *data, const dgm_grid *grid, dgm_eval_pairs *out);
void dgm_eval_pairs_fini(dgm_eval_pairs *pairs); /* accepts {0} */

/* The pairs as tokens of the model, on all ranks, into two empty lists: text is encoded by its tokenizers; DATA is as it is, and must be of the
 * same tokenizers, which is DGM_ERR_INPUT otherwise, as is a source line of more than max_src_tokens.  The lists may point into `pairs`.
 * Collective on grid->world: an error is every rank's. */
dgm_err dgm_eval_pairs_encode(const dgm_eval_pairs *pairs, const dgm_translator *translator, int64_t max_src_tokens, const dgm_grid *grid,
                              dgm_sentence_list *src, dgm_sentence_list *ref);

#endif
