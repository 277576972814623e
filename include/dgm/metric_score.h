/* One score of one metric, and how scores are shown: every metric fills this in, every command prints it from here. */
#ifndef DGM_METRIC_SCORE_H
#define DGM_METRIC_SCORE_H

#include "dgm/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#define DGM_METRIC_MAX_DETAILS 16

typedef struct {
    const char *name;    /* "BLEU" */
    double score;        /* 0..100 for BLEU */
    char signature[192]; /* key:value|key:value...|version:dragoman-X.Y */
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

/* "BLEU|signature = 26.6 58.9/32.3/... (BP = ...)" with `width` decimals of the score, and a line end: sacreBLEU's line. */
void dgm_metric_print(FILE *out, const dgm_metric_score *score, int width);

/* sacreBLEU's JSON fields (name, score, signature, verbose_score, and each part of the signature), with the score to all its digits,
 * and the details.  A new reference; NULL when memory ends. */
json_t *dgm_metric_json(const dgm_metric_score *score);

#endif
