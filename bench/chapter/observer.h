/*
 * What goes on beside a load, in a thread of its own, so that the generator is never kept waiting: a look at the
 * processes when the measured part begins, the peer's event-loop figures set back to nothing then, and the probe.
 */
#ifndef QUERN_BENCH_CHAPTER_OBSERVER_H
#define QUERN_BENCH_CHAPTER_OBSERVER_H

#include "bench/chapter/chapter.h"
#include "bench/chapter/stand.h"
#include "bench/fleet/watch.h"

#include <pthread.h>
#include <stdatomic.h>

struct observer_look {
	struct watch_look look;
	uint64_t services_us, peer_us; /* CPU time */
	int result;		       /* 0, or why there is none */
};

/* The values that a field of the probe's answers had, as they came. */
struct observer_field {
	const char *name, *path;
	double *value;
	size_t values, capacity;
};

struct observer {
	const struct stand *stand;
	const struct chapter_samples *samples; /* NULL: only looks */
	uint64_t seed;

	int event;
	atomic_bool over;
	pthread_t thread;
	bool begun; /* the generator's own */

	/* The thread's, until observer_end(). */
	struct observer_look first;
	struct observer_field *field;
	size_t fields;
	uint64_t asked, unanswered; /* by the probe; unanswered: no 200 with JSON */
	bool no_memory;
	struct buffer why; /* what went wrong first, of all of that */
};

/* 0 or -errno with a sentence. */
int observer_start(struct observer *ret, const struct stand *stand,
	const struct chapter_samples *samples, uint64_t seed, struct buffer *error)
	__attribute__((warn_unused_result));

/* The measured part begins now: from the generator's thread; costs a system call, once. */
void observer_begin(struct observer *o);

/* Waits for the thread. What it found stays until observer_done(). */
void observer_end(struct observer *o);
void observer_done(struct observer *o);

void observer_look(const struct stand *stand, struct observer_look *ret, struct buffer *why);

/* {"seen": {"count", "mean", "p50", ..., "max"}, ..., "asked", "unanswered"}; NULL without memory. */
json_t *observer_probe_json(struct observer *o);

#endif
