/* The place of the digest is found by its key: quotes inside JSON strings are escaped, so that no other text looks like it. */
#include "dgm/seal.h"

#include "dgm/checksum.h"
#include "dgm/coll.h"
#include "dgm/digest.h"
#include "dgm/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char key_text[] = "\"" DGM_SEAL_KEY "\":\"";
enum { N_DIGITS = sizeof DGM_SEAL_BLANK - 1 };

/* The file's length, its first block (the caller frees it) and where the digits lie in it: metadata come first in a file of our own. */
static dgm_err first_block(const char *path, int64_t *bytes, char **block, int64_t *digits)
{
    int fd;
    DGM_TRY(dgm_io_open_read(path, &fd, bytes));
    size_t n = (size_t)DGM_MIN(*bytes, DGM_DIGEST_BLOCK_BYTES);
    char *data = malloc(n + 1);
    dgm_err err = data != NULL ? dgm_io_pread(fd, data, n, 0, path) : DGM_FAIL(DGM_ERR_NOMEM, "%s: a block to check", path);
    close(fd);
    char *key = err == DGM_OK ? memmem(data, n, key_text, sizeof key_text - 1) : NULL;
    int64_t at = key != NULL ? key - data + (int64_t)sizeof key_text - 1 : 0;
    if (err == DGM_OK && (key == NULL || at + N_DIGITS > (int64_t)n))
        err = DGM_FAIL(DGM_ERR_INPUT, "%s has no \"" DGM_SEAL_KEY "\" in its first %zu bytes", path, n);
    if (err != DGM_OK) {
        free(data);
        return err;
    }
    *block = data;
    *digits = at;
    return DGM_OK;
}

dgm_err dgm_seal_digest(const char *path, int64_t bytes, const dgm_grid *grid, uint64_t *root)
{
    int64_t n = dgm_digest_n_blocks(bytes);
    uint64_t *hash = calloc((size_t)n + 1, sizeof *hash);
    int64_t *start = calloc((size_t)grid->size + 1, sizeof *start);
    dgm_err err = hash == NULL || start == NULL ? DGM_FAIL(DGM_ERR_NOMEM, "%s: digests", path) : DGM_OK;
    if (err == DGM_OK) {
        for (int r = 0; r <= grid->size; r++) start[r] = n * r / grid->size;
        err = dgm_digest_blocks(path, bytes, start[grid->rank], start[grid->rank + 1], hash);
    }
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    if (err == DGM_OK) {
        for (int r = 0; r <= grid->size; r++) start[r] *= (int64_t)sizeof *hash;
        err = dgm_coll_gather_parts(grid, DGM_AXIS_WORLD, hash, start);
    }
    if (err == DGM_OK) *root = dgm_digest_root(hash, n);
    free(start);
    free(hash);
    return err;
}

static dgm_err fill_in(const char *path, int64_t at, uint64_t root)
{
    char hex[N_DIGITS + 1];
    int fd;
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)root);
    DGM_TRY(dgm_io_open_write(path, false, &fd));
    dgm_err err = dgm_io_pwrite(fd, hex, N_DIGITS, at, path);
    if (err == DGM_OK) err = dgm_io_sync(fd, path);
    close(fd);
    return err;
}

dgm_err dgm_seal_close(const char *path, const dgm_grid *grid)
{
    int64_t place[2] = {0, 0}; /* of the digits; the file's length */
    char *block = NULL;
    uint64_t root = 0;
    dgm_err err = DGM_OK;
    if (grid->rank == 0) {
        err = first_block(path, &place[1], &block, &place[0]);
        free(block);
    }
    DGM_TRY(dgm_coll_agree(grid, DGM_AXIS_WORLD, err));
    DGM_TRY(dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, place, (int64_t)sizeof place));
    DGM_TRY(dgm_seal_digest(path, place[1], grid, &root));
    return dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? fill_in(path, place[0], root) : DGM_OK);
}

dgm_err dgm_seal_check(const char *path, const char *digest)
{
    int64_t bytes = 0, at = 0;
    char *block = NULL, hex[N_DIGITS + 1];
    DGM_TRY(first_block(path, &bytes, &block, &at));
    memcpy(block + at, DGM_SEAL_BLANK, N_DIGITS);
    int64_t n = dgm_digest_n_blocks(bytes);
    uint64_t *hash = calloc((size_t)n + 1, sizeof *hash);
    dgm_err err = hash != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%s: digest", path);
    if (err == DGM_OK) {
        hash[0] = dgm_checksum_xxh64(block, (size_t)DGM_MIN(bytes, DGM_DIGEST_BLOCK_BYTES));
        err = dgm_digest_blocks(path, bytes, 1, n, hash);
    }
    if (err == DGM_OK) {
        snprintf(hex, sizeof hex, "%016llx", (unsigned long long)dgm_digest_root(hash, n));
        if (strcmp(hex, digest) != 0)
            err = DGM_FAIL(DGM_ERR_INPUT, "%s is damaged: its digest is %s, expected %.40s", path, hex, digest);
    }
    free(hash);
    free(block);
    return err;
}
