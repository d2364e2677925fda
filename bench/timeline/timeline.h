/*
 * The articles' picture of an event loop, drawn from life: from a trace of quernd (`quernctl trace`) to an SVG in which
 * time goes from left to right. A box for each callback that ran on the loop; below, a row for each request: white while it
 * waits, in its route's colour while it runs, hatched while a thread works for it, green while the backend's answer is
 * pending. And who waited longest, and for whom.
 */
#ifndef QUERN_BENCH_TIMELINE_TIMELINE_H
#define QUERN_BENCH_TIMELINE_TIMELINE_H

#include "lib/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMELINE_ANY (-1)
#define TIMELINE_ROWS 40u /* requests in a picture at most; it says how many were left out */

struct timeline_wish {
	int64_t worker; /* its slot, or TIMELINE_ANY: that of the request which waited longest */
	bool window;	/* from_ms and to_ms count; else the moment of the longest wait is chosen */
	double from_ms, to_ms; /* since the trace's first event; from_ms < to_ms */
	const char *title;     /* UTF-8; NULL: the worker's name */
};

/*
 * Appends the picture to *svg: one <svg> element that stands alone, or in a page. *said gets one line for people: who
 * waited for whom. 0; -EINVAL: the text is no trace, or has nothing of what is wished, and then *said tells which, and *svg
 * is as it was; -ENOMEM.
 */
int timeline_draw(const char *json, size_t len, const struct timeline_wish *wish,
	struct buffer *svg, struct buffer *said) __attribute__((warn_unused_result));

#endif
