/* A load under way: what its parts (pacer, exchange, the loop in load.c) share. */
#ifndef QUERN_BENCH_LOAD_ENGINE_H
#define QUERN_BENCH_LOAD_ENGINE_H

#include "bench/load/load.h"
#include "bench/load/pool.h"
#include "bench/load/request.h"
#include "bench/load/waiter.h"
#include "lib/random.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define ENGINE_READ_BYTES 65536u

struct engine {
	const struct load_options *o;
	struct waiter waiter;
	struct pool pool;
	struct requests requests;
	struct random random; /* contents of the requests */
	int64_t start_ns;

	uint64_t measured_drawn;
	bool arrivals_over; /* no more requests will be prepared */
	bool by_duration;   /* because the time was up */
	double last_us;	    /* intended send of the last measured request so far */
	double first_us;    /* and of the first */
	double last_done_us;
	uint64_t answers; /* complete ones, of measured requests */
	struct load_totals totals;
	int failure; /* -ENOMEM: the run cannot go on */

	char bytes[ENGINE_READ_BYTES];
};

/* us since the start of the run. */
static inline double engine_now(const struct engine *e)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)((int64_t)now.tv_sec * 1000000000 + now.tv_nsec - e->start_ns) * 1e-3;
}

#endif
