/* Text that comes through a pipe can be read once, but prepare reads twice: such inputs are kept in files for the time being. */
#ifndef DGM_SPOOL_H
#define DGM_SPOOL_H

#include "dgm/audit.h"

typedef struct dgm_spool dgm_spool;

/* Copies every one of `files` that is standard input ("-") or no regular file, bytes as they are, to a file in `dir` whose name begins
 * with `prefix`.  `files` must outlive the spool.  DGM_ERR_INPUT when a file cannot be read. */
dgm_err dgm_spool_create(const dgm_audit_files *files, const char *dir, const char *prefix, dgm_spool **out);
void dgm_spool_destroy(dgm_spool *spool); /* removes the copies; accepts NULL */

const dgm_audit_files *dgm_spool_paths(const dgm_spool *spool); /* what to read */
const dgm_audit_files *dgm_spool_names(const dgm_spool *spool); /* what the user called it */

#endif
