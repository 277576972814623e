/* RUN/run.json: all that somebody needs to repeat a run, on what it ran, how often it was started, and what came out.
 *
 *   version, compiler, executable (SHA-256), kernels, gemm, libraries, cpu, hosts, layout    of the last start
 *   settings        every option as text, as in a config file; those of prepare only where the run made its data itself
 *   data, data_path SHA-256 of the manifest; where DATA lay
 *   init            with --init: sha256 and path of the model that training began with
 *   starts          a list, from the first to the last: after_step, the updates made before; what was then otherwise than in the last start
 *                   (settings: null where one was unset); ended_at, where it came to its end; from, the checkpoint of another folder
 *   result          once training has ended: step, the SHA-256 of model, metrics and trace (.safetensors, .jsonl, .jsonl), and, where logs
 *                   lack lines, lost: {metrics, trace} with from, to (steps) and lines */
#ifndef DGM_RUN_RECORD_H
#define DGM_RUN_RECORD_H

#include "dgm/config.h"
#include "dgm/grid.h"

#include <jansson.h>

typedef struct {
    const dgm_grid *grid;
    const dgm_config *config;
    int threads;
    const char *data_path, *data_hash;
    const char *init_sha256; /* of the model that the run began with; "" unknown; NULL: it began with a new one */
    int64_t step;            /* updates made before this start */
    const char *from;        /* the checkpoint that it goes on from when that lies in another folder; else NULL */
} dgm_run_facts;

/* Writes RUN/run.json anew; earlier starts up to facts->step stay in its list, a result goes.  Warns of what is
 * otherwise than before and of logs that have holes.  Collective on grid->world. */
dgm_err dgm_run_record_write(const char *run, const dgm_run_facts *facts);

/* Adds the result to RUN/run.json; warns when that is not there any more.  On one rank. */
dgm_err dgm_run_record_result(const char *run, int64_t step);

/* Reads a run.json, or that of a folder.  DGM_ERR_INPUT when it is none.  *out: a new reference.  Not collective. */
dgm_err dgm_run_record_read(const char *path, json_t **out);

/* The text of a field, its escapes (json_text.h) undone; the caller frees it; NULL when there is none or memory ends. */
char *dgm_run_record_text(const json_t *record, const char *object, const char *field);

/* A setting that is a number; 0 when it is not set. */
int64_t dgm_run_record_number(const json_t *settings, const char *name);

/* The last of its starts that went on from a checkpoint of another folder, borrowed from the record; NULL: none did. */
const json_t *dgm_run_record_branch(const json_t *record);

/* The resolved settings as an object of strings.  A new reference; NULL when memory ends. */
json_t *dgm_run_record_settings(const dgm_config *config);

/* The program that runs: version, compiler, executable, kernels, gemm, libraries.  A new reference; NULL when memory ends. */
json_t *dgm_run_record_build(void);

/* Warns of each of these that may change bits and is otherwise in `is` than in `was` (records both): "<had> Dragoman 0.1.0, <has> 0.2.0: <so>". */
void dgm_run_record_warn_of_other(const json_t *was, const json_t *is, const char *had, const char *has, const char *so);

/* The same of a start of the run, number `start` from 0, and the one before it. */
void dgm_run_record_warn_of_build(const json_t *record, size_t start, const char *so);

/* Fills in what a start was like: the record of the last one with its differences undone.  A new reference; NULL when memory ends. */
json_t *dgm_run_record_of_start(const json_t *record, const json_t *start);

#endif
