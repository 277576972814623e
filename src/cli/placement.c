/* Each rank tells its host, its kernels and the cores it may use; ranks of one host with the same cores are looked at together. */
#include "dgm/placement.h"

#include "dgm/coll.h"
#include "dgm/elem.h"
#include "dgm/gemm.h"
#include "dgm/log.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char host[64], products[32], family[32];
    cpu_set_t cores;
} place;

static void own_cores(cpu_set_t *out)
{
    CPU_ZERO(out);
    if (sched_getaffinity(0, sizeof *out, out) == 0) return;
    long n = sysconf(_SC_NPROCESSORS_ONLN); /* more cores than a cpu_set_t has bits, or a kernel that does not tell */
    for (long i = 0; i < n && i < CPU_SETSIZE; i++) CPU_SET((int)i, out);
}

int dgm_placement_cores(void)
{
    cpu_set_t cores;
    own_cores(&cores);
    return CPU_COUNT(&cores);
}

static dgm_err check_kernels(const place *all, const dgm_grid *grid)
{
    for (int r = 0; r < grid->size; r++)
        if (strcmp(all[r].products, all[0].products) != 0)
            return DGM_FAIL(DGM_ERR_USAGE, "rank 0 on %s computes products by %s, with kernels for %s, rank %d on %s by %s, with kernels for %s: results would "
                            "depend on the layout; take machines of one kind, or set DRAGOMAN_GEMM=blis and BLIS_ARCH_TYPE alike on all", all[0].host,
                            all[0].products, all[0].family, r, all[r].host, all[r].products, all[r].family);
    return DGM_OK;
}

/* "ranks 0, 1, 2 ..." of those that share host and cores with `mine`; returns how many they are, and -1 unless `mine` is the first. */
static int sharers(const place *all, const dgm_grid *grid, int mine, char *names, size_t bytes)
{
    enum { NAMED = 8 };
    int n = 0;
    size_t at = 0;
    names[0] = '\0';
    for (int r = 0; r < grid->size; r++) {
        if (strcmp(all[r].host, all[mine].host) != 0 || !CPU_EQUAL(&all[r].cores, &all[mine].cores)) continue;
        if (n == 0 && r != mine) return -1;
        if (n < NAMED && at < bytes) at += (size_t)snprintf(names + at, bytes - at, "%s%d", n == 0 ? "" : ", ", r);
        if (n == NAMED && at < bytes) at += (size_t)snprintf(names + at, bytes - at, ", ...");
        n++;
    }
    return n;
}

static int first_core(const cpu_set_t *cores)
{
    int i = 0;
    while (i < CPU_SETSIZE - 1 && !CPU_ISSET(i, cores)) i++;
    return i;
}

/* Threads beyond the cores wait for each other at every barrier of a product: far slower than fewer threads. */
static int fit(const place *all, const dgm_grid *grid, int threads)
{
    int n = 0, cores = CPU_COUNT(&all[grid->rank].cores);
    const char *keep = getenv("DRAGOMAN_KEEP_THREADS");
    for (int r = 0; r < grid->size; r++)
        n += strcmp(all[r].host, all[grid->rank].host) == 0 && CPU_EQUAL(&all[r].cores, &all[grid->rank].cores);
    if (cores == 0 || n * (int64_t)threads <= cores || (keep != NULL && strcmp(keep, "1") == 0)) return threads;
    return DGM_MAX(1, cores / n);
}

static void warn(const place *all, const dgm_grid *grid, int threads, int fitting)
{
    char names[128], instead[80] = "";
    const place *mine = &all[grid->rank];
    int n = sharers(all, grid, grid->rank, names, sizeof names), cores = CPU_COUNT(&mine->cores);
    if (n < 0 || cores == 0 || (int64_t)n * threads <= cores) return;
    if (fitting < threads) snprintf(instead, sizeof instead, "; each computes with %d thread%s instead", fitting, fitting == 1 ? "" : "s");
    if (cores == 1 && n > 1)
        dgm_log(DGM_LOG_WARN, "%s: ranks %s are bound to one core, %d, and take turns on it; start them with mpirun --bind-to core, under Slurm with "
                "srun --cpu-bind=cores%s", mine->host, names, first_core(&mine->cores), instead);
    else if (n == 1)
        dgm_log(DGM_LOG_WARN, "%s: rank %s has %d threads and may use %d of the cores: lower --threads, or give it more cores: mpirun --map-by "
                "slot:PE=%d%s", mine->host, names, threads, cores, threads, instead);
    else
        dgm_log(DGM_LOG_WARN, "%s: %d ranks of %d thread%s on %d core%s (ranks %s) take turns; start fewer ranks%s%s", mine->host, n, threads,
                threads == 1 ? "" : "s", cores, cores == 1 ? "" : "s", names, threads == 1 ? "" : ", or lower --threads", instead);
}

/* The places of all ranks, which the caller frees; an error when their products differ.  Collective on grid->world. */
static dgm_err compare_places(const dgm_grid *grid, place **out)
{
    place *all = calloc((size_t)grid->size, sizeof *all);
    dgm_err err = dgm_coll_agree(grid, DGM_AXIS_WORLD, all != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "list of machines"));
    if (err == DGM_OK) {
        place *mine = &all[grid->rank];
        gethostname(mine->host, sizeof mine->host - 1);
        snprintf(mine->products, sizeof mine->products, "%s", dgm_gemm_family());
        snprintf(mine->family, sizeof mine->family, "%s", dgm_elem_family());
        own_cores(&mine->cores);
        err = dgm_coll_gather_all(grid, DGM_AXIS_WORLD, all, sizeof *all);
    }
    if (err == DGM_OK) err = dgm_coll_agree(grid, DGM_AXIS_WORLD, check_kernels(all, grid));
    if (err == DGM_OK) *out = all;
    else free(all);
    return err;
}

dgm_err dgm_placement_check_kernels(const dgm_grid *grid)
{
    place *all = NULL;
    DGM_TRY(compare_places(grid, &all));
    free(all);
    return DGM_OK;
}

dgm_err dgm_placement_check(const dgm_grid *grid, int threads, int *fitting)
{
    place *all = NULL;
    DGM_TRY(compare_places(grid, &all));
    *fitting = fit(all, grid, threads);
    warn(all, grid, threads, *fitting);
    free(all);
    return DGM_OK;
}
