/* RUN/run.json: all that somebody needs to repeat a run, on what it ran, how often it was started, and what came out.
 *
 *   version, compiler, executable (SHA-256), kernels, gemm, libraries, cpu, hosts, layout    of the last start
 *   settings        every option as text, as in a config file; those of prepare only where the run made its data itself
 *   data, data_path SHA-256 of the manifest; where DATA lay
 *   init            with --init: sha256 and path of the model that training began with
 *   starts          a list, from the first to the last: after_step, the updates made before; what was then otherwise than in the last start
 *                   (settings: null where one was unset); ended_at, where it came to its end; from, the checkpoint of another folder
 *   result          once training has ended: step, and the SHA-256 of model, metrics and trace (.safetensors, .jsonl, .jsonl) */
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

/* Writes RUN/run.json anew; earlier starts up to facts->step stay in its list, a result goes.  Collective on grid->world. */
dgm_err dgm_run_record_write(const char *run, const dgm_run_facts *facts);

/* Adds the result to RUN/run.json; warns when that is not there any more.  On one rank. */
dgm_err dgm_run_record_result(const char *run, int64_t step);

/* Reads a run.json, or that of a folder.  DGM_ERR_INPUT when it is none.  *out: a new reference.  Not collective. */
dgm_err dgm_run_record_read(const char *path, json_t **out);

/* The text of a field, its escapes (json_text.h) undone; the caller frees it; NULL when there is none or memory ends. */
char *dgm_run_record_text(const json_t *record, const char *object, const char *field);

/* The last of its starts that went on from a checkpoint of another folder, borrowed from the record; NULL: none did. */
const json_t *dgm_run_record_branch(const json_t *record);

/* The resolved settings as an object of strings.  A new reference; NULL when memory ends. */
json_t *dgm_run_record_settings(const dgm_config *config);

/* Fills in what a start was like: the record of the last one with its differences undone.  A new reference; NULL when memory ends. */
json_t *dgm_run_record_of_start(const json_t *record, const json_t *start);

#endif
