/* dragoman bench: updates as train makes them, timed, then the machine's ceilings beside them.  Writes nothing to disk. */
#include "dgm/bench_report.h"
#include "dgm/cli.h"
#include "dgm/gemm.h"
#include "dgm/log.h"
#include "dgm/model_memory.h"
#include "dgm/placement.h"
#include "dgm/prepare.h"
#include "dgm/synthetic.h"
#include "dgm/train_run.h"

#include <stdlib.h>
#include <string.h>

enum { GENERATED_PAIRS = 30000, SMALL_VOCABULARY = 10000, LARGE_VOCABULARY = 32000, LARGE_WIDTH = 512 };

static const dgm_option options[] = {
    {"steps", DGM_OPTION_INT, "20", 1, 1000000, NULL, "N", "updates that are timed"},
    {"settle_steps", DGM_OPTION_INT, "3", 0, 1000000, NULL, "N", "updates before them that are not"},
    {"ceilings", DGM_OPTION_FLAG, "true", 0, 0, NULL, NULL, "time updates alone, do not measure the machine"},
    {"json", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "print one JSON object"},
    {0},
};

/* Of a training's settings, those that mean nothing here. */
static const char *const unlisted[] = {
    "out", "resume", "init", "repeat", "any_machine", "max_epochs", "log_every", "trace_hash", "trace_hash_every", "validate_every", "bleu_every",
    "best_by", "patience", "checkpoint_every", "keep_checkpoints", "average_last", "src", "tgt", "tsv", "valid_src", "valid_tgt", "valid_tsv",
    "tokenizer", "tgt_tokenizer", "max_length", "max_ratio", "on_bad_line", NULL};

typedef struct {
    const dgm_config *config;
    dgm_train_settings settings;
    dgm_grid *grid;
    dgm_dataset *dataset;
    char *sentences; /* where they come from, in words */
    dgm_params *params;
    float *flat;
    dgm_trainer *trainer;
    dgm_loader *loader;
    dgm_timer_totals *own; /* [n_steps] */
    dgm_bench_result result;
} bench;

static dgm_err agree(const bench *b, dgm_err err) { return dgm_coll_agree(b->grid, DGM_AXIS_WORLD, err); }

/* A training's config file may be given as it is; an option that asks bench itself to write or to start from something is refused. */
static dgm_err check_options(const dgm_config *config)
{
    static const char *const refused[] = {"out", "init", "repeat", "src", "tgt", "tsv"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (dgm_config_given_here(config, refused[i]))
            return DGM_FAIL(DGM_ERR_USAGE, "--%s has no effect: bench writes nothing and trains a new model on --data DATA or on generated sentences; leave "
                            "it out", refused[i]);
    return DGM_OK;
}

static void say_sentences(bench *b, const char *format, const char *text, int64_t n)
{
    size_t bytes = strlen(format) + strlen(text) + 32;
    b->sentences = malloc(bytes);
    if (b->sentences != NULL) snprintf(b->sentences, bytes, "%s%s (%lld pairs)", format, text, (long long)n);
}

/* The sentences and the size of the vocabulary: DATA's, unless a larger one is asked for. */
static dgm_err open_sentences(bench *b, int64_t *src_vocab, int64_t *tgt_vocab, bool *joint)
{
    const char *data = dgm_config_text(b->config, "data");
    bool given = dgm_config_given(b->config, "vocab_size");
    int64_t asked = dgm_config_int(b->config, "vocab_size");
    if (data == NULL) {
        *joint = dgm_config_flag(b->config, "joint_vocab");
        if (!given) asked = dgm_config_int(b->config, "d_model") < LARGE_WIDTH ? SMALL_VOCABULARY : LARGE_VOCABULARY;
        *src_vocab = *tgt_vocab = asked;
        say_sentences(b, "generated", "", GENERATED_PAIRS);
        return dgm_synthetic_dataset(b->settings.update.seed, asked, GENERATED_PAIRS, &b->dataset);
    }
    DGM_TRY(dgm_dataset_open(data, &b->dataset));
    *src_vocab = dgm_dataset_vocab_size(b->dataset, DGM_SIDE_SRC);
    *tgt_vocab = dgm_dataset_vocab_size(b->dataset, DGM_SIDE_TGT);
    *joint = dgm_dataset_joint_vocab(b->dataset);
    if (dgm_config_given(b->config, "joint_vocab") && dgm_config_flag(b->config, "joint_vocab") != *joint)
        return DGM_FAIL(DGM_ERR_USAGE, "joint_vocab: %s has %s; leave it out, or leave out --data", data,
                        *joint ? "one tokenizer for both sides" : "a tokenizer for each side");
    say_sentences(b, "of ", data, dgm_dataset_train_totals(b->dataset)->n_pairs);
    if (!given) return DGM_OK;
    if (asked < DGM_MAX(*src_vocab, *tgt_vocab))
        return DGM_FAIL(DGM_ERR_USAGE, "vocab_size = %lld: expected at least the %lld pieces of %s", (long long)asked,
                        (long long)DGM_MAX(*src_vocab, *tgt_vocab), data);
    *src_vocab = *tgt_vocab = asked;
    return DGM_OK;
}

static dgm_err make_model(bench *b)
{
    dgm_hparams hp;
    int64_t src_vocab, tgt_vocab;
    bool joint;
    DGM_TRY(dgm_train_settings_read(b->config, dgm_config_int(b->config, "d_model"), &b->settings));
    DGM_TRY(open_sentences(b, &src_vocab, &tgt_vocab, &joint));
    if (b->sentences == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "name of the sentences");
    DGM_TRY(dgm_train_hparams_read(b->config, src_vocab, tgt_vocab, joint, &hp));
    DGM_TRY(dgm_model_memory_check(&hp, &b->settings.update.optimizer, b->grid, dgm_host_memory_read()));
    DGM_TRY(dgm_params_create(&hp, b->grid->tp_rank, b->grid->tp_size, &b->params));
    DGM_TRY(dgm_params_alloc(b->params, &b->flat));
    dgm_params_init(b->params, b->settings.update.seed, b->flat);
    return DGM_OK;
}

static dgm_err make_trainer(bench *b)
{
    dgm_loader_options loader = {.seed = b->settings.update.seed,
                                 .batch_tokens = b->settings.batch_tokens,
                                 .micro_batch_tokens = b->settings.micro_batch_tokens,
                                 .bpe_dropout = b->settings.bpe_dropout,
                                 .virtual_dp = b->settings.update.virtual_dp,
                                 .replica = b->grid->dp_rank,
                                 .n_replicas = b->grid->dp_size};
    dgm_bench_result *r = &b->result;
    *r = (dgm_bench_result){.grid = b->grid, .hp = &b->params->hp, .settings = &b->settings, .config = dgm_config_text(b->config, "config"),
                            .sentences = b->sentences, .n_steps = dgm_config_int(b->config, "steps"),
                            .n_settle_steps = dgm_config_int(b->config, "settle_steps")};
    size_t n = (size_t)r->n_steps;
    b->own = malloc(n * sizeof *b->own);
    r->time = malloc(n * sizeof *r->time);
    r->tgt_tokens = malloc(n * sizeof *r->tgt_tokens);
    r->flops = malloc(n * sizeof *r->flops);
    r->memory_kb = calloc((size_t)b->grid->size, sizeof *r->memory_kb);
    if (b->own == NULL || r->time == NULL || r->tgt_tokens == NULL || r->flops == NULL || r->memory_kb == NULL)
        return DGM_FAIL(DGM_ERR_NOMEM, "times of %zu updates", n);
    DGM_TRY(dgm_trainer_create(b->params, b->grid, &b->settings.update, b->flat, &b->trainer));
    return dgm_loader_create(b->dataset, &loader, &b->loader);
}

static void bench_close(bench *b)
{
    dgm_loader_destroy(b->loader);
    if (!dgm_trainer_is_busy(b->trainer)) { /* else a failure: MPI still writes there, until the process ends */
        dgm_trainer_destroy(b->trainer);
        free(b->flat);
    }
    free(b->result.memory_kb);
    free(b->result.flops);
    free(b->result.tgt_tokens);
    free(b->result.time);
    free(b->own);
    dgm_params_destroy(b->params);
    dgm_dataset_close(b->dataset);
    free(b->sentences);
    dgm_grid_destroy(b->grid);
}

/* ---- measuring ---- */

/* A line every ten seconds: large models take as long for one update. */
static void show_progress(int64_t n_done, int64_t n, double started, double *shown)
{
    enum { EVERY_S = 10 };
    double now = dgm_timer_now();
    if (now - *shown < EVERY_S || n_done == n) return;
    *shown = now;
    dgm_log_progress("update %lld of %lld, %.1f s each", (long long)n_done, (long long)n, (now - started) / (double)n_done);
}

static dgm_err time_updates(bench *b)
{
    dgm_bench_result *r = &b->result;
    dgm_step_result result;
    double started = dgm_timer_now(), shown = started;
    for (int64_t step = 1 - r->n_settle_steps; step <= r->n_steps; step++) {
        if (step == 1) DGM_TRY(dgm_coll_barrier(b->grid, DGM_AXIS_WORLD));
        dgm_timer_reset();
        DGM_TRY(dgm_train_update(b->grid, b->loader, b->trainer, step + r->n_settle_steps, &result));
        if (step >= 1) {
            b->own[step - 1] = dgm_timer_read();
            r->tgt_tokens[step - 1] = result.n_tgt_tokens;
            r->flops[step - 1] = dgm_hparams_flops(r->hp, result.n_src_tokens, result.n_tgt_tokens);
        }
        show_progress(step + r->n_settle_steps, r->n_settle_steps + r->n_steps, started, &shown);
    }
    dgm_log_progress_end();
    DGM_TRY(dgm_trainer_settle(b->trainer));
    r->memory_kb[b->grid->rank] = (int64_t)(dgm_machine_peak_memory_mb() * 1024);
    DGM_TRY(dgm_coll_sum_counts(b->grid, DGM_AXIS_WORLD, r->memory_kb, b->grid->size));
    return dgm_step_time_mean(b->grid, b->own, r->n_steps, r->time);
}

static dgm_err measure(bench *b)
{
    bool ceilings = dgm_config_flag(b->config, "ceilings");
    int64_t n_updates = b->result.n_settle_steps + b->result.n_steps;
    dgm_log(DGM_LOG_INFO, "%lld update%s%s", (long long)n_updates, n_updates == 1 ? "" : "s", ceilings ? ", then the machine" : "");
    DGM_TRY(time_updates(b));
    dgm_trainer_destroy(b->trainer); /* its memory is for the reduction */
    b->trainer = NULL;
    if (ceilings) DGM_TRY(dgm_machine_measure(b->grid, b->params->n_floats, b->settings.update.virtual_dp, &b->result.machine));
    dgm_err err = DGM_OK;
    if (b->grid->rank == 0) err = dgm_config_flag(b->config, "json") ? dgm_bench_print_json(&b->result) : dgm_bench_print(&b->result);
    return agree(b, err);
}

/* As many threads as are asked for, or as there are cores for. */
static dgm_err set_threads(bench *b)
{
    int threads;
    DGM_TRY(dgm_placement_check(b->grid, b->settings.threads, &threads));
    dgm_gemm_set_threads(threads);
    int64_t least = -threads;
    DGM_TRY(dgm_coll_max_counts(b->grid, DGM_AXIS_WORLD, &least, 1));
    b->result.threads = (int)-least;
    return DGM_OK;
}

static dgm_err run(dgm_config *config)
{
    bench b = {.config = config};
    DGM_TRY(check_options(config));
    int n_ranks;
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    DGM_TRY(dgm_train_tp_check(config, n_ranks));
    DGM_TRY(dgm_grid_create(MPI_COMM_WORLD, (int)dgm_config_int(config, "tp"), &b.grid));
    dgm_err err = agree(&b, make_model(&b));
    if (err == DGM_OK) err = agree(&b, make_trainer(&b));
    if (err == DGM_OK) err = set_threads(&b);
    if (err == DGM_OK) err = measure(&b);
    bench_close(&b);
    return err;
}

int dgm_cmd_bench(int argc, char **argv)
{
    static const dgm_option *const tables[] = {options, dgm_train_run_options, dgm_train_model_options, dgm_train_update_options,
                                               dgm_prepare_option_table};
    static const dgm_cli_command command = {.name = "bench",
                                            .synopsis = "[--config F] [--data DATA] [options]",
                                            .summary = "Measures this machine and times updates of training on it, on DATA or on generated sentences. "
                                                       "A config file of train may be given as it is: what concerns files, validation and checkpoints "
                                                       "has no effect. Start it under mpirun or srun like train. Writes nothing to disk.\n"
                                                       "Generated sentences have a vocabulary of 10,000, from d_model 512 on of 32,000.",
                                            .tables = tables,
                                            .n_tables = 5,
                                            .unlisted = unlisted,
                                            .uses_mpi = true,
                                            .run = run};
    return dgm_cli_run(&command, argc, argv);
}
