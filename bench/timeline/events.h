/* A trace as it was written, and as requests: Chrome trace events read, and put together again by worker and job. */
#ifndef QUERN_BENCH_TIMELINE_EVENTS_H
#define QUERN_BENCH_TIMELINE_EVENTS_H

#include "lib/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum timeline_kind {
	TIMELINE_RUN,	  /* on the loop */
	TIMELINE_THREAD,  /* in a thread */
	TIMELINE_PENDING, /* the backend's answer was under way */
};

/* Times in µs since the trace's first event. */
struct timeline_piece {
	enum timeline_kind kind;
	size_t request; /* index */
	unsigned lane;	/* of TIMELINE_THREAD */
	int64_t from_us, to_us;
};

struct timeline_request {
	size_t worker, route; /* indices */
	uint64_t job;
	int status; /* 0: its client had left */
	bool whole; /* its end is in the trace; else it begins and ends with the pieces that are */
	int64_t from_us, start_us, to_us;
	size_t first, pieces; /* of its own, in order of time */
};

struct timeline_worker {
	int64_t pid;
	char name[48];
	int64_t slot; /* -1: its name tells none */
};

struct timeline_events {
	struct timeline_worker *worker;
	struct timeline_request *request; /* by worker and job */
	struct timeline_piece *piece;	  /* by request and time */
	char **route;
	size_t workers, requests, pieces, routes;
	int64_t span_us; /* to the last event */
};

/* 0; -EINVAL, and *why gets one line that says where the text is no trace of quernd; -ENOMEM. Then timeline_events_done(),
 * whatever came. */
int timeline_events_read(struct timeline_events *ret, const char *json, size_t len,
	struct buffer *why) __attribute__((warn_unused_result));
void timeline_events_done(struct timeline_events *e);

#endif
