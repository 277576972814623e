/* The file format: what is written comes back, by other programs' rules; damaged and hostile files are refused with a reason. */
#include "dgm/digest.h"
#include "dgm/io.h"
#include "dgm/safetensors.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/dgm_safetensors_XXXXXX";

static char *in_folder(const char *name)
{
    char *path = dgm_io_join(folder, name);
    if (path == NULL) abort();
    return path;
}

/* Element (r, c) of a test tensor. */
static float value(int tensor, int64_t r, int64_t c) { return (float)(tensor * 1000000 + r * 1000 + c) + 0.25f; }

static const dgm_safetensors_tensor tensors[] = {
    {"w.matrix", 2, {7, 5}}, {"a.vector", 1, {6}}, {"empty", 2, {0, 3}}, {"m.wide", 2, {2, 300}}, {"zz\"quoted\\ \xc3\xa4", 1, {1}}};
enum { N_TENSORS = sizeof tensors / sizeof tensors[0] };
static const dgm_safetensors_string_pair strings[] = {{"tokenizer", "{\"a\": [1, 2]}"}, {"architecture", "line\nbreak \xe2\x82\xac"}};

static void fill(float *x, int tensor, int64_t row0, int64_t col0, int64_t rows, int64_t cols, int64_t ld, bool transposed)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) x[transposed ? c * ld + r : r * ld + c] = value(tensor, row0 + r, col0 + c);
}

static dgm_err put(dgm_safetensors_writer *w, int tensor, int64_t row0, int64_t col0, int64_t rows, int64_t cols, int64_t ld, bool transposed)
{
    float x[4096] = {0};
    fill(x, tensor, row0, col0, rows, cols, ld, transposed);
    return dgm_safetensors_write(w, tensor, row0, col0, rows, cols, x, ld, transposed);
}

/* Everything by one writer, tensor by tensor. */
static dgm_err write_plain(const char *path)
{
    dgm_safetensors_writer *w = NULL;
    DGM_TRY(dgm_safetensors_create(path, tensors, N_TENSORS, strings, 2, &w));
    dgm_err err = DGM_OK;
    for (int i = 0; err == DGM_OK && i < N_TENSORS; i++) {
        int64_t cols = tensors[i].n_dims == 2 ? tensors[i].shape[1] : 1;
        err = put(w, i, 0, 0, tensors[i].shape[0], cols, cols, false);
    }
    if (err == DGM_OK) err = dgm_safetensors_flush(w);
    dgm_safetensors_writer_close(w);
    return err == DGM_OK ? dgm_safetensors_commit(path) : err;
}

/* The same tensors by two writers that name them in another order, in pieces, some from transposed memory. */
static dgm_err write_shared(const char *path)
{
    dgm_safetensors_tensor other[N_TENSORS];
    dgm_safetensors_string_pair turned[] = {strings[1], strings[0]};
    dgm_safetensors_writer *a = NULL, *b = NULL;
    for (int i = 0; i < N_TENSORS; i++) other[i] = tensors[N_TENSORS - 1 - i];
    DGM_TRY(dgm_safetensors_create(path, tensors, N_TENSORS, strings, 2, &a));
    DGM_TRY(dgm_safetensors_join(path, other, N_TENSORS, turned, 2, &b));
    DGM_TRY(put(a, 0, 0, 0, 7, 2, 9, true));
    DGM_TRY(put(a, 0, 3, 2, 4, 3, 3, false));
    DGM_TRY(put(a, 0, 0, 2, 3, 3, 4, true));
    DGM_TRY(put(a, 3, 0, 0, 2, 300, 2, true));
    DGM_TRY(put(a, 4, 0, 0, 1, 1, 1, false));
    float x[16];
    fill(x, 1, 2, 0, 4, 1, 2, false);
    DGM_TRY(dgm_safetensors_write(b, 3, 2, 0, 4, 1, x, 2, false));
    fill(x, 1, 0, 0, 2, 1, 8, true);
    DGM_TRY(dgm_safetensors_write(b, 3, 0, 0, 2, 1, x, 8, true));
    DGM_TRY(dgm_safetensors_flush(b));
    DGM_TRY(dgm_safetensors_flush(a));
    dgm_safetensors_writer_close(a);
    dgm_safetensors_writer_close(b);
    return dgm_safetensors_commit(path);
}

static bool rectangle_comes_back(const dgm_safetensors *f, int tensor, int64_t row0, int64_t col0, int64_t rows, int64_t cols, int64_t ld,
                                 bool transposed)
{
    float got[4096] = {0}, want[4096] = {0};
    fill(want, tensor, row0, col0, rows, cols, ld, transposed);
    const dgm_safetensors_entry *e = dgm_safetensors_find(f, tensors[tensor].name);
    return e != NULL && dgm_safetensors_read(f, e, row0, col0, rows, cols, got, ld, transposed) == DGM_OK && memcmp(got, want, sizeof got) == 0;
}

static void test_round_trip(const char *path)
{
    dgm_safetensors *f = NULL;
    if (!tap_err(dgm_safetensors_open(path, &f), DGM_OK, "what was written opens")) return;
    tap_int(dgm_safetensors_count(f), N_TENSORS, "with all tensors");
    tap_text(dgm_safetensors_string(f, "tokenizer"), "{\"a\": [1, 2]}", "metadata strings come back");
    tap_text(dgm_safetensors_string(f, "architecture"), "line\nbreak \xe2\x82\xac", "with line breaks and other than ASCII");
    tap_ok(dgm_safetensors_string(f, "none") == NULL && dgm_safetensors_n_strings(f) == 2, "and no others");
    const char *key, *text;
    dgm_safetensors_string_at(f, 1, &key, &text);
    tap_text(key, "tokenizer", "in sorted order");
    tap_ok(rectangle_comes_back(f, 0, 0, 0, 7, 5, 5, false), "a whole matrix");
    tap_ok(rectangle_comes_back(f, 0, 0, 0, 7, 5, 8, false), "a whole matrix, rows apart");
    tap_ok(rectangle_comes_back(f, 0, 2, 0, 3, 5, 5, false), "whole rows");
    tap_ok(rectangle_comes_back(f, 0, 1, 2, 4, 2, 3, false), "a rectangle");
    tap_ok(rectangle_comes_back(f, 0, 1, 2, 4, 2, 6, true), "a rectangle, transposed");
    tap_ok(rectangle_comes_back(f, 0, 0, 0, 7, 5, 7, true), "a whole matrix, transposed");
    tap_ok(rectangle_comes_back(f, 1, 0, 0, 6, 1, 1, false), "a vector");
    tap_ok(rectangle_comes_back(f, 1, 2, 0, 3, 1, 3, true), "a part of a vector, as a row");
    tap_ok(rectangle_comes_back(f, 3, 1, 10, 1, 290, 290, false), "a part of a long row");
    tap_ok(rectangle_comes_back(f, 4, 0, 0, 1, 1, 1, false), "a tensor whose name needs escapes");
    tap_ok(rectangle_comes_back(f, 2, 0, 0, 0, 3, 3, false), "nothing of an empty tensor");
    float x[8];
    const dgm_safetensors_entry *e = dgm_safetensors_find(f, "w.matrix");
    tap_err(dgm_safetensors_read(f, e, 6, 0, 2, 5, x, 5, false), DGM_ERR_SHAPE, "a rectangle outside its tensor is refused");
    tap_error_says("w.matrix is [7, 5]");
    tap_int(dgm_safetensors_at(f, 0)->offset % 64, 0, "data begin at a multiple of 64");
    dgm_safetensors_close(f);
}

static void test_writing(void)
{
    char *plain = in_folder("plain.safetensors"), *shared = in_folder("shared.safetensors"), *a = NULL, *b = NULL;
    size_t n_a = 0, n_b = 1;
    tap_err(write_plain(plain), DGM_OK, "a file is written");
    test_round_trip(plain);
    tap_err(write_shared(shared), DGM_OK, "the same by two writers in pieces");
    if (dgm_io_read_file(plain, &a, &n_a) == DGM_OK && dgm_io_read_file(shared, &b, &n_b) == DGM_OK) {
        tap_int((int64_t)n_b, (int64_t)n_a, "both files are of one length");
        tap_same(b, a, n_a < n_b ? n_a : n_b, "and equal byte for byte, whoever wrote what");
    }
    free(a);
    free(b);
    char *absent = in_folder("no/such/folder/x");
    dgm_safetensors_writer *w = NULL;
    tap_err(dgm_safetensors_create(absent, tensors, N_TENSORS, strings, 2, &w), DGM_ERR_IO, "a folder that is not there is an error");
    free(absent);
    free(plain);
    free(shared);
}

static int no_space(const char *change, const char *path) { return strcmp(change, "allocate") == 0 && path != NULL ? 28 /* ENOSPC */ : 0; }

static void test_full_disk(void)
{
    char *path = in_folder("full.safetensors"), *tmp = in_folder("full.safetensors.tmp");
    dgm_safetensors_writer *w = NULL;
    dgm_io_set_guard(no_space);
    tap_err(dgm_safetensors_create(path, tensors, N_TENSORS, strings, 2, &w), DGM_ERR_IO, "a full disk is seen when the file is made");
    tap_error_says("No space left on device");
    dgm_io_set_guard(NULL);
    tap_ok(!dgm_io_exists(tmp) && !dgm_io_exists(path), "and nothing stays behind");
    free(path);
    free(tmp);
}

/* ---- hostile files ---- */

static void write_raw(const char *path, uint64_t header_bytes, const char *header, size_t data_bytes)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) abort();
    fwrite(&header_bytes, 8, 1, file);
    fwrite(header, 1, strlen(header), file);
    for (size_t i = 0; i < data_bytes; i++) fputc(0, file);
    fclose(file);
}

static void test_hostile(void)
{
    static const struct { const char *header; int data; const char *says; } cases[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "expected 0 <= begin <= end <= 7"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, "1 bytes after the last tensor"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "bytes 0 to 4 of the data belong to no tensor"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12,
         "inside the one before it"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
         "inside the one before it"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}", 16,
         "bytes 8 to 12 of the data belong to no tensor"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "expected 12 from its shape and type"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "data_offsets [8, 0]"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "data_offsets [-8, 0]"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "data_offsets: expected two numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8.0]}}", 8, "data_offsets: expected two numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "data_offsets: expected two numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "shape[0] is no number from 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}}", 8, "shape[0] is no number from 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8, "shape: expected a list"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, "shape: expected a list of at most 8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}}", 8, "too many elements"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,0],\"data_offsets\":[0,0]}}", 0, "too many elements"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0, "too many bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}}", 8, "too big integer"},
        {"{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "dtype F33"},
        {"{\"a\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "dtype missing"},
        {"{\"a\":[\"F32\"]}", 0, "tensor a is no object"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8,
         "duplicate object key"},
        {"{\"__metadata__\":[]}", 0, "__metadata__ is no object"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "__metadata__.k is no string"},
        {"{\"__metadata__\":{\"k\":\"\xff\"}}", 0, "header, byte"},
        {"{\"a\":{\"dtype\":\"F32\"", 0, "header, byte"},
        {"{}x", 0, "end of file expected"},
        {" {}", 0, "does not begin with {"},
        {"[]", 0, "does not begin with {"},
        {"", 0, "does not begin with {"},
    };
    char *path = in_folder("hostile");
    dgm_safetensors *f = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_raw(path, strlen(cases[i].header), cases[i].header, (size_t)cases[i].data);
        dgm_err err = dgm_safetensors_open(path, &f);
        bool told = err == DGM_ERR_INPUT && strstr(dgm_error_text(), cases[i].says) != NULL && strstr(dgm_error_text(), path) != NULL;
        tap_ok(told, "refused with \"%s\": %s", cases[i].says, err != DGM_OK ? dgm_error_text() : "it was accepted");
        if (err == DGM_OK) dgm_safetensors_close(f);
    }
    static const struct { uint64_t length; const char *says; } lengths[] = {
        {UINT64_MAX, "at most 100000000"}, {UINT64_C(1) << 63, "at most 100000000"}, {100000001, "at most 100000000"}, {3, "it is truncated"}};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        write_raw(path, lengths[i].length, "{}", 0);
        tap_err(dgm_safetensors_open(path, &f), DGM_ERR_INPUT, "a header length of %llu is refused", (unsigned long long)lengths[i].length);
        tap_error_says(lengths[i].says);
    }
    write_raw(path, 2, "{}", 0);
    if (truncate(path, 5) != 0) abort();
    tap_err(dgm_safetensors_open(path, &f), DGM_ERR_INPUT, "a file of 5 bytes is refused");
    tap_err(dgm_safetensors_open(folder, &f), DGM_ERR_INPUT, "a folder is refused");
    tap_error_says("is not a regular file");
    unlink(path);
    tap_err(dgm_safetensors_open(path, &f), DGM_ERR_INPUT, "a file that is not there is bad input");
    tap_error_says("No such file");
    free(path);
}

/* Allowed by the format, though never written here. */
static void test_unusual(void)
{
    char *path = in_folder("unusual");
    const char *header = "{\"b\":{\"data_offsets\":[4,8],\"shape\":[],\"dtype\":\"F32\"},\"a\":{\"shape\":[2,2],\"data_offsets\":[0,4],\"dtype\":\"I8\"},"
                         "\"e\":{\"shape\":[0],\"data_offsets\":[4,4],\"dtype\":\"F64\"}}   \n";
    write_raw(path, strlen(header), header, 8);
    dgm_safetensors *f = NULL;
    tap_err(dgm_safetensors_open(path, &f), DGM_OK, "tensors out of order, a scalar, an empty one, spaces after the header");
    float x = 1;
    tap_ok(f != NULL && dgm_safetensors_read(f, dgm_safetensors_find(f, "b"), 0, 0, 1, 1, &x, 1, false) == DGM_OK && x == 0, "a scalar is read");
    tap_err(dgm_safetensors_read(f, dgm_safetensors_find(f, "a"), 0, 0, 1, 1, &x, 1, false), DGM_ERR_INPUT, "I8 is not read as float");
    tap_error_says("is of type I8, expected F32 or F64");
    dgm_safetensors_close(f);
    free(path);
}

/* ---- files of another program ---- */

static void test_golden(void)
{
    char path[4096];
    const char *shared = getenv("DGM_SHARED"), *source = getenv("DGM_SRCDIR");
    if (shared != NULL) snprintf(path, sizeof path, "%s/golden/encdec-post.safetensors", shared);
    else snprintf(path, sizeof path, "%s/../shared/golden/encdec-post.safetensors", source != NULL ? source : ".");
    if (!dgm_io_exists(path)) {
        tap_skip("a file of another program", "shared/golden is not here; DGM_SHARED says where it is");
        return;
    }
    dgm_safetensors *f = NULL;
    if (!tap_err(dgm_safetensors_open(path, &f), DGM_OK, "a file of another program opens")) return;
    tap_text(dgm_safetensors_string(f, "architecture"), "encoder-decoder", "its metadata are read");
    int64_t ids[24];
    const dgm_safetensors_entry *src = dgm_safetensors_find(f, "input_src");
    tap_ok(src != NULL && src->n_dims == 2 && src->rows == 3 && src->cols == 8 && dgm_safetensors_read_int(f, src, ids) == DGM_OK && ids[0] > 2 &&
               ids[0] < 50, "its integers are read");
    const dgm_safetensors_entry *w = dgm_safetensors_find(f, "param.model.encoder.layers.0.fc2.weight");
    double all[16 * 32];
    float part[32 * 4];
    bool same = w != NULL && w->rows == 16 && w->cols == 32 && dgm_safetensors_read_double(f, w, all) == DGM_OK &&
                dgm_safetensors_read(f, w, 4, 8, 4, 16, part, 4, true) == DGM_OK;
    for (int r = 0; same && r < 4; r++)
        for (int c = 0; c < 16; c++) same = same && part[c * 4 + r] == (float)all[(4 + r) * 32 + 8 + c] && part[c * 4 + r] != 0;
    tap_ok(same, "a rectangle of its doubles, transposed and rounded");
    const dgm_safetensors_entry *hidden = dgm_safetensors_find(f, "out.hidden");
    tap_ok(hidden != NULL && hidden->n_dims == 3 && hidden->rows == 24 && hidden->cols == 16, "three dimensions are seen as rows of the last");
    dgm_safetensors_close(f);
}

/* ---- digests ---- */

static void test_digests(void)
{
    enum { N = 2 * DGM_DIGEST_BLOCK_BYTES + 1000 };
    char *path = in_folder("blob"), *data = malloc(N);
    for (int64_t i = 0; i < N; i++) data[i] = (char)(i * 31 + i / 1000);
    int64_t bytes = 0;
    uint64_t root = 0, hash[3];
    tap_err(dgm_io_write_file(path, data, N), DGM_OK, "a file of three blocks");
    tap_err(dgm_digest_file(path, &bytes, &root), DGM_OK, "has a digest");
    tap_int(bytes, N, "and a size");
    dgm_err err = dgm_digest_blocks(path, N, 1, 3, hash);
    if (err == DGM_OK) err = dgm_digest_blocks(path, N, 0, 1, hash);
    tap_ok(err == DGM_OK && dgm_digest_root(hash, 3) == root, "two shares of the blocks make the same digest");
    tap_err(dgm_digest_check(path, bytes, root), DGM_OK, "it checks");
    data[DGM_DIGEST_BLOCK_BYTES + 77] ^= 4;
    dgm_io_write_file(path, data, N);
    tap_err(dgm_digest_check(path, bytes, root), DGM_ERR_INPUT, "one flipped bit is found");
    tap_error_says("is damaged");
    if (truncate(path, N - 1) != 0) abort();
    tap_err(dgm_digest_check(path, bytes, root), DGM_ERR_INPUT, "so is a missing byte");
    tap_error_says("is truncated");
    free(data);
    free(path);
}

int main(void)
{
    if (mkdtemp(folder) == NULL) return 99;
    test_writing();
    test_full_disk();
    test_hostile();
    test_unusual();
    test_golden();
    test_digests();
    dgm_io_remove_tree(folder);
    return tap_done();
}
