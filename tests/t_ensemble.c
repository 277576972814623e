/* What may be drawn and listed where the likeliest tokens may not: with logits that are given, whatever lies between them. */
#include "dgm/ensemble.h"
#include "dgm/vocab.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VOCAB = 300, A = 10, B = 11, C = 12, LEADER = 200, N_DRAWS = 4000 };

typedef struct {
    dgm_panels panels[2];
    dgm_ensemble ensemble;
    int n;
    const float *hidden[2];
} given;

/* Models of one input element, which is 1: a model's weights are its logits. */
static void given_init(given *g, int n, float (*logits)[VOCAB], dgm_ensemble_kind kind)
{
    static const float one = 1;
    const dgm_panels *outputs[2];
    *g = (given){.n = n, .hidden = {&one, &one}};
    for (int m = 0; m < n; m++) {
        if (dgm_panels_init(&g->panels[m], 1, VOCAB) != DGM_OK) abort();
        dgm_panels_set(&g->panels[m], 0, VOCAB, logits[m], 1, 1);
        outputs[m] = &g->panels[m];
    }
    if (dgm_ensemble_init(n, outputs, &g->ensemble) != DGM_OK) abort();
    g->ensemble.kind = kind;
}

static void given_fini(given *g)
{
    dgm_ensemble_fini(&g->ensemble);
    for (int m = 0; m < g->n; m++) dgm_panels_fini(&g->panels[m]);
}

/* How often `token` comes when u takes N_DRAWS values; *others: tokens but A and B. */
static double share_of_a(given *g, const dgm_sample_options *o, const dgm_draw *how, int *others)
{
    int n_a = 0;
    *others = 0;
    for (int i = 0; i < N_DRAWS; i++) {
        dgm_draw draw = *how;
        int32_t token;
        double log_prob;
        draw.u = (i + 0.5) / N_DRAWS;
        if (dgm_ensemble_draw(&g->ensemble, o, 1, g->hidden, &draw, &token, &log_prob) != DGM_OK) abort();
        n_a += token == A;
        *others += token != A && token != B;
    }
    return (double)n_a / N_DRAWS;
}

/* </s> and a banned token lead A by far and B by a little more: A and B come in the proportion that the temperature gives them. */
static void test_led(int n, dgm_ensemble_kind kind, double temperature, const char *name)
{
    float logits[2][VOCAB];
    given g;
    int others;
    const int32_t banned[] = {LEADER};
    dgm_sample_options o = dgm_sample_defaults();
    dgm_draw how = {.wanted = -1, .n_banned = 1, .banned = banned};
    for (int m = 0; m < 2; m++) {
        for (int i = 0; i < VOCAB; i++) logits[m][i] = -60;
        logits[m][DGM_TOKEN_END] = 20, logits[m][DGM_TOKEN_UNKNOWN] = 19, logits[m][LEADER] = 25;
        logits[m][A] = 10, logits[m][B] = (float)(10 - temperature);
    }
    o.temperature = temperature;
    given_init(&g, n, logits, kind);
    double want = 1 / (1 + exp(-1)), got = share_of_a(&g, &o, &how, &others);
    tap_int(others, 0, "%s, temperature %g: what may not come does not", name, temperature);
    tap_near(got, want, 2e-3, "the likeliest of those that may comes with its own probability");
    o.top_k = 1;
    tap_near(share_of_a(&g, &o, &how, &others), 1, 0, "and alone with top_k 1");
    how.may_end = true, o.top_k = 0;
    share_of_a(&g, &o, &how, &others);
    tap_int(others, N_DRAWS, "where </s> may come it does");
    given_fini(&g);
}

static void test_nothing_left(void)
{
    float logits[1][VOCAB] = {{0}};
    static int32_t banned[VOCAB];
    given g;
    int32_t token;
    double log_prob;
    dgm_sample_options o = dgm_sample_defaults();
    for (int i = 0; i < VOCAB; i++) banned[i] = i;
    given_init(&g, 1, logits, DGM_ENSEMBLE_PROBABILITIES);
    tap_err(dgm_ensemble_draw(&g.ensemble, &o, 1, g.hidden, &(dgm_draw){.u = 0.5, .wanted = -1, .n_banned = VOCAB, .banned = banned}, &token, &log_prob),
            DGM_OK, "all tokens banned");
    tap_int(token, DGM_TOKEN_END, "then </s> comes");
    given_fini(&g);
}

/* Candidates far below the first: in the order of their log-probabilities, which a probability in fp32 does not have any more. */
static void test_unlikely_in_order(dgm_ensemble_kind kind, const char *name)
{
    enum { TOP = 4 };
    float logits[2][VOCAB], value[TOP];
    int32_t token[TOP];
    double log_prob[TOP], end;
    given g;
    for (int m = 0; m < 2; m++) {
        for (int i = 0; i < VOCAB; i++) logits[m][i] = -300;
        logits[m][LEADER] = 0, logits[m][C] = -100, logits[m][A] = -120, logits[m][B] = -110;
    }
    given_init(&g, 2, logits, kind);
    tap_err(dgm_ensemble_best(&g.ensemble, 1, g.hidden, NULL, TOP, value, token, log_prob, NULL, &end), DGM_OK, "%s: candidates", name);
    tap_ok(token[0] == LEADER && token[1] == C && token[2] == B && token[3] == A, "in order (%d %d %d %d)", token[0], token[1], token[2], token[3]);
    tap_near(log_prob[3], -120, 1e-6, "with their log-probabilities");
    given_fini(&g);
}

int main(void)
{
    test_led(1, DGM_ENSEMBLE_PROBABILITIES, 0.05, "one model");
    test_led(2, DGM_ENSEMBLE_PROBABILITIES, 0.05, "two models, probabilities");
    test_led(2, DGM_ENSEMBLE_LOG_PROBABILITIES, 0.05, "two models, log-probabilities");
    test_led(1, DGM_ENSEMBLE_PROBABILITIES, 0.2, "one model");
    test_nothing_left();
    test_unlikely_in_order(DGM_ENSEMBLE_PROBABILITIES, "probabilities");
    test_unlikely_in_order(DGM_ENSEMBLE_LOG_PROBABILITIES, "log-probabilities");
    return tap_done();
}
