/* A worker's last 100 ms with something of every kind, as quernd would have traced it. */
#ifndef QUERN_TESTS_UNIT_TRACE_FIXTURE_H
#define QUERN_TESTS_UNIT_TRACE_FIXTURE_H

#include "server/stats/trace.h"

#include <unistd.h>

static inline void fixture_put(struct trace_ring *ring, enum trace_kind kind, uint64_t job,
	enum stats_route route, uint64_t from_ms10, uint64_t start_ms10, uint64_t end_ms10,
	unsigned more)
{
	const uint64_t epoch_us = 5000000;
	const struct trace_entry e = {
		.kind = kind,
		.route = route,
		.status = kind == TRACE_JOB ? 200 : 0,
		.lane = kind == TRACE_THREAD ? more : 0,
		.pieces = kind == TRACE_JOB ? more : 0,
		.job = job,
		.from_us = from_ms10 ? epoch_us + from_ms10 * 100 : 0,
		.start_us = epoch_us + start_ms10 * 100,
		.end_us = epoch_us + end_ms10 * 100,
	};

	trace_put(ring, &e);
}

/*
 * Times in tenths of a millisecond. Request 2 keeps the loop for 36 ms, and 3 waits for it; 4 and 5 are in thread 0 one
 * after the other, 6 is cut into slices with 7 between them, 8 asks the backend, whose answer lies there while 9 runs.
 */
static inline void fixture_trace(struct trace_ring *ring)
{
	fixture_put(ring, TRACE_JOB, 1, ROUTE_QR, 10, 12, 14, 0);
	fixture_put(ring, TRACE_JOB, 2, ROUTE_LAB_HASH, 15, 20, 380, 0);
	fixture_put(ring, TRACE_JOB, 3, ROUTE_QR, 18, 400, 402, 0);

	fixture_put(ring, TRACE_SLICE, 4, ROUTE_LAB_HASH, 0, 403, 404, 0);
	fixture_put(ring, TRACE_SLICE, 5, ROUTE_LAB_HASH, 0, 405, 406, 0);
	fixture_put(ring, TRACE_THREAD, 4, ROUTE_LAB_HASH, 0, 405, 450, 0);
	fixture_put(ring, TRACE_JOB, 4, ROUTE_LAB_HASH, 390, 403, 451, 2);
	fixture_put(ring, TRACE_THREAD, 5, ROUTE_LAB_HASH, 0, 450, 500, 0);
	fixture_put(ring, TRACE_JOB, 5, ROUTE_LAB_HASH, 391, 405, 501, 2);

	fixture_put(ring, TRACE_SLICE, 6, ROUTE_LAB_HISTORY, 0, 510, 520, 0);
	fixture_put(ring, TRACE_JOB, 7, ROUTE_QR, 512, 520, 523, 0);
	fixture_put(ring, TRACE_SLICE, 6, ROUTE_LAB_HISTORY, 0, 523, 533, 0);
	fixture_put(ring, TRACE_SLICE, 6, ROUTE_LAB_HISTORY, 0, 540, 550, 0);
	fixture_put(ring, TRACE_JOB, 6, ROUTE_LAB_HISTORY, 505, 510, 550, 3);

	fixture_put(ring, TRACE_SLICE, 8, ROUTE_LAB_LOOKUP, 0, 560, 561, 0);
	fixture_put(ring, TRACE_JOB, 9, ROUTE_LAB_BURN, 565, 570, 630, 0);
	fixture_put(ring, TRACE_CALL, 8, ROUTE_LAB_LOOKUP, 581, 561, 630, 0);
	fixture_put(ring, TRACE_CALL, 10, ROUTE_LAB_LOOKUP, 0, 631, 651, 0);
	fixture_put(ring, TRACE_SLICE, 8, ROUTE_LAB_LOOKUP, 0, 651, 653, 0);
	fixture_put(ring, TRACE_JOB, 8, ROUTE_LAB_LOOKUP, 555, 560, 653, 3);
}

#endif
