/* Writing: a file's layout follows from names and shapes alone, so that every process knows where its rectangles lie and the bytes
 * do not depend on who writes them.  The file has its full length on disk before anything is written: a full disk is seen early. */
#include "dgm/safetensors.h"

#include "dgm/io.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCRATCH_FLOATS = 1 << 18, DATA_ALIGN = 64 };

struct dgm_safetensors_writer {
    char *tmp; /* PATH.tmp */
    int fd;
    int n_tensors;
    struct place { int64_t offset, rows, cols; } *place; /* in the order in which the caller gave the tensors */
    int64_t data_start, file_bytes;
    float *scratch;
};

static char *tmp_path(const char *path)
{
    size_t n = strlen(path) + sizeof ".tmp";
    char *tmp = malloc(n);
    if (tmp != NULL) snprintf(tmp, n, "%s.tmp", path);
    return tmp;
}

static int by_name(const void *a, const void *b)
{
    const dgm_safetensors_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int by_key(const void *a, const void *b)
{
    const dgm_safetensors_string_pair *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

/* Pointers to n elements of `bytes` each, sorted.  Caller frees; NULL when memory ends. */
static void *sorted(const void *list, int n, size_t bytes, int (*compare)(const void *, const void *))
{
    const void **p = malloc(((size_t)n + 1) * sizeof *p);
    if (p == NULL) return NULL;
    for (int i = 0; i < n; i++) p[i] = (const char *)list + (size_t)i * bytes;
    qsort(p, (size_t)n, sizeof *p, compare);
    return p;
}

static json_t *metadata_json(const dgm_safetensors_string_pair *strings, int n)
{
    const dgm_safetensors_string_pair **order = sorted(strings, n, sizeof *strings, by_key);
    json_t *json = json_object();
    bool ok = order != NULL && json != NULL;
    for (int i = 0; ok && i < n; i++) ok = json_object_set_new(json, order[i]->key, json_string(order[i]->value)) == 0;
    free(order);
    if (ok) return json;
    json_decref(json);
    return NULL;
}

/* Gives every tensor its place and describes it in the header. */
static dgm_err lay_out(dgm_safetensors_writer *w, const dgm_safetensors_tensor *tensors, json_t *header)
{
    int64_t at = 0;
    const dgm_safetensors_tensor **order = sorted(tensors, w->n_tensors, sizeof *tensors, by_name);
    if (order == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%s: header", w->tmp);
    bool ok = true;
    for (int i = 0; ok && i < w->n_tensors; i++) {
        const dgm_safetensors_tensor *t = order[i];
        DGM_ASSERT((t->n_dims == 1 || t->n_dims == 2) && (i == 0 || strcmp(order[i - 1]->name, t->name) != 0));
        int64_t cols = t->n_dims == 2 ? t->shape[1] : 1, end = at + t->shape[0] * cols * (int64_t)sizeof(float);
        w->place[t - tensors] = (struct place){at, t->shape[0], cols};
        json_t *shape = t->n_dims == 2 ? json_pack("[I, I]", (json_int_t)t->shape[0], (json_int_t)cols) : json_pack("[I]", (json_int_t)t->shape[0]);
        json_t *entry = json_pack("{s: s, s: o, s: [I, I]}", "dtype", "F32", "shape", shape, "data_offsets", (json_int_t)at, (json_int_t)end);
        ok = entry != NULL && json_object_set_new(header, t->name, entry) == 0;
        at = end;
    }
    free(order);
    w->file_bytes = at; /* data alone; the header's length is added when it is known */
    return ok ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%s: header", w->tmp);
}

/* The first bytes of the file: length, JSON, spaces up to a multiple of 64.  Caller frees. */
static dgm_err make_header(dgm_safetensors_writer *w, const dgm_safetensors_tensor *tensors, const dgm_safetensors_string_pair *strings,
                           int n_strings, char **out)
{
    json_t *header = json_object(), *metadata = metadata_json(strings, n_strings);
    char *text = NULL, *bytes = NULL;
    dgm_err err = DGM_OK;
    if (header == NULL || metadata == NULL || json_object_set(header, "__metadata__", metadata) != 0)
        err = DGM_FAIL(DGM_ERR_INPUT, "%s: metadata: not enough memory, or a string is not valid UTF-8", w->tmp);
    if (err == DGM_OK) err = lay_out(w, tensors, header);
    if (err == DGM_OK) text = json_dumps(header, JSON_COMPACT);
    size_t n = text != NULL ? strlen(text) : 0, total = (8 + n + DATA_ALIGN - 1) / DATA_ALIGN * DATA_ALIGN;
    if (text != NULL) bytes = malloc(total);
    if (err == DGM_OK && bytes == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "%s: header", w->tmp);
    if (err == DGM_OK) {
        uint64_t header_bytes = total - 8;
        memcpy(bytes, &header_bytes, 8);
        memcpy(bytes + 8, text, n);
        memset(bytes + 8 + n, ' ', total - 8 - n);
        w->data_start = (int64_t)total;
        w->file_bytes += w->data_start;
        *out = bytes;
    }
    free(text);
    json_decref(metadata);
    json_decref(header);
    return err;
}

static dgm_err begin(const char *path, const dgm_safetensors_tensor *tensors, int n_tensors, const dgm_safetensors_string_pair *strings,
                     int n_strings, bool create, dgm_safetensors_writer **out)
{
    dgm_err err = DGM_OK;
    char *header = NULL;
    dgm_safetensors_writer *w = calloc(1, sizeof *w);
    if (w == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "writer of %s", path);
    w->fd = -1;
    w->n_tensors = n_tensors;
    w->tmp = tmp_path(path);
    w->place = calloc((size_t)n_tensors + 1, sizeof *w->place);
    w->scratch = malloc(SCRATCH_FLOATS * sizeof *w->scratch);
    if (w->tmp == NULL || w->place == NULL || w->scratch == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "writer of %s", path);
    if (err == DGM_OK) err = make_header(w, tensors, strings, n_strings, &header);
    if (err == DGM_OK) err = dgm_io_open_write(w->tmp, create, &w->fd);
    if (err == DGM_OK && create) err = dgm_io_allocate(w->fd, w->file_bytes, w->tmp);
    if (err == DGM_OK && create) err = dgm_io_pwrite(w->fd, header, (size_t)w->data_start, 0, w->tmp);
    free(header);
    if (err != DGM_OK) {
        bool made = create && w->fd >= 0;
        dgm_safetensors_writer_close(w);
        if (made) dgm_safetensors_discard(path);
        return err;
    }
    *out = w;
    return DGM_OK;
}

dgm_err dgm_safetensors_create(const char *path, const dgm_safetensors_tensor *tensors, int n_tensors,
                               const dgm_safetensors_string_pair *strings, int n_strings, dgm_safetensors_writer **out)
{
    return begin(path, tensors, n_tensors, strings, n_strings, true, out);
}

dgm_err dgm_safetensors_join(const char *path, const dgm_safetensors_tensor *tensors, int n_tensors,
                             const dgm_safetensors_string_pair *strings, int n_strings, dgm_safetensors_writer **out)
{
    return begin(path, tensors, n_tensors, strings, n_strings, false, out);
}

/* A block of the rectangle, row-major without gaps. */
static void pack(const float *data, int64_t ld, bool transposed, int64_t row, int64_t col, int64_t n_rows, int64_t n_cols, float *out)
{
    if (transposed)
        for (int64_t c = 0; c < n_cols; c++)
            for (int64_t r = 0; r < n_rows; r++) out[r * n_cols + c] = data[(col + c) * ld + row + r];
    else
        for (int64_t r = 0; r < n_rows; r++) memcpy(out + r * n_cols, data + (row + r) * ld + col, (size_t)n_cols * sizeof *out);
}

dgm_err dgm_safetensors_write(dgm_safetensors_writer *w, int tensor, int64_t row0, int64_t col0, int64_t rows, int64_t cols,
                              const float *data, int64_t ld, bool transposed)
{
    DGM_ASSERT(tensor >= 0 && tensor < w->n_tensors);
    const struct place *p = &w->place[tensor];
    DGM_ASSERT(row0 >= 0 && col0 >= 0 && row0 + rows <= p->rows && col0 + cols <= p->cols);
    int64_t start = w->data_start + p->offset;
    bool whole_rows = cols == p->cols;
    if (rows <= 0 || cols <= 0) return DGM_OK;
    if (whole_rows && !transposed && ld == cols)
        return dgm_io_pwrite(w->fd, data, (size_t)(rows * cols) * sizeof *data, start + row0 * cols * (int64_t)sizeof *data, w->tmp);
    int64_t step = whole_rows && cols <= SCRATCH_FLOATS ? SCRATCH_FLOATS / cols : 1;
    for (int64_t r = 0; r < rows; r += step)
        for (int64_t c = 0; c < cols; c += SCRATCH_FLOATS) {
            int64_t n_rows = DGM_MIN(step, rows - r), n_cols = DGM_MIN(SCRATCH_FLOATS, cols - c);
            pack(data, ld, transposed, r, c, n_rows, n_cols, w->scratch);
            int64_t at = start + ((row0 + r) * p->cols + col0 + c) * (int64_t)sizeof *data;
            DGM_TRY(dgm_io_pwrite(w->fd, w->scratch, (size_t)(n_rows * n_cols) * sizeof *data, at, w->tmp));
        }
    return DGM_OK;
}

dgm_err dgm_safetensors_flush(dgm_safetensors_writer *writer) { return dgm_io_sync(writer->fd, writer->tmp); }

void dgm_safetensors_writer_close(dgm_safetensors_writer *writer)
{
    if (writer == NULL) return;
    if (writer->fd >= 0) close(writer->fd);
    free(writer->scratch);
    free(writer->place);
    free(writer->tmp);
    free(writer);
}

dgm_err dgm_safetensors_commit(const char *path)
{
    char *tmp = tmp_path(path);
    if (tmp == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path %s", path);
    dgm_err err = dgm_io_rename(tmp, path);
    free(tmp);
    return err;
}

void dgm_safetensors_discard(const char *path)
{
    char *tmp = tmp_path(path);
    if (tmp != NULL) unlink(tmp);
    free(tmp);
}
