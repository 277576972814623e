/* dragoman: finds the command and runs it. */
#include "build_config.h"

#include "dgm/cli.h"
#include "dgm/io.h"
#include "dgm/suggest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    /* One line each, in the order of the work. */
    {"prepare", dgm_cmd_prepare, "text to DATA: audit, tokenizer, compressed shards"},
    {"tokenize", dgm_cmd_tokenize, "text to pieces, and how they come about"},
    {"detokenize", dgm_cmd_detokenize, "pieces back to text"},
    {"average", dgm_cmd_average, "one model that is the mean of several checkpoints"},
    {"train", dgm_cmd_train, "trains a model on DATA, or on text"},
    {"bench", dgm_cmd_bench, "measures this machine, and where an update of training spends its time"},
    {"compare", dgm_cmd_compare, "where two runs or models part"},
    {"translate", dgm_cmd_translate, "translates lines of standard input with a model"},
    {"eval", dgm_cmd_eval, "loss, perplexity and scores of a model, or of all checkpoints of a run; singular values"},
    {"score", dgm_cmd_score, "scores finished translations: BLEU, chrF, TER"},
    {"report", dgm_cmd_report, "a page of HTML about runs: settings, curves, scores, translations, attention"},
    {"demo-corpus", dgm_cmd_demo_corpus, "writes a small parallel corpus to try everything out"},
    {NULL, NULL, NULL},
};

enum { MAX_COMMANDS = sizeof commands / sizeof commands[0] };

/* What was printed must have been written. */
static int finish(void)
{
    if (dgm_io_flush(stdout, "standard output") == DGM_OK) return 0;
    fprintf(stderr, "dragoman: %s\n", dgm_error_text());
    return 1;
}

static int print_help(void)
{
    puts("usage: dragoman COMMAND [options]\n\n"
         "Trains, runs and evaluates Transformer translation models on CPU clusters.\n\n"
         "Commands (`dragoman COMMAND --help` lists the options of each):");
    for (int i = 0; commands[i].name != NULL; i++) printf("  %-14s%s\n", commands[i].name, commands[i].summary);
    puts("\n  --version     prints the version\n"
         "  --help        prints this");
    return finish();
}

static int unknown_command(const char *word)
{
    const char *names[MAX_COMMANDS] = {NULL};
    int n = 0;
    for (int i = 0; commands[i].name != NULL; i++) names[n++] = commands[i].name;
    const char *near = dgm_suggest(word, names, n);
    fprintf(stderr, "dragoman: unknown command %s%s%s%s  (dragoman --help lists all)\n", word, near ? "; did you mean " : "",
            near ? near : "", near ? "?" : "");
    return 2;
}

/* A standard stream that is closed would be the next file that is opened.  What takes its place cannot be read, or written: whoever tries is told. */
static void keep_standard_streams(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) abort();
}

int main(int argc, char **argv)
{
    keep_standard_streams();
    if (argc < 2) {
        fputs("dragoman: a command is missing  (dragoman --help lists all)\n", stderr);
        return 2;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || (strcmp(word, "help") == 0 && argc == 2)) return print_help();
    if (strcmp(word, "--version") == 0) {
        puts(PACKAGE_STRING);
        return finish();
    }
    char *for_help[] = {argv[argc - 1], (char[]){"--help"}, NULL};
    bool help = strcmp(word, "help") == 0 && argc == 3;
    if (help) word = argv[2];
    for (int i = 0; commands[i].name != NULL; i++)
        if (strcmp(word, commands[i].name) == 0) return help ? commands[i].run(2, for_help) : commands[i].run(argc - 1, argv + 1);
    return unknown_command(word);
}
