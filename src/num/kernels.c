/* Chooses the kernel family and lends the kernels scratch memory. */
#include "dgm/kernels.h"

#include "build_config.h"
#include "dgm/error.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE(name)                                                                                                                \
    {#name,                                                                                                                       \
     &DGM_KERNELS_NAME(elem, name),                                                                                                \
     &DGM_KERNELS_NAME(dropout, name),                                                                                             \
     &DGM_KERNELS_NAME(sums, name),                                                                                                \
     &DGM_KERNELS_NAME(optimizer, name),                                                                                           \
     &DGM_KERNELS_NAME(norm, name),                                                                                                \
     &DGM_KERNELS_NAME(softmax, name),                                                                                             \
     &DGM_KERNELS_NAME(sdpa, name),                                                                                                \
     &DGM_KERNELS_NAME(decode, name),                                                                                              \
     &DGM_KERNELS_NAME(product, name)}

DGM_KERNELS_DECLARE(portable);
static const dgm_kernels portable = TABLE(portable);

#ifdef DGM_X86_KERNELS
DGM_KERNELS_DECLARE(avx2);
DGM_KERNELS_DECLARE(avx512);
static const dgm_kernels avx2 = TABLE(avx2), avx512 = TABLE(avx512);

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}
static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

const dgm_kernels *dgm_kernels_find(const char *name)
{
    if (strcmp(name, "portable") == 0) return &portable;
#ifdef DGM_X86_KERNELS
    if (strcmp(name, "avx2") == 0 && has_avx2()) return &avx2;
    if (strcmp(name, "avx512") == 0 && has_avx512()) return &avx512;
#endif
    return NULL;
}

static const char *const best_first[] = {"avx512", "avx2", "portable"};
enum { N_FAMILIES = sizeof best_first / sizeof best_first[0] };

/* The family that the environment asks for; NULL: none. */
static const char *asked_family(void)
{
    const char *name = getenv("DRAGOMAN_KERNELS");
    return name != NULL && *name != '\0' ? name : NULL;
}

dgm_err dgm_kernels_check(void)
{
    const char *asked = asked_family();
    bool known = false;
    char have[64] = "";
    if (asked == NULL || dgm_kernels_find(asked) != NULL) return DGM_OK;
    for (int i = 0, at = 0; i < N_FAMILIES; i++) {
        known = known || strcmp(asked, best_first[i]) == 0;
        if (dgm_kernels_find(best_first[i]) != NULL) at += snprintf(have + at, sizeof have - (size_t)at, "%s%s", at > 0 ? ", " : "", best_first[i]);
    }
    return DGM_FAIL(DGM_ERR_USAGE, "DRAGOMAN_KERNELS=%s in the environment: %s; expected one of those that can be had here (%s), or unset it for the first of them",
                    asked, known ? "this processor or this build does not have that kernel family" : "no kernel family has that name", have);
}

static const dgm_kernels *choose(void)
{
    const char *asked = asked_family();
    const dgm_kernels *k = asked != NULL ? dgm_kernels_find(asked) : NULL;
    if (asked != NULL && k == NULL) dgm_error_fatal(__FILE__, __LINE__, "dgm_kernels_check was called");
    for (int i = 0; k == NULL && i < N_FAMILIES; i++) k = dgm_kernels_find(best_first[i]);
    return k;
}

const dgm_kernels *dgm_kernels_now(void)
{
    static const dgm_kernels *chosen; /* two threads that choose at once choose the same */
    const dgm_kernels *k = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (k == NULL) {
        k = choose();
        __atomic_store_n(&chosen, k, __ATOMIC_RELAXED);
    }
    return k;
}

/* ---- scratch ---- */

typedef struct { int64_t n_floats; float *data; } scratch;

static pthread_key_t scratch_key;

static void scratch_free(void *of_thread)
{
    scratch *s = of_thread;
    if (s != NULL) free(s->data);
    free(s);
}

static void scratch_make_key(void)
{
    int failed = pthread_key_create(&scratch_key, scratch_free);
    DGM_ASSERT(failed == 0);
}

static _Noreturn void out_of_memory(void) { dgm_error_fatal(__FILE__, __LINE__, "memory for the kernels' scratch"); }

float *dgm_kernels_scratch(int64_t n_floats)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, scratch_make_key);
    scratch *s = pthread_getspecific(scratch_key);
    if (s == NULL) {
        s = calloc(1, sizeof *s);
        if (s == NULL || pthread_setspecific(scratch_key, s) != 0) out_of_memory();
    }
    if (s->n_floats < n_floats) {
        free(s->data);
        s->n_floats = (n_floats + 15) / 16 * 16;
        s->data = aligned_alloc(64, (size_t)s->n_floats * sizeof(float));
        if (s->data == NULL) out_of_memory();
    }
    return s->data;
}
