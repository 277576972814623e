/* HTML as growing text: markup of our own, and text from elsewhere, which is escaped.  What is written so is well-formed XML too, as long as
 * the markup is.
 *
 *     dgm_html h = {0};
 *     dgm_html_put(&h, "<p dir=\"auto\">");
 *     dgm_html_line(&h, line, n_bytes);
 *     dgm_html_putf(&h, "</p><p>%lld lines</p>\n", n);
 *     dgm_err err = h.err; */
#ifndef DGM_HTML_H
#define DGM_HTML_H

#include "dgm/buffer.h"

/* Zero-initialise ({0}) and release with dgm_html_fini. */
typedef struct {
    dgm_text text;
    dgm_err err; /* the first; nothing is written after it */
} dgm_html;
void dgm_html_fini(dgm_html *html);

/* Markup, as it is.  Arguments of the second must be numbers and words that need no escape. */
void dgm_html_put(dgm_html *html, const char *markup);
void dgm_html_putf(dgm_html *html, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Any bytes, in an element or a quoted attribute: < > & and quotes as entities; control characters, tabs aside, as the pictures that Unicode has of
 * them (U+2400 and on) or as U+FFFD; a byte that is no part of a valid character as \xHH, what is no character in XML as U+FFFD. */
void dgm_html_line(dgm_html *html, const char *text, size_t bytes);
void dgm_html_text(dgm_html *html, const char *text); /* the same up to a zero byte; NULL is no text */

/* 12345 as 12,345. */
void dgm_html_count(dgm_html *html, int64_t n);

#endif
