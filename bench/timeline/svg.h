/* The picture of a view as SVG, with title and description for those who do not see it. */
#ifndef QUERN_BENCH_TIMELINE_SVG_H
#define QUERN_BENCH_TIMELINE_SVG_H

#include "bench/timeline/view.h"

/* Appends one <svg> element and a newline. The texts may hold anything. Runs out of memory only into out->failed. */
void timeline_svg(
	const struct timeline_view *v, const char *title, const char *said, struct buffer *out);

#endif
