/* Speed is all tokens over all time, as in the log of a training; medians and bests tell how steady it was. */
#include "build_config.h"

#include "dgm/bench_report.h"

#include "dgm/elem.h"
#include "dgm/gemm.h"
#include "dgm/json_text.h"
#include "dgm/placement.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What both forms show. */
typedef struct {
    double seconds, tokens, flops;
    double tokens_per_s, median, best, gflops, share;
    double product_gflops; /* of the time in products alone */
    double peak;           /* of products in the precision of the updates; 0: not measured */
    double memory_mb, total_memory_mb;
    dgm_step_time sum;
    double *scratch; /* [n_steps] */
} summary;

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts x[n] and returns its middle. */
static double median_of(double *x, int64_t n)
{
    qsort(x, (size_t)n, sizeof *x, ascending);
    return n % 2 == 1 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

static dgm_err summarize(const dgm_bench_result *r, summary *s)
{
    *s = (summary){0};
    s->scratch = malloc((size_t)r->n_steps * sizeof *s->scratch);
    if (s->scratch == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "report of %lld updates", (long long)r->n_steps);
    for (int64_t i = 0; i < r->n_steps; i++) {
        dgm_step_time_add(&s->sum, &r->time[i]);
        s->tokens += (double)r->tgt_tokens[i];
        s->flops += r->flops[i];
        s->scratch[i] = (double)r->tgt_tokens[i] / DGM_MAX(r->time[i].step_s, 1e-9);
    }
    s->median = median_of(s->scratch, r->n_steps);
    s->best = s->scratch[r->n_steps - 1];
    s->seconds = DGM_MAX(s->sum.step_s, 1e-9);
    s->tokens_per_s = s->tokens / s->seconds;
    s->gflops = s->flops / s->seconds * 1e-9;
    s->peak = r->settings->update.precision == DGM_PRECISION_BF16 ? r->machine.peak_bf16_gflops : r->machine.peak_gflops;
    s->share = s->peak > 0 ? s->gflops / s->peak : 0;
    s->product_gflops = s->flops / DGM_MAX(s->sum.region_s[DGM_REGION_GEMM], 1e-9) * 1e-9;
    for (int i = 0; i < r->grid->size; i++) {
        double mb = (double)r->memory_kb[i] / 1024;
        s->memory_mb = DGM_MAX(s->memory_mb, mb);
        s->total_memory_mb += mb;
    }
    return DGM_OK;
}

/* Row `row` of the table: mean, median and least of all updates, in ms. */
static void row_times(const dgm_bench_result *r, const summary *s, int row, double *mean, double *median, double *least)
{
    dgm_step_time_row rows[DGM_STEP_TIME_ROWS];
    for (int64_t i = 0; i < r->n_steps; i++) {
        dgm_step_time_rows(&r->time[i], rows);
        s->scratch[i] = 1e3 * rows[row].seconds;
    }
    dgm_step_time_rows(&s->sum, rows);
    *mean = 1e3 * rows[row].seconds / (double)r->n_steps;
    *median = median_of(s->scratch, r->n_steps);
    *least = s->scratch[0];
}

/* ---- text ---- */

static void print_ceilings(const dgm_bench_result *r)
{
    const dgm_machine *m = &r->machine;
    printf("fp32 peak    %.1f GFLOP/s (best product of 2048 x 2048 matrices, all ranks at once)\n", m->peak_gflops);
    if (m->peak_bf16_gflops > 0)
        printf("bf16 peak    %.1f GFLOP/s (the same with operands rounded to bf16, %s)\n", m->peak_bf16_gflops, dgm_gemm_bf16_family());
    else
        printf("bf16 peak    none: this machine or this build has no bf16 products\n");
    printf("copy         %.1f GB/s one rank alone, %.1f GB/s all at once (read and written); additions %.1f GB/s each rank\n",
           m->copy_one_bytes_per_s * 1e-9, m->copy_all_bytes_per_s * 1e-9, m->add_bytes_per_s * 1e-9);
    if (r->grid->size > 1)
        printf("messages     %.2f us one way, %.2f GB/s each way of each rank, all at once\n", m->link.latency_s * 1e6, m->link.bytes_per_s * 1e-9);
    if (r->grid->dp_size > 1)
        printf("reduction    %.1f MB of gradients over %d replicas: fixed order %.2f ms and %.2f ms to gather, %.2f GB/s; MPI_Allreduce %.2f ms, %.2f GB/s\n",
               (double)m->gradient_bytes * 1e-6, r->grid->dp_size, m->reduce_s * 1e3, m->gather_s * 1e3,
               (double)m->gradient_bytes / (m->reduce_s + m->gather_s) * 1e-9, m->allreduce_s * 1e3, (double)m->gradient_bytes / m->allreduce_s * 1e-9);
    else
        printf("reduction    one replica: nothing is reduced\n");
}

static void print_machine(const dgm_bench_result *r)
{
    char cpu[128], host[64] = "", mpi[64];
    gethostname(host, sizeof host - 1);
    dgm_machine_cpu(cpu, sizeof cpu);
    dgm_link_mpi_version(mpi, sizeof mpi);
    bool own = strcmp(dgm_gemm_family(), "fma") == 0;
    printf("machine      %s: %s, %ld cores; %s; kernels %s, products by %s%s%s%s\n", host, cpu, sysconf(_SC_NPROCESSORS_ONLN), mpi, dgm_elem_family(),
           own ? "these" : "BLIS ", own ? "" : dgm_gemm_version(), own ? "" : " for ", own ? "" : dgm_gemm_family());
    printf("ranks        %d (dp %d, tp %d) of %d thread%s", r->grid->size, r->grid->dp_size, r->grid->tp_size, r->threads,
           r->threads == 1 ? "" : "s");
    if (r->threads != r->settings->threads) printf(" (%d asked)", r->settings->threads);
    putchar('\n');
    if (r->machine.peak_gflops > 0) print_ceilings(r);
}

static void print_speed(const dgm_bench_result *r, const summary *s)
{
    const dgm_hparams *hp = r->hp;
    printf("model        %s%sd_model %lld, d_ff %lld, %lld heads, %lld + %lld layers, vocabulary %lld: %.1f M parameters\n", r->config ? r->config : "",
           r->config ? ": " : "", (long long)hp->d_model, (long long)hp->d_ff, (long long)hp->n_heads, (long long)hp->n_encoder_layers,
           (long long)hp->n_decoder_layers, (long long)hp->tgt_vocab_size, (double)dgm_hparams_n_parameters(hp) * 1e-6);
    printf("updates      %lld after %lld not counted, %.0f target tokens each (batch_tokens %lld in %d leaves), %s\n", (long long)r->n_steps,
           (long long)r->n_settle_steps, s->tokens / (double)r->n_steps, (long long)r->settings->batch_tokens, r->settings->update.virtual_dp, r->sentences);
    printf("speed        %.0f target tokens/s (median of updates %.0f, best %.0f)\n", s->tokens_per_s, s->median, s->best);
    printf("products     %.1f GFLOP/s, %.1f within products alone", s->gflops, s->product_gflops);
    if (s->peak > 0) printf(": %.1f %% and %.1f %% of the peak", 100 * s->share, 100 * s->product_gflops / s->peak);
    putchar('\n');
    printf("memory       %.0f MB at most of a rank, %.0f MB of all\n", s->memory_mb * 1.048576, s->total_memory_mb * 1.048576);
}

dgm_err dgm_bench_print(const dgm_bench_result *r)
{
    summary s;
    dgm_step_time_row rows[DGM_STEP_TIME_ROWS];
    DGM_TRY(summarize(r, &s));
    print_machine(r);
    print_speed(r, &s);
    dgm_step_time_rows(&s.sum, rows);
    printf("\n%-26s %10s %7s %10s %10s\n", "an update, mean over ranks", "ms", "%", "median ms", "best ms");
    for (int i = 0; i < DGM_STEP_TIME_ROWS; i++) {
        double mean, median, least;
        row_times(r, &s, i, &mean, &median, &least);
        printf("%-26s %10.2f %7.1f %10.2f %10.2f\n", rows[i].name, mean, 100 * rows[i].seconds / s.seconds, median, least);
    }
    free(s.scratch);
    return DGM_OK;
}

/* ---- JSON ---- */

static json_t *machine_json(void)
{
    char cpu[128], host[64] = "", mpi[64];
    gethostname(host, sizeof host - 1);
    dgm_machine_cpu(cpu, sizeof cpu);
    dgm_link_mpi_version(mpi, sizeof mpi);
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:i}", "host", host, "cpu", cpu, "cores", (int)sysconf(_SC_NPROCESSORS_ONLN), "mpi", mpi,
                     "kernels", dgm_elem_family(), "gemm", dgm_gemm_family(), "blis", dgm_gemm_version(), "cores_of_rank_0", dgm_placement_cores());
}

static json_t *ceilings_json(const dgm_bench_result *r)
{
    const dgm_machine *m = &r->machine;
    bool several = r->grid->size > 1, replicas = r->grid->dp_size > 1;
    if (m->peak_gflops == 0) return json_null();
    return json_pack("{s:f, s:f, s:f, s:o, s:o, s:f, s:o, s:o, s:o}", "copy_gb_per_s", m->copy_one_bytes_per_s * 1e-9, "copy_all_gb_per_s",
                     m->copy_all_bytes_per_s * 1e-9, "add_gb_per_s", m->add_bytes_per_s * 1e-9, "latency_us",
                     several ? json_real(m->link.latency_s * 1e6) : json_null(), "exchange_gb_per_s",
                     several ? json_real(m->link.bytes_per_s * 1e-9) : json_null(), "gradient_mb", (double)m->gradient_bytes * 1e-6, "reduce_ms",
                     replicas ? json_real(m->reduce_s * 1e3) : json_null(), "gather_ms", replicas ? json_real(m->gather_s * 1e3) : json_null(),
                     "mpi_allreduce_ms", replicas ? json_real(m->allreduce_s * 1e3) : json_null());
}

/* name -> {ms, share, median_ms, best_ms}; the regions without hidden and waiting add up to step. */
static json_t *regions_json(const dgm_bench_result *r, const summary *s)
{
    json_t *regions = json_object(), *names = dgm_step_time_json(&s->sum, 1e3 / (double)r->n_steps), *value;
    const char *name;
    json_object_foreach(names, name, value)
    {
        for (int64_t i = 0; i < r->n_steps; i++) {
            json_t *one = dgm_step_time_json(&r->time[i], 1e3);
            s->scratch[i] = json_real_value(json_object_get(one, name));
            json_decref(one);
        }
        double median = median_of(s->scratch, r->n_steps), ms = json_real_value(value);
        json_object_set_new(regions, name, json_pack("{s:f, s:f, s:f, s:f}", "ms", ms, "share", ms * (double)r->n_steps / (1e3 * s->seconds),
                                                     "median_ms", median, "best_ms", s->scratch[0]));
    }
    json_decref(names);
    return regions;
}

static json_t *step_json(const dgm_bench_result *r, const summary *s)
{
    double mean, median, least;
    row_times(r, s, DGM_STEP_TIME_ROWS - 1, &mean, &median, &least);
    return json_pack("{s:f, s:f, s:f}", "ms", mean, "median_ms", median, "best_ms", least);
}

dgm_err dgm_bench_print_json(const dgm_bench_result *r)
{
    summary s;
    bool peak = r->machine.peak_gflops > 0, peak_bf16 = r->machine.peak_bf16_gflops > 0, fixed = r->settings->update.reduction == DGM_REDUCE_FIXED;
    DGM_TRY(summarize(r, &s));
    json_t *json = json_pack(
        "{s:s, s:o, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:I, s:o, s:I, s:I, s:i, s:s, s:s, s:b, s:I, s:I}", "version", PACKAGE_VERSION, "machine",
        machine_json(), "ranks", r->grid->size, "dp", r->grid->dp_size, "tp", r->grid->tp_size, "threads", r->threads, "threads_asked",
        r->settings->threads, "config", r->config != NULL ? dgm_json_name(r->config) : json_null(), "model", dgm_hparams_to_json(r->hp), "parameters",
        (json_int_t)dgm_hparams_n_parameters(r->hp), "sentences", dgm_json_name(r->sentences), "batch_tokens",
        (json_int_t)r->settings->batch_tokens, "micro_batch_tokens", (json_int_t)r->settings->micro_batch_tokens, "virtual_dp",
        r->settings->update.virtual_dp, "reduction", fixed ? "fixed" : "fast", "precision",
        r->settings->update.precision == DGM_PRECISION_BF16 ? "bf16" : "fp32", "overlap", (int)r->settings->update.overlap, "steps",
        (json_int_t)r->n_steps, "settle_steps", (json_int_t)r->n_settle_steps);
    json_t *measured = json_pack("{s:f, s:f, s:f, s:f, s:o, s:o, s:f, s:o, s:s?, s:o, s:f, s:f, s:o, s:o}", "tokens_per_s", s.tokens_per_s,
                                 "tokens_per_s_median", s.median, "tokens_per_s_best", s.best, "gflops", s.gflops, "peak_gflops",
                                 peak ? json_real(r->machine.peak_gflops) : json_null(), "share_of_peak", peak ? json_real(s.share) : json_null(),
                                 "product_gflops", s.product_gflops, "peak_bf16_gflops",
                                 peak_bf16 ? json_real(r->machine.peak_bf16_gflops) : json_null(), "bf16", dgm_gemm_bf16_family(), "ceilings",
                                 ceilings_json(r), "peak_memory_mb", s.memory_mb, "peak_memory_total_mb", s.total_memory_mb, "step", step_json(r, &s),
                                 "regions", regions_json(r, &s));
    bool joined = json != NULL && measured != NULL && json_object_update(json, measured) == 0;
    json_decref(measured);
    free(s.scratch);
    if (joined) return dgm_json_print(json, JSON_INDENT(2) | JSON_REAL_PRECISION(9), stdout);
    json_decref(json);
    return DGM_FAIL(DGM_ERR_NOMEM, "report as JSON");
}
