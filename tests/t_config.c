/* Options: command line, config files, presets, what is refused and what the refusal says. */
#include "dgm/config.h"
#include "dgm/suggest.h"

#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const dgm_option training[] = {
    {"config", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "FILE", "settings or preset"},
    {"warmup_steps", DGM_OPTION_INT, "4000", 1, 1000000, NULL, "N", "steps until the peak"},
    {"seed", DGM_OPTION_INT, "1", -10, (double)INT64_MAX, NULL, "N", "random numbers"},
    {"dropout", DGM_OPTION_REAL, "0.1", 0, 0.9, NULL, "P", "residual dropout"},
    {"tie", DGM_OPTION_FLAG, "true", 0, 0, NULL, NULL, "share embeddings"},
    {"json", DGM_OPTION_FLAG, "false", 0, 0, NULL, NULL, "machine-readable"},
    {"overlap", DGM_OPTION_CHOICE, "on", 0, 0, "on|off", NULL, "a choice that is a flag"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};
static const dgm_option files[] = {
    {"schedule", DGM_OPTION_CHOICE, "noam", 0, 0, "noam|inverse-sqrt|cosine", NULL, "learning rate"},
    {"src", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "source text"},
    {"tgt", DGM_OPTION_LIST, NULL, 0, 0, NULL, "FILE", "target text"},
    {"out", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "DIR", "where results go"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};
static const dgm_option *const tables[] = {training, files};

static dgm_config *fresh(void)
{
    dgm_config *config = NULL;
    tap_err(dgm_config_create(tables, 2, &config), DGM_OK, "create");
    return config;
}

#define PARSE(config, max_operands, ...)                                                                                          \
    dgm_config_parse((config), (int)(sizeof(char *[]){"train", __VA_ARGS__} / sizeof(char *)), (char *[]){"train", __VA_ARGS__},  \
                     (max_operands))

static void command_line(void)
{
    dgm_config *c = fresh();
    tap_err(PARSE(c, 2, "--warmup-steps", "400", "--seed=-3", "--no-tie", "--json", "--src", "a", "b", "-", "--tgt=c", "--tgt", "d",
                  "--dropout", "1e-1", "--schedule", "cosine", "--", "--op", "-"),
            DGM_OK, "parse");
    tap_int(dgm_config_int(c, "warmup_steps"), 400, "--name value");
    tap_int(dgm_config_int(c, "seed"), -3, "--name=value");
    tap_ok(!dgm_config_flag(c, "tie"), "--no-flag");
    tap_ok(dgm_config_flag(c, "json"), "--flag");
    tap_int(dgm_config_count(c, "src"), 3, "a list ends at the next option");
    tap_text(dgm_config_item(c, "src", 2), "-", "- is a value");
    tap_int(dgm_config_count(c, "tgt"), 2, "a list given twice grows");
    tap_text(dgm_config_item(c, "tgt", 1), "d", "second of it");
    tap_near(dgm_config_real(c, "dropout"), 0.1, 0, "real");
    tap_text(dgm_config_text(c, "schedule"), "cosine", "choice");
    tap_int(dgm_config_n_operands(c), 2, "what stands behind -- are operands");
    tap_text(dgm_config_operand(c, 0), "--op", "first operand");
    tap_ok(!dgm_config_has(c, "out") && dgm_config_text(c, "out") == NULL, "unset text is NULL");
    tap_ok(dgm_config_given(c, "seed") && !dgm_config_given(c, "config"), "given and not given");
    tap_err(dgm_config_require(c, "out"), DGM_ERR_USAGE, "require");
    tap_error_says("missing --out: where results go");
    dgm_config_destroy(c);

    c = fresh();
    tap_err(PARSE(c, 0, "--seed", "-2"), DGM_OK, "negative values");
    tap_int(dgm_config_int(c, "seed"), -2, "are no options");
    tap_err(PARSE(c, 0, "--nonsense", "--help"), DGM_OK, "--help comes before any complaint");
    tap_ok(dgm_config_help_asked(c), "help asked");
    dgm_config_destroy(c);
}

/* An option of one value that is given twice: no value is the right one. */
static void twice(void)
{
    const struct { char *args[5]; const char *says; } wrong[] = {
        {{"train", "--seed", "1", "--seed", "2"}, "--seed: given twice, with 1 and with 2"},
        {{"train", "--seed=1", "--seed=1", "--json", "--json"}, "--seed: given twice, with 1 and with 1"},
        {{"train", "--config", "tiny", "--config", "small"}, "--config: given twice, with tiny and with small"},
        {{"train", "--out=a", "--json", "--out", "b"}, "--out: given twice, with a and with b"},
        {{"train", "--json", "--no-json", "--out", "b"}, "--no-json: given both ways, as true and as false"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        dgm_config *c = fresh();
        tap_err(dgm_config_parse(c, 5, wrong[i].args, 0), DGM_ERR_USAGE, "refused: %s", wrong[i].says);
        tap_error_says(wrong[i].says);
        dgm_config_destroy(c);
    }
    dgm_config *c = fresh();
    tap_err(PARSE(c, 0, "--json", "--json"), DGM_OK, "a flag may be said twice");
    tap_err(dgm_config_set(c, "json", "no"), DGM_OK, "the program itself may set again what was given");
    tap_ok(!dgm_config_flag(c, "json"), "and that counts");
    dgm_config_destroy(c);
}

static void flag_words(void)
{
    static const struct { const char *text; bool flag; } words[] = {{"true", true}, {"on", true}, {"yes", true}, {"false", false}, {"off", false}, {"no", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        dgm_config *c = fresh();
        char text[64];
        snprintf(text, sizeof text, "tie = %s\noverlap = %s\n", words[i].text, words[i].text);
        tap_err(dgm_config_read_text(c, text, "my.cfg"), DGM_OK, "a flag and a choice of on and off: %s", words[i].text);
        tap_ok(dgm_config_flag(c, "tie") == words[i].flag, "the flag");
        tap_text(dgm_config_text(c, "overlap"), words[i].flag ? "on" : "off", "the choice");
        char *written = dgm_config_write(c);
        tap_ok(written != NULL && strstr(written, words[i].flag ? "tie = true\n" : "tie = false\n") != NULL, "both are written in one way");
        free(written);
        dgm_config_destroy(c);
    }
}

static void refused(const char *says, char *a, char *b)
{
    dgm_config *c = fresh();
    tap_err(b != NULL ? PARSE(c, 0, a, b) : PARSE(c, 0, a), DGM_ERR_USAGE, "refused: %s %s", a, b ? b : "");
    tap_error_says(says);
    dgm_config_destroy(c);
}

static void refusals(void)
{
    refused("did you mean --warmup-steps?", "--warmup-step", "5");
    refused("did you mean --warmup-steps?", "--wramup-steps=5", NULL);
    refused("dragoman train --help", "--zzz", NULL);
    refused("--warmup-steps: \"0\" is not a whole number from 1 to 1000000", "--warmup-steps", "0");
    refused("\"1000001\" is not", "--warmup-steps", "1000001");
    refused("\"12x\" is not", "--warmup-steps", "12x");
    refused("\"\" is not", "--warmup-steps=", NULL);
    refused("\"99999999999999999999\" is not a whole number of at least -10", "--seed", "99999999999999999999");
    refused("\"nan\" is not a number from 0 to 0.9", "--dropout", "nan");
    refused("\"0.91\" is not", "--dropout", "0.91");
    refused("\"0,1\" is not", "--dropout", "0,1");
    refused("\"maybe\" is not true or false", "--tie=maybe", NULL);
    refused("\"maybe\" is not one of on|off", "--overlap", "maybe");
    refused("\"cos\" is not one of noam|inverse-sqrt|cosine", "--schedule", "cos");
    refused("\"noam|inverse-sqrt\" is not one of", "--schedule", "noam|inverse-sqrt");
    refused("--src: a value is missing", "--src", NULL);
    refused("--out: a value is missing", "--out", "--json");
    refused("\"word\": not an option", "word", NULL);
    refused("unknown option -s", "-s", "1");
    refused("unknown option --no-seed", "--no-seed", NULL);
    dgm_config *c = fresh();
    tap_err(PARSE(c, 1, "a", "b"), DGM_ERR_USAGE, "one operand too many");
    tap_error_says("\"b\" is one argument too many");
    dgm_config_destroy(c);
}

static void file_refused(const char *text, const char *says)
{
    dgm_config *c = fresh();
    tap_err(dgm_config_read_text(c, text, "my.cfg"), DGM_ERR_USAGE, "refused");
    tap_error_says(says);
    dgm_config_destroy(c);
}

static void file_text(void)
{
    dgm_config *c = fresh();
    tap_err(PARSE(c, 0, "--seed", "7", "--src", "x"), DGM_OK, "parse");
    tap_err(dgm_config_read_text(c,
                                 "\xEF\xBB\xBF# comment\n\n  warmup_steps=  12 # why\r\nseed = 9\nsrc = \"a b\"  c#d\n"
                                 "tgt = one \"two # \\\" \\\\\" three\nout =  a  b  \ntie = false",
                                 "my.cfg"),
            DGM_OK, "read");
    tap_int(dgm_config_int(c, "warmup_steps"), 12, "blanks and comments around a value");
    tap_int(dgm_config_int(c, "seed"), 7, "the command line wins, also when the file is read later");
    tap_int(dgm_config_count(c, "src"), 1, "so does a list");
    tap_text(dgm_config_item(c, "tgt", 1), "two # \" \\", "quoted word");
    tap_int(dgm_config_count(c, "tgt"), 3, "words of a list");
    tap_text(dgm_config_text(c, "out"), "a  b", "blanks inside a text stay");
    tap_ok(!dgm_config_flag(c, "tie"), "last line without its end");
    dgm_config_destroy(c);

    file_refused("seed = 1\nwarmup_stps = 3\n", "my.cfg:2: warmup_stps: unknown setting; did you mean warmup_steps?");
    file_refused("\n\ndropout = 2\n", "my.cfg:3: dropout: \"2\" is not a number from 0 to 0.9");
    file_refused("seed 5\n", "my.cfg:1: \"seed 5\": expected name = value");
    file_refused("seed = 5\nseed = 6\n", "my.cfg:2: seed: line 1 has set it already");
    file_refused("out = \"abc\n", "my.cfg:1: out: a quote is opened and not closed");
    file_refused("seed =\n", "my.cfg:1: seed: a value is missing");
    file_refused("config = tiny\n", "my.cfg:1: config: a config file cannot name another");
    file_refused("seed = 1 2\n", "\"1 2\" is not a whole number");
}

static void saved_settings(void)
{
    dgm_config *c = fresh(), *d = fresh();
    tap_err(PARSE(c, 0, "--seed", "+007", "--dropout", "3.0e-1", "--src", "a b", "", "#", "q\"\\\n", "--out", " padded "), DGM_OK, "parse");
    char *text = dgm_config_write(c);
    tap_text(text,
             "warmup_steps = 4000\nseed = 7\ndropout = 0.3\ntie = true\njson = false\noverlap = on\nschedule = noam\n"
             "src = \"a b\" \"\" \"#\" \"q\\\"\\\\\\n\"\nout = \" padded \"\n",
             "numbers are written in one way, words quoted where needed");
    tap_err(dgm_config_read_text(d, text, "saved"), DGM_OK, "reads back");
    char *again = dgm_config_write(d);
    tap_text(again, text, "and is the same");
    tap_text(dgm_config_item(d, "src", 3), "q\"\\\n", "also with quote, backslash and line feed");
    tap_err(dgm_config_set(d, "dropout", "0.3333333333333333"), DGM_OK, "set");
    tap_err(dgm_config_set(d, "out", dgm_config_text(d, "out")), DGM_OK, "set to its own value");
    tap_text(dgm_config_text(d, "out"), " padded ", "which stays");
    tap_err(dgm_config_set(d, "dropout", "x"), DGM_ERR_USAGE, "set to nonsense");
    tap_near(dgm_config_real(d, "dropout"), 0.3333333333333333, 0, "a refused value changes nothing");
    free(again);
    free(text);
    dgm_config_destroy(d);
    dgm_config_destroy(c);
}

static void presets(void)
{
    char dir[] = "/tmp/t_config.XXXXXX", path[64];
    if (mkdtemp(dir) == NULL) {
        tap_ok(false, "a folder in /tmp");
        return;
    }
    setenv("DRAGOMAN_CONFIGS", dir, 1);
    tap_text(dgm_config_preset_dir(), dir, "DRAGOMAN_CONFIGS names the folder");
    snprintf(path, sizeof path, "%s/tiny.cfg", dir);
    FILE *f = fopen(path, "w");
    fputs("warmup_steps = 77\ndropout = 0.5\n", f);
    fclose(f);
    dgm_config *c = fresh();
    tap_err(PARSE(c, 0, "--config", "tiny", "--dropout", "0.2"), DGM_OK, "preset by name");
    tap_int(dgm_config_int(c, "warmup_steps"), 77, "its value");
    tap_near(dgm_config_real(c, "dropout"), 0.2, 0, "the command line wins over it");
    char *text = dgm_config_write(c);
    tap_ok(strstr(text, "config =") == NULL, "resolved settings do not name the file they came from");
    free(text);
    dgm_config_destroy(c);
    c = fresh();
    tap_err(PARSE(c, 0, "--config", path), DGM_OK, "the same by path");
    tap_err(dgm_config_read(c, "tniy"), DGM_ERR_USAGE, "no such preset");
    tap_error_says("did you mean tiny?");
    f = fopen(path, "w");
    fwrite("seed = 1\0x\n", 1, 11, f);
    fclose(f);
    tap_err(dgm_config_read(c, path), DGM_ERR_USAGE, "a zero byte");
    tap_error_says("tiny.cfg: not a text file");
    dgm_config_destroy(c);
    unlink(path);
    rmdir(dir);
    unsetenv("DRAGOMAN_CONFIGS");
}

static void help(void)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    dgm_config *c = fresh();
    dgm_config_print_help(c, out, "train", "--out DIR", "Trains.", (const char *const[]){"json", "tgt", NULL});
    fclose(out);
    tap_ok(strncmp(text, "usage: dragoman train --out DIR\n\nTrains.\n", 41) == 0, "usage first");
    tap_ok(strstr(text, "\n  --warmup-steps N              steps until the peak  (a whole number from 1 to 1000000; default 4000)\n") != NULL,
           "name, help, range, default");
    tap_ok(strstr(text, "\n  --no-tie ") != NULL, "a flag that is on shows how it is put off");
    tap_ok(strstr(text, "\n  --schedule noam|inverse-sqrt|cosine\n") != NULL, "choices");
    tap_ok(strstr(text, "\n  --src FILE... ") != NULL, "lists");
    tap_ok(strstr(text, "--json") == NULL && strstr(text, "--tgt") == NULL, "options without effect are left out");
    free(text);
    dgm_config_destroy(c);
}

static void wrong_tables(void)
{
    const dgm_option twice[] = {{"a", DGM_OPTION_TEXT, NULL, 0, 0, NULL, NULL, ""}, {"a", DGM_OPTION_TEXT, NULL, 0, 0, NULL, NULL, ""}, {0}};
    const dgm_option outside[] = {{"a", DGM_OPTION_INT, "9", 0, 8, NULL, NULL, ""}, {0}};
    dgm_config *c = NULL;
    tap_err(dgm_config_create(&(const dgm_option *){twice}, 1, &c), DGM_ERR_INTERNAL, "a name that comes twice");
    tap_err(dgm_config_create(&(const dgm_option *){outside}, 1, &c), DGM_ERR_INTERNAL, "a default out of range");
    tap_error_says("default of a");
}

static void suggestions(void)
{
    static const char *const names[] = {"train", "translate", "eval", "score"};
    tap_text(dgm_suggest("trian", names, 4), "train", "neighbours swapped");
    tap_text(dgm_suggest("transalte", names, 4), "translate", "neighbours swapped in a longer word");
    tap_text(dgm_suggest("trans", names, 4), "translate", "a beginning");
    tap_text(dgm_suggest("evaluate", names, 4), "eval", "a longer word");
    tap_text(dgm_suggest("generate", names, 4), NULL, "too far");
    tap_text(dgm_suggest("", names, 4), NULL, "nothing");
}

int main(void)
{
    command_line();
    twice();
    flag_words();
    refusals();
    file_text();
    saved_settings();
    presets();
    help();
    wrong_tables();
    suggestions();
    return tap_done();
}
