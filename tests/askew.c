/* The program itself, among libraries that change how the processor rounds (include/dgm/rounding.h): for tests of bits that must not follow them.
 *
 * They do so when they are loaded, when MPI starts, in every thread as it begins, whenever a batch to train on has been fetched and whenever a
 * sentence to translate or to score has been encoded.  The linker puts these functions in place of the real ones. */
#include "dgm/loader.h"
#include "dgm/translate.h"

#include <dlfcn.h>
#include <fenv.h>
#include <mpi.h>
#include <pthread.h>
#include <stdlib.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

int __real_MPI_Init_thread(int *argc, char ***argv, int wanted, int *provided);
int __wrap_MPI_Init_thread(int *argc, char ***argv, int wanted, int *provided);
dgm_err __real_dgm_loader_next(dgm_loader *loader, dgm_step_batch *out);
dgm_err __wrap_dgm_loader_next(dgm_loader *loader, dgm_step_batch *out);
dgm_err __real_dgm_sentence_list_encode(dgm_sentence_list *list, dgm_tokenizer_state *tokenizer, const char *line, size_t bytes, int64_t max_tokens,
                                        const char *where, int64_t number);
dgm_err __wrap_dgm_sentence_list_encode(dgm_sentence_list *list, dgm_tokenizer_state *tokenizer, const char *line, size_t bytes, int64_t max_tokens,
                                        const char *where, int64_t number);

/* Towards zero; on x86-64 subnormal numbers become zero as well, operands and results. */
static void skew(void)
{
    fesetround(FE_TOWARDZERO);
#ifdef __x86_64__
    _mm_setcsr(_mm_getcsr() | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
#endif
}

__attribute__((constructor)) static void at_load(void) { skew(); }

int __wrap_MPI_Init_thread(int *argc, char ***argv, int wanted, int *provided)
{
    int code = __real_MPI_Init_thread(argc, argv, wanted, provided);
    skew();
    return code;
}

dgm_err __wrap_dgm_loader_next(dgm_loader *loader, dgm_step_batch *out)
{
    dgm_err err = __real_dgm_loader_next(loader, out);
    skew();
    return err;
}

dgm_err __wrap_dgm_sentence_list_encode(dgm_sentence_list *list, dgm_tokenizer_state *tokenizer, const char *line, size_t bytes, int64_t max_tokens,
                                        const char *where, int64_t number)
{
    dgm_err err = __real_dgm_sentence_list_encode(list, tokenizer, line, bytes, max_tokens, where, number);
    skew();
    return err;
}

/* ---- threads: libraries call this function in place of the C library's, because the program has one of that name ---- */

typedef struct { void *(*run)(void *); void *of; } beginning;

static void *begin(void *own)
{
    beginning b = *(beginning *)own;
    free(own);
    skew();
    return b.run(b.of);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *of)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    beginning *own = malloc(sizeof *own);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (own == NULL || real == NULL) abort();
    *own = (beginning){run, of};
    return real(thread, attributes, begin, own);
}
