/* What a picture shows of a trace: a worker, a moment, the requests that have a row, and who waited longest. */
#ifndef QUERN_BENCH_TIMELINE_VIEW_H
#define QUERN_BENCH_TIMELINE_VIEW_H

#include "bench/timeline/events.h"
#include "bench/timeline/timeline.h"
#include "bench/timeline/wait.h"

struct timeline_view {
	const struct timeline_events *events;
	size_t worker;
	int64_t from_us, to_us;
	size_t row[TIMELINE_ROWS]; /* requests, by arrival */
	size_t rows;
	size_t left_out;	    /* requests of the moment without a row */
	int64_t left_out_waited_us; /* the most that one of them waited */
	size_t worst; /* the request that waited longest; events->requests: none that is whole */
	struct timeline_blame blame; /* of the worst, owned */
};

/* 0; -EINVAL, and *why gets one line: there is nothing of what is wished; -ENOMEM. Then timeline_view_done(). */
int timeline_view_make(struct timeline_view *ret, const struct timeline_events *e,
	const struct timeline_wish *wish, struct buffer *why) __attribute__((warn_unused_result));
void timeline_view_done(struct timeline_view *v);

#endif
