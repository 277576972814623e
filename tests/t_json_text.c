/* Any bytes survive the way into a JSON string and back; text that is UTF-8 is written as it is. */
#include "dgm/json_text.h"
#include "dgm/rng.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

static void check(const char *text, const char *want)
{
    json_t *string = dgm_json_text(text, strlen(text));
    tap_text(json_string_value(string), want, "written: %s", want);
    char *back = string != NULL ? dgm_json_text_bytes(json_string_value(string)) : NULL;
    tap_text(back, text, "and back");
    free(back);
    json_decref(string);
}

int main(void)
{
    check("", "");
    check("runs/größe 語", "runs/größe 語");
    check("runs/gr\xf6\xdf" "e", "runs/gr\\xF6\\xDFe");
    check("torn \xe8\xaa", "torn \\xE8\\xAA");
    check("C:\\xyz \\n \\", "C:\\x5Cxyz \\n \\");
    check("\\xF6", "\\x5CxF6");
    check("\xed\xa0\x80", "\\xED\\xA0\\x80"); /* a surrogate */
    dgm_rng rng = dgm_rng_make(1, DGM_RNG_TEST);
    int n_wrong = 0;
    for (uint64_t k = 0; k < 2000; k++) {
        static const char few[] = "\\xF5c\xf6\xc3\xb6";
        char text[24] = "";
        for (uint64_t i = 0; i < 23; i++)
            text[i] = k % 2 ? few[dgm_rng_below(rng, sizeof few - 1, i, k)] : (char)(1 + dgm_rng_below(rng, 255, i, k));
        json_t *string = dgm_json_text(text, strlen(text));
        char *back = string != NULL ? dgm_json_text_bytes(json_string_value(string)) : NULL;
        n_wrong += back == NULL || strcmp(back, text) != 0;
        free(back);
        json_decref(string);
    }
    tap_int(n_wrong, 0, "2000 random texts");
    return tap_done();
}
