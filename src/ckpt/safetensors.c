/* Reading: nothing in a header is believed before it is checked against the file's length, and only what is asked for is read. */
#include "dgm/safetensors.h"

#include "dgm/io.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors are little-endian and this code copies their bytes"
#endif

enum { SCRATCH_BYTES = 1 << 20 };
static const int64_t HEADER_MAX = 100000000; /* as in the reference implementation */

struct dgm_safetensors {
    char *path;
    int fd;
    json_t *header;   /* owns names, types and strings */
    json_t *metadata; /* borrowed from it; NULL when the file has none */
    dgm_safetensors_entry *entry;
    int n_entries;
};

static const struct { const char *name; int bytes; } dtypes[] = {
    {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I64", 8}, {"I32", 4},
    {"I16", 2}, {"I8", 1},  {"U64", 8}, {"U32", 4},  {"U16", 2},     {"U8", 1},      {"BOOL", 1},
};

static int dtype_bytes(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].name, name) == 0) return dtypes[i].bytes;
    return 0;
}

#define BAD(file, ...) dgm_error_context(DGM_FAIL(DGM_ERR_INPUT, __VA_ARGS__), "%s is not a whole safetensors file", (file)->path)

/* ---- the header ---- */

static dgm_err read_header(dgm_safetensors *f, int64_t file_bytes, int64_t *data_start)
{
    uint64_t n = 0;
    if (file_bytes < 8) return BAD(f, "%lld bytes, expected 8 or more", (long long)file_bytes);
    DGM_TRY(dgm_io_pread(f->fd, &n, sizeof n, 0, f->path));
    if (n > (uint64_t)HEADER_MAX) return BAD(f, "header of %llu bytes, expected at most %lld", (unsigned long long)n, (long long)HEADER_MAX);
    if ((int64_t)n > file_bytes - 8)
        return BAD(f, "header of %llu bytes in a file of %lld: it is truncated", (unsigned long long)n, (long long)file_bytes);
    char *text = malloc((size_t)n + 1);
    if (text == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s: header of %llu bytes", f->path, (unsigned long long)n);
    dgm_err err = dgm_io_pread(f->fd, text, (size_t)n, 8, f->path);
    json_error_t why;
    if (err == DGM_OK && (n == 0 || text[0] != '{')) err = BAD(f, "the header does not begin with {");
    if (err == DGM_OK && (f->header = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &why)) == NULL)
        err = BAD(f, "header, byte %d: %s", why.position, why.text);
    free(text);
    *data_start = 8 + (int64_t)n;
    return err;
}

static dgm_err check_metadata(dgm_safetensors *f)
{
    const char *key;
    json_t *value;
    f->metadata = json_object_get(f->header, "__metadata__");
    if (f->metadata == NULL) return DGM_OK;
    if (!json_is_object(f->metadata)) return BAD(f, "__metadata__ is no object");
    json_object_foreach(f->metadata, key, value)
        if (!json_is_string(value)) return BAD(f, "__metadata__.%.200s is no string", key);
    return DGM_OK;
}

static dgm_err parse_shape(dgm_safetensors *f, const json_t *shape, dgm_safetensors_entry *e)
{
    int64_t n = 1;
    size_t n_dims = json_array_size(shape), limit = sizeof e->shape / sizeof e->shape[0];
    if (!json_is_array(shape) || n_dims > limit) return BAD(f, "tensor %.200s: shape: expected a list of at most %zu numbers", e->name, limit);
    e->n_dims = (int)n_dims;
    e->rows = e->cols = 1;
    for (size_t i = 0; i < n_dims; i++) {
        const json_t *d = json_array_get(shape, i);
        if (!json_is_integer(d) || json_integer_value(d) < 0) return BAD(f, "tensor %.200s: shape[%zu] is no number from 0", e->name, i);
        e->shape[i] = json_integer_value(d);
        int64_t *side = i + 1 == n_dims && n_dims > 1 ? &e->cols : &e->rows;
        if (__builtin_mul_overflow(n, e->shape[i], &n) || __builtin_mul_overflow(*side, e->shape[i], side))
            return BAD(f, "tensor %.200s: the shape has too many elements", e->name);
    }
    if (__builtin_mul_overflow(n, (int64_t)dtype_bytes(e->dtype), &e->bytes)) return BAD(f, "tensor %.200s: too many bytes", e->name);
    return DGM_OK;
}

static dgm_err parse_entry(dgm_safetensors *f, const char *name, const json_t *value, int64_t data_bytes, dgm_safetensors_entry *e)
{
    e->name = name;
    if (!json_is_object(value)) return BAD(f, "tensor %.200s is no object", name);
    e->dtype = json_string_value(json_object_get(value, "dtype"));
    if (e->dtype == NULL || dtype_bytes(e->dtype) == 0)
        return BAD(f, "tensor %.200s: dtype %.40s, expected F32, F64, I64, ...", name, e->dtype != NULL ? e->dtype : "missing");
    DGM_TRY(parse_shape(f, json_object_get(value, "shape"), e));
    const json_t *offsets = json_object_get(value, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return BAD(f, "tensor %.200s: data_offsets: expected two numbers", name);
    int64_t b = json_integer_value(begin), z = json_integer_value(end);
    if (b < 0 || z < b || z > data_bytes)
        return BAD(f, "tensor %.200s: data_offsets [%lld, %lld], expected 0 <= begin <= end <= %lld, the bytes of data there are", name,
                   (long long)b, (long long)z, (long long)data_bytes);
    if (z - b != e->bytes)
        return BAD(f, "tensor %.200s: %lld bytes of data, expected %lld from its shape and type", name, (long long)(z - b), (long long)e->bytes);
    e->offset = b;
    return DGM_OK;
}

static int by_offset(const void *a, const void *b)
{
    const dgm_safetensors_entry *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1; /* empty tensors before the one that begins there */
    return strcmp(x->name, y->name);
}

static dgm_err parse_entries(dgm_safetensors *f, int64_t data_start, int64_t data_bytes)
{
    const char *name;
    json_t *value;
    f->entry = calloc(json_object_size(f->header) + 1, sizeof *f->entry);
    if (f->entry == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s: list of tensors", f->path);
    json_object_foreach(f->header, name, value)
        if (strcmp(name, "__metadata__") != 0) DGM_TRY(parse_entry(f, name, value, data_bytes, &f->entry[f->n_entries++]));
    qsort(f->entry, (size_t)f->n_entries, sizeof *f->entry, by_offset);
    int64_t at = 0;
    for (int i = 0; i < f->n_entries; i++) {
        dgm_safetensors_entry *e = &f->entry[i];
        if (e->offset < at) return BAD(f, "tensor %.200s begins at byte %lld of the data, inside the one before it", e->name, (long long)e->offset);
        if (e->offset > at) return BAD(f, "bytes %lld to %lld of the data belong to no tensor", (long long)at, (long long)e->offset);
        at += e->bytes;
        e->offset += data_start;
    }
    if (at != data_bytes) return BAD(f, "%lld bytes after the last tensor belong to none", (long long)(data_bytes - at));
    return DGM_OK;
}

dgm_err dgm_safetensors_open(const char *path, dgm_safetensors **out)
{
    dgm_err err;
    int64_t file_bytes, data_start = 0;
    dgm_safetensors *f = calloc(1, sizeof *f);
    if (f == NULL || (f->path = strdup(path)) == NULL) {
        free(f);
        return DGM_FAIL(DGM_ERR_NOMEM, "%s", path);
    }
    f->fd = -1;
    DGM_GOTO(dgm_io_open_read(path, &f->fd, &file_bytes));
    DGM_GOTO(read_header(f, file_bytes, &data_start));
    DGM_GOTO(check_metadata(f));
    DGM_GOTO(parse_entries(f, data_start, file_bytes - data_start));
    *out = f;
    return DGM_OK;
fail:
    dgm_safetensors_close(f);
    return err;
}

void dgm_safetensors_close(dgm_safetensors *file)
{
    if (file == NULL) return;
    if (file->fd >= 0) close(file->fd);
    json_decref(file->header);
    free(file->entry);
    free(file->path);
    free(file);
}

/* ---- what is in it ---- */

int dgm_safetensors_count(const dgm_safetensors *file) { return file->n_entries; }

const dgm_safetensors_entry *dgm_safetensors_at(const dgm_safetensors *file, int i) { return &file->entry[i]; }

const dgm_safetensors_entry *dgm_safetensors_find(const dgm_safetensors *file, const char *name)
{
    for (int i = 0; i < file->n_entries; i++)
        if (strcmp(file->entry[i].name, name) == 0) return &file->entry[i];
    return NULL;
}

int dgm_safetensors_n_strings(const dgm_safetensors *file) { return (int)json_object_size(file->metadata); }

void dgm_safetensors_string_at(const dgm_safetensors *file, int i, const char **key, const char **value)
{
    void *at = json_object_iter(file->metadata);
    while (i-- > 0) at = json_object_iter_next(file->metadata, at);
    *key = json_object_iter_key(at);
    *value = json_string_value(json_object_iter_value(at));
}

const char *dgm_safetensors_string(const dgm_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(file->metadata, key));
}

/* ---- values ---- */

static float value_of(const char *raw, bool is_double)
{
    double d;
    float f;
    if (is_double) {
        memcpy(&d, raw, sizeof d);
        return (float)d;
    }
    memcpy(&f, raw, sizeof f);
    return f;
}

/* Rows that are whole are read many at a time, parts of rows one by one. */
static dgm_err read_rectangle(const dgm_safetensors *f, const dgm_safetensors_entry *e, int64_t row0, int64_t col0, int64_t rows, int64_t cols,
                              float *out, int64_t ld, bool transposed, char *scratch)
{
    bool is_double = strcmp(e->dtype, "F64") == 0;
    int64_t unit = is_double ? 8 : 4, room = SCRATCH_BYTES / unit;
    int64_t step = cols == e->cols && cols <= room ? room / cols : 1;
    for (int64_t r = 0; r < rows; r += step)
        for (int64_t c = 0; c < cols; c += room) {
            int64_t n_rows = DGM_MIN(step, rows - r), n_cols = DGM_MIN(room, cols - c);
            DGM_TRY(dgm_io_pread(f->fd, scratch, (size_t)(n_rows * n_cols * unit), e->offset + ((row0 + r) * e->cols + col0 + c) * unit, f->path));
            for (int64_t i = 0; i < n_rows; i++)
                for (int64_t j = 0; j < n_cols; j++)
                    out[transposed ? (c + j) * ld + r + i : (r + i) * ld + c + j] = value_of(scratch + (i * n_cols + j) * unit, is_double);
        }
    return DGM_OK;
}

dgm_err dgm_safetensors_read(const dgm_safetensors *file, const dgm_safetensors_entry *entry, int64_t row0, int64_t col0, int64_t rows,
                             int64_t cols, float *out, int64_t ld, bool transposed)
{
    if (strcmp(entry->dtype, "F32") != 0 && strcmp(entry->dtype, "F64") != 0)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: tensor %s is of type %s, expected F32 or F64", file->path, entry->name, entry->dtype);
    if (row0 < 0 || col0 < 0 || rows < 0 || cols < 0 || row0 + rows > entry->rows || col0 + cols > entry->cols)
        return DGM_FAIL(DGM_ERR_SHAPE, "%s: tensor %s is [%lld, %lld]: no rows %lld to %lld, columns %lld to %lld in it", file->path, entry->name,
                        (long long)entry->rows, (long long)entry->cols, (long long)row0, (long long)(row0 + rows), (long long)col0,
                        (long long)(col0 + cols));
    if (rows == 0 || cols == 0) return DGM_OK;
    if (strcmp(entry->dtype, "F32") == 0 && cols == entry->cols && ld == cols && !transposed)
        return dgm_io_pread(file->fd, out, (size_t)(rows * cols) * sizeof *out, entry->offset + row0 * cols * (int64_t)sizeof *out, file->path);
    char *scratch = malloc(SCRATCH_BYTES);
    if (scratch == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s: room to read tensor %s", file->path, entry->name);
    dgm_err err = read_rectangle(file, entry, row0, col0, rows, cols, out, ld, transposed, scratch);
    free(scratch);
    return err;
}

/* A whole tensor of 8-byte elements straight into out, or of 4-byte ones into its upper half, from where the caller widens upwards. */
static dgm_err read_whole(const dgm_safetensors *f, const dgm_safetensors_entry *e, const char *wide, const char *narrow, void *out, bool *is_narrow)
{
    *is_narrow = strcmp(e->dtype, narrow) == 0;
    if (!*is_narrow && strcmp(e->dtype, wide) != 0)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: tensor %s is of type %s, expected %s or %s", f->path, e->name, e->dtype, wide, narrow);
    return dgm_io_pread(f->fd, (char *)out + (*is_narrow ? e->bytes : 0), (size_t)e->bytes, e->offset, f->path);
}

dgm_err dgm_safetensors_read_double(const dgm_safetensors *file, const dgm_safetensors_entry *entry, double *out)
{
    bool narrow;
    DGM_TRY(read_whole(file, entry, "F64", "F32", out, &narrow));
    for (int64_t i = 0; narrow && i < entry->bytes / 4; i++) {
        float v;
        memcpy(&v, (char *)out + entry->bytes + i * 4, sizeof v);
        out[i] = (double)v;
    }
    return DGM_OK;
}

dgm_err dgm_safetensors_read_int(const dgm_safetensors *file, const dgm_safetensors_entry *entry, int64_t *out)
{
    bool narrow;
    DGM_TRY(read_whole(file, entry, "I64", "I32", out, &narrow));
    for (int64_t i = 0; narrow && i < entry->bytes / 4; i++) {
        int32_t v;
        memcpy(&v, (char *)out + entry->bytes + i * 4, sizeof v);
        out[i] = v;
    }
    return DGM_OK;
}
