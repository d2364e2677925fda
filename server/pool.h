/*
 * A worker's threads (execution.threads), for jobs that would keep its loop. Bounded: who pushes asks for room before. What
 * is done comes back to the loop, in the order in which it was done.
 *
 * All calls are the loop's; only pool_job.run is called in a thread. Threads block all signals but the one that asks where
 * they are (server/backtrace.h), and make no use of libevent.
 */
#ifndef QUERN_SERVER_POOL_H
#define QUERN_SERVER_POOL_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct pool;

/* Embedded by its owner; must not move or go away until on_done has returned it. */
struct pool_job {
	STAILQ_ENTRY(pool_job) link;
	void (*run)(struct pool_job *job); /* in a thread */
	/* Set by the pool: clock_us() before and after run, and the thread, from 0. */
	uint64_t start_us, end_us;
	unsigned lane;
};

struct pool_options {
	unsigned threads; /* 1 to 64 */
	unsigned queue;	  /* jobs that may wait for a thread */
	struct event_base *base;
	/* On the loop, for each job that was run. */
	void (*on_done)(struct pool_job *job, void *arg);
	void *arg;
};

/* What there is at the moment. */
struct pool_load {
	unsigned queued, active;
	uint64_t oldest_us; /* since when the longest of the active is; 0: none is */
	uint64_t spent_us;  /* that threads were in jobs ever, those that they are in included */
};

/* 0, -ENOMEM, -EAGAIN or -EMFILE; then there is nothing to free. */
int pool_new(struct pool **ret, const struct pool_options *options)
	__attribute__((warn_unused_result));

/*
 * Waits for the jobs that threads are in; those that no thread has begun are not run. on_done is called for all of them,
 * and for those that were done and not told yet. NULL is fine.
 */
void pool_free(struct pool *p);

/* A thread is free, or there is a place to wait for one. */
bool pool_has_room(struct pool *p);

/* Only where there is room. */
void pool_push(struct pool *p, struct pool_job *job);

struct pool_load pool_load_of(struct pool *p);

/* CPU time of all threads ever. A system call for each. */
uint64_t pool_cpu_us(struct pool *p);

#endif
