/* The kernels of src/num are compiled once per instruction-set family and chosen at run time; here are the tables and the choice.
 *
 * Every family gives the same bits: the choice is about speed.  Callers use elem.h, norm.h, softmax.h and sdpa.h; the tables are for
 * src/num itself and for the tests that hold the families against each other. */
#ifndef DGM_KERNELS_H
#define DGM_KERNELS_H

#include "dgm/attend.h"
#include "dgm/elem.h"
#include "dgm/error.h"
#include "dgm/norm.h"
#include "dgm/panels.h"
#include "dgm/sdpa.h"
#include "dgm/softmax.h"
#include "dgm/top.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each pointer has the type and the contract of the public function it stands for. */
typedef struct {
    __typeof__(dgm_elem_bias_activation) *bias_activation;
    __typeof__(dgm_elem_activation_backward) *activation_backward;
    __typeof__(dgm_elem_bias) *bias;
    __typeof__(dgm_elem_residual) *residual;
    __typeof__(dgm_elem_apply_mask) *apply_mask;
    __typeof__(dgm_elem_add) *add;
    __typeof__(dgm_elem_scale) *scale;
    __typeof__(dgm_elem_embed) *embed;
    __typeof__(dgm_elem_add_positions) *add_positions;
} dgm_elem_kernels;

typedef struct {
    __typeof__(dgm_dropout_mask) *mask;
} dgm_dropout_kernels;

typedef struct {
    __typeof__(dgm_elem_sum_squares) *squares;
    __typeof__(dgm_elem_sum_leaves) *leaves;
    __typeof__(dgm_norm_grad_leaves) *norm_leaves;
} dgm_sums_kernels;

typedef struct {
    __typeof__(dgm_elem_adam) *adam;
    __typeof__(dgm_elem_sgd) *sgd;
} dgm_optimizer_kernels;

typedef struct {
    __typeof__(dgm_norm_forward) *forward;
    __typeof__(dgm_norm_backward) *backward;
} dgm_norm_kernels;

typedef struct {
    __typeof__(dgm_softmax_row_stats) *row_stats;
    __typeof__(dgm_softmax_loss_grad) *loss_grad;
    __typeof__(dgm_softmax_log) *log;
    __typeof__(dgm_softmax_exp) *exp;
} dgm_softmax_kernels;

typedef struct {
    __typeof__(dgm_sdpa_forward) *forward;
    __typeof__(dgm_sdpa_backward) *backward;
} dgm_sdpa_kernels;

typedef struct {
    /* y[rows, n] = x[rows, in] by the panels that begin at `panel` (panels.h) */
    void (*panels)(int64_t in, int64_t n, const float *panel, int64_t rows, const float *x, int64_t ldx, float *y, int64_t ldy);
    __typeof__(dgm_attend) *attend;
    __typeof__(dgm_top_update) *top;
    __typeof__(dgm_lse_update) *lse;
} dgm_decode_kernels;

/* Rows of one operand of a matrix product: element (i, k) stands at x[i row_stride + k k_stride]; one of the strides is 1. */
typedef struct {
    const float *x;
    int64_t n, row_stride, k_stride;
} dgm_operand;

/* Matrix products from panels.  A panel holds `rows` or `columns` rows of an operand as words of 32 bits, [word along K][row]; the
 * kernels of one family or another have tiles of other sizes but add the products of an element in the same order. */
typedef struct {
    int rows, columns; /* of a tile of the result */
    int k_per_word;    /* elements along K that share a word */

    /* Lays rows row0 .. row0 + n_rows - 1 into panels of `width` rows, panel_words words from one to the next; rows missing in the last
     * panel are zero.  May write 16 words behind the last word of a panel.
     *   start [n_parts + 1]  in   parts of K, each from a word of its own */
    void (*pack)(int width, const dgm_operand *x, int64_t row0, int64_t n_rows, const int64_t *start, int n_parts, int64_t panel_words,
                 uint32_t *panels);

    /* The first rows x columns elements of c: those of a panel of a by one of b, the tree over parts of sums along K.
     *   n_words [n_parts]    in   words of each part, one behind the other in both panels; n_parts 1, or a power of two, at most 256
     *   continues            in   only with one part: its sum goes on from the values in c */
    void (*tile)(const int64_t *n_words, int n_parts, bool continues, const uint32_t *a, const uint32_t *b, int64_t rows, int64_t columns, float *c,
                 int64_t ldc);

    /* The same for `rows` rows of a that are not in a panel: row i begins at a + i a_stride, its parts along K at start[0 .. n_parts].  NULL where a kernel
     * wants panels. */
    void (*tile_of_rows)(const int64_t *start, int n_parts, bool continues, const float *a, int64_t a_stride, const uint32_t *b, int64_t columns, float *c,
                         int64_t ldc);
} dgm_product_kernels;

typedef struct {
    const char *family; /* "avx512", "avx2" or "portable" */
    const dgm_elem_kernels *elem;
    const dgm_dropout_kernels *dropout;
    const dgm_sums_kernels *sums;
    const dgm_optimizer_kernels *optimizer;
    const dgm_norm_kernels *norm;
    const dgm_softmax_kernels *softmax;
    const dgm_sdpa_kernels *sdpa;
    const dgm_decode_kernels *decode;
    const dgm_product_kernels *const *product; /* fp32; *product is NULL where products are BLIS's */
} dgm_kernels;

/* The family in use: the widest that this CPU has, or the one DRAGOMAN_KERNELS names.  A name that cannot be had ends the program
 * through the fatal handler. */
const dgm_kernels *dgm_kernels_now(void);

/* DGM_ERR_USAGE, with the names that can be had here, when DRAGOMAN_KERNELS has another; programs ask before anything computes.  Not collective. */
dgm_err dgm_kernels_check(void);

/* The family called `name`; NULL when it was not built or this CPU cannot run it. */
const dgm_kernels *dgm_kernels_find(const char *name);

/* Memory of the calling thread for kernels, 64-byte aligned, kept until the thread ends; what is in it lasts until the
 * next call.  Ends the program through the fatal handler when memory cannot be had. */
float *dgm_kernels_scratch(int64_t n_floats);

/* The name under which a kernel file exports its table, dgm_elem_kernels_avx512 for instance; DGM_FAMILY comes from the build. */
#define DGM_KERNELS_JOIN(concept, family) dgm_##concept##_kernels_##family
#define DGM_KERNELS_NAME(concept, family) DGM_KERNELS_JOIN(concept, family)
#define DGM_KERNELS_DECLARE(family)                                                                                                \
    extern const dgm_elem_kernels DGM_KERNELS_NAME(elem, family);                                                                  \
    extern const dgm_dropout_kernels DGM_KERNELS_NAME(dropout, family);                                                            \
    extern const dgm_sums_kernels DGM_KERNELS_NAME(sums, family);                                                                  \
    extern const dgm_optimizer_kernels DGM_KERNELS_NAME(optimizer, family);                                                        \
    extern const dgm_norm_kernels DGM_KERNELS_NAME(norm, family);                                                                  \
    extern const dgm_softmax_kernels DGM_KERNELS_NAME(softmax, family);                                                            \
    extern const dgm_sdpa_kernels DGM_KERNELS_NAME(sdpa, family);                                                                  \
    extern const dgm_decode_kernels DGM_KERNELS_NAME(decode, family);                                                              \
    extern const dgm_product_kernels *const DGM_KERNELS_NAME(product, family)
#ifdef DGM_FAMILY
DGM_KERNELS_DECLARE(DGM_FAMILY);
#endif

#endif
