#include "bench/sim/stations.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define NONE UINT32_MAX
#define POOL_CAPACITY 256 /* to begin with */

int stations_init(struct stations *s, unsigned workers)
{
	*s = (struct stations){.unused = NONE};
	s->station = calloc(workers, sizeof *s->station);
	return s->station ? 0 : -ENOMEM;
}

void stations_done(struct stations *s)
{
	free(s->station);
	free(s->pool);
	*s = (struct stations){0};
}

static bool grow(struct stations *s)
{
	const size_t capacity = s->pool_capacity ? 2 * s->pool_capacity : POOL_CAPACITY;

	if (capacity >= NONE)
		return false;
	struct station_request *pool = realloc(s->pool, capacity * sizeof *pool);
	if (!pool)
		return false;
	s->pool = pool;
	s->pool_capacity = capacity;
	return true;
}

static uint32_t take_unused(struct stations *s)
{
	const uint32_t r = s->unused;

	if (r != NONE) {
		s->unused = s->pool[r].next;
		return r;
	}
	if (s->pool_count == s->pool_capacity && !grow(s))
		return NONE;
	return (uint32_t)s->pool_count++;
}

double stations_give(struct stations *s, uint32_t w, double now_us, double service_us)
{
	struct station *station = &s->station[w];
	const uint32_t r = take_unused(s);

	if (r == NONE)
		return -1;
	const double begins_us = station->free_at_us > now_us ? station->free_at_us : now_us;
	station->free_at_us = begins_us + service_us;
	s->pool[r] = (struct station_request){.leaves_us = station->free_at_us, .next = NONE};
	if (station->count++ > 0)
		s->pool[station->last].next = r;
	else
		station->first = r;
	station->last = r;
	return begins_us;
}

void stations_leave(struct stations *s, uint32_t w)
{
	struct station *station = &s->station[w];
	const uint32_t r = station->first;

	station->first = s->pool[r].next;
	station->count--;
	s->pool[r].next = s->unused;
	s->unused = r;
}
