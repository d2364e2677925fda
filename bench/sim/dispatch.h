/*
 * A fleet's policy at work: takes requests in order of arrival, decides which worker serves each,
 * and tells how long each one waits. The simulation and the replay are both made of this, so that
 * they cannot differ. Times in us.
 *
 * What each policy does is HAProxy's as balancer/render.c configures it, and is exact for workers
 * that take no time but the service times and a network that takes none:
 *
 *   roundrobin   request n goes to worker n modulo k. Each worker is a queue of its own, Lindley's
 *                recursion (1952).
 *   random(d)    d workers are drawn with replacement; the one with fewest requests (waiting and
 *                served) gets it. Of equals HAProxy keeps the last drawn (get_server_rnd() in
 *                src/backend.c). Here every worker is drawn with the same probability; HAProxy
 *                draws a place on its hash ring, where a server has 16 points for each unit of its
 *                weight: with a weight of 1 the shares of 4 servers were 18 to 29 %, with 256 they
 *                are 25 % within one.
 *   leastconn    the worker with fewest requests; of equals, the one that has had that number
 *                longest (levels.h).
 *   central(m)   like leastconn among the workers that have fewer than m requests; when there is
 *                none the request waits in one queue, and whoever finishes a job is given the first
 *                one of it.
 *   shared       no HAProxy, each request on a connection of its own. An idle worker accepts it at
 *                once. A busy one looks at the listening socket after each of its jobs, accepts up
 *                to 16 of those that wait (the worker's ACCEPTS_PER_TURN) into its own queue, and
 *                goes on with the first one there, even when others become idle meanwhile. Which
 *                one of several idle workers wins an arrival makes no difference to any response
 *                time.
 *
 * A job that ends in the very moment of an arrival is over.
 */
#ifndef QUERN_BENCH_SIM_DISPATCH_H
#define QUERN_BENCH_SIM_DISPATCH_H

#include "bench/model/policy.h"
#include "bench/sim/backlog.h"
#include "bench/sim/heap.h"
#include "bench/sim/levels.h"
#include "bench/sim/stations.h"
#include "lib/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISPATCH_BLOCK 1024

/* Outcomes of the next n requests, in order of arrival; n <= DISPATCH_BLOCK. */
typedef void (*dispatch_sink)(void *own, const double *wait_us, const double *service_us, size_t n);

struct dispatch {
	enum policy_kind kind;
	unsigned draws;
	uint32_t workers;
	uint32_t next; /* roundrobin */
	uint32_t room; /* a worker with fewer requests is given one at once ... */
	uint32_t grab; /* ... and when it finishes a job, up to so many of those that wait */
	struct random random;

	struct stations stations;
	struct levels levels;
	struct heap heap;
	struct backlog backlog;

	dispatch_sink sink;
	void *own;
	size_t outcomes; /* of the following, not yet told */
	double wait_us[DISPATCH_BLOCK], service_us[DISPATCH_BLOCK];
	bool no_memory;
};

/*
 * seed: for random(d). 0 or -ENOMEM. The caller frees with dispatch_done(), also after a failure.
 */
int dispatch_init(struct dispatch *d, const struct policy *p, uint32_t workers, uint64_t seed,
	dispatch_sink sink, void *own) __attribute__((warn_unused_result));
void dispatch_done(struct dispatch *d);

/*
 * The next n arrivals, not decreasing, with their service times. What is known after them is told.
 * 0 or -ENOMEM.
 */
int dispatch_offer(struct dispatch *d, const double *arrival_us, const double *service_us, size_t n)
	__attribute__((warn_unused_result));

/* No more arrivals: tells the outcomes of those that wait. 0 or -ENOMEM. */
int dispatch_finish(struct dispatch *d) __attribute__((warn_unused_result));

#endif
