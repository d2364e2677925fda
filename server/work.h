/*
 * Work that need not be done in one go on the loop: a route that has a work class can be run by any strategy
 * (execution.strategy), and may ask the backend before it computes.
 *
 *   begin ─┬─ WORK_CALL ── on_reply ─┬─ WORK_CALL …
 *          │                         │
 *          ├─ WORK_COMPUTE ── step … true ── finish
 *          ├─ WORK_FINISH ── finish
 *          └─ WORK_ANSWERED
 *
 * begin(), on_reply(), finish() and done() run on the loop, each briefly. step() runs on the loop or on a thread, and touches
 * nothing but the work and what is constant.
 */
#ifndef QUERN_SERVER_WORK_H
#define QUERN_SERVER_WORK_H

#include "server/backend/backend.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a request of the lab may ask for, at most: enough for every experiment, and no hang (workers.watchdog_ms). */
#define WORK_MAX_US 10000000

struct exchange;
struct work;

enum work_next {
	WORK_ANSWERED, /* from begin() only: x->reply is filled, with a refusal for example */
	WORK_CALL,     /* what w->call says is asked of the backend, then on_reply() */
	WORK_COMPUTE,  /* step(), until it has returned true */
	WORK_FINISH,   /* finish(), which fills x->reply */
};

/* How long a step may go on. */
struct work_slice {
	uint64_t until_us; /* clock_us(); UINT64_MAX: to the work's end */
	const _Atomic bool
		*abandoned; /* nobody waits for the result any more; NULL: somebody does */
};

/* Whether a step must return. Reads the clock, so not to be asked more often than every few microseconds. */
bool work_must_pause(const struct work_slice *slice);

struct work_class {
	size_t bytes; /* of the struct that begins with struct work; it is given zeroed */
	/* Reads the request, and copies what it needs of it. */
	enum work_next (*begin)(struct work *w, struct exchange *x);
	/* True: it is done. False: it paused, because it had to or because it wanted to, and is to be called again. What
	 * went wrong is kept for finish(). NULL for classes that never compute. */
	bool (*step)(struct work *w, const struct work_slice *slice);
	/* The answer, or the lack of one; borrowed. NULL for classes that never call. */
	enum work_next (*on_reply)(struct work *w, const struct backend_reply *reply);
	void (*finish)(struct work *w, struct exchange *x);
	/* Frees what the work owns, the struct left out. NULL: there is nothing. */
	void (*done)(struct work *w);
};

struct work {
	const struct work_class *class;
	struct backend_call
		call; /* for WORK_CALL; its words are owned by the work and stay until on_reply() */
};

#endif
