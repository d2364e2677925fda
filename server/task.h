/*
 * A request whose work has begun and is not done in one go: it is cut into slices, in a thread, or waits for the backend.
 * Between its pieces the loop does other things. Its connection's job leads to it, and either may end first: a client that
 * leaves abandons the task.
 */
#ifndef QUERN_SERVER_TASK_H
#define QUERN_SERVER_TASK_H

#include "server/http/conn.h"
#include "server/pool.h"
#include "server/work.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct route;
struct worker;

enum task_place {
	TASK_ON_LOOP, /* at work just now, or in one of the worker's queues */
	TASK_IN_POOL, /* waits for a thread, or is in one */
	TASK_CALLING, /* waits for the backend */
};

struct task {
	struct worker *worker;	/* borrowed */
	struct http_conn *conn; /* NULL: the client has left. Borrowed */
	const struct route *route;
	struct work *work; /* owned */
	enum task_place place;
	uint64_t number; /* of the request, in its worker's life */
	uint64_t arrived_us, began_us;
	uint64_t work_us; /* on the loop or in a thread, so far */
	unsigned pieces;  /* entries of the timeline besides its TRACE_JOB */
	bool called;	  /* the backend has been asked */
	bool computed; /* on the loop or in a thread; it is not refused for being late any more */
	struct pool_job in_pool;
	uint64_t latest_us;	/* no thread is to begin it after that */
	_Atomic bool abandoned; /* nobody waits for it: whoever works at it may stop */
	bool ran;		/* a thread has begun it; else it came too late */
};

/* NULL: out of memory. conn's job has it from then on. */
struct task *task_new(
	struct worker *w, struct http_conn *conn, uint64_t arrived_us, uint64_t began_us);

/* Its connection, if it still has one, forgets it. */
void task_free(struct task *t);

#endif
