/* Blocks are hashed one by one so that ranks can share a file; the root binds their order and number. */
#include "dgm/digest.h"

#include "dgm/checksum.h"
#include "dgm/io.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t dgm_digest_n_blocks(int64_t bytes) { return (bytes + DGM_DIGEST_BLOCK_BYTES - 1) / DGM_DIGEST_BLOCK_BYTES; }

uint64_t dgm_digest_root(const uint64_t *hash, int64_t n_blocks) { return dgm_checksum_xxh64(hash, (size_t)n_blocks * sizeof *hash); }

dgm_err dgm_digest_blocks(const char *path, int64_t bytes, int64_t first, int64_t last, uint64_t *hash)
{
    int fd;
    int64_t found;
    DGM_TRY(dgm_io_open_read(path, &fd, &found));
    dgm_err err = DGM_OK;
    char *block = malloc(DGM_DIGEST_BLOCK_BYTES);
    if (block == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "%s: a block to check", path);
    else if (found != bytes)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s is %s: %lld bytes, expected %lld", path, found < bytes ? "truncated" : "damaged", (long long)found,
                       (long long)bytes);
    for (int64_t i = first; err == DGM_OK && i < last; i++) {
        int64_t at = i * DGM_DIGEST_BLOCK_BYTES, n = DGM_MIN(bytes - at, DGM_DIGEST_BLOCK_BYTES);
        err = dgm_io_pread(fd, block, (size_t)n, at, path);
        if (err == DGM_OK) hash[i] = dgm_checksum_xxh64(block, (size_t)n);
    }
    free(block);
    close(fd);
    return err;
}

dgm_err dgm_digest_file(const char *path, int64_t *bytes, uint64_t *root)
{
    int fd;
    int64_t size;
    DGM_TRY(dgm_io_open_read(path, &fd, &size));
    close(fd);
    int64_t n = dgm_digest_n_blocks(size);
    uint64_t *hash = calloc((size_t)n + 1, sizeof *hash);
    if (hash == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s: digest", path);
    dgm_err err = dgm_digest_blocks(path, size, 0, n, hash);
    if (err == DGM_OK) {
        *bytes = size;
        *root = dgm_digest_root(hash, n);
    }
    free(hash);
    return err;
}

dgm_err dgm_digest_check(const char *path, int64_t bytes, uint64_t root)
{
    int64_t n = dgm_digest_n_blocks(bytes);
    uint64_t *hash = calloc((size_t)n + 1, sizeof *hash);
    if (hash == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s: digest", path);
    dgm_err err = dgm_digest_blocks(path, bytes, 0, n, hash);
    if (err == DGM_OK && dgm_digest_root(hash, n) != root)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s is damaged: its digest is %016llx, expected %016llx", path, (unsigned long long)dgm_digest_root(hash, n),
                       (unsigned long long)root);
    free(hash);
    return err;
}
