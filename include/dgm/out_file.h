/* Text that a program writes little by little: to standard output, or to a file that appears whole or not at all.
 *
 * A file, unlike standard output under mpirun, which takes the bytes on, tells of a full disk. */
#ifndef DGM_OUT_FILE_H
#define DGM_OUT_FILE_H

#include "dgm/error.h"

#include <stdio.h>

typedef struct {
    FILE *stream;
    const char *name;  /* for messages: the path, or "standard output" */
    const char *path;  /* NULL: standard output */
    char *unfinished;  /* PATH.tmp; NULL: standard output, or a device or a pipe, which is written directly */
} dgm_out_file;

/* path: borrowed, must outlive *out; NULL is standard output.  DGM_ERR_IO when the file cannot be made. */
dgm_err dgm_out_file_open(const char *path, dgm_out_file *out);

/* What was written has gone to the system.  DGM_ERR_IO when some of it could not be written. */
dgm_err dgm_out_file_flush(const dgm_out_file *out);

/* The file is on disk and stands at its path.  DGM_ERR_IO when that fails; the file is then gone. */
dgm_err dgm_out_file_commit(dgm_out_file *out);

/* Removes a file that was not committed; accepts one that was, or {0}. */
void dgm_out_file_drop(dgm_out_file *out);

#endif
