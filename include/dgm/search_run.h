/* Inside a search: what search.c, search_join.c and search_step.c share. */
#ifndef DGM_SEARCH_RUN_H
#define DGM_SEARCH_RUN_H

#include "dgm/buffer.h"
#include "dgm/candidates.h"
#include "dgm/decoder_step.h"
#include "dgm/next_token.h"
#include "dgm/search.h"
#include "dgm/transformer.h"

typedef struct {
    dgm_search_model model;
    dgm_transformer *encoder;
    dgm_decoder_step *step;
} dgm_search_member;

struct dgm_search {
    int n_models;
    dgm_search_member *members; /* [n_models] */
    dgm_next_token *next;
    dgm_kvcache cache;
    int64_t n_rows_done;
};

/* A sentence under way. */
typedef struct {
    int64_t index;       /* of the sentence */
    int64_t length;      /* tokens of its live hypotheses */
    uint64_t key;        /* of its draws */
    dgm_beam *groups;    /* [n_groups] */
    dgm_cross_kv *cross; /* [n_models] */
    dgm_kvcache_share slots;
    int32_t *path, *next_path; /* [n_groups * width, path_stride] slots of each live hypothesis, and room to reorder them */
    int64_t path_stride;
} dgm_under_way;

typedef struct {
    dgm_search *search;
    const dgm_search_options *options;
    int n_groups, width; /* hypotheses of each group */
    int64_t max_rows;
    const dgm_sentence *sentences;
    dgm_hypotheses *out;
    int64_t *order; /* sentences by falling length */
    int64_t n, n_begun;
    dgm_under_way *active;
    int64_t n_active, active_capacity;

    /* one step's rows: the live hypotheses of all sentences, sentence by sentence, group by group */
    int64_t row_capacity;
    dgm_decoder_row *rows;
    float **hidden;          /* [n_models] of [row_capacity, d_model] */
    int32_t *wanted;         /* forced token of each row, -1: none */
    double *wanted_log_prob, *end;
    dgm_draw *draws;
    bool any_wanted;
    dgm_ids banned;          /* tokens that may not follow, of all rows */
    int64_t *banned_start;   /* [row_capacity + 1] */
    int64_t list_capacity;   /* candidates: rows times n_top */
    int n_top;               /* of each row */
    int32_t *token;
    double *log_prob;
    /* one group's candidates after the filter, [width, width]; costs of tokens [n_groups * width] */
    int32_t *list_token;
    double *list_log_prob, *list_cost;
    dgm_candidate_cost *costs;
} dgm_search_run_state;

static inline int32_t *dgm_under_way_path(const dgm_under_way *u, int hypothesis) { return u->path + hypothesis * u->path_stride; }

/* Encodes as many of the next sentences as there is room for; they are then under way. */
dgm_err dgm_search_join(dgm_search_run_state *r);

/* Gives back what a sentence has, results included. */
void dgm_search_leave(dgm_search_run_state *r, dgm_under_way *u);

/* One position of all sentences under way; those that end hand over their results and leave. */
dgm_err dgm_search_step(dgm_search_run_state *r);

#endif
