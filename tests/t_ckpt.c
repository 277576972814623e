/* Checkpoints of one process: what is saved comes back; kills and refused writes at every moment leave the last one whole; damage is found. */
#include "dgm/average.h"
#include "dgm/ckpt.h"
#include "dgm/io.h"
#include "dgm/log.h"
#include "dgm/rng.h"
#include "tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static dgm_params *params;
static const dgm_model_strings strings = {"tokenizer text", NULL, "{\"steps\": 3}"};

static const dgm_hparams hp = {.d_model = 16, .d_ff = 32, .n_heads = 2, .n_encoder_layers = 1, .n_decoder_layers = 1, .src_vocab_size = 13,
                               .tgt_vocab_size = 13, .joint_vocab = true, .virtual_tp = 2, .norm_eps = 1e-5f};

static char *join(const char *a, const char *b)
{
    char *p = dgm_io_join(a, b);
    if (p == NULL) abort();
    return p;
}

/* Blocks whose numbers differ from seed to seed, moments included. */
static dgm_ckpt make_ckpt(uint64_t seed)
{
    static dgm_range whole;
    whole = (dgm_range){0, params->n_floats};
    dgm_ckpt c = {.params = params, .ranges = &whole, .n_ranges = 1, .n_moments = 2};
    c.moment[0].name = "exp_avg";
    c.moment[1].name = "exp_avg_sq";
    if (dgm_params_alloc(params, &c.flat) != DGM_OK) abort();
    for (int i = 0; i < 2; i++)
        if (dgm_params_alloc(params, &c.moment[i].data) != DGM_OK) abort();
    if (seed == 0) return c;
    dgm_params_init(params, seed, c.flat);
    for (int u = 0; u < params->n_units; u++) {
        const dgm_unit *unit = &params->units[u];
        for (int64_t i = unit->offset; i < unit->offset + unit->rows * unit->cols; i++)
            for (int m = 0; m < 2; m++)
                c.moment[m].data[i] = (float)dgm_rng_uniform(dgm_rng_make(seed, DGM_RNG_TEST), (uint64_t)i, (uint64_t)m);
    }
    return c;
}

static void free_ckpt(dgm_ckpt *c)
{
    free(c->flat);
    free(c->moment[0].data);
    free(c->moment[1].data);
}

static dgm_err save(const char *run, int64_t step)
{
    char state[64];
    snprintf(state, sizeof state, "{\"step\": %lld}", (long long)step);
    dgm_ckpt c = make_ckpt((uint64_t)step);
    dgm_err err = dgm_ckpt_save(run, step, dgm_grid_single(), &c, &strings, state);
    free_ckpt(&c);
    return err;
}

/* The step of the newest whole checkpoint if its numbers and state are those that `save` wrote; 0 when there is none, -1 when wrong. */
static int64_t newest(const char *run)
{
    char *path = NULL, *text = NULL;
    if (dgm_ckpt_find(run, "auto", dgm_grid_single(), &path) != DGM_OK) return -1;
    if (path == NULL) return 0;
    long long step = strtoll(strstr(path, "step-") + 5, NULL, 10), said = -1;
    dgm_ckpt got = make_ckpt(0), want = make_ckpt((uint64_t)step);
    size_t bytes = (size_t)params->n_floats * sizeof(float);
    bool same = dgm_ckpt_load(path, dgm_grid_single(), &got) == DGM_OK && memcmp(got.flat, want.flat, bytes) == 0 &&
                memcmp(got.moment[0].data, want.moment[0].data, bytes) == 0 && memcmp(got.moment[1].data, want.moment[1].data, bytes) == 0;
    same = same && dgm_ckpt_read_state(path, dgm_grid_single(), &text) == DGM_OK && sscanf(text, "{\"step\": %lld}", &said) == 1 && said == step;
    free(text);
    free(path);
    free_ckpt(&got);
    free_ckpt(&want);
    return same ? step : -1;
}

static bool link_is(const char *run, const char *name, const char *want)
{
    char target[256] = "";
    char *link = join(run, name);
    bool same = readlink(link, target, sizeof target - 1) > 0 && strcmp(target, want) == 0;
    free(link);
    return same;
}

static bool has_step(const char *run, int64_t step)
{
    char *path = dgm_ckpt_path(run, step);
    bool there = dgm_io_is_dir(path);
    free(path);
    return there;
}

static int count_entries(const char *run)
{
    char command[512];
    int n = -1;
    snprintf(command, sizeof command, "ls -A '%s/checkpoints' | wc -l", run);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL || fscanf(pipe, "%d", &n) != 1) n = -1;
    if (pipe != NULL) pclose(pipe);
    return n;
}

static void test_saving(void)
{
    char *run = join(folder, "saving");
    tap_int(newest(run), 0, "a run without checkpoints has none to go on from");
    tap_err(save(run, 5), DGM_OK, "a checkpoint is saved");
    tap_int(newest(run), 5, "and comes back, bit for bit");
    tap_ok(link_is(run, "last", "checkpoints/step-00000005"), "last points to it");
    tap_err(save(run, 12), DGM_OK, "another");
    tap_int(newest(run), 12, "the newest counts");
    tap_err(save(run, 12), DGM_OK, "a checkpoint of the same step takes the place of the old one");
    tap_int(newest(run), 12, "and is whole");
    tap_int(count_entries(run), 2, "nothing else is there");
    tap_err(dgm_ckpt_mark(run, "best", 5, dgm_grid_single()), DGM_OK, "best is set");
    tap_ok(link_is(run, "best", "checkpoints/step-00000005"), "and points where it should");
    dgm_model_file *file = NULL;
    char *best = join(run, "best");
    tap_err(dgm_model_file_open(best, &file), DGM_OK, "a checkpoint can be opened as a model, through the link");
    if (file != NULL) {
        tap_text(dgm_model_file_strings(file)->tokenizer, "tokenizer text", "its tokenizer is read without its weights");
        tap_text(dgm_model_file_strings(file)->training, "{\"steps\": 3}", "so is the record of its training");
        tap_ok(dgm_model_file_hparams(file)->d_ff == 32 && dgm_model_file_hparams(file)->virtual_tp == 2, "and its architecture");
    }
    dgm_model_file_close(file);
    char *path = NULL;
    tap_err(dgm_ckpt_find(run, best, dgm_grid_single(), &path), DGM_OK, "a checkpoint may be named");
    free(path);
    free(best);
    tap_err(dgm_ckpt_find(run, run, dgm_grid_single(), &path), DGM_ERR_INPUT, "a folder that is none is refused");
    tap_error_says("this is a run, not a checkpoint");
    free(run);
}

/* ---- kills and refusals ---- */

static int changes_left;
static int refusal; /* 0: end the process */

static int at_change(const char *change, const char *path)
{
    (void)change, (void)path;
    if (changes_left-- > 0) return 0;
    if (refusal == 0) _exit(9);
    return refusal;
}

/* As a disk that fills up: new data are refused, removing works. */
static int when_full(const char *change, const char *path)
{
    bool takes_room = strcmp(change, "write") == 0 || strcmp(change, "allocate") == 0 || strcmp(change, "create") == 0 ||
                      strcmp(change, "make") == 0 || strcmp(change, "link") == 0;
    if (strstr(path, "checkpoints") == NULL || !takes_room || changes_left-- > 0) return 0;
    changes_left = 0;
    return ENOSPC;
}

/* Saves step `step` in a child that is killed before its n-th change of the file system; whether it got through. */
static bool save_killed(const char *run, int64_t step, int n)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        changes_left = n;
        refusal = 0;
        dgm_io_set_guard(at_change);
        _exit(save(run, step) == DGM_OK ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) abort();
    if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 9) abort();
    return WEXITSTATUS(status) == 0;
}

static void test_kills(void)
{
    char *run = join(folder, "kills");
    int n = 0, wrong = 0, early = 0;
    save(run, 1);
    for (bool through = false; !through && n < 1000; n++) {
        through = save_killed(run, 2, n);
        int64_t found = newest(run);
        wrong += found != 1 && found != 2;
        early += found == 1;
        char *path = dgm_ckpt_path(run, 2);
        if (!through && found == 2) dgm_io_remove_tree(path); /* begin again */
        free(path);
    }
    tap_ok(n > 40 && n < 1000, "a save makes %d changes and was killed before each of them", n - 1);
    tap_int(wrong, 0, "each time the old checkpoint or the new one was found whole");
    tap_ok(early > 30 && early < n, "%d times it was the old one", early);
    tap_int(newest(run), 2, "the one that got through is there");
    tap_int(count_entries(run), 2, "and nothing is left of the others");

    int lost = 0, left = 0;
    for (bool through = false; !through && left < 1000; left++) { /* the only checkpoint, replaced by one of the same step */
        char *only = join(folder, "only");
        dgm_io_remove_tree(only);
        save(only, 7);
        through = save_killed(only, 7, left);
        lost += newest(only) != 7;
        free(only);
    }
    tap_ok(left > 40 && left < 1000 && lost == 0, "replacing the only checkpoint, killed at any of %d moments, never loses it", left - 1);
    free(run);
}

static void test_full_disk(void)
{
    char *run = join(folder, "full");
    int n = 0, wrong = 0, leftovers = 0;
    save(run, 1);
    dgm_err err = DGM_ERR_IO;
    for (; err != DGM_OK && n < 1000; n++) {
        changes_left = n;
        dgm_io_set_guard(when_full);
        err = save(run, 2);
        dgm_io_set_guard(NULL);
        if (err == DGM_OK) break;
        wrong += err != DGM_ERR_IO || strstr(dgm_error_text(), "No space left on device") == NULL || newest(run) != 1;
        leftovers += count_entries(run) != 1;
    }
    tap_ok(n > 20 && n < 1000, "the disk was full at each of %d moments", n);
    tap_int(wrong, 0, "the save failed, saying so, and the old checkpoint was found whole");
    tap_int(leftovers, 0, "nothing of the new one stayed");
    tap_int(newest(run), 2, "with room again it is saved");
    int broken = 0;
    for (int k = 0; k < n + 40; k++) { /* any change at all */
        changes_left = k;
        refusal = EIO;
        dgm_io_set_guard(at_change);
        err = save(run, 3);
        dgm_io_set_guard(NULL);
        int64_t found = newest(run);
        broken += found != 2 && found != 3;
        char *path = dgm_ckpt_path(run, 3);
        dgm_io_remove_tree(path);
        free(path);
    }
    tap_int(broken, 0, "a disk that stops taking any change never costs the old checkpoint");
    free(run);
}

/* ---- damage ---- */

static void change_byte(const char *path, int64_t at)
{
    FILE *file = fopen(path, "r+b");
    if (file == NULL || fseek(file, (long)at, at < 0 ? SEEK_END : SEEK_SET) != 0) abort();
    int byte = fgetc(file);
    fseek(file, -1, SEEK_CUR);
    fputc(byte ^ 1, file);
    fclose(file);
}

static void test_damage(void)
{
    static const struct { const char *file; char how; const char *says; } cases[] = {
        {"model.safetensors", 'f', "model.safetensors is damaged"},     {"optimizer.safetensors", 'f', "optimizer.safetensors is damaged"},
        {"state.json", 'f', "state.json is damaged"},                   {"model.safetensors", 't', "model.safetensors is truncated"},
        {"optimizer.safetensors", 't', "optimizer.safetensors is truncated"}, {"state.json", 'r', "state.json"},
        {"DONE", 'r', "DONE"},                                          {"DONE", 't', "DONE is damaged"},
        {"DONE", 'f', "is not whole"},                                  {"DONE", 'p', "DONE is not a regular file"},
        {"state.json", 'p', "state.json is not a regular file"},        {"model.safetensors", 'p', "model.safetensors is not a regular file"},
    };
    char *run = join(folder, "damage");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dgm_io_remove_tree(run);
        save(run, 1);
        save(run, 2);
        char *step = dgm_ckpt_path(run, 2), *path = join(step, cases[i].file);
        if (cases[i].how == 'f') change_byte(path, strcmp(cases[i].file, "DONE") == 0 ? 0 : -5);
        if (cases[i].how == 't' && truncate(path, 40) != 0) abort();
        if (cases[i].how == 'r' || cases[i].how == 'p') unlink(path);
        if (cases[i].how == 'p' && mkfifo(path, 0600) != 0) abort(); /* which nobody writes to */
        tap_err(dgm_ckpt_verify(step, dgm_grid_single()), DGM_ERR_INPUT, "%s %s: the checkpoint is not whole", cases[i].file,
                cases[i].how == 'f' ? "with a flipped bit" : cases[i].how == 't' ? "truncated" : cases[i].how == 'p' ? "a pipe" : "missing");
        tap_error_says(cases[i].says);
        tap_int(newest(run), 1, "and the one before it is found");
        free(step);
        free(path);
    }
    char *second = dgm_ckpt_path(run, 2), *third = dgm_ckpt_path(run, 3), *copy = join(run, "copy");
    dgm_io_remove_tree(run);
    save(run, 1);
    save(run, 2);
    if (rename(second, third) != 0) abort();
    tap_err(dgm_ckpt_verify(third, dgm_grid_single()), DGM_ERR_INPUT, "the checkpoint of another step is not whole");
    tap_error_says("says step 3, but it is of step 2");
    tap_ok(!dgm_ckpt_looks_whole(third), "nor does it look so");
    tap_int(newest(run), 1, "and the one before it is found");
    if (rename(third, copy) != 0) abort();
    tap_ok(dgm_ckpt_looks_whole(copy) && dgm_ckpt_verify(copy, dgm_grid_single()) == DGM_OK, "under a name that says no step it is whole");
    free(second);
    free(third);
    free(copy);
    char *step = dgm_ckpt_path(run, 1), *path = join(step, "state.json"), *found = NULL;
    change_byte(path, 0);
    tap_err(dgm_ckpt_find(run, "auto", dgm_grid_single(), &found), DGM_ERR_INPUT, "when none is whole, training does not start from nothing unasked");
    tap_error_says("none is whole");
    free(step);
    free(path);
    free(run);
}

/* A model file by itself: every byte counts. */
static void test_sealed_model(void)
{
    char *path = join(folder, "sealed.safetensors"), *data = NULL;
    dgm_ckpt c = make_ckpt(6), got = make_ckpt(0);
    size_t n = 0;
    int accepted = 0, tried = 0;
    tap_err(dgm_model_file_save(path, dgm_grid_single(), params, &strings, c.flat), DGM_OK, "a model is saved");
    dgm_model_file *file = NULL;
    dgm_err err = dgm_model_file_open(path, &file);
    if (err == DGM_OK) err = dgm_model_file_read(file, params, got.flat);
    tap_err(err, DGM_OK, "and read");
    tap_same(got.flat, c.flat, (size_t)params->n_floats * sizeof(float), "bit for bit");
    dgm_model_file_close(file);
    if (dgm_io_read_file(path, &data, &n) != DGM_OK) abort();
    for (size_t at = 0; at < n; at += 13, tried++) {
        change_byte(path, (int64_t)at);
        file = NULL;
        err = dgm_model_file_open(path, &file);
        if (err == DGM_OK) err = dgm_model_file_read(file, params, got.flat);
        accepted += err != DGM_ERR_INPUT;
        dgm_model_file_close(file);
        change_byte(path, (int64_t)at);
    }
    tap_int(accepted, 0, "a flipped bit is refused wherever it is, %d places tried", tried);
    free(data);
    free(path);
    free_ckpt(&c);
    free_ckpt(&got);
}

static void test_mismatch(void)
{
    char *run = join(folder, "mismatch");
    save(run, 4);
    char *path = dgm_ckpt_path(run, 4);
    dgm_ckpt c = make_ckpt(0);
    c.moment[0].name = "momentum";
    c.n_moments = 1;
    tap_err(dgm_ckpt_load(path, dgm_grid_single(), &c), DGM_ERR_INPUT, "moments of another optimizer are refused");
    tap_error_says("has no tensor momentum.model.");
    c.moment[0].name = "exp_avg";
    tap_err(dgm_ckpt_load(path, dgm_grid_single(), &c), DGM_ERR_INPUT, "so is one moment where there are two");
    tap_error_says("belongs to no part of this architecture");
    free_ckpt(&c);
    for (int i = 0; i < 2; i++) {
        dgm_params *kept = params, *changed = NULL;
        dgm_hparams other = hp;
        if (i == 0) other.d_ff = 64;
        else other.activation = hp.activation == DGM_ACTIVATION_RELU ? DGM_ACTIVATION_GELU : DGM_ACTIVATION_RELU;
        if (dgm_params_create(&other, 0, 1, &changed) != DGM_OK) abort();
        params = changed;
        c = make_ckpt(0);
        params = kept;
        tap_err(dgm_ckpt_load(path, dgm_grid_single(), &c), DGM_ERR_INPUT, "%s is refused", i == 0 ? "another shape" : "another activation of the same shapes");
        tap_error_says(i == 0 ? "d_ff is 32, expected 64" : "activation is ");
        free_ckpt(&c);
        dgm_params_destroy(changed);
    }
    free(path);
    free(run);
}

/* ---- keeping and averaging ---- */

static void test_prune(void)
{
    char *run = join(folder, "prune");
    for (int64_t step = 10; step <= 70; step += 10) save(run, step);
    dgm_ckpt_mark(run, "best", 20, dgm_grid_single());
    char *step = dgm_ckpt_path(run, 60), *done = join(step, "DONE");
    unlink(done);
    const int64_t keep[] = {30};
    tap_err(dgm_ckpt_prune(run, 2, keep, 1, dgm_grid_single()), DGM_OK, "old checkpoints are removed");
    tap_ok(has_step(run, 70) && has_step(run, 50), "the two newest whole ones stay: a damaged one does not count");
    tap_ok(has_step(run, 20), "the best stays");
    tap_ok(has_step(run, 30), "one that is to be kept stays");
    tap_ok(!has_step(run, 10) && !has_step(run, 40), "the others are gone");
    tap_int(count_entries(run), 5, "with nothing left of them");
    tap_err(dgm_ckpt_prune(run, 0, NULL, 0, dgm_grid_single()), DGM_OK, "keeping none keeps one");
    tap_int(newest(run), 70, "the newest");
    free(step);
    free(done);
    free(run);
}

static void test_average(void)
{
    char *run = join(folder, "average"), *out = join(folder, "mean.safetensors");
    save(run, 1);
    save(run, 2);
    save(run, 3);
    char *a = dgm_ckpt_path(run, 1), *b = dgm_ckpt_path(run, 2), *c = dgm_ckpt_path(run, 3);
    tap_err(dgm_average((const char *const[]){a, b, c}, 3, out), DGM_OK, "the mean of three checkpoints");
    dgm_ckpt x = make_ckpt(1), y = make_ckpt(2), z = make_ckpt(3), got = make_ckpt(0);
    dgm_model_file *file = NULL;
    dgm_err err = dgm_model_file_open(out, &file);
    if (err == DGM_OK) err = dgm_model_file_read(file, params, got.flat);
    tap_err(err, DGM_OK, "is a model");
    int64_t wrong = 0, moved = 0;
    for (int64_t i = 0; i < params->n_floats; i++) {
        float want = (float)(((double)x.flat[i] + (double)y.flat[i] + (double)z.flat[i]) / 3);
        wrong += memcmp(&want, &got.flat[i], sizeof want) != 0;
        moved += got.flat[i] != x.flat[i];
    }
    tap_int(wrong, 0, "each number is the mean in double, rounded once");
    tap_ok(moved > params->n_floats / 2, "and not one model's");
    dgm_model_file_close(file);
    char *damaged = join(b, "optimizer.safetensors");
    change_byte(damaged, -3);
    tap_err(dgm_average((const char *const[]){a, b}, 2, out), DGM_ERR_INPUT, "a damaged checkpoint is not averaged");
    free_ckpt(&x);
    free_ckpt(&y);
    free_ckpt(&z);
    free_ckpt(&got);
    free(damaged);
    free(a);
    free(b);
    free(c);
    free(out);
    free(run);
}

int main(void)
{
    snprintf(folder, sizeof folder, "/dev/shm/dgm_ckpt_XXXXXX"); /* hundreds of saves, each flushed: in memory where that can be had */
    if (mkdtemp(folder) == NULL) snprintf(folder, sizeof folder, "/tmp/dgm_ckpt_XXXXXX");
    if (strstr(folder, "XXXXXX") != NULL && mkdtemp(folder) == NULL) return 99;
    if (dgm_params_create(&hp, 0, 1, &params) != DGM_OK) return 99;
    dgm_log_set_level(DGM_LOG_ERROR);
    test_saving();
    test_kills();
    test_full_disk();
    test_damage();
    test_sealed_model();
    test_mismatch();
    test_prune();
    test_average();
    dgm_io_remove_tree(folder);
    dgm_params_destroy(params);
    return tap_done();
}
