/* The architecture: checked once, where it enters; everything below may rely on it. */
#include "dgm/hparams.h"

#include <stdlib.h>
#include <string.h>

int64_t dgm_hparams_default_virtual_tp(int64_t n_heads)
{
    int64_t pieces = 1;
    while (pieces < 8 && n_heads % (2 * pieces) == 0) pieces *= 2;
    return pieces;
}

static dgm_err check_range(const char *name, int64_t value, int64_t lo, int64_t hi)
{
    if (value >= lo && value <= hi) return DGM_OK;
    return DGM_FAIL(DGM_ERR_USAGE, "%s = %lld: expected %lld to %lld", name, (long long)value, (long long)lo, (long long)hi);
}

static dgm_err check_divisions(const dgm_hparams *hp)
{
    if (hp->d_model % 8 != 0) return DGM_FAIL(DGM_ERR_USAGE, "d_model = %lld: expected a multiple of 8", (long long)hp->d_model);
    if (hp->d_model % hp->n_heads != 0)
        return DGM_FAIL(DGM_ERR_USAGE, "n_heads = %lld: expected a divisor of d_model = %lld", (long long)hp->n_heads,
                        (long long)hp->d_model);
    if ((hp->virtual_tp & (hp->virtual_tp - 1)) != 0 || hp->n_heads % hp->virtual_tp != 0)
        return DGM_FAIL(DGM_ERR_USAGE, "virtual_tp = %lld: expected a power of two that divides n_heads = %lld",
                        (long long)hp->virtual_tp, (long long)hp->n_heads);
    if (hp->d_ff % (8 * hp->virtual_tp) != 0)
        return DGM_FAIL(DGM_ERR_USAGE, "d_ff = %lld: expected a multiple of 8 x virtual_tp = %lld", (long long)hp->d_ff,
                        (long long)(8 * hp->virtual_tp));
    return DGM_OK;
}

dgm_err dgm_hparams_check(const dgm_hparams *hp)
{
    DGM_TRY(check_range("d_model", hp->d_model, 8, 65536));
    DGM_TRY(check_range("d_ff", hp->d_ff, 8, 524288));
    DGM_TRY(check_range("n_heads", hp->n_heads, 1, 128));
    DGM_TRY(check_range("n_encoder_layers", hp->n_encoder_layers, 1, 200));
    DGM_TRY(check_range("n_decoder_layers", hp->n_decoder_layers, 1, 200));
    DGM_TRY(check_range("source vocabulary size", hp->src_vocab_size, 5, 1 << 24));
    DGM_TRY(check_range("target vocabulary size", hp->tgt_vocab_size, 5, 1 << 24));
    DGM_TRY(check_range("virtual_tp", hp->virtual_tp, 1, 64));
    if (DGM_MIN(hp->src_vocab_size, hp->tgt_vocab_size) < hp->virtual_tp)
        return DGM_FAIL(DGM_ERR_USAGE, "virtual_tp = %lld: expected at most as many pieces as the vocabulary of %lld has", (long long)hp->virtual_tp,
                        (long long)DGM_MIN(hp->src_vocab_size, hp->tgt_vocab_size));
    if (hp->joint_vocab && hp->src_vocab_size != hp->tgt_vocab_size)
        return DGM_FAIL(DGM_ERR_USAGE, "joint vocabulary with %lld source and %lld target pieces: expected equal sizes",
                        (long long)hp->src_vocab_size, (long long)hp->tgt_vocab_size);
    if (!(hp->norm_eps > 0 && hp->norm_eps < 1))
        return DGM_FAIL(DGM_ERR_USAGE, "norm_eps = %g: expected more than 0, less than 1", (double)hp->norm_eps);
    return check_divisions(hp);
}

json_t *dgm_hparams_to_json(const dgm_hparams *hp)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s, s:s, s:s, s:I, s:f}", "architecture", "encoder-decoder",
                     "d_model", (json_int_t)hp->d_model, "d_ff", (json_int_t)hp->d_ff, "n_heads", (json_int_t)hp->n_heads,
                     "n_encoder_layers", (json_int_t)hp->n_encoder_layers, "n_decoder_layers", (json_int_t)hp->n_decoder_layers,
                     "src_vocab_size", (json_int_t)hp->src_vocab_size, "tgt_vocab_size", (json_int_t)hp->tgt_vocab_size, "joint_vocab",
                     (int)hp->joint_vocab, "norm", hp->norm == DGM_NORM_PRE ? "pre" : "post", "activation",
                     hp->activation == DGM_ACTIVATION_GELU ? "gelu" : "relu", "positions", "sinusoidal interleaved", "virtual_tp",
                     (json_int_t)hp->virtual_tp, "norm_eps", (double)hp->norm_eps);
}

static dgm_err choose(const char *where, const char *field, const char *value, const char *first, const char *second, bool *is_second)
{
    *is_second = strcmp(value, second) == 0;
    if (*is_second || strcmp(value, first) == 0) return DGM_OK;
    return DGM_FAIL(DGM_ERR_INPUT, "%s: %s is \"%s\": expected \"%s\" or \"%s\"", where, field, value, first, second);
}

dgm_err dgm_hparams_from_json(const json_t *json, const char *where, dgm_hparams *out)
{
    const char *architecture, *norm, *activation, *positions;
    json_int_t d_model, d_ff, n_heads, n_enc, n_dec, src_vocab, tgt_vocab, virtual_tp;
    int joint;
    double eps;
    json_error_t error;
    if (json_unpack_ex((json_t *)json, &error, 0, "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s, s:s, s:s, s:I, s:F}",
                       "architecture", &architecture, "d_model", &d_model, "d_ff", &d_ff, "n_heads", &n_heads, "n_encoder_layers",
                       &n_enc, "n_decoder_layers", &n_dec, "src_vocab_size", &src_vocab, "tgt_vocab_size", &tgt_vocab, "joint_vocab",
                       &joint, "norm", &norm, "activation", &activation, "positions", &positions, "virtual_tp", &virtual_tp,
                       "norm_eps", &eps) != 0)
        return DGM_FAIL(DGM_ERR_INPUT, "%s: the architecture is incomplete: %s", where, error.text);
    bool ignored, pre, gelu;
    DGM_TRY(choose(where, "architecture", architecture, "encoder-decoder", "encoder-decoder", &ignored));
    DGM_TRY(choose(where, "positions", positions, "sinusoidal interleaved", "sinusoidal interleaved", &ignored));
    DGM_TRY(choose(where, "norm", norm, "post", "pre", &pre));
    DGM_TRY(choose(where, "activation", activation, "relu", "gelu", &gelu));
    dgm_hparams hp = {.d_model = d_model,
                      .d_ff = d_ff,
                      .n_heads = n_heads,
                      .n_encoder_layers = n_enc,
                      .n_decoder_layers = n_dec,
                      .src_vocab_size = src_vocab,
                      .tgt_vocab_size = tgt_vocab,
                      .joint_vocab = joint != 0,
                      .norm = pre ? DGM_NORM_PRE : DGM_NORM_POST,
                      .activation = gelu ? DGM_ACTIVATION_GELU : DGM_ACTIVATION_RELU,
                      .virtual_tp = virtual_tp,
                      .norm_eps = (float)eps};
    if (dgm_hparams_check(&hp) != DGM_OK) return dgm_error_context(DGM_ERR_INPUT, "%s", where);
    *out = hp;
    return DGM_OK;
}

dgm_err dgm_hparams_check_same(const dgm_hparams *hp, const dgm_hparams *want, const char *where)
{
    json_t *x = dgm_hparams_to_json(hp), *y = dgm_hparams_to_json(want), *value;
    const char *name;
    dgm_err err = x != NULL && y != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%s: architecture", where);
    json_object_foreach(x, name, value)
    {
        const json_t *other = json_object_get(y, name);
        if (err != DGM_OK || json_equal(value, other)) continue;
        char *is = json_dumps(value, JSON_ENCODE_ANY), *expected = json_dumps(other, JSON_ENCODE_ANY);
        err = DGM_FAIL(DGM_ERR_INPUT, "%s has another architecture: %s is %s, expected %s", where, name, is ? is : "?", expected ? expected : "?");
        free(is);
        free(expected);
    }
    json_decref(x);
    json_decref(y);
    return err;
}

double dgm_hparams_flops(const dgm_hparams *hp, int64_t n_src_tokens, int64_t n_tgt_tokens)
{
    double d = (double)hp->d_model, ff = (double)hp->d_ff, n_dec = (double)hp->n_decoder_layers;
    /* weight elements that a source token and a target token are multiplied with; keys and values of cross attention are the source's */
    double src = (double)hp->n_encoder_layers * (4 * d * d + 2 * d * ff) + n_dec * 2 * d * d;
    double tgt = n_dec * (4 * d * d + 2 * d * d + 2 * d * ff) + d * (double)hp->tgt_vocab_size;
    return 6 * (src * (double)n_src_tokens + tgt * (double)n_tgt_tokens);
}

int64_t dgm_hparams_n_parameters(const dgm_hparams *hp)
{
    int64_t d = hp->d_model, ff = hp->d_ff;
    int64_t attention = 4 * (d * d + d), norm = 2 * d, ffn = 2 * d * ff + ff + d;
    int64_t embeddings = (hp->joint_vocab ? hp->tgt_vocab_size : hp->src_vocab_size + hp->tgt_vocab_size) * d;
    return embeddings + hp->n_encoder_layers * (attention + ffn + 2 * norm) +
           hp->n_decoder_layers * (2 * attention + ffn + 3 * norm) + (hp->norm == DGM_NORM_PRE ? 2 * norm : 0);
}
