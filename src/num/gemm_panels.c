/* Both operands are laid into panels, the smaller one whole (or in large chunks), the other strip by strip, so that each is read once; then
 * tiles are computed over all of K, the tree over parts included, and written once.  Operands for bf16 are rounded on the way.
 *
 * Why not BLIS for fp32: a sum over leaves or pieces is a product of its own for each part there, with passes that add them, and a product with few
 * columns or a short K spends a tenth of its time on packing.  Why not oneDNN for bf16: its product (2.6.3, brgemm) gives sub-blocks other bits
 * than the whole, because it chooses blocks of K by the other two dimensions.  docs/performance.md has figures. */
#include "gemm_panels.h"

#include "build_config.h"

#include "dgm/pages.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <stdlib.h>
#include <string.h>

/* Words of 32 bits.  A slab of a panel is at most SLAB_WORDS long; a strip stays in the L2 cache, the whole operand in L3. */
enum { SLAB_WORDS = 2048, STRIP_WORDS = 160 << 10, WHOLE_WORDS = (1 << 20) + (128 << 10), PANELS_AT_ONCE = 8 };

/* Rows of a are read where they are if the lines that a tile walks along at the same time lie in this many sets of the L1 cache or more, of its 64 (so
 * many on the processors of the last ten years): with rows 1,024 floats apart all of them would share one set. */
enum { L1_SETS = 64, LINE_FLOATS = 16, DIRECT_SETS = 2 };

/* Behind each panel, for a kernel's last store to run into; the next panel begins in another cache set. */
enum { SLACK_WORDS = 16 };

/* ---- which kernel ---- */

/* DRAGOMAN_GEMM=blis leaves fp32 products to BLIS. */
const dgm_product_kernels *gemm_panels_fp32(void)
{
    static int use_blis = -1;
    if (use_blis < 0) {
        const char *wanted = getenv("DRAGOMAN_GEMM");
        use_blis = wanted != NULL && strcmp(wanted, "blis") == 0; /* dgm_gemm_check_environment refuses all else */
    }
    return use_blis ? NULL : *dgm_kernels_now()->product;
}

#ifdef DGM_BF16_KERNEL
extern const dgm_product_kernels dgm_product_kernels_bf16;

/* DRAGOMAN_BF16=none takes the instructions away: it is there for tests of what happens without. */
const dgm_product_kernels *gemm_panels_bf16(const char **missing)
{
    const char *wanted = getenv("DRAGOMAN_BF16");
    *missing = "DRAGOMAN_BF16=none in the environment takes the AVX512-BF16 instructions away (unset it to have them)";
    if (wanted != NULL && strcmp(wanted, "none") == 0) return NULL;
    *missing = "this processor has no AVX512-BF16 instructions";
    bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
    return has ? &dgm_product_kernels_bf16 : NULL;
}
#else
const dgm_product_kernels *gemm_panels_bf16(const char **missing)
{
    *missing = "this build has no bf16 kernel (configure says why)";
    return NULL;
}
#endif

/* ---- the product ---- */

static int64_t words(const dgm_product_kernels *kernels, int64_t k) { return (k + kernels->k_per_word - 1) / kernels->k_per_word; }

/* What all threads of a product see. */
typedef struct {
    const dgm_product_kernels *kernels;
    const dgm_operand *whole, *strips;
    int whole_width, strip_width; /* rows of a panel */
    bool strips_are_a, direct; /* direct: tiles read strips from memory */
    const int64_t *start;
    int64_t n_words[GEMM_PANELS_MAX_PARTS], whole_panel, strip_panel; /* words of a panel */
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
        size_t bytes = ((size_t)WHOLE_WORDS + (size_t)n_threads * STRIP_WORDS) * sizeof *memory;
        memory = dgm_pages_alloc(bytes);
        if (memory == NULL) dgm_error_fatal(__FILE__, __LINE__, "memory for the panels of a product");
        made_for = n_threads;
    }
    return memory;
}

/* Packs the i-th PANELS_AT_ONCE panels of the chunk of the whole operand. */
static void pack_whole(const product *p, int64_t i)
{
    int64_t rows = PANELS_AT_ONCE * p->whole_width, row = i * rows;
    p->kernels->pack(p->whole_width, p->whole, p->first + row, DGM_MIN(p->n - row, rows), p->start, p->n_parts, p->whole_panel,
                   p->packed + i * PANELS_AT_ONCE * p->whole_panel);
}

static void tile(const product *p, const uint32_t *strip, int64_t strip_row, const uint32_t *whole, int64_t whole_row)
{
    int64_t rows = p->strips_are_a ? p->strips->n - strip_row : p->first + p->n - whole_row;
    int64_t columns = p->strips_are_a ? p->first + p->n - whole_row : p->strips->n - strip_row;
    const uint32_t *a = p->strips_are_a ? strip : whole, *b = p->strips_are_a ? whole : strip;
    float *c = p->strips_are_a ? p->c + strip_row * p->ldc + whole_row : p->c + whole_row * p->ldc + strip_row;
    p->kernels->tile(p->n_words, p->n_parts, p->continues, a, b, DGM_MIN(rows, (int64_t)p->kernels->rows),
                     DGM_MIN(columns, (int64_t)p->kernels->columns), c, p->ldc);
}

/* Packs the strip that begins at `row` and multiplies it by the chunk. */
static void multiply_strip(const product *p, int64_t row, uint32_t *strip)
{
    int64_t n = DGM_MIN(p->strip_rows, p->strips->n - row);
    int64_t n_direct = p->direct ? n / p->strip_width * p->strip_width : 0; /* rows that need no panel */
    if (n_direct < n)
        p->kernels->pack(p->strip_width, p->strips, row + n_direct, n - n_direct, p->start, p->n_parts, p->strip_panel,
                         strip + n_direct / p->strip_width * p->strip_panel);
    for (int64_t s = 0; s < n_direct; s += p->strip_width)
        for (int64_t w = 0; w < p->n; w += p->whole_width)
            p->kernels->tile_of_rows(p->start, p->n_parts, p->continues, p->strips->x + (row + s) * p->strips->row_stride, p->strips->row_stride,
                                     p->packed + w / p->whole_width * p->whole_panel, DGM_MIN(p->n - w, (int64_t)p->kernels->columns),
                                     p->c + (row + s) * p->ldc + p->first + w, p->ldc);
    for (int64_t w = 0; w < p->n; w += p->whole_width)
        for (int64_t s = n_direct; s < n; s += p->strip_width)
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

/* Whether n rows, row_stride floats apart, spread over DIRECT_SETS sets of the L1 cache. */
static bool spread(int64_t row_stride, int n)
{
    bool used[L1_SETS] = {false};
    int n_used = 0;
    for (int i = 0; i < n; i++) {
        int64_t set = i * row_stride / LINE_FLOATS % L1_SETS;
        n_used += !used[set];
        used[set] = true;
    }
    return n_used >= DIRECT_SETS;
}

static int64_t panel_words(int width, int64_t n_words) { return n_words * width + SLACK_WORDS; }

/* All parts within one slab. */
static void multiply(const dgm_product_kernels *kernels, const dgm_operand *a, const dgm_operand *b, const int64_t *start, int n_parts,
                     bool continues, float *c, int64_t ldc, int n_threads)
{
    bool whole_a = a->n <= b->n;
    product p = {.kernels = kernels, .whole = whole_a ? a : b, .strips = whole_a ? b : a, .strips_are_a = !whole_a, .start = start,
                 .n_parts = n_parts, .continues = continues, .c = c, .ldc = ldc, .packed = panels_memory(n_threads)};
    p.direct = kernels->tile_of_rows != NULL && p.strips_are_a && a->k_stride == 1 && spread(a->row_stride, kernels->rows);
    int64_t n_words = 0;
    for (int i = 0; i < n_parts; i++) n_words += p.n_words[i] = words(kernels, start[i + 1] - start[i]);
    p.whole_width = whole_a ? kernels->rows : kernels->columns;
    p.strip_width = whole_a ? kernels->columns : kernels->rows;
    p.whole_panel = panel_words(p.whole_width, n_words);
    p.strip_panel = panel_words(p.strip_width, n_words);
    p.strip_rows = piece_rows(p.strips->n, p.strip_width, p.strip_panel, STRIP_WORDS, n_threads);
    int64_t chunk = piece_rows(p.whole->n, p.whole_width, p.whole_panel, WHOLE_WORDS, 1);
    for (p.first = 0; p.first < p.whole->n; p.first += chunk) {
        p.n = DGM_MIN(chunk, p.whole->n - p.first);
        multiply_chunk(&p, n_threads);
    }
}

bool gemm_panels_fit(const dgm_product_kernels *kernels, const int64_t *start, int n_parts)
{
    int64_t n_words = 0;
    for (int i = 0; i < n_parts; i++) n_words += words(kernels, start[i + 1] - start[i]);
    return n_parts <= GEMM_PANELS_MAX_PARTS && n_words <= SLAB_WORDS;
}

void gemm_panels_product(const dgm_product_kernels *kernels, const dgm_operand *a, const dgm_operand *b, const int64_t *start, int n_parts,
                         float *c, int64_t ldc, int n_threads)
{
    if (gemm_panels_fit(kernels, start, n_parts)) {
        multiply(kernels, a, b, start, n_parts, false, c, ldc, n_threads);
        return;
    }
    DGM_ASSERT(n_parts == 1);
    int64_t slab = (int64_t)SLAB_WORDS * kernels->k_per_word;
    for (int64_t k = start[0]; k < start[1]; k += slab)
        multiply(kernels, a, b, (int64_t[]){k, DGM_MIN(k + slab, start[1])}, 1, k > start[0], c, ldc, n_threads);
}
