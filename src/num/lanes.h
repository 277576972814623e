/* Sixteen floats that are worked on together, whatever the width of the machine's registers: one register of AVX-512, two of AVX2,
 * four of SSE2 or NEON.  Sums over a row keep lane i for the elements with index i mod 16 and end in one fixed tree, and every
 * operation is a correctly rounded IEEE one without contraction: the three families give the same bits.
 *
 * Vector types of GCC and Clang, not loops left to the compiler: accumulators must stay in registers.  Kernel files only. */
#ifndef DGM_NUM_LANES_H
#define DGM_NUM_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define LANES_WIDTH 16
#elif defined(__AVX2__)
#define LANES_WIDTH 8
#else
#define LANES_WIDTH 4
#endif
#if LANES_WIDTH > 4
#include <immintrin.h>
#endif

enum { LANES = 16, LANES_PARTS = LANES / LANES_WIDTH };

typedef float vec_f __attribute__((vector_size(4 * LANES_WIDTH)));
typedef int32_t vec_i __attribute__((vector_size(4 * LANES_WIDTH)));
typedef float vec_f_anywhere __attribute__((vector_size(4 * LANES_WIDTH), aligned(4), may_alias));

typedef struct { vec_f v[LANES_PARTS]; } lanes;
typedef struct { vec_i v[LANES_PARTS]; } lanes_i; /* integers, or masks: each lane all ones or all zeros */

#define LANES_INLINE static inline __attribute__((always_inline, unused))
#define LANES_EACH_OF(n_parts, type, expression)                                                                                  \
    type r;                                                                                                                       \
    _Pragma("GCC unroll 8") for (int i = 0; i < (n_parts); i++) r.v[i] = (expression);                                            \
    return r
#define LANES_EACH(type, expression) LANES_EACH_OF(LANES_PARTS, type, expression)

LANES_INLINE lanes lanes_all(float x) { LANES_EACH(lanes, x - (vec_f){0}); } /* x - 0 is x, also for -0 */
LANES_INLINE lanes lanes_zero(void) { LANES_EACH(lanes, (vec_f){0}); }
LANES_INLINE lanes_i lanes_i_all(int32_t x) { LANES_EACH(lanes_i, x - (vec_i){0}); }
/* The same pointer, of which the compiler does not know it. */
LANES_INLINE const float *lanes_apart(const float *p)
{
    __asm__ volatile("" : "+r"(p));
    return p;
}

LANES_INLINE lanes lanes_load(const float *p) { LANES_EACH(lanes, *(const vec_f_anywhere *)(p + i * LANES_WIDTH)); }
LANES_INLINE lanes lanes_add(lanes a, lanes b) { LANES_EACH(lanes, a.v[i] + b.v[i]); }
LANES_INLINE lanes lanes_sub(lanes a, lanes b) { LANES_EACH(lanes, a.v[i] - b.v[i]); }
LANES_INLINE lanes lanes_mul(lanes a, lanes b) { LANES_EACH(lanes, a.v[i] * b.v[i]); }
LANES_INLINE lanes lanes_div(lanes a, lanes b) { LANES_EACH(lanes, a.v[i] / b.v[i]); }
LANES_INLINE lanes_i lanes_less(lanes a, lanes b) { LANES_EACH(lanes_i, a.v[i] < b.v[i]); }
LANES_INLINE lanes_i lanes_at_most(lanes a, lanes b) { LANES_EACH(lanes_i, a.v[i] <= b.v[i]); }
LANES_INLINE lanes_i lanes_bits(lanes a) { LANES_EACH(lanes_i, (vec_i)a.v[i]); }
LANES_INLINE lanes lanes_of_bits(lanes_i a) { LANES_EACH(lanes, (vec_f)a.v[i]); }
/* x where the mask is on, 0 elsewhere; and the other way round. */
LANES_INLINE lanes lanes_where(lanes_i mask, lanes x) { LANES_EACH(lanes, (vec_f)(mask.v[i] & (vec_i)x.v[i])); }
LANES_INLINE lanes lanes_unless(lanes_i mask, lanes x) { LANES_EACH(lanes, (vec_f)(~mask.v[i] & (vec_i)x.v[i])); }
LANES_INLINE lanes lanes_select(lanes_i mask, lanes yes, lanes no)
{
    LANES_EACH(lanes, (vec_f)((mask.v[i] & (vec_i)yes.v[i]) | (~mask.v[i] & (vec_i)no.v[i])));
}
/* a < b ? b : a and b < a ? b : a, so a NaN in a stays; what the instructions of x86 do when b comes first. */
#if LANES_WIDTH == 16
LANES_INLINE lanes lanes_max(lanes a, lanes b) { LANES_EACH(lanes, (vec_f)_mm512_max_ps((__m512)b.v[i], (__m512)a.v[i])); }
LANES_INLINE lanes lanes_min(lanes a, lanes b) { LANES_EACH(lanes, (vec_f)_mm512_min_ps((__m512)b.v[i], (__m512)a.v[i])); }
#elif LANES_WIDTH == 8
LANES_INLINE lanes lanes_max(lanes a, lanes b) { LANES_EACH(lanes, (vec_f)_mm256_max_ps((__m256)b.v[i], (__m256)a.v[i])); }
LANES_INLINE lanes lanes_min(lanes a, lanes b) { LANES_EACH(lanes, (vec_f)_mm256_min_ps((__m256)b.v[i], (__m256)a.v[i])); }
#else
LANES_INLINE lanes lanes_max(lanes a, lanes b) { return lanes_select(lanes_less(a, b), b, a); }
LANES_INLINE lanes lanes_min(lanes a, lanes b) { return lanes_select(lanes_less(b, a), b, a); }
#endif

LANES_INLINE void lanes_store(float *p, lanes a)
{
    _Pragma("GCC unroll 4") for (int i = 0; i < LANES_PARTS; i++) *(vec_f_anywhere *)(p + i * LANES_WIDTH) = a.v[i];
}

/* The first n < 16 elements; the other lanes are `fill`. */
LANES_INLINE lanes lanes_load_tail(const float *p, int64_t n, float fill)
{
    float all[LANES];
    lanes_store(all, lanes_all(fill));
    memcpy(all, p, (size_t)n * sizeof *p);
    return lanes_load(all);
}

LANES_INLINE void lanes_store_tail(float *p, int64_t n, lanes a)
{
    float all[LANES];
    lanes_store(all, a);
    memcpy(p, all, (size_t)n * sizeof *p);
}

/* A row is walked as: for (j = 0; j < n; j += 16) with n_here = n - j; 16 or more take the whole-lane path. */
LANES_INLINE lanes lanes_take(const float *p, int64_t n_here, float fill)
{
    return n_here >= LANES ? lanes_load(p) : lanes_load_tail(p, n_here, fill);
}

LANES_INLINE void lanes_put(float *p, int64_t n_here, lanes a)
{
    if (n_here >= LANES) lanes_store(p, a);
    else lanes_store_tail(p, n_here, a);
}

/* Half a register of floats as a register of doubles. */
typedef double vec_d __attribute__((vector_size(4 * LANES_WIDTH)));
typedef float vec_half __attribute__((vector_size(2 * LANES_WIDTH)));
#if LANES_WIDTH == 16 /* which GCC takes apart */
LANES_INLINE vec_d vec_to_doubles(vec_half x) { return (vec_d)_mm512_cvtps_pd((__m256)x); }
#else
LANES_INLINE vec_d vec_to_doubles(vec_half x) { return __builtin_convertvector(x, vec_d); }
#endif

/* Four floats: what is left of the sixteen after two levels of the tree. */
typedef float lanes_quad __attribute__((vector_size(16)));
typedef int32_t lanes_quad_i __attribute__((vector_size(16)));

LANES_INLINE lanes_quad lanes_quad_add(lanes_quad a, lanes_quad b) { return a + b; }
LANES_INLINE lanes_quad lanes_quad_max(lanes_quad a, lanes_quad b)
{
    lanes_quad_i less = a < b;
    return (lanes_quad)((less & (lanes_quad_i)b) | (~less & (lanes_quad_i)a));
}

LANES_INLINE lanes_quad lanes_quarter(lanes a, int i) /* i is a constant */
{
    lanes_quad q;
    memcpy(&q, (const char *)&a + 16 * i, sizeof q);
    return q;
}

/* The fixed tree over the lanes: i with i + 8, then 4, 2, 1 apart. */
LANES_INLINE float lanes_sum(lanes a)
{
    lanes_quad q = lanes_quad_add(lanes_quad_add(lanes_quarter(a, 0), lanes_quarter(a, 2)),
                                  lanes_quad_add(lanes_quarter(a, 1), lanes_quarter(a, 3)));
    return (q[0] + q[2]) + (q[1] + q[3]);
}

LANES_INLINE float lanes_largest(lanes a)
{
    lanes_quad q = lanes_quad_max(lanes_quad_max(lanes_quarter(a, 0), lanes_quarter(a, 2)),
                                  lanes_quad_max(lanes_quarter(a, 1), lanes_quarter(a, 3)));
    float x = q[0] < q[2] ? q[2] : q[0], y = q[1] < q[3] ? q[3] : q[1];
    return x < y ? y : x;
}

/* The lanes whose bit is set in a word of 16 mask bits keep x, the others are 0. */
LANES_INLINE lanes lanes_keep(uint16_t bits, lanes x)
{
    static const int32_t lane_bit[LANES] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
    lanes_i mask;
    for (int i = 0; i < LANES_PARTS; i++) {
        vec_i bit;
        memcpy(&bit, lane_bit + i * LANES_WIDTH, sizeof bit);
        mask.v[i] = ((bits - (vec_i){0}) & bit) != 0;
    }
    return lanes_where(mask, x);
}

LANES_INLINE lanes lanes_step(lanes p, lanes x, float c) { return lanes_add(lanes_mul(p, x), lanes_all(c)); } /* of Horner's rule */

/* exp, relative error below 2e-7.  Range reduction in two parts after Cody and Waite (1980), x = n ln 2 + r, and a polynomial of
 * degree 6 fitted to exp on |r| <= ln 2 / 2.  Below -86.5 the result is 0 (exp(-86.5) = 2.7e-38: no subnormals), above 88.72 infinity. */
LANES_INLINE lanes lanes_exp(lanes x)
{
    const float low = -86.5f, high = 89, log2_e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    const float to_integer = 12582912; /* 1.5 * 2^23: adding it rounds to the nearest integer */
    lanes_i vanishes = lanes_less(x, lanes_all(low));
    x = lanes_min(lanes_max(x, lanes_all(low)), lanes_all(high));
    lanes shifted = lanes_add(lanes_mul(x, lanes_all(log2_e)), lanes_all(to_integer));
    lanes n = lanes_sub(shifted, lanes_all(to_integer));
    lanes r = lanes_sub(lanes_sub(x, lanes_mul(n, lanes_all(ln2_high))), lanes_mul(n, lanes_all(ln2_low)));
    lanes p = lanes_step(lanes_all(0.00139264006f), r, 0.00836335309f);
    p = lanes_step(lanes_step(lanes_step(p, r, 0.0416665524f), r, 0.166665763f), r, 0.5f);
    p = lanes_add(lanes_add(lanes_mul(lanes_mul(p, r), r), r), lanes_all(1));
    /* times 2^n as 2 * 2^(n - 1), whose exponent fits for n = 128 too; n stands in the low bits of `shifted` */
    lanes_i power, from = lanes_bits(shifted), origin = lanes_bits(lanes_all(to_integer));
    for (int i = 0; i < LANES_PARTS; i++) power.v[i] = (from.v[i] - origin.v[i] + 126) << 23;
    return lanes_unless(vanishes, lanes_mul(lanes_add(p, p), lanes_of_bits(power)));
}

/* erf, absolute error below 2e-7: x P(x^2) for |x| < 1, 1 - exp(-x^2) R(|x| - 2) up to 4, polynomials fitted to the smallest largest
 * error; beyond 4 erf is 1 to 1.6e-8.  Two pieces, because the rounding of one rational function
 * alone comes to 4e-7 near 4. */
LANES_INLINE lanes lanes_erf(lanes x)
{
    lanes size = lanes_min(lanes_max(x, lanes_sub(lanes_zero(), x)), lanes_all(4)), z = lanes_mul(size, size);
    lanes p = lanes_step(lanes_step(lanes_all(-0.000546290888f), z, 0.00487069786f), z, -0.0266638044f);
    p = lanes_mul(lanes_step(lanes_step(lanes_step(p, z, 0.112780638f), z, -0.376119375f), z, 1.12837887f), size);
    lanes t = lanes_sub(size, lanes_all(2));
    lanes q = lanes_step(lanes_step(lanes_all(-0.000388870336f), t, 0.000560768589f), t, -0.00160293316f);
    q = lanes_step(lanes_step(lanes_step(q, t, 0.00557193533f), t, -0.015492158f), t, 0.0417712368f);
    q = lanes_step(lanes_step(q, t, -0.106799498f), t, 0.255396128f);
    q = lanes_sub(lanes_all(1), lanes_mul(lanes_exp(lanes_sub(lanes_zero(), z)), q));
    lanes r = lanes_select(lanes_less(size, lanes_all(1)), p, q);
    return lanes_select(lanes_less(x, lanes_zero()), lanes_sub(lanes_zero(), r), r);
}

#endif
