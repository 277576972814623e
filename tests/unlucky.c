/* The program itself, but one rank has no memory for the gradients of embeddings half-way through a backward pass, while those of other layers travel:
 * for tests/cli_resume.sh.
 *
 *     UNLUCKY_RANK=1 UNLUCKY_UPDATE=5 mpirun -n 3 unlucky train ...
 *
 * The other ranks are late with their share of that update, so that what the unlucky one has sent is still under way when it fails.  The linker puts
 * these functions in place of the library's (--wrap). */
#include "dgm/embed.h"
#include "dgm/loss.h"
#include "dgm/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

dgm_err __real_dgm_embed_backward(const dgm_layer_context *ctx, const dgm_packed *packed, int first_leaf, int n_leaves, bool source,
                                  const uint16_t *mask, float *dy, dgm_embedding_grad *grad);
dgm_err __wrap_dgm_embed_backward(const dgm_layer_context *ctx, const dgm_packed *packed, int first_leaf, int n_leaves, bool source,
                                  const uint16_t *mask, float *dy, dgm_embedding_grad *grad);
dgm_err __real_dgm_loss_compute(const dgm_layer_context *ctx, const dgm_batch *batch, const float *hidden, const float *embedding, double *smoothed,
                                double *nll, float *dhidden, float *dembedding);
dgm_err __wrap_dgm_loss_compute(const dgm_layer_context *ctx, const dgm_batch *batch, const float *hidden, const float *embedding, double *smoothed,
                                double *nll, float *dhidden, float *dembedding);
bool __real_dgm_trainer_is_busy(const dgm_trainer *trainer);
bool __wrap_dgm_trainer_is_busy(const dgm_trainer *trainer);

static int update; /* the one that is computed, from 1 */

static int number(const char *name)
{
    const char *text = getenv(name);
    return text != NULL ? atoi(text) : -1;
}

static bool is_unlucky(void) { return number("OMPI_COMM_WORLD_RANK") == number("UNLUCKY_RANK"); }

dgm_err __wrap_dgm_loss_compute(const dgm_layer_context *ctx, const dgm_batch *batch, const float *hidden, const float *embedding, double *smoothed,
                                double *nll, float *dhidden, float *dembedding)
{
    if (dhidden != NULL && ++update == number("UNLUCKY_UPDATE") && !is_unlucky()) usleep(500000); /* a validation has no dhidden */
    return __real_dgm_loss_compute(ctx, batch, hidden, embedding, smoothed, nll, dhidden, dembedding);
}

dgm_err __wrap_dgm_embed_backward(const dgm_layer_context *ctx, const dgm_packed *packed, int first_leaf, int n_leaves, bool source,
                                  const uint16_t *mask, float *dy, dgm_embedding_grad *grad)
{
    if (update == number("UNLUCKY_UPDATE") && is_unlucky()) return DGM_FAIL(DGM_ERR_NOMEM, "embedding gradients, as planted");
    return __real_dgm_embed_backward(ctx, packed, first_leaf, n_leaves, source, mask, dy, grad);
}

bool __wrap_dgm_trainer_is_busy(const dgm_trainer *trainer)
{
    bool busy = __real_dgm_trainer_is_busy(trainer);
    if (is_unlucky()) fprintf(stderr, "the unlucky rank ends %s\n", busy ? "with messages under way" : "at rest");
    return busy;
}
