/* xxHash and libcrypto behind two small interfaces. */
#include "dgm/checksum.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct dgm_sha256 {
    EVP_MD_CTX *ctx;
};

uint64_t dgm_checksum_xxh64(const void *data, size_t bytes) { return XXH3_64bits(data, bytes); }

dgm_err dgm_sha256_create(dgm_sha256 **out)
{
    dgm_sha256 *s = calloc(1, sizeof *s);
    if (s == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "sha256 state");
    s->ctx = EVP_MD_CTX_new();
    if (s->ctx == NULL || EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) != 1) {
        dgm_sha256_destroy(s);
        return DGM_FAIL(DGM_ERR_INTERNAL, "libcrypto offers no SHA-256");
    }
    *out = s;
    return DGM_OK;
}

dgm_err dgm_sha256_update(dgm_sha256 *state, const void *data, size_t bytes)
{
    if (EVP_DigestUpdate(state->ctx, data, bytes) != 1) return DGM_FAIL(DGM_ERR_INTERNAL, "SHA-256 update failed");
    return DGM_OK;
}

dgm_err dgm_sha256_finish(dgm_sha256 *state, char *hex)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    if (EVP_DigestFinal_ex(state->ctx, digest, &n) != 1 || n != 32) return DGM_FAIL(DGM_ERR_INTERNAL, "SHA-256 failed");
    for (unsigned int i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return DGM_OK;
}

void dgm_sha256_destroy(dgm_sha256 *state)
{
    if (state == NULL) return;
    EVP_MD_CTX_free(state->ctx);
    free(state);
}

dgm_err dgm_sha256_buffer(const void *data, size_t bytes, char *hex)
{
    dgm_sha256 *s = NULL;
    DGM_TRY(dgm_sha256_create(&s));
    dgm_err err = dgm_sha256_update(s, data, bytes);
    if (err == DGM_OK) err = dgm_sha256_finish(s, hex);
    dgm_sha256_destroy(s);
    return err;
}

dgm_err dgm_sha256_file(const char *path, char *hex)
{
    enum { BLOCK = 1 << 16 };
    FILE *file = fopen(path, "rb");
    if (file == NULL) return DGM_FAIL(DGM_ERR_INPUT, "open %s: %s", path, strerror(errno));
    dgm_sha256 *s = NULL;
    dgm_err err = dgm_sha256_create(&s);
    static _Thread_local char block[BLOCK];
    size_t n;
    while (err == DGM_OK && (n = fread(block, 1, BLOCK, file)) > 0) err = dgm_sha256_update(s, block, n);
    if (err == DGM_OK && ferror(file)) err = DGM_FAIL(DGM_ERR_IO, "read %s: %s", path, strerror(errno));
    if (err == DGM_OK) err = dgm_sha256_finish(s, hex);
    dgm_sha256_destroy(s);
    fclose(file);
    return err;
}
