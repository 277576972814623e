/* Parts of the report page: marked words, lines chosen by rule, heat maps, logs as columns. */
#include "dgm/heat_map.h"
#include "dgm/io.h"
#include "dgm/run_columns.h"
#include "dgm/sample_choice.h"
#include "dgm/word_diff.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- words ---- */

static void marks(const char *line, const char *reference, const char *want)
{
    dgm_html h = {0};
    dgm_html_put(&h, "");
    dgm_word_diff_write(&h, (dgm_mt_span){line, strlen(line)}, (dgm_mt_span){reference, strlen(reference)});
    tap_text(h.text.text, want, "\"%s\" against \"%s\"", line, reference);
    dgm_html_fini(&h);
}

static void test_words(void)
{
    marks("a b c", "a b c", "a b c");
    marks("a x c", "a b c", "a <mark>x</mark> c");
    marks("x y  z", "a b c", "<mark>x y  z</mark>");
    marks("a a", "a", "a <mark>a</mark>");
    marks("a b", "", "<mark>a b</mark>");
    marks("", "a b", "");
    marks("the house.", "the house", "the house<mark>.</mark>");
    marks("Haus-Hund", "Haus Hund", "Haus<mark>-</mark>Hund");
    marks("b a", "a b", "<mark>b</mark> a"); /* one of the two: the rule says which */
    marks("<b> & 'x'", "& x", "<mark>&lt;b&gt;</mark> &amp; <mark>&#39;</mark>x<mark>&#39;</mark>");
    marks("\xE6\x88\x91\xE4\xBB\xAC", "\xE6\x88\x91", "\xE6\x88\x91<mark>\xE4\xBB\xAC</mark>");
    marks("gro\xC3\x9F ist", "gro\xC3\x9F war", "gro\xC3\x9F <mark>ist</mark>");
    char many[4 * DGM_WORD_DIFF_MAX + 8] = "";
    for (int i = 0; i <= DGM_WORD_DIFF_MAX; i++) memcpy(many + 2 * i, "x ", 3);
    dgm_html h = {0};
    dgm_word_diff_write(&h, (dgm_mt_span){many, strlen(many)}, (dgm_mt_span){"y", 1});
    tap_text(h.text.text, many, "too many words: written without marks");
    dgm_html_fini(&h);
}

/* ---- choice ---- */

static bool all_apart(const int64_t *line, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < i; k++)
            if (line[i] == line[k]) return false;
    return true;
}

static void test_choice(void)
{
    enum { N = 100 };
    dgm_sample_line lines[N];
    int64_t out[N], more[N];
    for (int i = 0; i < N; i++) lines[i] = (dgm_sample_line){(double)(i * 37 % N), (double)(i * 11 % N), 1 + i * 7 % 40};
    lines[3].length = 0;
    int64_t n = dgm_sample_choose_spread(lines, N, 7, out);
    tap_int(n, 7, "as many as wanted");
    bool falling = true, seen[2] = {false, false};
    for (int64_t i = 1; i < n; i++) falling = falling && lines[out[i]].score < lines[out[i - 1]].score;
    for (int64_t i = 0; i < n; i++) seen[0] = seen[0] || lines[out[i]].length <= 12, seen[1] = seen[1] || lines[out[i]].length >= 28;
    tap_ok(falling && lines[out[0]].score > 80 && lines[out[6]].score < 20, "from the best to the worst");
    tap_ok(seen[0] && seen[1], "short and long ones");
    tap_ok(all_apart(out, n), "none twice");
    int64_t k = dgm_sample_choose_apart(lines, N, out, n, 5, more);
    tap_int(k, 5, "and those on which systems differ");
    bool largest = true;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < n; j++) largest = largest && more[i] != out[j];
        if (i > 0) largest = largest && lines[more[i]].spread <= lines[more[i - 1]].spread;
    }
    tap_ok(largest && lines[more[0]].spread >= 90, "the most different first, none that is shown already");
    tap_int(dgm_sample_choose_spread(lines, N, N, out), N - 1, "all but what may not be shown, when that many are wanted");
    tap_ok(all_apart(out, N - 1), "each once");
    tap_int(dgm_sample_choose_spread(lines, 0, 5, out), 0, "of nothing nothing");
    for (int i = 0; i < N; i++) lines[i].spread = 0;
    tap_int(dgm_sample_choose_apart(lines, N, NULL, 0, 5, more), 0, "equal systems differ nowhere");
}

/* ---- heat maps ---- */

static int count(const char *s, const char *what)
{
    int n = 0;
    for (s = strstr(s, what); s != NULL; s = strstr(s + 1, what)) n++;
    return n;
}

static void test_heat_map(void)
{
    const double value[] = {1, 0, 0.5, 0.5, 0.02, 0.98};
    const char *const rows[] = {"<a>", "\xE2\x96\x81" "b&"}, *const columns[] = {"x", "a label that is far too long", "\xFFz"};
    dgm_html h = {0};
    const dgm_heat_map map = {.title = "t \"1\"", .n_rows = 2, .n_columns = 3, .value = value, .row_label = rows, .column_label = columns, .cell = 10};
    dgm_heat_map_write(&map, &h);
    tap_err(h.err, DGM_OK, "drawn");
    tap_int(count(h.text.text, "<path "), 2, "a path for each step that there is: 1 (and 0.98), 0.5; what rounds to nothing is not drawn");
    tap_int(count(h.text.text, "h10v10h-10z"), 4, "four squares");
    tap_int(count(h.text.text, "fill-opacity=\"1\""), 1, "full colour for 1");
    tap_ok(strstr(h.text.text, "&lt;a&gt;") && strstr(h.text.text, "b&amp;") && strstr(h.text.text, "\\xFFz") && strstr(h.text.text, "t &quot;1&quot;"),
           "labels are escaped");
    tap_ok(strstr(h.text.text, "a label that i…</text>") != NULL, "long ones are cut");
    dgm_html_fini(&h);
    const double row[] = {0.5, 0.5, 0.5};
    const dgm_heat_map bare = {.title = "", .n_rows = 1, .n_columns = 3, .value = row, .cell = 6};
    dgm_heat_map_write(&bare, &h);
    tap_ok(strstr(h.text.text, "M1 1h18v6h-18z") != NULL, "neighbours of one step are one stretch");
    tap_int(count(h.text.text, "<text"), 0, "no labels, no text");
    dgm_html_fini(&h);
    const double faint[] = {0.05, 0.045, 0.05};
    const dgm_heat_map scaled = {.title = "", .n_rows = 1, .n_columns = 3, .value = faint, .full = 0.05, .cell = 6};
    dgm_heat_map_write(&scaled, &h);
    tap_int(count(h.text.text, "<path "), 2, "small values that differ differ in colour too");
    tap_int(count(h.text.text, "fill-opacity=\"1\" d=\"M1 1h6v6h-6zM13 1h6v6h-6z"), 1, "the largest has full colour");
    dgm_html_fini(&h);
}

/* ---- logs ---- */

static const char *const fields[] = {"loss", "regions_s.gemm"};

static void bad_log(const char *path, const char *text, const char *says)
{
    dgm_run_columns c = {0};
    if (dgm_io_write_file(path, text, strlen(text)) != DGM_OK) abort();
    tap_err(dgm_run_columns_read(path, fields, 2, &c), DGM_ERR_INPUT, "refused: %s", says);
    tap_error_says(says);
}

static void test_columns(void)
{
    char path[] = "/tmp/t_report_parts.XXXXXX";
    int file = mkstemp(path);
    if (file < 0) abort();
    close(file);
    const char good[] = "{\"step\":1,\"loss\":2.5}\n{\"step\":1,\"valid\":3,\"regions_s\":{\"gemm\":0.25}}\n{\"step\":7,\"loss\":null}\n{\"step\":8,\"lo";
    dgm_run_columns c = {0};
    if (dgm_io_write_file(path, good, strlen(good)) != DGM_OK) abort();
    tap_err(dgm_run_columns_read(path, fields, 2, &c), DGM_OK, "a log with a torn last line");
    tap_int(c.n, 3, "whole lines count");
    tap_ok(c.step[2] == 7 && dgm_run_column(&c, 0)[0] == 2.5 && isnan(dgm_run_column(&c, 0)[1]) && isnan(dgm_run_column(&c, 0)[2]), "what is not there is NaN");
    tap_ok(dgm_run_column(&c, 1)[1] == 0.25, "a field of a field");
    dgm_run_columns_fini(&c);
    bad_log(path, "{\"step\":1}\n{\"step\":2,\"loss\":\n{\"step\":3}\n", "line 2 is damaged");
    bad_log(path, "{\"step\":1}\n[1]\n", "line 2: expected an object");
    bad_log(path, "{\"loss\":1}\n", "line 1: expected an object with a \"step\"");
    bad_log(path, "{\"step\":-1}\n", "line 1: expected an object with a \"step\"");
    bad_log(path, "{\"step\":4,\"loss\":\"x\"}\n", "line 1: loss is \"x\", expected a number");
    bad_log(path, "{\"step\":4}\n{\"step\":3}\n", "line 2: step 3 comes after step 4");
    unlink(path);
    tap_err(dgm_run_columns_read(path, fields, 2, &c), DGM_ERR_INPUT, "no file");
}

int main(void)
{
    test_words();
    test_choice();
    test_heat_map();
    test_columns();
    return tap_done();
}
