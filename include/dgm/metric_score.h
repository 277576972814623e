/* One score of one metric, and how scores are shown: every metric fills this in, every command prints it from here. */
#ifndef DGM_METRIC_SCORE_H
#define DGM_METRIC_SCORE_H

#include "dgm/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#define DGM_METRIC_MAX_DETAILS 16

typedef struct {
    char name[48];       /* "BLEU", "chrF2++", "TER" */
    double score;        /* 0..100; TER may be higher */
    bool higher_is_better;
    bool has_interval;
    double mean, half_width; /* of resamples: the 95 % interval is mean +- half_width */
    char signature[224]; /* key:value|key:value...|version:dragoman-X.Y */
    char verbose[224];   /* what follows the score in the printed line; "" for none */
    int n_details;       /* further numbers, for JSON: one value, or n_values >= 2 as an array */
    struct {
        const char *name;
        int n_values;
        bool is_int;
        double value[4]; /* counts are below 2^53 and so exact */
    } detail[DGM_METRIC_MAX_DETAILS];
} dgm_metric_score;

/* "dragoman-X.Y": what signatures name as their version. */
const char *dgm_metric_version(void);

/* Adds a detail of n_values (1 to 4) numbers; `name` is kept, not copied. */
void dgm_metric_detail(dgm_metric_score *score, const char *name, bool is_int, int n_values, const double *values);

/* Puts "key:value" into the signature, behind the number of references, where statistical tests are stated. */
void dgm_metric_sign(dgm_metric_score *score, const char *key_value);

typedef struct {
    int width;       /* decimals of scores */
    bool score_only; /* nothing but the number, and the interval */
    bool short_signature; /* sacreBLEU's abbreviations of the keys: #:1|c:mixed|... */
} dgm_metric_style;

enum { DGM_METRIC_LINE_BYTES = 768 };

/* sacreBLEU's line without a line end, "BLEU|signature = 26.6 58.9/32.3/... (BP = ...)", with an interval
 * "... = 26.6 (μ = 26.6 ± 0.6) ...".  out: [DGM_METRIC_LINE_BYTES] */
void dgm_metric_line(const dgm_metric_score *score, const dgm_metric_style *style, char *out);

/* Prints the lines of several scores of one text, their equals signs below each other; each begins with `prefix`. */
void dgm_metric_print_all(FILE *out, const char *prefix, const dgm_metric_score *scores, int n, const dgm_metric_style *style);

/* The line of one score with `width` decimals. */
void dgm_metric_print(FILE *out, const dgm_metric_score *score, int width);

/* The signature with abbreviated keys.  out: as large as the signature */
void dgm_metric_short_signature(const dgm_metric_score *score, char *out, size_t bytes);

/* sacreBLEU's JSON fields (name, score, signature, verbose_score, and each part of the signature; confidence_mean, confidence_var and
 * confidence, the last with `width` decimals), all other numbers to all their digits, and the details.  A new reference; NULL when
 * memory ends. */
json_t *dgm_metric_json(const dgm_metric_score *score, int width);

#endif
