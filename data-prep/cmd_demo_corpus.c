/* dragoman demo-corpus: writes a small parallel corpus of the project's own, for trying everything out without any data.
 *
 * Prints the score of the best word-by-word translation beside it: what a model must beat to have learned more than words. */
#include "dgm/bleu.h"
#include "dgm/cli.h"
#include "dgm/demo_corpus.h"
#include "dgm/io.h"

#include <stdlib.h>
#include <string.h>

static const dgm_option options[] = {
    {"out", DGM_OPTION_TEXT, NULL, 0, 0, NULL, "DIR", "folder to write to"},
    {"seed", DGM_OPTION_INT, "1", 0, 9007199254740992.0, NULL, "N", "another seed, other sentences"},
    {"train", DGM_OPTION_INT, "40000", 1, 900000, NULL, "N", "training pairs"},
    {"valid", DGM_OPTION_INT, "500", 1, 50000, NULL, "N", "validation pairs"},
    {"test", DGM_OPTION_INT, "500", 1, 50000, NULL, "N", "test pairs"},
    {NULL, 0, NULL, 0, 0, NULL, NULL, NULL},
};

/* Translates the test part word by word into `out`, line by line, and counts its matches. */
static dgm_err translate_test(const dgm_demo_corpus *corpus, const dgm_demo_dictionary *dictionary, dgm_bleu *bleu, dgm_mt_buffer *out,
                              dgm_bleu_counts *sum)
{
    for (int64_t i = 0; i < dgm_demo_corpus_n(corpus, DGM_DEMO_TEST); i++) {
        dgm_demo_pair pair;
        dgm_demo_side words;
        dgm_bleu_counts counts;
        char hyp[DGM_DEMO_LINE_BYTES], ref[DGM_DEMO_LINE_BYTES];
        dgm_demo_corpus_pair(corpus, DGM_DEMO_TEST, i, &pair);
        dgm_demo_dictionary_translate(dictionary, &pair.src, &words);
        dgm_demo_line(&words, hyp);
        dgm_demo_line(&pair.tgt, ref);
        dgm_mt_span reference = {ref, strlen(ref)};
        DGM_TRY(dgm_bleu_count(bleu, (dgm_mt_span){hyp, strlen(hyp)}, &reference, 1, &counts));
        dgm_bleu_add(sum, &counts);
        strcat(hyp, "\n");
        DGM_TRY(dgm_mt_buffer_append(out, hyp, strlen(hyp)));
    }
    return DGM_OK;
}

/* Writes DIR/test.word-by-word.wld and gives its score. */
static dgm_err make_baseline(const dgm_demo_corpus *corpus, const char *dir, dgm_metric_score *score)
{
    dgm_err err;
    const dgm_bleu_options standard = {0};
    dgm_demo_dictionary *dictionary = NULL;
    dgm_bleu *bleu = NULL;
    dgm_mt_buffer text = {0};
    dgm_bleu_counts sum = {0};
    char *path = dgm_io_join(dir, "test.word-by-word.wld");
    if (path == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "path in %s", dir);
    DGM_GOTO(dgm_demo_dictionary_create(corpus, &dictionary));
    DGM_GOTO(dgm_bleu_create(&standard, &bleu));
    DGM_GOTO(translate_test(corpus, dictionary, bleu, &text, &sum));
    DGM_GOTO(dgm_io_write_file(path, text.data, text.n));
    dgm_bleu_report(&standard, &sum, 1, score);
fail:
    dgm_mt_buffer_fini(&text);
    dgm_bleu_destroy(bleu);
    dgm_demo_dictionary_destroy(dictionary);
    free(path);
    return err;
}

static dgm_err run(dgm_config *config)
{
    dgm_err err;
    dgm_metric_score baseline;
    dgm_demo_corpus *corpus = NULL;
    DGM_TRY(dgm_config_require(config, "out"));
    const char *dir = dgm_config_text(config, "out");
    const int64_t n[DGM_DEMO_N_PARTS] = {
        [DGM_DEMO_TRAIN] = dgm_config_int(config, "train"), [DGM_DEMO_VALID] = dgm_config_int(config, "valid"),
        [DGM_DEMO_TEST] = dgm_config_int(config, "test")};
    DGM_TRY(dgm_demo_corpus_create((uint64_t)dgm_config_int(config, "seed"), n, &corpus));
    DGM_GOTO(dgm_demo_corpus_write(corpus, dir));
    DGM_GOTO(make_baseline(corpus, dir, &baseline));
    printf("%s: train %lld, valid %lld, test %lld sentence pairs, English (.en) and Weldish (.wld)\nword by word: ", dir,
           (long long)n[DGM_DEMO_TRAIN], (long long)n[DGM_DEMO_VALID], (long long)n[DGM_DEMO_TEST]);
    dgm_metric_print(stdout, &baseline, 2);
fail:
    dgm_demo_corpus_destroy(corpus);
    return err;
}

int dgm_cmd_demo_corpus(int argc, char **argv)
{
    static const dgm_option *const tables[] = {options};
    static const dgm_cli_command command = {.name = "demo-corpus", .synopsis = "--out DIR [options]",
        .summary = "Writes a parallel corpus in English and Weldish, an invented language with other word order, genders, cases and compounds.\n"
                   "No test sentence occurs in the training part, not even as a bag of words.",
        .tables = tables, .n_tables = 1, .run = run};
    return dgm_cli_run(&command, argc, argv);
}
