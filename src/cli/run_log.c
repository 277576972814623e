/* Rank 0 writes.  metrics.jsonl is a function of the experiment; everything about speed and place goes to timing.jsonl and run.json. */
#include "dgm/run_log.h"

#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/timer.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct dgm_run_log {
    FILE *metrics, *timing;
    char *metrics_path, *timing_path;
    const dgm_grid *grid;
    const dgm_hparams *hp;
    double peak_gflops;
    double started, paused_at, paused_s; /* of the whole run */
    double window_started, window_flops; /* since the last line */
    int64_t window_tgt_tokens, first_step;
    double total_flops;
    int64_t total_tgt_tokens;
};

/* Keeps the lines whose "step" is at most `step`; a torn last line goes. */
static dgm_err cut_back(const char *path, int64_t step)
{
    char *text;
    size_t n, kept = 0;
    if (!dgm_io_exists(path)) return DGM_OK;
    DGM_TRY(dgm_io_read_file(path, &text, &n));
    for (size_t at = 0; at < n;) {
        char *end = memchr(text + at, '\n', n - at);
        if (end == NULL) break;
        size_t next = (size_t)(end - text) + 1;
        json_t *line = json_loadb(text + at, next - at, 0, NULL);
        const json_t *number = json_object_get(line, "step");
        bool keep = json_is_integer(number) && json_integer_value(number) <= step;
        json_decref(line);
        if (!keep) break;
        kept = at = next;
    }
    dgm_err err = kept == n ? DGM_OK : dgm_io_write_file(path, text, kept);
    free(text);
    return err;
}

static dgm_err open_one(const char *run, const char *name, int64_t step, char **path, FILE **file)
{
    *path = dgm_io_join(run, name);
    if (*path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path of %s", name);
    DGM_TRY(cut_back(*path, step));
    *file = fopen(*path, "ae");
    if (*file == NULL) return DGM_FAIL(DGM_ERR_IO, "open %s: %s", *path, strerror(errno));
    return DGM_OK;
}

dgm_err dgm_run_log_open(const char *run, int64_t step, const dgm_grid *grid, const dgm_hparams *hp, double peak_gflops, dgm_run_log **out)
{
    dgm_run_log *log = calloc(1, sizeof *log);
    dgm_err err = log != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "logs");
    if (err == DGM_OK) {
        *log = (dgm_run_log){.grid = grid, .hp = hp, .peak_gflops = peak_gflops, .first_step = step};
        log->started = log->window_started = dgm_timer_now();
        if (grid->rank == 0) err = open_one(run, "metrics.jsonl", step, &log->metrics_path, &log->metrics);
        if (grid->rank == 0 && err == DGM_OK) err = open_one(run, "timing.jsonl", step, &log->timing_path, &log->timing);
    }
    err = dgm_coll_agree(grid, DGM_AXIS_WORLD, err);
    if (err != DGM_OK) {
        dgm_run_log_close(log);
        return err;
    }
    dgm_timer_reset();
    *out = log;
    return DGM_OK;
}

void dgm_run_log_close(dgm_run_log *log)
{
    if (log == NULL) return;
    if (log->metrics != NULL) fclose(log->metrics);
    if (log->timing != NULL) fclose(log->timing);
    free(log->metrics_path);
    free(log->timing_path);
    free(log);
}

/* Writes `line` (released) and its line end. */
static dgm_err put_line(FILE *file, const char *path, json_t *line)
{
    char *text = line != NULL ? json_dumps(line, JSON_REAL_PRECISION(17) | JSON_COMPACT) : NULL;
    json_decref(line);
    if (text == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "a line of %s", path);
    bool written = fprintf(file, "%s\n", text) > 0 && fflush(file) == 0;
    free(text);
    return written ? DGM_OK : DGM_FAIL(DGM_ERR_IO, "write %s: %s", path, strerror(errno));
}

static double peak_memory_mb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static void show_progress(const dgm_run_log *log, int64_t step, int64_t max_steps, const dgm_step_result *r, double tokens_per_s, double share)
{
    double elapsed = dgm_timer_now() - log->started - log->paused_s;
    double left = elapsed / (double)DGM_MAX(step - log->first_step, 1) * (double)(max_steps - step);
    char peak[48] = "";
    if (log->peak_gflops > 0) snprintf(peak, sizeof peak, "  %.0f%% of peak", 100 * share);
    dgm_log_progress("step %lld/%lld  loss %.4f  nll %.4f  %.0f target tokens/s%s  %d:%02d:%02d left", (long long)step, (long long)max_steps, r->loss,
                     r->nll, tokens_per_s, peak, (int)(left / 3600), (int)(left / 60) % 60, (int)left % 60);
}

dgm_err dgm_run_log_step(dgm_run_log *log, int64_t step, int64_t max_steps, int64_t log_every, int64_t epoch, const dgm_step_result *r)
{
    double flops = dgm_hparams_flops(log->hp, r->n_src_tokens, r->n_tgt_tokens);
    log->window_flops += flops;
    log->total_flops += flops;
    log->window_tgt_tokens += r->n_tgt_tokens;
    log->total_tgt_tokens += r->n_tgt_tokens;
    if (step % log_every != 0 && step != max_steps) return DGM_OK;
    double now = dgm_timer_now(), seconds = DGM_MAX(now - log->window_started, 1e-9);
    double gflops = log->window_flops / seconds * 1e-9, tokens_per_s = (double)log->window_tgt_tokens / seconds;
    double share = log->peak_gflops > 0 ? gflops / log->peak_gflops : 0;
    if (log->metrics != NULL) {
        DGM_TRY(put_line(log->metrics, log->metrics_path,
                         json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:I}", "step", (json_int_t)step, "epoch", (json_int_t)epoch, "loss",
                                   r->loss, "nll", r->nll, "grad_norm", r->grad_norm, "learning_rate", r->rate, "src_tokens",
                                   (json_int_t)r->n_src_tokens, "tgt_tokens", (json_int_t)r->n_tgt_tokens, "sentences",
                                   (json_int_t)r->n_sentences)));
        DGM_TRY(put_line(log->timing, log->timing_path,
                         json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:i, s:i}", "step", (json_int_t)step, "elapsed_s", now - log->started, "tgt_tokens_per_s",
                                   tokens_per_s, "gflops", gflops, "share_of_peak", share, "peak_memory_mb", peak_memory_mb(), "dp", log->grid->dp_size,
                                   "tp", log->grid->tp_size)));
    }
    show_progress(log, step, max_steps, r, tokens_per_s, share);
    log->window_started = now;
    log->window_flops = 0;
    log->window_tgt_tokens = 0;
    return DGM_OK;
}

dgm_err dgm_run_log_validation(dgm_run_log *log, int64_t step, const dgm_validation *v, bool best)
{
    char bleu[32] = "";
    if (v->has_bleu) snprintf(bleu, sizeof bleu, "  BLEU %.2f", v->bleu);
    dgm_log(DGM_LOG_INFO, "step %lld  validation: loss %.4f  nll %.4f  perplexity %.3f%s%s", (long long)step, v->loss, v->nll, exp(v->nll), bleu,
            best ? "  (best so far)" : "");
    if (log->metrics == NULL) return DGM_OK;
    json_t *line = json_pack("{s:I, s:f, s:f, s:f, s:I}", "step", (json_int_t)step, "valid_loss", v->loss, "valid_nll", v->nll, "valid_perplexity",
                             exp(v->nll), "valid_tokens", (json_int_t)v->n_tokens);
    if (line != NULL && v->has_bleu) json_object_set_new(line, "valid_bleu", json_real(v->bleu));
    return put_line(log->metrics, log->metrics_path, line);
}

void dgm_run_log_pause(dgm_run_log *log) { log->paused_at = dgm_timer_now(); }

void dgm_run_log_resume(dgm_run_log *log)
{
    double pause = dgm_timer_now() - log->paused_at;
    log->paused_s += pause;
    log->window_started += pause;
}

dgm_err dgm_run_log_sync(dgm_run_log *log)
{
    if (log->metrics == NULL) return DGM_OK;
    if (fsync(fileno(log->metrics)) != 0) return DGM_FAIL(DGM_ERR_IO, "flush %s: %s", log->metrics_path, strerror(errno));
    return DGM_OK;
}

void dgm_run_log_summary(dgm_run_log *log, int64_t arena_bytes)
{
    double seconds = DGM_MAX(dgm_timer_now() - log->started - log->paused_s, 1e-9), all = 0;
    if (log->total_tgt_tokens == 0) return;
    dgm_log(DGM_LOG_INFO, "trained %lld target tokens in %.1f s: %.0f target tokens/s, %.1f GFLOP/s", (long long)log->total_tgt_tokens, seconds,
            (double)log->total_tgt_tokens / seconds, log->total_flops / seconds * 1e-9);
    for (int r = 0; r < DGM_REGION_N; r++) all += dgm_timer_total_s((dgm_region)r);
    for (int r = 0; r < DGM_REGION_N; r++)
        dgm_log(DGM_LOG_INFO, "  %-14s %8.2f s  %5.1f %%", dgm_timer_name((dgm_region)r), dgm_timer_total_s((dgm_region)r),
                100 * dgm_timer_total_s((dgm_region)r) / all);
    dgm_log(DGM_LOG_INFO, "  activations %.0f MB, peak memory of rank 0 %.0f MB", (double)arena_bytes / 1e6, peak_memory_mb() * 1.048576);
}
