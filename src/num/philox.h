/* Philox4x32-10 (Salmon et al. 2011) for sixteen counters at a time, bit-equal to dgm_rng_at: dropout asks for a block per eight
 * elements.  Kernel files only. */
#ifndef DGM_NUM_PHILOX_H
#define DGM_NUM_PHILOX_H

#include "lanes.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* A 32-bit value per lane in the low half of 64 bits; the high half is noise.  So a product needs no shuffling. */
enum { WIDE_PARTS = 2 * LANES_PARTS, WIDE_WIDTH = LANES / WIDE_PARTS };
typedef uint64_t vec_u64 __attribute__((vector_size(4 * LANES_WIDTH)));
typedef struct { vec_u64 v[WIDE_PARTS]; } wide;

/* The 64-bit product of the low halves.  Compilers do not see this instruction in plain C. */
LANES_INLINE vec_u64 philox_product(vec_u64 a, uint32_t b)
{
#if LANES_WIDTH == 16
    return (vec_u64)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
#elif LANES_WIDTH == 8
    return (vec_u64)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
#elif defined(__SSE2__)
    return (vec_u64)_mm_mul_epu32((__m128i)a, _mm_set1_epi64x(b));
#else
    return (a & 0xFFFFFFFFu) * (uint64_t)b;
#endif
}

LANES_INLINE wide wide_all(uint32_t x) { LANES_EACH_OF(WIDE_PARTS, wide, x - (vec_u64){0}); }
LANES_INLINE wide wide_load(const uint64_t p[LANES])
{
    wide r;
    memcpy(&r, p, sizeof r);
    return r;
}

/* word[0..3] in: the counters of the sixteen lanes, out: their random words. */
LANES_INLINE void philox16(const uint32_t key[2], wide word[4])
{
    _Pragma("GCC unroll 8") for (int i = 0; i < WIDE_PARTS; i++) {
        vec_u64 w0 = word[0].v[i], w1 = word[1].v[i], w2 = word[2].v[i], w3 = word[3].v[i];
        uint32_t k0 = key[0], k1 = key[1];
        for (int round = 0; round < 10; round++) {
            vec_u64 p0 = philox_product(w0, 0xD2511F53u), p1 = philox_product(w2, 0xCD9E8D57u);
            w0 = (p1 >> 32) ^ w1 ^ k0, w1 = p1;
            w2 = (p0 >> 32) ^ w3 ^ k1, w3 = p0;
            k0 += 0x9E3779B9u, k1 += 0xBB67AE85u; /* the Weyl sequence of the key */
        }
        word[0].v[i] = w0, word[1].v[i] = w1, word[2].v[i] = w2, word[3].v[i] = w3;
    }
}

/* Eight mask bits per lane: bit e is on when the 16 random bits of element e of the block (low half of a word first) are
 * >= threshold <= 65536.  The comparison is the carry into bit 16. */
LANES_INLINE void philox_keep_bytes(const uint32_t key[2], uint32_t threshold, wide word[4], uint8_t keep[LANES])
{
    uint64_t bytes[LANES];
    philox16(key, word);
    _Pragma("GCC unroll 8") for (int i = 0; i < WIDE_PARTS; i++) {
        vec_u64 b = {0};
        _Pragma("GCC unroll 4") for (int w = 0; w < 4; w++) {
            vec_u64 low = (word[w].v[i] & 0xFFFF) + (65536 - threshold), high = (word[w].v[i] >> 16 & 0xFFFF) + (65536 - threshold);
            b |= low >> (16 - 2 * w) & (uint64_t)(1u << 2 * w);
            b |= high >> (15 - 2 * w) & (uint64_t)(2u << 2 * w);
        }
        memcpy(bytes + i * WIDE_WIDTH, &b, sizeof b);
    }
    for (int i = 0; i < LANES; i++) keep[i] = (uint8_t)bytes[i];
}

#endif
