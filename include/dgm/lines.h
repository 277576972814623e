/* All lines of one text in memory, for what must see several texts side by side: hypotheses and their references. */
#ifndef DGM_LINES_H
#define DGM_LINES_H

#include "dgm/mt_text.h"

typedef struct {
    char *name; /* of the file, for messages */
    int64_t n;
    dgm_mt_span *line; /* [n], without line ends */
    dgm_mt_buffer text;
} dgm_lines;

/* Reads a file, plain or compressed, "-" for standard input; only LF ends a line.  DGM_ERR_INPUT when it cannot be read, and, naming
 * file and line, for a line that is not valid UTF-8, is longer than any sentence or, unless zero_bytes allows it, holds a zero byte. */
dgm_err dgm_lines_read(const char *path, bool zero_bytes, dgm_lines *out);
void dgm_lines_fini(dgm_lines *lines); /* accepts one that was never read: {0} */

/* DGM_ERR_INPUT naming both files and their numbers of lines unless they are equal. */
dgm_err dgm_lines_check_aligned(const dgm_lines *a, const dgm_lines *b);

/* Words of all lines: what white space parts, as Python's str.split does. */
int64_t dgm_lines_count_words(const dgm_lines *lines);

#endif
