/* Square blocks of floats turned round in registers.  Kernel files only. */
#ifndef DGM_NUM_TRANSPOSE_H
#define DGM_NUM_TRANSPOSE_H

#include "lanes.h"

#if LANES_WIDTH == 16
#define LANES_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define LANES_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES_WIDTH == 8
#define LANES_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define LANES_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define LANES_LOW 0, 4, 1, 5
#define LANES_HIGH 2, 6, 3, 7
#endif
#if defined(__clang__)
#define LANES_DEAL(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define LANES_DEAL(a, b, ...) __builtin_shuffle(a, b, (vec_i){__VA_ARGS__})
#endif

/* Deals vectors i and i + LANES_WIDTH / 2 alternately into vectors 2 i and 2 i + 1. */
LANES_INLINE void lanes_turn(const vec_f *from, vec_f *to)
{
    _Pragma("GCC unroll 8") for (int i = 0; i < LANES_WIDTH / 2; i++)
    {
        to[2 * i] = LANES_DEAL(from[i], from[i + LANES_WIDTH / 2], LANES_LOW);
        to[2 * i + 1] = LANES_DEAL(from[i], from[i + LANES_WIDTH / 2], LANES_HIGH);
    }
}

/* Lane j of vector i becomes lane i of vector j: as many turns as LANES_WIDTH has binary digits. */
LANES_INLINE void lanes_transpose(vec_f v[LANES_WIDTH])
{
    vec_f t[LANES_WIDTH];
    lanes_turn(v, t), lanes_turn(t, v);
#if LANES_WIDTH >= 8
    lanes_turn(v, t);
#if LANES_WIDTH == 16
    lanes_turn(t, v);
#else
    _Pragma("GCC unroll 16") for (int i = 0; i < LANES_WIDTH; i++) v[i] = t[i];
#endif
#endif
}

#endif
