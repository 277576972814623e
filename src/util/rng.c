/* Random123's Philox under names of our own. */
#include "dgm/rng.h"

#include <Random123/philox.h>
#include <math.h>

dgm_rng dgm_rng_make(uint64_t seed, dgm_rng_purpose purpose)
{
    /* One block of Philox spreads seed and purpose over the key, so that neighbouring seeds share nothing. */
    philox4x32_ctr_t c = {{(uint32_t)seed, (uint32_t)(seed >> 32), (uint32_t)purpose, 0}};
    philox4x32_key_t k = {{0x44474d21u, 0}};
    philox4x32_ctr_t r = philox4x32(c, k);
    return (dgm_rng){{r.v[0], r.v[1]}};
}

dgm_rng_block dgm_rng_at(dgm_rng rng, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3)
{
    philox4x32_ctr_t c = {{c0, c1, c2, c3}};
    philox4x32_key_t k = {{rng.key[0], rng.key[1]}};
    philox4x32_ctr_t r = philox4x32(c, k);
    return (dgm_rng_block){{r.v[0], r.v[1], r.v[2], r.v[3]}};
}

static uint64_t bits64(dgm_rng rng, uint64_t index, uint64_t stream, int half)
{
    dgm_rng_block b = dgm_rng_at(rng, (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream, (uint32_t)(stream >> 32));
    return (uint64_t)b.v[2 * half] << 32 | b.v[2 * half + 1];
}

double dgm_rng_uniform(dgm_rng rng, uint64_t index, uint64_t stream)
{
    return (double)(bits64(rng, index, stream, 0) >> 11) * 0x1p-53;
}

double dgm_rng_normal(dgm_rng rng, uint64_t index, uint64_t stream)
{
    double u = ((double)(bits64(rng, index, stream, 0) >> 11) + 1) * 0x1p-53; /* in (0, 1]: its logarithm is finite */
    double v = (double)(bits64(rng, index, stream, 1) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

uint64_t dgm_rng_below(dgm_rng rng, uint64_t n, uint64_t index, uint64_t stream)
{
    return (uint64_t)((unsigned __int128)bits64(rng, index, stream, 0) * n >> 64);
}

void dgm_rng_permute(dgm_rng rng, uint64_t stream, int64_t n, int64_t *order)
{
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)dgm_rng_below(rng, (uint64_t)i + 1, (uint64_t)i, stream);
        int64_t t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
}
