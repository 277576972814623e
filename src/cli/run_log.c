/* Rank 0 writes.  metrics.jsonl is a function of the experiment; everything about speed and place goes to timing.jsonl and run.json. */
#include "dgm/run_log.h"

#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/log_lines.h"
#include "dgm/machine.h"
#include "dgm/step_time.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The peak is measured once that much time has gone into training: a short run need not wait for it. */
static const double PEAK_AFTER_S = 2;
enum { PEAK_TRIES = 3, TIMES = 64 };

struct dgm_run_log {
    FILE *metrics, *timing;
    char *metrics_path, *timing_path;
    const dgm_grid *grid;
    const dgm_hparams *hp;
    dgm_precision precision;
    double peak_gflops;                  /* of products in that precision; 0: not yet known */
    double started, paused_at, paused_s; /* of the whole run */
    double window_started, window_flops; /* since the last line */
    int64_t window_tgt_tokens, first_step;
    double total_flops;
    int64_t total_tgt_tokens, n_steps;
    dgm_timer_totals last, own[TIMES];  /* the timer at the end of the last update; what each update since the last mean took */
    int n_own;
    dgm_step_time window, total;        /* sums of means over the ranks, since the last line and of the whole run */
};

static dgm_err open_one(const char *run, const char *name, int64_t step, char **path, FILE **file)
{
    *path = dgm_io_join(run, name);
    if (*path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path of %s", name);
    DGM_TRY(dgm_log_lines_cut_back(*path, step));
    *file = fopen(*path, "ae");
    if (*file == NULL) return DGM_FAIL(DGM_ERR_IO, "open %s: %s", *path, strerror(errno));
    return DGM_OK;
}

dgm_err dgm_run_log_open(const char *run, int64_t step, const dgm_grid *grid, const dgm_hparams *hp, dgm_precision precision, dgm_run_log **out)
{
    dgm_run_log *log = calloc(1, sizeof *log);
    dgm_err err = log != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "logs");
    if (err == DGM_OK) {
        *log = (dgm_run_log){.grid = grid, .hp = hp, .precision = precision, .first_step = step};
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
    char *text = line != NULL ? dgm_log_line_text(line) : NULL;
    json_decref(line);
    if (text == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "a line of %s", path);
    bool written = fprintf(file, "%s\n", text) > 0 && fflush(file) == 0;
    free(text);
    return written ? DGM_OK : DGM_FAIL(DGM_ERR_IO, "write %s: %s", path, strerror(errno));
}

/* ---- time ---- */

void dgm_run_log_pause(dgm_run_log *log)
{
    log->paused_at = dgm_timer_now();
    dgm_timer_pause();
}

void dgm_run_log_resume(dgm_run_log *log)
{
    double pause = dgm_timer_now() - log->paused_at;
    dgm_timer_resume();
    log->paused_s += pause;
    log->window_started += pause;
}

/* Brings the updates timed on this rank together with those of the others.  Collective on grid->world. */
static dgm_err join_times(dgm_run_log *log)
{
    dgm_step_time mean[TIMES];
    DGM_TRY(dgm_step_time_mean(log->grid, log->own, log->n_own, mean));
    for (int i = 0; i < log->n_own; i++) {
        dgm_step_time_add(&log->window, &mean[i]);
        dgm_step_time_add(&log->total, &mean[i]);
    }
    log->n_own = 0;
    return DGM_OK;
}

static dgm_err end_update(dgm_run_log *log)
{
    dgm_timer_totals now = dgm_timer_read(), took = now;
    for (int r = 0; r < DGM_REGION_N; r++) took.region_s[r] -= log->last.region_s[r];
    took.hidden_s -= log->last.hidden_s;
    log->last = now;
    log->own[log->n_own++] = took;
    log->n_steps++;
    return log->n_own == TIMES ? join_times(log) : DGM_OK;
}

/* All ranks have the same mean times and decide alike. */
static dgm_err need_peak(dgm_run_log *log)
{
    if (log->peak_gflops > 0 || log->total.step_s < PEAK_AFTER_S) return DGM_OK;
    dgm_run_log_pause(log);
    dgm_err err = dgm_machine_peak(log->grid, log->precision, PEAK_TRIES, &log->peak_gflops);
    dgm_run_log_resume(log);
    return err;
}

/* ---- lines ---- */

static void show_progress(const dgm_run_log *log, int64_t step, int64_t max_steps, const dgm_step_result *r, double tokens_per_s, double share)
{
    double elapsed = dgm_timer_now() - log->started - log->paused_s;
    double left = elapsed / (double)DGM_MAX(step - log->first_step, 1) * (double)(max_steps - step);
    char peak[48] = "";
    if (log->peak_gflops > 0) snprintf(peak, sizeof peak, "  %.0f%% of peak", 100 * share);
    dgm_log_progress("step %lld/%lld  loss %.4f  nll %.4f  %.0f target tokens/s%s  %d:%02d:%02d left", (long long)step, (long long)max_steps, r->loss,
                     r->nll, tokens_per_s, peak, (int)(left / 3600), (int)(left / 60) % 60, (int)left % 60);
}

static dgm_err put_metrics(const dgm_run_log *log, int64_t step, int64_t epoch, const dgm_step_result *r)
{
    return put_line(log->metrics, log->metrics_path,
                    json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:I}", "step", (json_int_t)step, "epoch", (json_int_t)epoch, "loss", r->loss,
                              "nll", r->nll, "grad_norm", r->grad_norm, "learning_rate", r->rate, "src_tokens", (json_int_t)r->n_src_tokens,
                              "tgt_tokens", (json_int_t)r->n_tgt_tokens, "sentences", (json_int_t)r->n_sentences));
}

static dgm_err put_timing(const dgm_run_log *log, int64_t step, double tokens_per_s, double gflops, double share)
{
    return put_line(log->timing, log->timing_path,
                    json_pack("{s:I, s:f, s:f, s:f, s:o, s:f, s:i, s:i, s:o}", "step", (json_int_t)step, "elapsed_s", dgm_timer_now() - log->started,
                              "tgt_tokens_per_s", tokens_per_s, "gflops", gflops, "share_of_peak", share > 0 ? json_real(share) : json_null(),
                              "peak_memory_mb", dgm_machine_peak_memory_mb(), "dp", log->grid->dp_size, "tp", log->grid->tp_size, "regions_s",
                              dgm_step_time_json(&log->window, 1)));
}

dgm_err dgm_run_log_step(dgm_run_log *log, int64_t step, int64_t max_steps, int64_t log_every, int64_t epoch, const dgm_step_result *r)
{
    double flops = dgm_hparams_flops(log->hp, r->n_src_tokens, r->n_tgt_tokens);
    log->window_flops += flops;
    log->total_flops += flops;
    log->window_tgt_tokens += r->n_tgt_tokens;
    log->total_tgt_tokens += r->n_tgt_tokens;
    DGM_TRY(end_update(log));
    if (step % log_every != 0 && step != max_steps) return DGM_OK;
    double now = dgm_timer_now(), seconds = DGM_MAX(now - log->window_started, 1e-9);
    log->window_started = now;
    DGM_TRY(join_times(log));
    DGM_TRY(need_peak(log));
    double gflops = log->window_flops / seconds * 1e-9, tokens_per_s = (double)log->window_tgt_tokens / seconds;
    double share = log->peak_gflops > 0 ? gflops / log->peak_gflops : 0;
    dgm_err err = DGM_OK;
    if (log->metrics != NULL) err = put_metrics(log, step, epoch, r);
    if (log->timing != NULL && err == DGM_OK) err = put_timing(log, step, tokens_per_s, gflops, share);
    show_progress(log, step, max_steps, r, tokens_per_s, share);
    log->window_flops = 0;
    log->window_tgt_tokens = 0;
    log->window = (dgm_step_time){0};
    return dgm_coll_agree(log->grid, DGM_AXIS_WORLD, err);
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

dgm_err dgm_run_log_sync(dgm_run_log *log)
{
    if (log->metrics == NULL) return DGM_OK;
    if (fsync(fileno(log->metrics)) != 0) return DGM_FAIL(DGM_ERR_IO, "flush %s: %s", log->metrics_path, strerror(errno));
    return DGM_OK;
}

dgm_err dgm_run_log_summary(dgm_run_log *log, int64_t arena_bytes)
{
    dgm_step_time_row rows[DGM_STEP_TIME_ROWS];
    DGM_TRY(join_times(log));
    if (log->total_tgt_tokens == 0) return DGM_OK;
    double seconds = DGM_MAX(log->total.step_s, 1e-9), gflops = log->total_flops / seconds * 1e-9;
    char share[64] = "";
    if (log->peak_gflops > 0) snprintf(share, sizeof share, ", %.1f %% of the peak of %.1f", 100 * gflops / log->peak_gflops, log->peak_gflops);
    dgm_log(DGM_LOG_INFO, "trained %lld target tokens in %.1f s: %.0f target tokens/s, %.1f GFLOP/s%s", (long long)log->total_tgt_tokens, seconds,
            (double)log->total_tgt_tokens / seconds, gflops, share);
    dgm_step_time_rows(&log->total, rows);
    for (int i = 0; i < DGM_STEP_TIME_ROWS; i++)
        dgm_log(DGM_LOG_INFO, "  %-24s %9.2f ms  %5.1f %%", rows[i].name, 1e3 * rows[i].seconds / (double)log->n_steps, 100 * rows[i].seconds / seconds);
    dgm_log(DGM_LOG_INFO, "  activations %.0f MB, peak memory of rank 0 %.0f MB", (double)arena_bytes / 1e6, dgm_machine_peak_memory_mb() * 1.048576);
    return DGM_OK;
}
