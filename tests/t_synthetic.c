/* Generated sentences have the lengths and frequencies that their header promises, and a training part in memory is read like shards. */
#include "dgm/loader.h"
#include "dgm/synthetic.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 30000, V = 10000 };

/* All pairs, frame by frame; the caller frees both. */
static int64_t read_all(const dgm_dataset *d, int32_t **words, dgm_pair **pairs)
{
    const dgm_shard_totals *t = dgm_dataset_train_totals(d);
    int64_t n_words = 0, n = 0;
    bool same = true;
    *words = malloc((size_t)(t->n_src_tokens + t->n_tgt_tokens) * sizeof **words);
    *pairs = malloc((size_t)t->n_pairs * sizeof **pairs);
    for (int64_t i = 0; i < t->n_frames; i++) {
        const dgm_shard_frame *f = dgm_dataset_frame(d, i);
        same = same && dgm_dataset_read_frame(d, i, *words + n_words, *pairs + n) == DGM_OK;
        n_words += f->n_words;
        n += f->n_pairs;
    }
    tap_ok(same && n == t->n_pairs && n_words == t->n_src_tokens + t->n_tgt_tokens, "all %lld pairs are in the frames", (long long)t->n_pairs);
    return n;
}

static void test_lengths(const dgm_pair *pairs, int64_t n)
{
    double sum[2] = {0}, squares[2] = {0}, product = 0;
    for (int64_t i = 0; i < n; i++) {
        double x[2] = {pairs[i].n_src, pairs[i].n_tgt};
        for (int k = 0; k < 2; k++) sum[k] += x[k], squares[k] += x[k] * x[k];
        product += x[0] * x[1];
    }
    double m = (double)n, mean[2] = {sum[0] / m, sum[1] / m};
    double deviation[2] = {sqrt(squares[0] / m - mean[0] * mean[0]), sqrt(squares[1] / m - mean[1] * mean[1])};
    tap_near(mean[0], 14.0, 0.2, "mean source length");
    tap_near(mean[1], 14.4, 0.2, "mean target length");
    tap_near(deviation[0], 4.6, 0.25, "deviation of source lengths");
    tap_near(deviation[1], 5.3, 0.25, "deviation of target lengths");
    tap_near((product / m - mean[0] * mean[1]) / (deviation[0] * deviation[1]), 0.86, 0.03, "correlation");
}

static void test_pieces(const dgm_pair *pairs, int64_t n)
{
    int64_t count[3] = {0}, all = 0;
    int32_t least = INT32_MAX, most = 0;
    for (int64_t i = 0; i < n; i++)
        for (int32_t k = 0; k < pairs[i].n_src + pairs[i].n_tgt; k++, all++) {
            int32_t id = pairs[i].src[k];
            least = DGM_MIN(least, id), most = DGM_MAX(most, id);
            count[0] += id < 4 + 10, count[1] += id < 4 + 100, count[2] += id < 4 + 1000;
        }
    tap_int(least, 4, "the least piece");
    tap_ok(most < V && most > V - 20, "the largest piece: %d", most);
    tap_near((double)count[0] / (double)all, 0.26, 0.01, "share of the 10 commonest");
    tap_near((double)count[1] / (double)all, 0.50, 0.01, "share of the 100 commonest");
    tap_near((double)count[2] / (double)all, 0.75, 0.01, "share of the 1,000 commonest");
}

/* An epoch through the loader sees every sentence once. */
static void test_loader(const dgm_dataset *d)
{
    dgm_loader_options options = {.seed = 3, .batch_tokens = 4096, .virtual_dp = 8, .n_replicas = 1};
    dgm_loader *loader;
    dgm_step_batch batch;
    int64_t n = 0, tgt = 0, most = 0;
    tap_err(dgm_loader_create(d, &options, &loader), DGM_OK, "a loader on it");
    while (n < N && dgm_loader_next(loader, &batch) == DGM_OK) {
        n += batch.n_sentences;
        tgt += batch.n_tgt_tokens;
        most = DGM_MAX(most, batch.n_tgt_tokens);
    }
    tap_ok(n >= N && most <= 4096, "%lld sentences in batches of at most %lld tokens", (long long)n, (long long)most);
    tap_ok(llabs(tgt - dgm_loader_epoch_tokens(loader)) < 4096, "about the tokens of an epoch: %lld", (long long)tgt);
    dgm_loader_destroy(loader);
}

static void test_wrong_ids(void)
{
    dgm_dataset *d = NULL;
    int32_t *words = malloc(4 * sizeof *words);
    dgm_pair *pairs = malloc(sizeof *pairs);
    memcpy(words, (int32_t[]){4, 5, 6, 7}, 4 * sizeof *words);
    *pairs = (dgm_pair){words, words + 2, 2, 2};
    tap_err(dgm_dataset_in_memory(7, pairs, 1, words, &d), DGM_ERR_INPUT, "a token beyond the vocabulary is refused");
    tap_ok(tap_error_says("token 7, expected 0 to 6"), "and named");
}

int main(void)
{
    dgm_dataset *d, *again;
    int32_t *words, *words_again;
    dgm_pair *pairs, *pairs_again;
    tap_err(dgm_synthetic_dataset(1, V, N, &d), DGM_OK, "generated");
    tap_int(dgm_dataset_vocab_size(d, DGM_SIDE_TGT), V, "vocabulary");
    tap_ok(dgm_dataset_joint_vocab(d), "one for both sides");
    int64_t n = read_all(d, &words, &pairs);
    test_lengths(pairs, n);
    test_pieces(pairs, n);
    test_loader(d);

    /* The same each time, and fewer are the first of them. */
    tap_err(dgm_synthetic_dataset(1, V, 5000, &again), DGM_OK, "generated again, fewer");
    int64_t n_again = read_all(again, &words_again, &pairs_again), n_words = pairs_again[n_again - 1].tgt + pairs_again[n_again - 1].n_tgt - words_again;
    tap_same(words_again, words, (size_t)n_words * sizeof *words, "they are the first of the many");
    dgm_dataset_close(again);
    free(words_again), free(pairs_again);
    tap_err(dgm_synthetic_dataset(2, V, 5000, &again), DGM_OK, "generated with another seed");
    read_all(again, &words_again, &pairs_again);
    tap_ok(memcmp(words_again, words, 1000 * sizeof *words) != 0, "they are others");
    dgm_dataset_close(again);
    free(words_again), free(pairs_again), free(words), free(pairs);
    dgm_dataset_close(d);

    tap_err(dgm_synthetic_dataset(1, 5, 10, &d), DGM_OK, "the smallest vocabulary");
    dgm_dataset_close(d);
    test_wrong_ids();
    return tap_done();
}
