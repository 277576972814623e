/* Safetensors files: named tensors in one file that other programs read too.
 *
 *   bytes 0-7         length N of the header, little-endian
 *   bytes 8 .. 8+N-1  JSON object: tensor name -> {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}; offsets count from
 *                     byte 8+N; "__metadata__" -> {string: string}; may end in spaces
 *   bytes 8+N ..      the tensors, little-endian, row-major, without gaps or overlaps, to the end of the file
 *
 * Files written here have names and metadata sorted, data in the order of the names, beginning at a multiple of 64, F32 only: a file
 * is a function of its contents.  Nothing in this module is collective; several processes may write rectangles of one file. */
#ifndef DGM_SAFETENSORS_H
#define DGM_SAFETENSORS_H

#include "dgm/error.h"

/* A matrix view of every tensor: cols is the last dimension, rows the product of the others; a vector is [n, 1], a scalar [1, 1]. */
typedef struct {
    const char *name;
    const char *dtype; /* as in the file: F32, F64, I64, ... */
    int n_dims;
    int64_t shape[8];
    int64_t rows, cols;
    int64_t offset; /* of its first byte in the file */
    int64_t bytes;
} dgm_safetensors_entry;

/* ---- reading ---- */

typedef struct dgm_safetensors dgm_safetensors;

/* Reads and checks the header.  DGM_ERR_INPUT says what is wrong with the file. */
dgm_err dgm_safetensors_open(const char *path, dgm_safetensors **out);
void dgm_safetensors_close(dgm_safetensors *file); /* accepts NULL */

int dgm_safetensors_count(const dgm_safetensors *file);
const dgm_safetensors_entry *dgm_safetensors_at(const dgm_safetensors *file, int i); /* in the order of the data; valid until close */
const dgm_safetensors_entry *dgm_safetensors_find(const dgm_safetensors *file, const char *name); /* NULL when absent */

int dgm_safetensors_n_strings(const dgm_safetensors *file);
/* The i-th metadata string, in the file's order.  Valid until close. */
void dgm_safetensors_string_at(const dgm_safetensors *file, int i, const char **key, const char **value);
const char *dgm_safetensors_string(const dgm_safetensors *file, const char *key); /* NULL when absent */

/* Rows [row0, row0 + rows) and columns [col0, col0 + cols) of the matrix view, F32 or F64 (rounded), into out: element (r, c) at
 * out[r * ld + c], or transposed at out[c * ld + r].  DGM_ERR_INPUT for other types and truncated files, DGM_ERR_SHAPE outside it. */
dgm_err dgm_safetensors_read(const dgm_safetensors *file, const dgm_safetensors_entry *entry, int64_t row0, int64_t col0, int64_t rows,
                             int64_t cols, float *out, int64_t ld, bool transposed);

/* A whole tensor of F64 or F32 as double, of I64 or I32 as int64_t. */
dgm_err dgm_safetensors_read_double(const dgm_safetensors *file, const dgm_safetensors_entry *entry, double *out);
dgm_err dgm_safetensors_read_int(const dgm_safetensors *file, const dgm_safetensors_entry *entry, int64_t *out);

/* ---- writing ---- */

typedef struct {
    const char *name;
    int n_dims; /* 1 or 2 */
    int64_t shape[2];
} dgm_safetensors_tensor;

typedef struct { const char *key, *value; } dgm_safetensors_string_pair;

typedef struct dgm_safetensors_writer dgm_safetensors_writer;

/* One process creates PATH.tmp with its header and its full length on disk; when that is done, any number of processes may join with
 * the same arguments.  Tensors are referred to by their index in `tensors`, in whatever order they are given. */
dgm_err dgm_safetensors_create(const char *path, const dgm_safetensors_tensor *tensors, int n_tensors,
                               const dgm_safetensors_string_pair *strings, int n_strings, dgm_safetensors_writer **out);
dgm_err dgm_safetensors_join(const char *path, const dgm_safetensors_tensor *tensors, int n_tensors,
                             const dgm_safetensors_string_pair *strings, int n_strings, dgm_safetensors_writer **out);

/* Writes a rectangle, element (r, c) from data[r * ld + c], or transposed from data[c * ld + r].  Every element must be written once,
 * by anybody; what nobody writes is zero. */
dgm_err dgm_safetensors_write(dgm_safetensors_writer *writer, int tensor, int64_t row0, int64_t col0, int64_t rows, int64_t cols,
                              const float *data, int64_t ld, bool transposed);

/* Flushes what this process wrote to disk. */
dgm_err dgm_safetensors_flush(dgm_safetensors_writer *writer);
void dgm_safetensors_writer_close(dgm_safetensors_writer *writer); /* accepts NULL */

/* One process, after all have flushed: PATH.tmp becomes PATH, or goes. */
dgm_err dgm_safetensors_commit(const char *path);
void dgm_safetensors_discard(const char *path);

#endif
