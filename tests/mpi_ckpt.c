/* Checkpoints across layouts: the same bytes whoever saves, the same numbers whoever loads, one answer on all ranks. */
#include "dgm/ckpt.h"
#include "dgm/coll.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/slices.h"
#include "tap_mpi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Pieces of the FFN are longer than a block, so that slices cut through units, transposed ones too. */
static const dgm_hparams hp = {.d_model = 64, .d_ff = 6144, .n_heads = 4, .n_encoder_layers = 1, .n_decoder_layers = 1, .src_vocab_size = 1210,
                               .tgt_vocab_size = 1214, .norm = DGM_NORM_PRE, .virtual_tp = 4, .norm_eps = 1e-5f};
static const dgm_model_strings strings = {"source tokenizer", "target tokenizer", "{}"};
static char folder[] = "/tmp/dgm_mpi_ckpt_XXXXXX";

static const struct { int ranks, tp; } layouts[] = {{1, 1}, {2, 1}, {2, 2}, {3, 1}, {4, 1}, {4, 2}, {4, 4}};
enum { N_LAYOUTS = sizeof layouts / sizeof layouts[0], MAX_RANGES = 256 };

/* Element (row, col) of a logical tensor; which = 0: the parameter, 1, 2: its moments. */
static float value(int which, int tensor, int64_t row, int64_t col)
{
    uint32_t x = (uint32_t)(which * 77 + tensor) * 7919u + (uint32_t)row * 104729u + (uint32_t)col * 1299709u + 12345u;
    x ^= x >> 15;
    x *= 2654435761u;
    x ^= x >> 13;
    return (float)(int32_t)x / 1e9f;
}

/* Stretches of a flat block of this layout, end to end. */
static float *make_block(const dgm_params *p, int which, const dgm_range *ranges, int n_ranges)
{
    float *flat = calloc((size_t)p->n_floats, sizeof *flat);
    for (int i = 0; i < p->n_units; i++) {
        const dgm_unit *u = &p->units[i];
        for (int64_t r = 0; r < u->rows; r++)
            for (int64_t c = 0; c < u->cols; c++)
                flat[u->offset + (u->transposed ? c * u->rows + r : r * u->cols + c)] = value(which, u->tensor, u->row0 + r, u->col0 + c);
    }
    int64_t at = 0;
    for (int i = 0; i < n_ranges; at += ranges[i].hi - ranges[i].lo, i++)
        memmove(flat + at, flat + ranges[i].lo, (size_t)(ranges[i].hi - ranges[i].lo) * sizeof *flat);
    return flat;
}

typedef struct {
    dgm_grid *grid;
    dgm_params *params;
    dgm_range ranges[MAX_RANGES];
    dgm_ckpt ckpt;
} member;

/* Blocks dealt out two by two, so that every replica has many stretches; neighbours joined.  Returns how many. */
static int take_blocks(const dgm_params *p, int part, int n_parts, dgm_range *ranges)
{
    int n = 0;
    for (int b = 0; b < p->n_blocks; b++) {
        if (b / 2 % n_parts != part) continue;
        int64_t lo = p->blocks[b].lo, hi = b + 1 < p->n_blocks ? p->blocks[b + 1].lo : p->n_floats;
        if (n > 0 && ranges[n - 1].hi == lo) ranges[n - 1].hi = hi;
        else ranges[n++] = (dgm_range){lo, hi};
        if (n >= MAX_RANGES) abort();
    }
    return n;
}

/* Takes this rank into the group; false on the ranks outside.  filled: with the numbers to be saved, else zeros. */
static bool join_group(int ranks, int tp, bool filled, member *m)
{
    MPI_Comm comm = tap_mpi_group(ranks);
    if (comm == MPI_COMM_NULL) return false;
    if (dgm_grid_create(comm, tp, &m->grid) != DGM_OK || dgm_params_create(&hp, m->grid->tp_rank, tp, &m->params) != DGM_OK) abort();
    MPI_Comm_free(&comm);
    int n_ranges = take_blocks(m->params, m->grid->dp_rank, m->grid->dp_size, m->ranges);
    m->ckpt = (dgm_ckpt){.params = m->params, .ranges = m->ranges, .n_ranges = n_ranges, .n_moments = 2};
    m->ckpt.moment[0].name = "exp_avg";
    m->ckpt.moment[1].name = "exp_avg_sq";
    size_t n = (size_t)m->params->n_floats;
    m->ckpt.flat = filled ? make_block(m->params, 0, NULL, 0) : calloc(n, sizeof(float));
    for (int i = 0; i < 2; i++) m->ckpt.moment[i].data = filled ? make_block(m->params, i + 1, m->ranges, n_ranges) : calloc(n, sizeof(float));
    return true;
}

static void leave_group(member *m)
{
    free(m->ckpt.flat);
    free(m->ckpt.moment[0].data);
    free(m->ckpt.moment[1].data);
    dgm_params_destroy(m->params);
    dgm_grid_destroy(m->grid);
}

static char *join(const char *a, const char *b)
{
    char *p = dgm_io_join(a, b);
    if (p == NULL) abort();
    return p;
}

static bool same_file(const char *dir_a, const char *dir_b, const char *name)
{
    char *pa = join(dir_a, name), *pb = join(dir_b, name), *a = NULL, *b = NULL;
    size_t n_a = 0, n_b = 0;
    bool same = dgm_io_read_file(pa, &a, &n_a) == DGM_OK && dgm_io_read_file(pb, &b, &n_b) == DGM_OK && n_a == n_b && memcmp(a, b, n_a) == 0;
    if (!same) printf("# %s and %s differ: %zu and %zu bytes\n", pa, pb, n_a, n_b);
    free(pa);
    free(pb);
    free(a);
    free(b);
    return same;
}

/* Returns whether slices of this layout begin inside units: 1 plain ones, 2 transposed ones, 3 both. */
static int test_save(const char *first, int ranks, int tp)
{
    static const char *const names[] = {"model.safetensors", "optimizer.safetensors", "state.json", "DONE"};
    char *run = join(folder, "other");
    member m;
    bool saved = true, same = true;
    int cut = 0; /* 1: a plain unit, 2: a transposed one */
    if (join_group(ranks, tp, true, &m)) {
        for (int i = 0; i < m.params->n_units; i++) {
            const dgm_unit *u = &m.params->units[i];
            for (int k = 0; k < m.ckpt.n_ranges; k++)
                if (u->offset < m.ranges[k].lo && m.ranges[k].lo < u->offset + u->rows * u->cols) cut |= u->transposed ? 2 : 1;
        }
        saved = dgm_ckpt_save(ranks == 1 ? first : run, 100, m.grid, &m.ckpt, &strings, "{\"step\": 100}") == DGM_OK;
        if (!saved) printf("# %s\n", dgm_error_text());
        if (m.grid->rank == 0 && ranks > 1) {
            char *a = dgm_ckpt_path(first, 100), *b = dgm_ckpt_path(run, 100);
            for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) same = same_file(a, b, names[i]) && same;
            free(a);
            free(b);
            dgm_io_remove_tree(run);
        }
        leave_group(&m);
    }
    tap_ok(saved, "%d x %d saves a checkpoint", ranks / tp, tp);
    free(run);
    if (ranks == 1) return 0;
    tap_ok(same, "%d x %d: all files are those of one rank, byte for byte", ranks / tp, tp);
    int any = 0;
    MPI_Allreduce(&cut, &any, 1, MPI_INT, MPI_BOR, MPI_COMM_WORLD);
    return any;
}

static void test_load(const char *run, int ranks, int tp)
{
    member m;
    bool found = true, params_same = true, moments_same = true, state_same = true;
    if (join_group(ranks, tp, false, &m)) {
        char *path = NULL, *text = NULL;
        found = dgm_ckpt_find(run, "auto", m.grid, &path) == DGM_OK && path != NULL && dgm_ckpt_load(path, m.grid, &m.ckpt) == DGM_OK;
        if (!found) printf("# %s\n", dgm_error_text());
        state_same = found && dgm_ckpt_read_state(path, m.grid, &text) == DGM_OK && strcmp(text, "{\"step\": 100}") == 0;
        float *want = make_block(m.params, 0, NULL, 0);
        params_same = memcmp(want, m.ckpt.flat, (size_t)m.params->n_floats * sizeof *want) == 0;
        free(want);
        for (int i = 0; i < 2; i++) {
            want = make_block(m.params, i + 1, m.ranges, m.ckpt.n_ranges);
            moments_same = moments_same && memcmp(want, m.ckpt.moment[i].data, (size_t)dgm_ranges_floats(m.ranges, m.ckpt.n_ranges) * sizeof *want) == 0;
            free(want);
        }
        free(text);
        free(path);
        leave_group(&m);
    }
    tap_ok(found && state_same, "%d x %d finds and loads it, state and all", ranks / tp, tp);
    tap_ok(params_same, "%d x %d: every rank has its parameters, bit for bit", ranks / tp, tp);
    tap_ok(moments_same, "%d x %d: and the moments of its slice", ranks / tp, tp);
}

static int changes_left;

static int full_disk(const char *change, const char *path)
{
    (void)path;
    bool takes_room = strcmp(change, "write") == 0 || strcmp(change, "allocate") == 0 || strcmp(change, "create") == 0;
    return takes_room && changes_left-- <= 0 ? ENOSPC : 0;
}

/* The disk is full for one rank alone, at its n-th change. */
static void test_failures(const char *run)
{
    member m;
    join_group(4, 2, true, &m);
    for (int rank = 0; rank < 4; rank += 3)
        for (int n = 0; n <= 4; n += 2) {
            char what[32];
            if (m.grid->rank == rank) {
                changes_left = n;
                dgm_io_set_guard(full_disk);
            }
            dgm_err err = dgm_ckpt_save(run, 200, m.grid, &m.ckpt, &strings, "{\"step\": 200}");
            dgm_io_set_guard(NULL);
            snprintf(what, sizeof what, "rank %d: ", rank);
            tap_ok(err == DGM_ERR_IO && strstr(dgm_error_text(), what) != NULL && strstr(dgm_error_text(), "No space left on device") != NULL,
                   "rank %d cannot write after %d changes: all ranks are told: %s", rank, n, strstr(dgm_error_text(), "rank"));
            char *path = dgm_ckpt_path(run, 200), tmp[512];
            snprintf(tmp, sizeof tmp, "%s.tmp", path);
            tap_ok(!dgm_io_exists(path) && !dgm_io_exists(tmp), "nothing of it stays");
            free(path);
        }
    leave_group(&m);
}

static void test_damage(const char *run)
{
    member m;
    join_group(4, 1, true, &m);
    tap_err(dgm_ckpt_save(run, 300, m.grid, &m.ckpt, &strings, "{\"step\": 300}"), DGM_OK, "a newer checkpoint");
    char *newer = dgm_ckpt_path(run, 300), *older = dgm_ckpt_path(run, 100), *file = join(newer, "optimizer.safetensors"), *found = NULL;
    if (m.grid->rank == 0) {
        FILE *f = fopen(file, "r+b");
        if (f == NULL || fseek(f, -5000000, SEEK_END) != 0) abort();
        int byte = fgetc(f);
        fseek(f, -1, SEEK_CUR);
        fputc(byte ^ 8, f);
        fclose(f);
    }
    tap_err(dgm_ckpt_verify(newer, m.grid), DGM_ERR_INPUT, "a flipped bit in the middle is found by all ranks together");
    tap_error_says("optimizer.safetensors is damaged");
    tap_err(dgm_ckpt_find(run, "auto", m.grid, &found), DGM_OK, "the search goes on");
    tap_text(found, older, "and all ranks find the one before");
    free(found);
    dgm_coll_barrier(m.grid, DGM_AXIS_WORLD);
    if (m.grid->rank == 0 && truncate(file, 100) != 0) abort();
    dgm_coll_barrier(m.grid, DGM_AXIS_WORLD);
    tap_err(dgm_ckpt_verify(newer, m.grid), DGM_ERR_INPUT, "so is a truncated file");
    tap_error_says("optimizer.safetensors is truncated");
    tap_err(dgm_ckpt_prune(run, 1, NULL, 0, m.grid), DGM_OK, "old ones are removed");
    tap_ok(dgm_io_is_dir(older), "but never the newest whole one");
    free(newer);
    free(older);
    free(file);
    leave_group(&m);
}

int main(int argc, char **argv)
{
    int rank = tap_mpi_begin(&argc, &argv);
    dgm_log_set_level(DGM_LOG_ERROR);
    if (rank == 0 && mkdtemp(folder) == NULL) abort();
    MPI_Bcast(folder, sizeof folder, MPI_BYTE, 0, MPI_COMM_WORLD);
    char *run = join(folder, "run");
    int cut[5] = {0};
    for (int i = 0; i < N_LAYOUTS; i++) cut[layouts[i].tp] |= test_save(run, layouts[i].ranks, layouts[i].tp);
    tap_int(cut[1], 3, "with tp 1, slices began inside units, plain and transposed ones");
    tap_ok(cut[2] > 0, "and with tp 2 inside units");
    for (int i = 0; i < N_LAYOUTS; i++) test_load(run, layouts[i].ranks, layouts[i].tp);
    test_failures(run);
    test_damage(run);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) dgm_io_remove_tree(folder);
    free(run);
    return tap_mpi_done();
}
