/* How long each request of a trace waited, and for whom. */
#ifndef QUERN_BENCH_TIMELINE_WAIT_H
#define QUERN_BENCH_TIMELINE_WAIT_H

#include "bench/timeline/events.h"

/* A time that a request spent waiting: nothing was done for it, neither here nor in the backend. */
struct timeline_gap {
	int64_t from_us, to_us;
	bool threads; /* for the loop and then for a thread, number `lane`; else for the loop alone */
	unsigned lane;
};

/*
 * The next gap of request q behind *at (0 to begin with), which moves on. False: there is none. A request that is not
 * whole has none.
 */
bool timeline_next_gap(
	const struct timeline_events *e, size_t q, size_t *at, struct timeline_gap *ret);

/* All its gaps together. */
int64_t timeline_waited_us(const struct timeline_events *e, size_t q);

/* The request of the worker that waited longest; e->requests: none is whole. worker: an index, or SIZE_MAX for any. */
size_t timeline_worst(const struct timeline_events *e, size_t worker);

/* Whom a request waited for. */
struct timeline_blame {
	int64_t waited_us;
	int64_t *of_us; /* by request: how long that one had what was waited for */
	size_t most;	/* who had it longest; e->requests: nobody of the trace */
	size_t others;	/* how many had it */
	int64_t from_us; /* when the first of those pieces began; the request's arrival if there is none */
};

/* 0 or -ENOMEM. */
int timeline_blame(struct timeline_blame *ret, const struct timeline_events *e, size_t q)
	__attribute__((warn_unused_result));
void timeline_blame_done(struct timeline_blame *b);

/* "request 17 waited 38.2 ms: 36.0 ms of it for request 12 (/lab/hash)". */
void timeline_say(const struct timeline_events *e, size_t q, const struct timeline_blame *b,
	struct buffer *out);

#endif
