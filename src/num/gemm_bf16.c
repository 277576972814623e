/* Both operands are rounded and laid into panels, the smaller one whole (or in large chunks), the other strip by strip, so that each is
 * read once; then tiles of 12 x 32 elements are computed over all of K, the tree over parts included, and written once.
 *
 * Why not oneDNN: its bf16 product (2.6.3, brgemm) gives sub-blocks other bits than the whole, because it chooses blocks of K by the other two
 * dimensions; and it wants operands that are bf16 already, with the additions of a tree left to passes behind it.  docs/performance.md has figures. */
#include "gemm_bf16.h"

#include "build_config.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <stdlib.h>
#include <string.h>

/* Words of two bf16.  A strip stays in the L2 cache, the whole operand in L3. */
enum { STRIP_WORDS = 160 << 10, WHOLE_WORDS = (1 << 20) + (128 << 10), PANELS_AT_ONCE = 8 };

#ifdef DGM_BF16_KERNEL

/* DRAGOMAN_BF16=none takes the instructions away: it is there for tests of what happens without. */
bool gemm_bf16_available(const char **missing)
{
    const char *wanted = getenv("DRAGOMAN_BF16");
    *missing = "this processor has no AVX512-BF16 instructions";
    if (wanted != NULL && strcmp(wanted, "none") == 0) return false;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
}

/* What all threads of a product see. */
typedef struct {
    const gemm_bf16_operand *whole, *strips;
    int whole_width, strip_width; /* rows of a panel */
    bool strips_are_a;
    const int64_t *start;
    int64_t n_pairs[GEMM_BF16_MAX_PARTS], whole_panel, strip_panel; /* words of a panel */
    int n_parts;
    bool continues;
    float *c;
    int64_t ldc;
    int64_t first, n;  /* rows of the whole operand that are packed now */
    int64_t strip_rows;
    uint32_t *packed;
} product;

/* How many pieces of `size` cover n. */
static int64_t pieces(int64_t n, int64_t size) { return (n + size - 1) / size; }

/* The size of equal pieces of n rows, whole panels each: as many pieces as `memory` words and a multiple of n_threads ask for. */
static int64_t piece_rows(int64_t n, int width, int64_t panel_words, int64_t memory, int n_threads)
{
    int64_t most = memory / panel_words * width;
    DGM_ASSERT(most > 0);
    int64_t n_pieces = pieces(pieces(n, most), n_threads) * n_threads;
    return pieces(pieces(n, n_pieces), width) * width;
}

/* Memory for the whole operand and a strip per thread; kept, so that a training step allocates none. */
static uint32_t *panels_memory(int n_threads)
{
    static uint32_t *memory;
    static int made_for;
    if (made_for < n_threads) {
        free(memory);
        memory = aligned_alloc(64, ((size_t)WHOLE_WORDS + (size_t)n_threads * STRIP_WORDS) * sizeof *memory);
        if (memory == NULL) dgm_error_fatal(__FILE__, __LINE__, "memory for the panels of a bf16 product");
        made_for = n_threads;
    }
    return memory;
}

/* Packs the i-th PANELS_AT_ONCE panels of the chunk of the whole operand. */
static void pack_whole(const product *p, int64_t i)
{
    int64_t rows = PANELS_AT_ONCE * p->whole_width, row = i * rows;
    gemm_bf16_pack(p->whole_width, p->whole, p->first + row, DGM_MIN(p->n - row, rows), p->start, p->n_parts, p->whole_panel,
                   p->packed + i * PANELS_AT_ONCE * p->whole_panel);
}

static void tile(const product *p, const uint32_t *strip, int64_t strip_row, const uint32_t *whole, int64_t whole_row)
{
    int64_t rows = p->strips_are_a ? p->strips->n - strip_row : p->first + p->n - whole_row;
    int64_t columns = p->strips_are_a ? p->first + p->n - whole_row : p->strips->n - strip_row;
    const uint32_t *a = p->strips_are_a ? strip : whole, *b = p->strips_are_a ? whole : strip;
    float *c = p->strips_are_a ? p->c + strip_row * p->ldc + whole_row : p->c + whole_row * p->ldc + strip_row;
    gemm_bf16_tile(p->n_pairs, p->n_parts, p->continues, a, b, DGM_MIN(rows, (int64_t)BF16_ROWS), DGM_MIN(columns, (int64_t)BF16_COLUMNS), c, p->ldc);
}

/* Packs the strip that begins at `row` and multiplies it by the chunk. */
static void multiply_strip(const product *p, int64_t row, uint32_t *strip)
{
    int64_t n = DGM_MIN(p->strip_rows, p->strips->n - row);
    gemm_bf16_pack(p->strip_width, p->strips, row, n, p->start, p->n_parts, p->strip_panel, strip);
    for (int64_t w = 0; w < p->n; w += p->whole_width)
        for (int64_t s = 0; s < n; s += p->strip_width)
            tile(p, strip + s / p->strip_width * p->strip_panel, row + s, p->packed + w / p->whole_width * p->whole_panel, p->first + w);
}

/* One thread does all of it without OpenMP, in a build that has none and for one thread. */
static void multiply_chunk(const product *p, int n_threads)
{
    int64_t n_groups = pieces(p->n, PANELS_AT_ONCE * p->whole_width), n_strips = pieces(p->strips->n, p->strip_rows);
    uint32_t *strips = p->packed + WHOLE_WORDS;
    (void)n_threads;
#ifdef _OPENMP
    if (n_threads > 1) {
#pragma omp parallel num_threads(n_threads)
        {
#pragma omp for schedule(static)
            for (int64_t i = 0; i < n_groups; i++) pack_whole(p, i);
#pragma omp for schedule(dynamic)
            for (int64_t i = 0; i < n_strips; i++) multiply_strip(p, i * p->strip_rows, strips + omp_get_thread_num() * (int64_t)STRIP_WORDS);
        }
        return;
    }
#endif
    for (int64_t i = 0; i < n_groups; i++) pack_whole(p, i);
    for (int64_t i = 0; i < n_strips; i++) multiply_strip(p, i * p->strip_rows, strips);
}

/* All parts within one slab. */
static void multiply(const gemm_bf16_operand *a, const gemm_bf16_operand *b, const int64_t *start, int n_parts, bool continues, float *c,
                     int64_t ldc, int n_threads)
{
    bool whole_a = a->n <= b->n;
    product p = {.whole = whole_a ? a : b, .strips = whole_a ? b : a, .strips_are_a = !whole_a, .start = start, .n_parts = n_parts,
                 .continues = continues, .c = c, .ldc = ldc, .packed = panels_memory(n_threads)};
    int64_t n_pairs = 0;
    for (int i = 0; i < n_parts; i++) n_pairs += p.n_pairs[i] = (start[i + 1] - start[i] + 1) / 2;
    p.whole_width = whole_a ? BF16_ROWS : BF16_COLUMNS;
    p.strip_width = whole_a ? BF16_COLUMNS : BF16_ROWS;
    p.whole_panel = gemm_bf16_panel_words(p.whole_width, n_pairs);
    p.strip_panel = gemm_bf16_panel_words(p.strip_width, n_pairs);
    p.strip_rows = piece_rows(p.strips->n, p.strip_width, p.strip_panel, STRIP_WORDS, n_threads);
    int64_t chunk = piece_rows(p.whole->n, p.whole_width, p.whole_panel, WHOLE_WORDS, 1);
    for (p.first = 0; p.first < p.whole->n; p.first += chunk) {
        p.n = DGM_MIN(chunk, p.whole->n - p.first);
        multiply_chunk(&p, n_threads);
    }
}

bool gemm_bf16_fits(const int64_t *start, int n_parts)
{
    int64_t n_pairs = 0;
    for (int i = 0; i < n_parts; i++) n_pairs += (start[i + 1] - start[i] + 1) / 2;
    return n_parts <= GEMM_BF16_MAX_PARTS && n_pairs <= GEMM_BF16_SLAB / 2;
}

void gemm_bf16_product(const gemm_bf16_operand *a, const gemm_bf16_operand *b, const int64_t *start, int n_parts, float *c, int64_t ldc,
                       int n_threads)
{
    if (gemm_bf16_fits(start, n_parts)) {
        multiply(a, b, start, n_parts, false, c, ldc, n_threads);
        return;
    }
    DGM_ASSERT(n_parts == 1);
    for (int64_t k = start[0]; k < start[1]; k += GEMM_BF16_SLAB)
        multiply(a, b, (int64_t[]){k, DGM_MIN(k + GEMM_BF16_SLAB, start[1])}, 1, k > start[0], c, ldc, n_threads);
}

#else

bool gemm_bf16_available(const char **missing)
{
    *missing = "this build has no bf16 kernel (configure says why)";
    return false;
}

bool gemm_bf16_fits(const int64_t *start, int n_parts)
{
    (void)start, (void)n_parts;
    return false;
}

void gemm_bf16_product(const gemm_bf16_operand *a, const gemm_bf16_operand *b, const int64_t *start, int n_parts, float *c, int64_t ldc,
                       int n_threads)
{
    (void)a, (void)b, (void)start, (void)n_parts, (void)c, (void)ldc, (void)n_threads;
    dgm_error_fatal(__FILE__, __LINE__, "a bf16 product in a build without its kernel");
}

#endif
