/* The arithmetic is that of docs/training.md, "Memory of a rank".  Only what is certain is refused: what is free changes while one looks. */
#include "dgm/model_memory.h"

#include "dgm/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

dgm_host_memory dgm_host_memory_read(void)
{
    struct sysinfo info;
    dgm_host_memory has = {0};
    char line[128];
    long long kb;
    if (sysinfo(&info) == 0) has.total = (int64_t)(info.totalram + info.totalswap) * info.mem_unit;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "MemAvailable: %lld kB", &kb) == 1) has.available = kb * 1024;
    if (f != NULL) fclose(f);
    return has;
}

int64_t dgm_model_memory_bytes(const dgm_hparams *hp, const dgm_optimizer_options *optimizer, const dgm_grid *grid)
{
    int64_t n = dgm_hparams_n_parameters(hp), moments = optimizer->kind == DGM_OPTIMIZER_SGD ? 1 : 2;
    return 4 * (2 * n / grid->tp_size + moments * n / grid->size + (grid->tp_size > 1 ? n : 0));
}

static dgm_err refuse(const dgm_hparams *hp, const dgm_grid *grid, double rank_gb, double host_gb, double has_gb)
{
    char host[64] = "this host";
    (void)gethostname(host, sizeof host - 1);
    return DGM_FAIL(DGM_ERR_NOMEM, "a model of %.0f million parameters (d_model %lld, d_ff %lld, %lld + %lld layers) needs at least %.1f GB in each rank, so %.1f GB "
                    "on %s with %d of them, which has %.1f GB: take a smaller model, a larger --tp with the ranks on more nodes, or fewer ranks on a node",
                    (double)dgm_hparams_n_parameters(hp) / 1e6, (long long)hp->d_model, (long long)hp->d_ff, (long long)hp->n_encoder_layers,
                    (long long)hp->n_decoder_layers, rank_gb, host_gb, host, grid->node_size, has_gb);
}

dgm_err dgm_model_memory_check(const dgm_hparams *hp, const dgm_optimizer_options *optimizer, const dgm_grid *grid, dgm_host_memory has)
{
    double rank_gb = (double)dgm_model_memory_bytes(hp, optimizer, grid) * 1e-9, host_gb = rank_gb * grid->node_size;
    double total_gb = (double)has.total * 1e-9, available_gb = (double)has.available * 1e-9;
    if (has.total > 0 && host_gb > total_gb) return refuse(hp, grid, rank_gb, host_gb, total_gb);
    if (has.available > 0 && host_gb > available_gb && grid->node_rank == 0)
        dgm_log(DGM_LOG_WARN, "training needs at least %.1f GB in the ranks of this host together, of which %.1f GB are free now: the system may end it; "
                "docs/training.md says what takes memory", host_gb, available_gb);
    return DGM_OK;
}
