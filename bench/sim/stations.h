/*
 * The workers of a simulated fleet: each serves what it was given in the order in which it was
 * given, one at a time. Since later requests never delay earlier ones, a request's end is known
 * when it is given to a worker; what remains to be kept is when each of those that are there will
 * leave.
 */
#ifndef QUERN_BENCH_SIM_STATIONS_H
#define QUERN_BENCH_SIM_STATIONS_H

#include <stddef.h>
#include <stdint.h>

struct station {
	double free_at_us;    /* when all that it was given so far is done */
	uint32_t first, last; /* requests that are there, in order; of the pool */
	uint32_t count;
};

struct station_request {
	double leaves_us;
	uint32_t next;
};

struct stations {
	struct station *station;
	struct station_request *pool;
	size_t pool_count; /* of the pool's requests, those that were ever in use */
	size_t pool_capacity;
	uint32_t unused; /* chain of those in use no more */
};

/* 0 or -ENOMEM. */
int stations_init(struct stations *s, unsigned workers) __attribute__((warn_unused_result));
void stations_done(struct stations *s);

/*
 * Worker w, free at the earliest from now_us on, gets a request of service_us. Its leaving is kept.
 * Returns when its service begins, or a negative number, and nothing has happened, without memory.
 */
double stations_give(struct stations *s, uint32_t w, double now_us, double service_us);

/* The earliest of those at worker w, which has some, leaves. */
void stations_leave(struct stations *s, uint32_t w);

/* When the earliest at worker w, which has some, leaves. */
static inline double stations_next_us(const struct stations *s, uint32_t w)
{
	return s->pool[s->station[w].first].leaves_us;
}

/* Makes all leave that do so until now_us; returns how many are still at worker w. */
static inline uint32_t stations_count_at(struct stations *s, uint32_t w, double now_us)
{
	while (s->station[w].count > 0 && stations_next_us(s, w) <= now_us)
		stations_leave(s, w);
	return s->station[w].count;
}

#endif
