/*
 * Pieces of an HTML page: numbers, data URIs, head and end. Whatever comes from a file goes through
 * markup_text().
 */
#ifndef QUERN_BENCH_REPORT_HTML_H
#define QUERN_BENCH_REPORT_HTML_H

#include "bench/report/cells.h"
#include "lib/buffer.h"

/* "%.3g" with a figure's usual digits, or "–" where it is not known. */
void html_number(struct buffer *out, double value, int digits);

/* "12.3" and, below it in small, "11.9 – 12.8". */
void html_figure(struct buffer *out, double value, struct interval i);

/* "+3.2 %" or "–". */
void html_percent(struct buffer *out, double share);

/* data:TYPE;base64,... */
void html_data_uri(struct buffer *out, const char *type, const struct buffer *bytes);

/* Up to <body> and after it; the style sheet is inside. */
void html_begin(struct buffer *out, const char *title);
void html_end(struct buffer *out);

#endif
