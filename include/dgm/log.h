/* Levelled lines on stderr, tagged with the rank; stdout belongs to results. */
#ifndef DGM_LOG_H
#define DGM_LOG_H

typedef enum { DGM_LOG_ERROR, DGM_LOG_WARN, DGM_LOG_INFO, DGM_LOG_DEBUG } dgm_log_level;

/* Lines above `level` are dropped.  Default DGM_LOG_INFO. */
void dgm_log_set_level(dgm_log_level level);

/* The tag of this process; with size 1 no tag is printed.  INFO lines are printed by rank 0 alone. */
void dgm_log_set_rank(int rank, int size);

/* One line; the newline is added.  Ends a progress line that is being redrawn first.  Not collective. */
void dgm_log(dgm_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A progress line: redrawn in place where stderr is a terminal, one plain line each call elsewhere.  Rank 0 prints. */
void dgm_log_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends a redrawn progress line so that what follows starts on a line of its own. */
void dgm_log_progress_end(void);

#endif
