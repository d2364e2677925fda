/* The pages of chapters as HTML. */
#ifndef QUERN_BENCH_CHAPTER_CHAPTER_PAGE_H
#define QUERN_BENCH_CHAPTER_CHAPTER_PAGE_H

#include "bench/chapter/chapter_report.h"
#include "bench/report/gnuplot.h"

struct chapter_picture {
	bool made;
	struct picture picture;
	struct gnuplot_images images; /* empty where gnuplot did not draw it */
};

/* One page that needs nothing beside it; picture: one for each plot. Appends to out. */
void chapter_page_write(
	const struct chapter_report *r, const struct chapter_picture *picture, struct buffer *out);

/* all: {"directory": chapter.json}. */
void chapter_page_index(const json_t *all, struct buffer *out);

#endif
