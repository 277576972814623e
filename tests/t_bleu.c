/* BLEU and its tokenizers: cases worked out by hand. */
#include "dgm/bleu.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dgm_mt_span line_of(const char *text) { return (dgm_mt_span){text, strlen(text)}; }

/* ---- tokens ---- */

static void check_tokens(dgm_mt_tokenizer tokenizer, bool lowercase, const char *line, const char *want)
{
    static dgm_mt_tokens tokens;
    char got[512] = "";
    dgm_err err = dgm_mt_tokenize(tokenizer, lowercase, line, strlen(line), &tokens);
    for (int64_t i = 0; err == DGM_OK && i < tokens.n; i++) {
        strcat(got, i > 0 ? "|" : "");
        strncat(got, tokens.token[i].text, tokens.token[i].n_bytes);
    }
    tap_text(got, want, "%s%s: %s", dgm_mt_tokenizer_name(tokenizer), lowercase ? " lower" : "", line);
}

static void check_tercom(dgm_mt_tercom_options options, const char *line, const char *want)
{
    static dgm_mt_tokens tokens;
    char got[512] = "";
    dgm_err err = dgm_mt_tokenize_tercom(&options, line, strlen(line), &tokens);
    for (int64_t i = 0; err == DGM_OK && i < tokens.n; i++) {
        strcat(got, i > 0 ? "|" : "");
        strncat(got, tokens.token[i].text, tokens.token[i].n_bytes);
    }
    tap_text(got, want, "tercom%s%s%s%s: %s", options.normalized ? " normalized" : "", options.no_punct ? " no punctuation" : "",
             options.asian_support ? " asian" : "", options.case_sensitive ? " cased" : "", line);
}

static void test_tercom(void)
{
    const dgm_mt_tercom_options plain = {0}, cased = {.case_sensitive = true}, no_punct = {.no_punct = true}, norm = {.normalized = true};
    check_tercom(plain, " The  CAT, sat. ", "the|cat,|sat.");
    check_tercom(cased, "The CAT", "The|CAT");
    check_tercom(no_punct, "Stop. (Now!) \"a,b\" - ;", "stop|now|ab|-");
    check_tercom(norm, "He said &quot;It's 3.5%&quot;, &amp; left.", "he|said|\"|it|'s|3.5|%|\"|,|&|left|.");
    check_tercom(norm, "Anna's, dogs' Anna's.", "anna|'s|,|dogs'|anna|'s|.");
    check_tercom(norm, "10-20 x-ray <skipped>", "10|-|20|x-ray|<|skipped|>");
    check_tercom(norm, "5'sx 's", "5'sx|'s");
    const char *japanese = "\xE6\x97\xA5\xE6\x9C\xAC\xE3\x81\xAE\xE3\x80\x82"; /* two ideographs, a kana, an ideographic full stop */
    check_tercom(norm, japanese, japanese);
    check_tercom((dgm_mt_tercom_options){.asian_support = true}, japanese, japanese);
    check_tercom((dgm_mt_tercom_options){.normalized = true, .asian_support = true}, japanese,
                 "\xE6\x97\xA5|\xE6\x9C\xAC|\xE3\x81\xAE|\xE3\x80\x82");
    check_tercom((dgm_mt_tercom_options){.no_punct = true, .asian_support = true}, japanese, "\xE6\x97\xA5\xE6\x9C\xAC\xE3\x81\xAE");
}

static void test_unicode_tokens(void)
{
    const dgm_mt_tokenizer intl = DGM_MT_TOKENIZER_INTL, zh = DGM_MT_TOKENIZER_ZH, chars = DGM_MT_TOKENIZER_CHAR;
    check_tokens(intl, false, "He said \xE2\x80\x9Eyes\xE2\x80\x9C &amp; left.", "He|said|\xE2\x80\x9E|yes|\xE2\x80\x9C|&|amp|;|left|.");
    check_tokens(intl, false, "1,000.5 3. a.1 1.a", "1,000.5|3|.|a|.|1|1|.|a");
    check_tokens(intl, false, "in 2026.  ", "in|2026."); /* the end of the line is no character */
    check_tokens(intl, false, "5\xE2\x82\xAC+$4 a_b 1-2", "5|\xE2\x82\xAC|+|$|4|a|_|b|1-2");
    /* superscripts, fractions and numerals are numbers */
    check_tokens(intl, false, "x\xC2\xB2.\xC2\xBD, \xE2\x85\xA7.", "x\xC2\xB2.\xC2\xBD|,|\xE2\x85\xA7.");
    check_tokens(zh, false, "\xE6\x88\x91\xE7\x88\xB1 2026\xE5\xB9\xB4, no 3.", "\xE6\x88\x91|\xE7\x88\xB1|2026|\xE5\xB9\xB4|,|no|3.");
    check_tokens(zh, false, "ok. ok", "ok|.|ok");
    check_tokens(zh, false, " \xE2\x80\xA6x\xE2\x88\x80y&lt; ", "\xE2\x80\xA6|x|\xE2\x88\x80|y|&|lt|;"); /* U+2026 and U+2200 count as Chinese */
    check_tokens(zh, false, "\xF0\xA0\x80\x80\xF0\xA0\x80\x81", "\xF0\xA0\x80\x80\xF0\xA0\x80\x81"); /* U+20000 does not */
    check_tokens(chars, false, "a\xC3\xA9 b\xC2\xA0" "e\xCC\x81", "a|\xC3\xA9|b|e|\xCC\x81");
    check_tokens(chars, true, "AB", "a|b");
}

static void test_tokens(void)
{
    const dgm_mt_tokenizer a13 = DGM_MT_TOKENIZER_13A, none = DGM_MT_TOKENIZER_NONE;
    check_tokens(a13, false, "", "");
    check_tokens(a13, false, " \t ", "");
    check_tokens(a13, false, "He said &quot;yes&quot; &amp; left.", "He|said|\"|yes|\"|&|left|.");
    check_tokens(a13, false, "&amp;lt; <skipped>x", "<|x"); /* &amp; is resolved before &lt; */
    check_tokens(a13, false, "1,000.5 and 3.14, or -5", "1,000.5|and|3.14|,|or|-5");
    check_tokens(a13, false, "10-20 well-known", "10|-|20|well-known");
    check_tokens(a13, false, "A,B 1,2 a.1 1.a 3.", "A|,|B|1,2|a|.|1|1|.|a|3|.");
    check_tokens(a13, false, "..,, e.g.", ".|.|,|,|e|.|g|.");
    check_tokens(a13, false, "don't [x]~{y} a/b 5\xE2\x82\xAC", "don't|[|x|]|~|{|y|}|a|/|b|5\xE2\x82\xAC");
    check_tokens(a13, false, "\xE2\x80\xA6. \xC3\xA9,1", "\xE2\x80\xA6|.|\xC3\xA9|,|1");
    check_tokens(none, false, "  a, b.  c ", "a,|b.|c");
    check_tokens(none, false, "a\xC2\xA0" "b\xE2\x80\xAF" "c\xE2\x80\xA8" "d\xC2\x85" "e\xE3\x80\x80" "f\x1Cg", "a|b|c|d|e|f|g");
    check_tokens(none, false, "a\xE2\x80\x8B" "b \xEF\xBB\xBF", "a\xE2\x80\x8B" "b|\xEF\xBB\xBF"); /* neither is white space */
    check_tokens(none, true, "\xC3\x84\xC3\x96 \xC3\x9F \xC4\xB0stanbul", "\xC3\xA4\xC3\xB6|\xC3\x9F|i\xCC\x87stanbul");
    check_tokens(none, true, "\xCE\x9F\xCE\xA3 \xCE\xA3\xCE\xA3.\xCE\x91 \xCE\xA3", /* sigma: final after a letter, before none */
                 "\xCE\xBF\xCF\x82|\xCF\x83\xCF\x83.\xCE\xB1|\xCF\x83");
    check_tokens(none, true, "A\xFF" "B", "a\xFF" "b");
    dgm_mt_tokenizer found;
    tap_err(dgm_mt_tokenizer_find("none", &found), DGM_OK, "a tokenizer by name");
    tap_err(dgm_mt_tokenizer_find("14b", &found), DGM_ERR_USAGE, "an unknown tokenizer");
    tap_error_says("14b");
}

/* ---- scores by hand ---- */

static dgm_bleu_counts count(const dgm_bleu_options *options, const char *hyp, const char *const *refs, int n_refs)
{
    dgm_bleu *bleu = NULL;
    dgm_bleu_counts counts = {0};
    dgm_mt_span lines[4];
    for (int r = 0; r < n_refs; r++) lines[r] = line_of(refs[r]);
    if (dgm_bleu_create(options, &bleu) != DGM_OK || dgm_bleu_count(bleu, line_of(hyp), lines, n_refs, &counts) != DGM_OK)
        tap_ok(false, "counting failed: %s", dgm_error_text());
    dgm_bleu_destroy(bleu);
    return counts;
}

static double score(const dgm_bleu_options *options, const char *hyp, const char *ref)
{
    dgm_bleu_counts counts = count(options, hyp, &ref, 1);
    dgm_bleu_score s;
    dgm_bleu_compute(options, &counts, &s);
    return s.score;
}

static void test_scores(void)
{
    dgm_bleu_options o = {0};
    tap_near(score(&o, "the cat sat on the mat", "the cat sat on the mat"), 100, 1e-12, "a perfect translation");
    tap_near(score(&o, "a dog", "the cat sat on the mat"), 0, 0, "nothing right");
    tap_near(score(&o, "", "the cat"), 0, 0, "an empty hypothesis");
    tap_near(score(&o, "", ""), 0, 0, "two empty lines");
    tap_near(score(&o, "the cat sat on", "the cat sat on the mat"), 100 * exp(-0.5), 1e-12, "brevity: exp(1 - 6/4)");
    tap_near(score(&o, "a b c d e f g h", "a b c d e f"), 100 * pow(6. / 8 * 5 / 7 * 4 / 6 * 3 / 5, 0.25), 1e-12, "too long");
    /* precisions 3/4 2/3 1/2 0/1 */
    tap_near(score(&o, "a b c x", "a b c d"), 100 * pow(0.25 * 0.5, 0.25), 1e-12, "smoothing exp: 0/1 counts as 1/2");
    tap_near(score(&o, "a b x c", "a b c d"), 100 * pow(3. / 4 * 1 / 3 * 0.5 / 2 * 0.25 / 1, 0.25), 1e-12, "the second zero: 1/4");
    o.smoothing = DGM_BLEU_SMOOTH_FLOOR;
    tap_near(score(&o, "a b c x", "a b c d"), 100 * pow(0.25 * 0.1, 0.25), 1e-12, "smoothing floor");
    o.smoothing = DGM_BLEU_SMOOTH_ADD_K;
    tap_near(score(&o, "a b c x", "a b c d"), 100 * pow(3. / 4 * 3 / 4 * 2 / 3 * 1 / 2, 0.25), 1e-12, "smoothing add-k");
    o.smooth_value_given = true, o.smooth_value = 0.5;
    tap_near(score(&o, "a b c x", "a b c d"), 100 * pow(3. / 4 * 2.5 / 3.5 * 1.5 / 2.5 * 0.5 / 1.5, 0.25), 1e-12, "add 0.5");
    o = (dgm_bleu_options){.smoothing = DGM_BLEU_SMOOTH_NONE};
    tap_near(score(&o, "a b c x", "a b c d"), 0, 0, "no smoothing");
    o = (dgm_bleu_options){0};
    tap_near(score(&o, "a b", "a b"), 0, 0, "too short for 4-grams");
    o.effective_order = true;
    tap_near(score(&o, "a b", "a b"), 100, 1e-12, "effective order: 2");
    o = (dgm_bleu_options){.lowercase = true};
    tap_near(score(&o, "THE CAT Sat down", "the cat sat DOWN"), 100, 1e-12, "lower case");
}

static void test_counts(void)
{
    dgm_bleu_options o = {0};
    const char *once = "the cat is on the mat";
    dgm_bleu_counts c = count(&o, "the the the the the the the", &once, 1);
    tap_int(c.correct[0], 2, "matches are clipped (Papineni's example 2/7)");
    tap_int(c.total[0], 7, "unigrams");
    tap_int(c.correct[1], 0, "no bigram");
    const char *two[] = {"a b a", "b b c d e"};
    c = count(&o, "a a b b", two, 2);
    tap_int(c.correct[0], 4, "each reference clips by itself");
    tap_int(c.correct[1], 2, "a b of the first, b b of the second");
    tap_int(c.ref_len, 3, "3 and 5 are as close to 4: the shorter");
    const char *refs[] = {"a", "a b c d e f", "a b c"};
    tap_int(count(&o, "a b c d e", refs, 3).ref_len, 6, "the closest length");
    dgm_bleu_counts sum = {0}, rest = c;
    dgm_bleu_add(&sum, &c);
    dgm_bleu_add(&sum, &rest);
    tap_ok(sum.correct[0] == 8 && sum.total[3] == 2 && sum.hyp_len == 8 && sum.ref_len == 6, "counts add up");
    tap_int(DGM_BLEU_N_COUNTS, 10, "counts are ten integers");
}

static void test_report(void)
{
    dgm_bleu_options o = {.lowercase = true, .smoothing = DGM_BLEU_SMOOTH_FLOOR, .effective_order = true};
    dgm_metric_score s;
    dgm_bleu_counts c = {.hyp_len = 4, .ref_len = 6, .correct = {4, 3, 2, 1}, .total = {4, 3, 2, 1}};
    dgm_bleu_report(&o, &c, 2, &s);
    tap_text(s.signature, "nrefs:2|case:lc|eff:yes|tok:13a|smooth:floor[0.10]|version:dragoman-0.1", "signature");
    tap_text(s.verbose, "100.0/100.0/100.0/100.0 (BP = 0.607 ratio = 0.667 hyp_len = 4 ref_len = 6)", "verbose score");
    json_t *object = dgm_metric_json(&s, 1);
    tap_near(json_number_value(json_object_get(object, "score")), 100 * exp(-0.5), 1e-12, "JSON has the score to all digits");
    tap_text(json_string_value(json_object_get(object, "smooth")), "floor[0.10]", "JSON has the signature's parts");
    tap_int(json_integer_value(json_array_get(json_object_get(object, "totals"), 2)), 2, "JSON has the counts");
    json_decref(object);
}

int main(void)
{
    test_tokens();
    test_unicode_tokens();
    test_tercom();
    test_scores();
    test_counts();
    test_report();
    return tap_done();
}
