/* run.json: what somebody needs to know to run the same again, and on what it ran. */
#include "build_config.h"

#include "dgm/gemm.h"
#include "dgm/io.h"
#include "dgm/prepare.h"
#include "dgm/run_log.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_of_prepare(const char *name)
{
    for (const dgm_option *o = dgm_prepare_option_table; o->name != NULL; o++)
        if (strcmp(o->name, name) == 0) return true;
    return false;
}

/* The resolved settings as an object of strings; those of prepare only where the run prepared its data itself. */
static json_t *settings_json(const dgm_config *config)
{
    char *text = dgm_config_write(config), *rest = text;
    json_t *object = text != NULL ? json_object() : NULL;
    for (char *line; object != NULL && (line = strsep(&rest, "\n")) != NULL;) {
        char *equals = strstr(line, " = ");
        if (equals == NULL) continue;
        *equals = '\0';
        if (dgm_config_has(config, "data") && is_of_prepare(line)) continue;
        json_object_set_new(object, line, json_string(equals + 3));
    }
    free(text);
    return object;
}

/* The names of the hosts of all ranks, in rank order; on rank 0. */
static dgm_err hosts_json(const dgm_grid *grid, json_t **out)
{
    char name[256] = "";
    char *all = NULL;
    int64_t *start = malloc((size_t)(grid->size + 1) * sizeof *start);
    gethostname(name, sizeof name - 1);
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, start != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "names of hosts"));
    if (err == DGM_OK) err = dgm_coll_collect(grid, DGM_AXIS_WORLD, 0, name, (int64_t)strlen(name), &all, start);
    json_t *hosts = err == DGM_OK && grid->rank == 0 ? json_array() : NULL;
    for (int r = 0; hosts != NULL && r < grid->size; r++)
        json_array_append_new(hosts, json_stringn(all + start[r], (size_t)(start[r + 1] - start[r])));
    free(all);
    free(start);
    *out = hosts;
    return err;
}

dgm_err dgm_run_log_describe(const char *run, const dgm_grid *grid, const dgm_config *config, const dgm_dataset *dataset, int threads)
{
    json_t *hosts = NULL;
    DGM_TRY(hosts_json(grid, &hosts));
    dgm_err err = DGM_OK;
    if (grid->rank == 0) {
        json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:{s:i, s:i, s:i}, s:o}", "version", PACKAGE_VERSION, "compiler", __VERSION__,
                                 "kernels", dgm_elem_family(), "gemm", dgm_gemm_family(), "data", dgm_dataset_hash(dataset), "hosts", hosts, "layout",
                                 "dp", grid->dp_size, "tp", grid->tp_size, "threads", threads, "settings", settings_json(config));
        char *text = json != NULL ? json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
        char *path = dgm_io_join(run, "run.json");
        err = text != NULL && path != NULL ? dgm_io_write_file(path, text, strlen(text)) : DGM_FAIL(DGM_ERR_NOMEM, "run.json");
        free(path);
        free(text);
        json_decref(json);
    }
    return dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
}
