/* Walks the stretches of a flat block that are rectangles of logical tensors.  Neighbouring units of one tensor make one stretch, so
 * that a rank which holds all pieces of a matrix writes and reads it in large parts. */
#include "dgm/sharded.h"

#include "dgm/coll.h"
#include "dgm/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int tensor;
    int64_t row0, col0, rows, cols; /* of the logical tensor */
    bool transposed;                /* in memory */
    int64_t lo, hi;                 /* floats of the flat block */
    bool replicated;
} stretch;

/* The part of one unit that lies in a range. */
static stretch clip(const dgm_unit *u, dgm_range range)
{
    stretch s = {.tensor = u->tensor, .row0 = u->row0, .col0 = u->col0, .rows = u->rows, .cols = u->cols, .transposed = u->transposed,
                 .lo = DGM_MAX(range.lo, u->offset), .hi = DGM_MIN(range.hi, u->offset + u->rows * u->cols), .replicated = u->replicated};
    if (s.lo >= s.hi) return (stretch){0};
    int64_t width = u->transposed ? u->rows : u->cols, first = (s.lo - u->offset) / width, n = (s.hi - s.lo) / width;
    DGM_ASSERT((s.lo - u->offset) % width == 0 && (s.hi - s.lo) % width == 0); /* blocks are whole stored rows */
    *(u->transposed ? &s.col0 : &s.row0) += first;
    *(u->transposed ? &s.cols : &s.rows) = n;
    return s;
}

static bool follows(const stretch *a, const stretch *b)
{
    if (a->tensor != b->tensor || a->transposed != b->transposed || a->hi != b->lo) return false;
    if (a->transposed) return a->row0 == b->row0 && a->rows == b->rows && a->col0 + a->cols == b->col0;
    return a->col0 == b->col0 && a->cols == b->cols && a->row0 + a->rows == b->row0;
}

/* The next stretch of a range, from unit *at on; false when there is none. */
static bool next_stretch(const dgm_params *params, dgm_range range, int *at, stretch *out)
{
    stretch s = {0};
    while (s.hi == 0 && *at < params->n_units) s = clip(&params->units[(*at)++], range);
    if (s.hi == 0) return false;
    for (; *at < params->n_units; ++*at) {
        stretch t = clip(&params->units[*at], range);
        if (t.hi == 0 || !follows(&s, &t)) break;
        *(s.transposed ? &s.cols : &s.rows) += s.transposed ? t.cols : t.rows;
        s.hi = t.hi;
    }
    *out = s;
    return true;
}

/* ---- names ---- */

typedef struct {
    dgm_safetensors_tensor *tensor; /* tensor t of block b at b * params->n_tensors + t */
    char *names;
} catalogue;

static void catalogue_fini(catalogue *c)
{
    free(c->tensor);
    free(c->names);
}

static dgm_err catalogue_init(const dgm_params *params, const dgm_sharded_block *blocks, int n_blocks, catalogue *out)
{
    size_t n = (size_t)params->n_tensors * (size_t)n_blocks, room = sizeof params->tensors[0].name + 32;
    catalogue c = {calloc(n + 1, sizeof *c.tensor), calloc(n + 1, room)};
    if (c.tensor == NULL || c.names == NULL) {
        catalogue_fini(&c);
        return DGM_FAIL(DGM_ERR_NOMEM, "names of %zu tensors", n);
    }
    for (size_t i = 0; i < n; i++) {
        const dgm_tensor *t = &params->tensors[i % (size_t)params->n_tensors];
        char *name = c.names + i * room;
        snprintf(name, room, "%.31s%s", blocks[i / (size_t)params->n_tensors].prefix, t->name);
        c.tensor[i] = (dgm_safetensors_tensor){name, t->n_dims, {t->rows, t->cols}};
    }
    *out = c;
    return DGM_OK;
}

/* ---- saving ---- */

static dgm_err write_parts(dgm_safetensors_writer *w, const dgm_grid *grid, const dgm_params *params, const dgm_sharded_block *blocks,
                           int n_blocks, const dgm_range *ranges, int n_ranges)
{
    for (int b = 0; b < n_blocks; b++) {
        const float *data = blocks[b].data;
        for (int i = 0; i < n_ranges; i++) {
            stretch s;
            for (int at = 0; next_stretch(params, ranges[i], &at, &s);) {
                if (s.replicated && grid->tp_rank != 0) continue;
                DGM_TRY(dgm_safetensors_write(w, b * params->n_tensors + s.tensor, s.row0, s.col0, s.rows, s.cols, data + (s.lo - ranges[i].lo),
                                              s.transposed ? s.rows : s.cols, s.transposed));
            }
            data += ranges[i].hi - ranges[i].lo;
        }
    }
    return dgm_safetensors_flush(w);
}

static dgm_err seal_partial(const char *path, const dgm_grid *grid)
{
    size_t n = strlen(path) + sizeof ".tmp";
    char *tmp = malloc(n);
    dgm_err err = tmp != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "path %s", path);
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    if (err == DGM_OK) {
        snprintf(tmp, n, "%s.tmp", path);
        err = dgm_seal_close(tmp, grid);
    }
    free(tmp);
    return err;
}

dgm_err dgm_sharded_save(const char *path, const dgm_grid *grid, const dgm_params *params, const dgm_sharded_block *blocks, int n_blocks,
                         const dgm_range *ranges, int n_ranges, const dgm_safetensors_string_pair *strings, int n_strings, bool sealed)
{
    bool is_root = grid->rank == 0, created = false;
    dgm_safetensors_writer *w = NULL;
    catalogue names = {NULL, NULL};
    int n = params->n_tensors * n_blocks;
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, catalogue_init(params, blocks, n_blocks, &names));
    if (err == DGM_OK) { /* the others open what the first has made */
        if (is_root) err = dgm_safetensors_create(path, names.tensor, n, strings, n_strings, &w);
        err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
        created = err == DGM_OK;
    }
    if (err == DGM_OK) {
        if (!is_root) err = dgm_safetensors_join(path, names.tensor, n, strings, n_strings, &w);
        if (err == DGM_OK) err = write_parts(w, grid, params, blocks, n_blocks, ranges, n_ranges);
        err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    }
    dgm_safetensors_writer_close(w);
    if (err == DGM_OK && sealed) err = seal_partial(path, grid);
    if (err == DGM_OK) {
        if (is_root) err = dgm_safetensors_commit(path);
        err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    }
    if (err != DGM_OK && created && is_root) dgm_safetensors_discard(path);
    catalogue_fini(&names);
    return err;
}

/* ---- loading ---- */

static dgm_err check_tensors(const dgm_safetensors *file, const char *path, const catalogue *names, int n)
{
    for (int i = 0; i < n; i++) {
        const dgm_safetensors_tensor *want = &names->tensor[i];
        const dgm_safetensors_entry *got = dgm_safetensors_find(file, want->name);
        int64_t cols = want->n_dims == 2 ? want->shape[1] : 1;
        if (got == NULL) return DGM_FAIL(DGM_ERR_INPUT, "%s has no tensor %s", path, want->name);
        if (got->n_dims != want->n_dims || got->rows != want->shape[0] || got->cols != cols)
            return DGM_FAIL(DGM_ERR_INPUT, "%s: tensor %s is [%lld, %lld], expected [%lld, %lld]", path, want->name, (long long)got->rows,
                            (long long)got->cols, (long long)want->shape[0], (long long)cols);
    }
    if (dgm_safetensors_count(file) == n) return DGM_OK;
    for (int k = 0; k < dgm_safetensors_count(file); k++) {
        const char *name = dgm_safetensors_at(file, k)->name;
        bool known = false;
        for (int i = 0; i < n && !known; i++) known = strcmp(names->tensor[i].name, name) == 0;
        if (!known) return DGM_FAIL(DGM_ERR_INPUT, "%s: tensor %s belongs to no part of this architecture", path, name);
    }
    return DGM_FAIL(DGM_ERR_INTERNAL, "%s: %d tensors counted, %d expected", path, dgm_safetensors_count(file), n);
}

dgm_err dgm_sharded_check(const dgm_safetensors *file, const char *path, const dgm_params *params, const dgm_sharded_block *blocks, int n_blocks)
{
    catalogue names;
    DGM_TRY(catalogue_init(params, blocks, n_blocks, &names));
    dgm_err err = check_tensors(file, path, &names, params->n_tensors * n_blocks);
    catalogue_fini(&names);
    return err;
}

dgm_err dgm_sharded_load(const dgm_safetensors *file, const dgm_params *params, const dgm_sharded_block *blocks, int n_blocks,
                         const dgm_range *ranges, int n_ranges)
{
    catalogue names;
    DGM_TRY(catalogue_init(params, blocks, n_blocks, &names));
    dgm_err err = DGM_OK;
    for (int b = 0; b < n_blocks; b++) {
        float *data = blocks[b].data;
        for (int i = 0; i < n_ranges; i++) {
            stretch s;
            for (int at = 0; err == DGM_OK && next_stretch(params, ranges[i], &at, &s);) {
                const dgm_safetensors_entry *e = dgm_safetensors_find(file, names.tensor[b * params->n_tensors + s.tensor].name);
                DGM_ASSERT(e != NULL);
                err = dgm_safetensors_read(file, e, s.row0, s.col0, s.rows, s.cols, data + (s.lo - ranges[i].lo), s.transposed ? s.rows : s.cols,
                                           s.transposed);
            }
            data += ranges[i].hi - ranges[i].lo;
        }
    }
    catalogue_fini(&names);
    return err;
}
