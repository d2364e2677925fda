/* A chapter's figures in rows: one for each stage, step and named template, medians over the repetitions. */
#ifndef QUERN_BENCH_CHAPTER_TABLE_H
#define QUERN_BENCH_CHAPTER_TABLE_H

#include "bench/chapter/chapter.h"
#include "bench/chapter/summary.h"
#include "lib/buffer.h"

#include <jansson.h>

enum table_column {
	TABLE_RATE,
	TABLE_BUSY, /* share */
	TABLE_REQUESTS,
	TABLE_MIN,
	TABLE_MEAN,
	TABLE_P50,
	TABLE_P95,
	TABLE_P99,
	TABLE_MAX,
	TABLE_LOOP,
	TABLE_COLUMNS
};
extern const char *const table_heads[TABLE_COLUMNS]; /* "rate\nper s" */

struct table_row {
	const struct chapter_stage *stage;
	size_t step;
	const char *template_name; /* NULL: all requests */
	const char *unable;	   /* why there are no figures; NULL: there are */
	struct summary figure[TABLE_COLUMNS];
};

/* Calls put for each row, in order. */
void table_each(const struct chapter *c, const json_t *lines,
	void (*put)(void *own, const struct table_row *row), void *own);

/* For people: aligned, at most 120 columns. */
void table_text(const struct chapter *c, const json_t *lines, struct buffer *out);

/* Whether some stage emulates its work. */
bool table_is_emulated(const struct chapter *c);

#endif
