/* The checkpoints of a run: which there are, which are whole, which may go, and the links to them. */
#include "dgm/ckpt.h"

#include "ckpt_done.h"
#include "dgm/coll.h"
#include "dgm/io.h"
#include "dgm/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char folder_name[] = "checkpoints";

char *dgm_ckpt_path(const char *run, int64_t step)
{
    char name[64];
    snprintf(name, sizeof name, "%s/step-%08lld", folder_name, (long long)step);
    return dgm_io_join(run, name);
}

int64_t dgm_ckpt_step_of_name(const char *name)
{
    char again[64], *end = NULL;
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9') return -1;
    errno = 0;
    long long step = strtoll(name + 5, &end, 10);
    if (errno != 0 || *end != '\0') return -1;
    snprintf(again, sizeof again, "step-%08lld", step);
    return strcmp(again, name) == 0 ? step : -1;
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

dgm_err dgm_ckpt_list(const char *run, int64_t **steps, int *n)
{
    char *path = dgm_io_join(run, folder_name);
    int64_t *list = malloc(sizeof *list);
    if (path == NULL || list == NULL) {
        free(path);
        free(list);
        return DGM_FAIL(DGM_ERR_NOMEM, "checkpoints of %s", run);
    }
    dgm_err err = DGM_OK;
    int count = 0;
    DIR *dir = opendir(path);
    if (dir == NULL && errno != ENOENT) err = DGM_FAIL(DGM_ERR_IO, "open folder %s: %s", path, strerror(errno));
    for (struct dirent *e; err == DGM_OK && dir != NULL && (e = readdir(dir)) != NULL;) {
        int64_t step = dgm_ckpt_step_of_name(e->d_name);
        if (step < 0) continue;
        int64_t *grown = realloc(list, ((size_t)count + 1) * sizeof *list);
        if (grown == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "checkpoints of %s", run);
        else (list = grown)[count++] = step;
    }
    if (dir != NULL) closedir(dir);
    free(path);
    if (err != DGM_OK) {
        free(list);
        return err;
    }
    qsort(list, (size_t)count, sizeof *list, ascending);
    *steps = list;
    *n = count;
    return DGM_OK;
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

/* Calls `act` with the path of every step-*`suffix` in the folder. */
static dgm_err for_each_leftover(const char *folder, const char *suffix, dgm_err (*act)(const char *path))
{
    DIR *dir = opendir(folder);
    if (dir == NULL) return errno == ENOENT ? DGM_OK : DGM_FAIL(DGM_ERR_IO, "open folder %s: %s", folder, strerror(errno));
    dgm_err err = DGM_OK;
    for (struct dirent *e; err == DGM_OK && (e = readdir(dir)) != NULL;) {
        if (strncmp(e->d_name, "step-", 5) != 0 || !ends_in(e->d_name, suffix)) continue;
        char *path = dgm_io_join(folder, e->d_name);
        err = path != NULL ? act(path) : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", folder);
        free(path);
    }
    closedir(dir);
    return err;
}

static dgm_err restore(const char *path)
{
    char *final = strdup(path);
    if (final == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path %s", path);
    final[strlen(final) - strlen(".old.tmp")] = '\0';
    dgm_err err = !dgm_io_exists(final) && dgm_ckpt_looks_whole(path) ? dgm_io_rename(path, final) : DGM_OK;
    free(final);
    return err;
}

dgm_err dgm_ckpt_restore_replaced(const char *folder) { return for_each_leftover(folder, ".old.tmp", restore); }

dgm_err dgm_ckpt_remove_leftovers(const char *folder) { return for_each_leftover(folder, ".tmp", dgm_io_remove_tree); }

dgm_err dgm_ckpt_verify(const char *path, const dgm_grid *grid)
{
    dgm_err err = dgm_ckpt_done_check(path, grid);
    return err == DGM_ERR_INPUT ? dgm_error_context(err, "checkpoint %s is not whole", path) : err;
}

static bool is_leftover(const char *name)
{
    static const char *const suffixes[] = {".tmp", ".old.tmp", ".gone.tmp"};
    char step[64];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (!ends_in(name, suffixes[i])) continue;
        snprintf(step, sizeof step, "%.*s", (int)(strlen(name) - strlen(suffixes[i])), name);
        if (dgm_ckpt_step_of_name(step) >= 0) return true;
    }
    return false;
}

/* By its name, too: a save that was killed may have left no more than the model. */
bool dgm_ckpt_is_folder(const char *path)
{
    static const char *const files[] = {DGM_CKPT_DONE, DGM_CKPT_STATE, DGM_CKPT_OPTIMIZER};
    char *real = dgm_io_is_dir(path) ? realpath(path, NULL) : NULL;
    const char *base = real != NULL ? strrchr(real, '/') : NULL;
    bool is_one = base != NULL && (dgm_ckpt_step_of_name(base + 1) >= 0 || is_leftover(base + 1));
    for (size_t i = 0; real != NULL && !is_one && i < sizeof files / sizeof files[0]; i++) is_one = dgm_io_holds(real, files[i]);
    free(real);
    return is_one;
}

/* ---- finding ---- */

/* Leftovers of killed saves: what is whole is put back, the rest goes. */
static dgm_err clean(const char *run)
{
    char *folder = dgm_io_join(run, folder_name);
    dgm_err err = folder != NULL ? dgm_ckpt_restore_replaced(folder) : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", run);
    if (err == DGM_OK) err = dgm_ckpt_remove_leftovers(folder);
    free(folder);
    return err;
}

static dgm_err restore_and_list(const char *run, int64_t **steps, int *n)
{
    char *folder = dgm_io_join(run, folder_name);
    dgm_err err = folder != NULL ? dgm_ckpt_restore_replaced(folder) : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", run);
    free(folder);
    return err == DGM_OK ? dgm_ckpt_list(run, steps, n) : err;
}

/* The list of rank 0 on all ranks: folders may be seen later elsewhere. */
static dgm_err list_together(const char *run, const dgm_grid *grid, int64_t **steps, int64_t *n)
{
    int64_t *list = NULL;
    int count = 0;
    DGM_TRY(dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? restore_and_list(run, &list, &count) : DGM_OK));
    int64_t shared = count;
    dgm_err err = dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, &shared, (int64_t)sizeof shared);
    if (err == DGM_OK && grid->rank != 0 && (list = calloc((size_t)shared + 1, sizeof *list)) == NULL)
        err = DGM_FAIL(DGM_ERR_NOMEM, "%lld checkpoints", (long long)shared);
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    if (err == DGM_OK) err = dgm_coll_broadcast(grid, DGM_AXIS_WORLD, 0, list, shared * (int64_t)sizeof *list);
    if (err != DGM_OK) {
        free(list);
        return err;
    }
    *steps = list;
    *n = shared;
    return DGM_OK;
}

static dgm_err find_newest(const char *run, const dgm_grid *grid, char **path)
{
    int64_t *steps = NULL, n = 0;
    DGM_TRY(list_together(run, grid, &steps, &n));
    dgm_err err = DGM_OK;
    char *found = NULL;
    for (int64_t i = n - 1; i >= 0 && found == NULL && err == DGM_OK; i--) {
        char *candidate = dgm_ckpt_path(run, steps[i]);
        err = dgm_coll_agree(grid, DGM_AXIS_WORLD, candidate != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", run));
        dgm_err whole = err == DGM_OK ? dgm_ckpt_verify(candidate, grid) : err;
        if (whole == DGM_OK) {
            found = candidate;
            continue;
        }
        if (whole != DGM_ERR_INPUT) err = whole;
        else if (grid->rank == 0) dgm_log(DGM_LOG_WARN, "skipping a checkpoint: %s", dgm_error_text());
        free(candidate);
    }
    free(steps);
    if (err != DGM_OK) return err;
    if (found == NULL && n > 0)
        return DGM_FAIL(DGM_ERR_INPUT, "%s has %lld checkpoints and none is whole, for the reasons above: put a whole one back from a copy, if there is "
                        "one; to begin anew, choose another --out", run, (long long)n);
    *path = found;
    return DGM_OK;
}

/* What somebody names who goes on must be a checkpoint, not the run. */
static dgm_err look_at(const char *which)
{
    static const char expected[] = "expected auto, no, or the folder of a checkpoint, such as RUN/checkpoints/step-00000500";
    if (!dgm_io_exists(which)) return DGM_FAIL(DGM_ERR_INPUT, "--resume %s: %s; %s", which, strerror(errno), expected);
    if (!dgm_io_is_dir(which)) return DGM_FAIL(DGM_ERR_INPUT, "--resume %s: this is a file; %s", which, expected);
    if (!dgm_io_holds(which, folder_name)) return DGM_OK;
    return DGM_FAIL(DGM_ERR_INPUT, "--resume %s: this is a run, not a checkpoint: go on in it with --out %s --resume auto, or name a checkpoint, as "
                    "%s/last", which, which, which);
}

dgm_err dgm_ckpt_find(const char *run, const char *which, const dgm_grid *grid, char **path)
{
    if (strcmp(which, "auto") == 0) return find_newest(run, grid, path);
    DGM_TRY(dgm_coll_agree(grid, DGM_AXIS_WORLD, look_at(which)));
    DGM_TRY(dgm_ckpt_verify(which, grid));
    char *copy = strdup(which);
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, copy != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "path %s", which));
    if (err == DGM_OK) *path = copy;
    else free(copy);
    return err;
}

/* ---- links ---- */

static dgm_err set_link(const char *run, const char *name, int64_t step)
{
    char target[64];
    snprintf(target, sizeof target, "%s/step-%08lld", folder_name, (long long)step);
    char *link = dgm_io_join(run, name);
    dgm_err err = link != NULL ? dgm_io_link(target, link) : DGM_FAIL(DGM_ERR_NOMEM, "path in %s", run);
    free(link);
    return err;
}

dgm_err dgm_ckpt_mark(const char *run, const char *name, int64_t step, const dgm_grid *grid)
{
    return dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? set_link(run, name, step) : DGM_OK);
}

/* The step that RUN/NAME points to, -1 if it is no link to a checkpoint. */
static int64_t linked_step(const char *run, const char *name)
{
    char target[512];
    char *link = dgm_io_join(run, name);
    ssize_t n = link != NULL ? readlink(link, target, sizeof target - 1) : -1;
    free(link);
    if (n < 0) return -1;
    target[n] = '\0';
    const char *base = strrchr(target, '/');
    return dgm_ckpt_step_of_name(base != NULL ? base + 1 : target);
}

/* ---- pruning ---- */

/* Renamed first: a run killed half-way through leaves a leftover, not half a checkpoint. */
static dgm_err remove_checkpoint(const char *run, const char *path)
{
    size_t n = strlen(path) + sizeof ".gone.tmp";
    char *aside = malloc(n);
    if (aside == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path in %s", run);
    snprintf(aside, n, "%s.gone.tmp", path);
    dgm_err err = dgm_io_rename(path, aside);
    if (err == DGM_OK) err = dgm_io_remove_tree(aside);
    free(aside);
    return err;
}

static bool is_one_of(int64_t step, const int64_t *list, int n)
{
    for (int i = 0; i < n; i++)
        if (list[i] == step) return true;
    return false;
}

/* Checkpoints later than `last` do not count as kept: training has passed over them because they are damaged. */
static dgm_err prune(const char *run, int keep_last, const int64_t *keep, int n_keep)
{
    int64_t *steps = NULL, links[] = {linked_step(run, "last"), linked_step(run, "best")};
    int n = 0, n_whole = 0;
    DGM_TRY(clean(run));
    DGM_TRY(dgm_ckpt_list(run, &steps, &n));
    dgm_err err = DGM_OK;
    for (int i = n - 1; i >= 0 && err == DGM_OK; i--) {
        char *path = dgm_ckpt_path(run, steps[i]);
        if (path == NULL) err = DGM_FAIL(DGM_ERR_NOMEM, "path in %s", run);
        else if (n_whole < DGM_MAX(keep_last, 1)) n_whole += (links[0] < 0 || steps[i] <= links[0]) && dgm_ckpt_looks_whole(path);
        else if (!is_one_of(steps[i], links, 2) && !is_one_of(steps[i], keep, n_keep)) err = remove_checkpoint(run, path);
        free(path);
    }
    free(steps);
    return err;
}

dgm_err dgm_ckpt_prune(const char *run, int keep_last, const int64_t *keep, int n_keep, const dgm_grid *grid)
{
    return dgm_coll_agree(grid, DGM_AXIS_WORLD, grid->rank == 0 ? prune(run, keep_last, keep, n_keep) : DGM_OK);
}
