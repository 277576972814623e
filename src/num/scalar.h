/* exp and log of one double, a few units in the last place: the log-sum-exps of a model must not depend on the libm at hand. */
#ifndef DGM_NUM_SCALAR_H
#define DGM_NUM_SCALAR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline double scalar_power_of_two(int n) /* -1022 <= n <= 1023 */
{
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Below -708 the result is 0. */
static inline double scalar_exp(double x)
{
    const double log2_e = 1.4426950408889634, ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    if (!(x >= -708)) return x != x ? x : 0;
    if (x > 709) return INFINITY;
    int n = (int)(x * log2_e + (x < 0 ? -0.5 : 0.5));
    double r = (x - n * ln2_high) - n * ln2_low, p = 1;
    for (int k = 14; k >= 1; k--) p = 1 + p * r / k; /* Taylor: |r| <= 0.35, the rest is below 1e-19 */
    return p * scalar_power_of_two(n);
}

/* Of 2 atanh(s) = 2 s (1 + s^2 / 3 + s^4 / 5 + ...); |s| <= 0.172: the rest is below 1e-19. */
static const double scalar_log_odd[12] = {1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1};
static const double scalar_ln2_high = 6.93147180369123816490e-01, scalar_ln2_low = 1.90821492927058770002e-10;

/* log m = 2 atanh((m - 1) / (m + 1)) with m in [sqrt(1/2), sqrt(2)), and the exponent apart.  x is 0, a normal number or infinite. */
static inline double scalar_log(double x)
{
    if (!(x > 0)) return x == 0 ? -INFINITY : NAN;
    if (x > 1.7976931348623157e308) return x;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int n = (int)(bits >> 52) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) m *= 0.5, n++;
    double s = (m - 1) / (m + 1), z = s * s, p = 0;
    for (int k = 0; k < 12; k++) p = p * z + scalar_log_odd[k];
    return n * scalar_ln2_high + (2 * s * p + n * scalar_ln2_low);
}

/* Eight at once, with the bits that each has alone: one alone waits for every step of its chain. */
static inline void scalar_log_8(const double *x, double *out)
{
    double m[8], n[8], s[8], z[8], p[8];
    for (int i = 0; i < 8; i++) {
        uint64_t bits, low;
        memcpy(&bits, &x[i], sizeof bits);
        low = (bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
        memcpy(&m[i], &low, sizeof low);
        bool upper = m[i] > 1.4142135623730951;
        m[i] = upper ? m[i] * 0.5 : m[i];
        n[i] = (double)((int)(bits >> 52) - 1023 + upper);
    }
    for (int i = 0; i < 8; i++) {
        s[i] = (m[i] - 1) / (m[i] + 1);
        z[i] = s[i] * s[i];
        p[i] = 0;
    }
    for (int k = 0; k < 12; k++)
        for (int i = 0; i < 8; i++) p[i] = p[i] * z[i] + scalar_log_odd[k];
    for (int i = 0; i < 8; i++) out[i] = n[i] * scalar_ln2_high + (2 * s[i] * p[i] + n[i] * scalar_ln2_low);
    for (int i = 0; i < 8; i++)
        if (!(x[i] > 0 && x[i] <= 1.7976931348623157e308)) out[i] = scalar_log(x[i]);
}

#endif
